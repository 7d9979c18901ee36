#include "models/apiserver/store.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "models/api/types/core.h"
#include "sim/random.h"

namespace mainspring::apiserver {
namespace {

api::ObjectRef pod(const std::string& name) {
  api::Ref<api::Pod> p = api::make<api::Pod>();
  p->metadata.namespace_ = "default";
  p->metadata.name = name;
  return p;
}

TEST(Store, AgreesWithAMapOverRandomPutsAndErases) {
  Store store;
  std::map<std::string, api::ObjectRef> model;
  sim::Rng rng = sim::Stream(7, "test.store").rng(0);
  for (int i = 0; i < 20'000; ++i) {
    const std::string name = "pod-" + std::to_string(rng.below(300));
    if (rng.below(2) == 0) {
      store.put(model[name] = pod(name));
    } else {
      store.erase(*pod(name));
      model.erase(name);
    }
    const api::ObjectRef* found = store.find(api::Kind::Pod, "default", name);
    const auto expected = model.find(name);
    ASSERT_EQ(found ? *found : nullptr, expected == model.end() ? nullptr : expected->second);
    ASSERT_EQ(store.size(api::Kind::Pod), model.size());
  }
  const std::vector<api::ObjectRef> all = store.list(api::Kind::Pod);
  ASSERT_EQ(all.size(), model.size());
  size_t i = 0;
  for (const auto& [name, object] : model) EXPECT_EQ(all[i++], object) << name;
}

}  // namespace
}  // namespace mainspring::apiserver

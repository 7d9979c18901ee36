// What is remembered of devices must never show: random lives of a cluster, told to a scheduler
// that remembers (and is replaced by its copy on the way) and to one that works everything out
// anew each time.
#include "models/scheduler/device_memory.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>

#include "models/api/node_affinity.h"
#include "tests/models/scheduler/cluster.h"
#include "tests/models/scheduler/same_life.h"

namespace mainspring::scheduler {
namespace {

using test::Cluster;
using test::make_node;
using test::make_pod;

constexpr const char* kDriver = "gpu.example.com";
constexpr uint64_t kNodes = 6;

api::DeviceSelector selector_of(std::string_view expression) {
  api::DeviceSelector s;
  s.cel = api::CELDeviceSelector();
  s.cel.edit().expression = expression;
  return s;
}

api::DeviceRequestAllocationResult result_of(std::string_view pool, std::string_view device) {
  api::DeviceRequestAllocationResult r;
  r.request = "gpu";
  r.driver = kDriver;
  r.pool = pool;
  r.device = device;
  return r;
}

// Draws objects for a cluster's life.
class Lives : public test::Draws {
 public:
  using Draws::Draws;
  std::string node_name() { return "n-" + std::to_string(draw(kNodes)); }

  api::Ref<api::Node> node(const std::string& name) {
    return make_node(name, "64", "64Gi", one_in(2) ? "z1" : "z2");
  }

  api::Ref<api::DeviceClass> device_class() {
    auto c = api::make<api::DeviceClass>();
    c->metadata.name = "gpu";
    if (!one_in(3)) c->spec.selectors = {selector_of("device.driver == \"gpu.example.com\"")};
    if (one_in(30)) c->spec.selectors = {selector_of("device.attributes[\"x\"].missing == 1")};
    return c;
  }

  // One of the node's own pools, or one that many nodes reach.
  api::Ref<api::ResourceSlice> slice() {
    auto s = api::make<api::ResourceSlice>();
    const std::string node = node_name();
    const bool wide = one_in(6);
    const std::string pool = wide ? "shared" : node;
    s->metadata.name = pool + (one_in(5) ? "-b" : "-a");
    s->spec.driver = kDriver;
    s->spec.pool.name = pool;
    s->spec.pool.generation = static_cast<int64_t>(draw(8) / 7);
    s->spec.pool.resource_slice_count = one_in(8) ? 2 : 1;
    if (!wide) {
      s->spec.node_name = api::Str(node);
    } else if (one_in(2)) {
      s->spec.all_nodes = true;
    } else {
      api::NodeSelectorTerm term;
      term.match_expressions = {api::requirement_in("topology.kubernetes.io/zone", {"z1"})};
      s->spec.node_selector = api::selector_of(term);
    }
    const uint64_t devices = draw(5);
    for (uint64_t i = 0; i < devices; ++i) {
      api::Device d;
      d.name = "d" + std::to_string(one_in(40) ? 0 : i);
      d.attributes.set("model", api::Json::object({{"string", api::Json(one_in(2) ? "a" : "b")}}));
      s->spec.devices.push_back(d);
    }
    return s;
  }

  api::Ref<api::ResourceClaim> claim(const std::string& name) {
    auto c = api::make<api::ResourceClaim>();
    c->metadata.namespace_ = "default";
    c->metadata.name = name;
    c->metadata.uid = "uid-" + name;
    c->spec.devices.requests = {request()};
    if (one_in(3)) {
      c->spec.devices.requests.push_back(request());
      c->spec.devices.requests.edit()[1].name = "more";
    }
    if (one_in(4)) {
      api::DeviceConstraint same;
      same.match_attribute = "gpu.example.com/model";
      c->spec.devices.constraints = {same};
    }
    return c;
  }

  // Somebody else has given it devices.
  void allocate(api::ResourceClaim& claim) {
    api::AllocationResult held;
    const uint64_t devices = draw(3) + 1;
    for (uint64_t i = 0; i < devices; ++i) {
      held.devices.results.push_back(
          result_of(one_in(5) ? "shared" : node_name(), "d" + std::to_string(draw(5))));
    }
    claim.status.allocation = held;
  }

 private:
  api::DeviceRequest request() {
    api::DeviceRequest r = test::gpu_request(static_cast<int64_t>(draw(2)) + 1);
    api::ExactDeviceRequest& exactly = r.exactly.edit();
    if (one_in(3)) {
      exactly.selectors = {
          selector_of(one_in(2) ? R"(device.attributes["gpu.example.com"].model == "a")"
                                : R"(device.attributes["gpu.example.com"].model == "b")")};
    }
    if (one_in(8)) exactly.allocation_mode = "All";
    if (one_in(10)) exactly.admin_access = true;
    if (!one_in(5)) return r;
    for (const char* name : {"first", "second"}) {
      api::DeviceSubRequest s;
      s.name = name;
      s.device_class_name = "gpu";
      s.allocation_mode = one_in(5) ? "All" : "ExactCount";
      s.count = static_cast<int64_t>(draw(3)) + 1;
      s.selectors = exactly.selectors;
      r.first_available.push_back(s);
    }
    r.exactly = {};
    return r;
  }
};

class RandomDevices : public testing::TestWithParam<int> {};

TEST_P(RandomDevices, MemoryNeverShows) {
  Lives lives(static_cast<uint64_t>(GetParam()));
  SchedulerOptions options{.cycle_time = api::Duration()};
  auto fast = std::make_unique<Cluster>(options);
  options.remember_verdicts = false;
  Cluster plain(options);
  const auto both = [&](auto&& f) {
    f(*fast);
    f(plain);
  };
  const auto put = [&](const api::ObjectRef& o) { both([&](Cluster& c) { c.put(o); }); };
  const auto remove = [&](api::Kind kind, std::string_view ns, const std::string& name) {
    if (!fast->ctx.cache(kind).find(ns, name)) return;
    both([&](Cluster& c) { c.remove(kind, ns, name); });
  };
  for (uint64_t i = 0; i < kNodes; ++i) put(lives.node("n-" + std::to_string(i)));
  put(lives.device_class());
  for (uint64_t i = 0; i < kNodes; ++i) put(lives.slice());

  int placed = 0;
  for (int step = 0; step < 300; ++step) {
    const std::string name = std::to_string(step);
    const std::string old = std::to_string(lives.draw(static_cast<uint64_t>(step) + 1));
    switch (lives.draw(10)) {
      case 0:
        put(lives.slice());
        break;
      case 1:
        if (lives.one_in(2)) remove(api::Kind::ResourceSlice, "", lives.node_name() + "-b");
        if (lives.one_in(4)) put(lives.node(lives.node_name()));
        if (lives.one_in(4)) put(lives.device_class());
        break;
      case 2:
      case 3:
        remove(api::Kind::Pod, "default", "p-" + old);
        remove(api::Kind::ResourceClaim, "default", "c-" + old);
        break;
      case 4: {
        auto held = lives.claim("held-" + std::to_string(lives.draw(4)));
        if (!lives.one_in(3)) lives.allocate(*held);
        put(held);
        break;
      }
      default: {
        // Sometimes two pods share a claim, and sometimes one is not there yet.
        const auto claim = lives.claim("c-" + name);
        auto pod = make_pod("p-" + name);
        api::PodResourceClaim entry;
        entry.name = "gpu";
        entry.resource_claim_name = api::Str("c-" + (lives.one_in(8) ? old : name));
        pod->spec.resource_claims = {entry};
        put(claim);
        both([&](Cluster& c) { c.put_object(pod); });
        if (!lives.one_in(3)) both([](Cluster& c) { c.answer(); });
        placed += plain.scheduled("p-" + name);
      }
    }
    if (lives.one_in(15)) both([](Cluster& c) { c.run_for(api::Duration::seconds(15)); });
    if (lives.one_in(50)) fast = std::make_unique<Cluster>(*fast);
  }
  both([](Cluster& c) { c.answer(); });
  EXPECT_GT(placed, 3);
  test::expect_same_life(*fast, plain);
}

INSTANTIATE_TEST_SUITE_P(RandomLives, RandomDevices, testing::Range(1, 33));

// ---- the memory itself

class DeviceMemoryTest : public testing::Test {
 protected:
  DeviceMemoryTest() {
    auto s = api::make<api::ResourceSlice>();
    s->metadata.name = "slice";
    s->spec.driver = kDriver;
    s->spec.pool.name = "pool";
    s->spec.pool.resource_slice_count = 1;
    s->spec.node_name = api::Str("a");
    for (const char* name : {"d1", "d0"}) {
      s->spec.devices.push_back(api::Device());
      s->spec.devices.edit().back().name = name;
    }
    slices.apply(client::WatchType::kAdded, s);
    all = DeviceSlices::of(slices, nullptr);
    memory.update(all, claims);
  }

  static api::Ref<api::ResourceClaim> held(std::string_view name, std::string_view device) {
    auto c = api::make<api::ResourceClaim>();
    c->metadata.namespace_ = "default";
    c->metadata.name = name;
    c->status.allocation = api::AllocationResult();
    c->status.allocation.edit().devices.results = {result_of("pool", device)};
    return c;
  }
  void hear(client::WatchType type, const api::ObjectRef& claim) {
    memory.follow(claims, claims.apply(type, claim));
  }

  client::Cache slices{api::Kind::ResourceSlice};
  client::Cache claims{api::Kind::ResourceClaim};
  std::shared_ptr<const DeviceSlices> all;
  DeviceMemory memory;
};

using Holders = std::vector<int32_t>;

TEST_F(DeviceMemoryTest, FollowsClaimsAsTheyChange) {
  hear(client::WatchType::kAdded, held("one", "d0"));
  hear(client::WatchType::kAdded, held("two", "d0"));
  EXPECT_EQ(memory.holders(), (Holders{0, 2}));
  hear(client::WatchType::kModified, held("one", "d1"));
  EXPECT_EQ(memory.holders(), (Holders{1, 1}));
  hear(client::WatchType::kDeleted, held("two", "d1"));
  EXPECT_EQ(memory.holders(), (Holders{1, 0}));
  memory.update(all, claims);
  EXPECT_EQ(memory.holders(), (Holders{1, 0}));
}

TEST_F(DeviceMemoryTest, CountsAnewAfterAChangeItDidNotHearOf) {
  claims.apply(client::WatchType::kAdded, held("one", "d0"));
  hear(client::WatchType::kAdded, held("two", "d1"));
  memory.update(all, claims);
  EXPECT_EQ(memory.holders(), (Holders{1, 1}));
}

TEST_F(DeviceMemoryTest, DevicesThatAreUnknownWaitForTheirSlice) {
  hear(client::WatchType::kAdded, held("one", "d7"));
  EXPECT_EQ(memory.holders(), (Holders{0, 0}));
  auto s = api::clone(*slices.get<api::ResourceSlice>("", "slice"));
  s->spec.devices.edit()[0].name = "d7";
  slices.apply(client::WatchType::kModified, s);
  memory.update(DeviceSlices::of(slices, all), claims);
  EXPECT_EQ(memory.holders(), (Holders{1, 0}));
}

TEST_F(DeviceMemoryTest, WhatCountsForNowEndsWithTheNextUpdate) {
  memory.count_for_now(*held("one", "d0"), 1);
  hear(client::WatchType::kAdded, held("one", "d0"));
  EXPECT_EQ(memory.holders(), (Holders{0, 2}));
  memory.update(all, claims);
  EXPECT_EQ(memory.holders(), (Holders{0, 1}));
}

TEST_F(DeviceMemoryTest, CopiesStartEmpty) {
  hear(client::WatchType::kAdded, held("one", "d0"));
  DeviceMemory copy(memory);
  EXPECT_TRUE(copy.holders().empty());
  copy.update(all, claims);
  EXPECT_EQ(copy.holders(), (Holders{0, 1}));
}

}  // namespace
}  // namespace mainspring::scheduler

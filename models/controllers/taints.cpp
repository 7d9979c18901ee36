#include "models/controllers/taints.h"

#include <algorithm>

#include "models/api/codec.h"
#include "models/controllers/util.h"

namespace mainspring::controllers {

namespace {
constexpr int kTries = 5;  // retry.DefaultBackoff-like steps of controller_utils.go

// Reads the node, changes its taints and patches them, until it is not beaten by another writer.
// `change` returns false if there is nothing to change.
template <class Change>
Error patch_taints(Script& script, const api::Node& node, const Change& change, bool* done) {
  for (int i = 0; i < kTries; ++i) {
    const Outcome* read = nullptr;
    if (Error e = script.call(get_request(node), &read)) return e;
    if (!read->ok()) {
      *done = false;
      return {};
    }
    const api::Node& fresh = api::as<api::Node>(*read->object);
    std::vector<api::Taint> taints(fresh.spec.taints.begin(), fresh.spec.taints.end());
    if (!change(taints)) {
      *done = true;
      return {};
    }
    Request patch = get_request(node);
    patch.verb = Verb::kPatch;
    patch.patch_type = client::PatchType::kMerge;
    api::Json list = api::Json::array();
    for (const api::Taint& t : taints) list.push_back(api::encode_as(t));
    api::Json spec = api::Json::object();
    spec.set("taints", std::move(list));
    api::Json metadata = api::Json::object();
    metadata.set("resourceVersion", fresh.metadata.resource_version);
    patch.patch = api::Json::object();
    patch.patch.set("metadata", std::move(metadata));
    patch.patch.set("spec", std::move(spec));
    const Outcome* wrote = nullptr;
    if (Error e = script.call(std::move(patch), &wrote)) return e;
    *done = wrote->ok();
    if (!wrote->conflict()) return {};
  }
  return {};
}
}  // namespace

api::Taint make_taint(std::string_view key, std::string_view effect) {
  api::Taint t;
  t.key = key;
  t.effect = effect;
  return t;
}

bool same_taint(const api::Taint& a, const api::Taint& b) {
  return a.key == b.key && a.effect == b.effect;
}

bool has_taint(const api::Node& node, std::string_view key, std::string_view effect) {
  return std::any_of(node.spec.taints.begin(), node.spec.taints.end(),
                     [&](const api::Taint& t) { return t.key == key && t.effect == effect; });
}

Error swap_taints(Script& script, const api::Node& node, std::vector<api::Taint> add,
                  const std::vector<api::Taint>& remove, bool* done) {
  *done = true;
  if (!add.empty()) {
    const api::Time now = script.now().truncated_to_second();
    for (api::Taint& t : add) t.time_added = now;
    const auto change = [&add](std::vector<api::Taint>& taints) {
      bool changed = false;
      for (const api::Taint& t : add) {
        const auto has = std::find_if(taints.begin(), taints.end(), [&t](const api::Taint& other) {
          return same_taint(t, other);
        });
        if (has == taints.end()) {
          taints.push_back(t);
        } else if (*has == t) {
          continue;
        } else {
          *has = t;
        }
        changed = true;
      }
      return changed;
    };
    if (Error e = patch_taints(script, node, change, done)) return e;
    if (!*done) return {};
  }
  const bool present = std::any_of(remove.begin(), remove.end(), [&node](const api::Taint& t) {
    return has_taint(node, t.key, t.effect);
  });
  if (!present) return {};
  const auto change = [&remove](std::vector<api::Taint>& taints) {
    const size_t before = taints.size();
    std::erase_if(taints, [&remove](const api::Taint& t) {
      return std::any_of(remove.begin(), remove.end(),
                         [&t](const api::Taint& r) { return same_taint(r, t); });
    });
    return taints.size() != before;
  };
  return patch_taints(script, node, change, done);
}

}  // namespace mainspring::controllers

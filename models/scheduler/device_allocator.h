// Which devices a node gives to the claims of a pod: a search, claim by claim, request by request,
// device by device, that takes the first solution.
//
// Requests for a count of devices or for all, alternatives, matchAttribute, adminAccess. Not
// modelled: README.md of this folder lists it.
// Source: k8s.io/dynamic-resource-allocation structured/internal/incubating (v1.35), the allocator
// that Kubernetes picks with its default feature gates, down to what looks like slips in it.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "models/scheduler/device_slices.h"

namespace mainspring::scheduler {

using ClaimRef = api::Ref<const api::ResourceClaim>;
using DeviceClassRef = api::Ref<const api::DeviceClass>;

struct DeviceId {
  api::Str driver;
  api::Str pool;
  api::Str device;
  friend auto operator<=>(const DeviceId&, const DeviceId&) = default;
  std::string text() const { return driver.str() + '/' + pool.str() + '/' + device.str(); }
};

// Compiled selectors by their text; null ones do not compile, for the reason beside them.
class SelectorCache {
 public:
  struct Entry {
    std::shared_ptr<const api::CelSelector> selector;
    std::string error;
  };
  const Entry& get(const api::Str& expression);
  void add(const api::Str& expression, const Entry& entry) { entries_.emplace(expression, entry); }

 private:
  std::map<api::Str, Entry> entries_;
};

// What a search starts from. The same for all nodes of a cycle.
struct DeviceState {
  std::shared_ptr<const DeviceSlices> slices;
  std::set<DeviceId> allocated;
  std::map<api::Str, DeviceClassRef> classes;  // that the claims name
};

struct DeviceAllocation {
  enum class Kind : uint8_t {
    kFound,    // `results`, one a claim
    kNone,     // the node cannot give what the claims ask for
    kPools,    // likewise, and some of its pools are unusable
    kTimeout,  // the search was given up
    kError,    // `error`: something is wrong with a claim or a class
  };
  Kind kind = Kind::kNone;
  std::vector<api::AllocationResult> results;
  std::string error;
};

DeviceAllocation allocate_devices(const DeviceState& state, const api::Node& node,
                                  const std::vector<ClaimRef>& claims, SelectorCache* selectors);

// The devices that the claim holds for itself; those of admin access are anybody's.
template <class F>
void for_each_allocated_device(const api::ResourceClaim& claim, F&& f) {
  if (!claim.status.allocation) return;
  for (const api::DeviceRequestAllocationResult& r : claim.status.allocation->devices.results) {
    if (!r.admin_access.value_or(false)) f(DeviceId{r.driver, r.pool, r.device});
  }
}

}  // namespace mainspring::scheduler

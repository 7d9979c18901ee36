// Which devices a node gives to the claims of a pod: a search, claim by claim, request by request,
// device by device, that takes the first solution.
//
// What the claims ask for is read once for all nodes. A node costs its devices up to the last one
// taken: two look-ups by number for each, and its selectors only where DeviceMemory does not have
// their word. What is written to claims is made of a solution on demand.
//
// Requests for a count of devices or for all, alternatives, matchAttribute, adminAccess. Not
// modelled: README.md of this folder lists it.
// Source: k8s.io/dynamic-resource-allocation structured/internal/incubating (v1.35), the allocator
// that Kubernetes picks with its default feature gates, down to what looks like slips in it.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "models/scheduler/device_memory.h"

namespace mainspring::scheduler {

using ClaimRef = api::Ref<const api::ResourceClaim>;
using DeviceClassRef = api::Ref<const api::DeviceClass>;
using DeviceClasses = std::map<api::Str, DeviceClassRef>;

struct DeviceAllocation {
  enum class Kind : uint8_t {
    kFound,    // `solution`
    kNone,     // the node cannot give what the claims ask for
    kPools,    // likewise, and some of its pools are unusable
    kTimeout,  // the search was given up
    kError,    // `error`: something is wrong with a claim or a class
  };
  Kind kind = Kind::kNone;
  size_t solution = 0;
  std::string error;
};

// The search of one cycle. `memory` must stay as it is meanwhile.
class DeviceAllocator {
 public:
  // `classes`: those that the claims name, as far as they exist.
  DeviceAllocator(std::vector<ClaimRef> claims, const DeviceClasses& classes, DeviceMemory* memory,
                  SelectorCache* selectors);
  ~DeviceAllocator();
  DeviceAllocator(const DeviceAllocator&) = delete;
  DeviceAllocator& operator=(const DeviceAllocator&) = delete;

  DeviceAllocation allocate(const NodeInfo& node);

  // What a solution comes to, one result a claim.
  std::vector<api::AllocationResult> results(size_t solution) const;
  // The requests that a claim gets devices for in a solution, as "request" or
  // "request/alternative", once for each device.
  std::vector<std::string_view> requests(size_t solution, size_t claim) const;

 private:
  class Search;
  std::unique_ptr<Search> search_;
};

}  // namespace mainspring::scheduler

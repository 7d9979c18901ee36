// The devices of the cluster, as drivers publish them in ResourceSlices, ready for allocation.
//
// Immutable once made, and shared by cycles and copies of a scheduler; what did not change is taken
// over from the version before. Where Kubernetes takes pools and slices in the order of Go's maps,
// here they have the order of their names.
// Source: k8s.io/dynamic-resource-allocation structured/internal/incubating/pools_incubating.go
// (v1.35).
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "models/api/cel.h"
#include "models/api/types/resource.h"
#include "models/client/cache.h"
#include "models/scheduler/selectors.h"

namespace mainspring::scheduler {

using SliceRef = api::Ref<const api::ResourceSlice>;

struct DeviceSlice {
  SliceRef object;
  NodeTerms nodes;                      // of its nodeSelector
  std::vector<api::CelDevice> devices;  // as selectors see them
  std::vector<uint32_t> by_name;        // the devices in the order of their names

  const api::ResourceSliceSpec& spec() const { return object->spec; }
  bool serves(const api::Node& node) const;
};

// Driver and name.
using PoolId = std::pair<api::Str, api::Str>;

// The devices of one slice, and the number of the first.
struct DeviceRun {
  uint32_t slice = 0;
  uint32_t first = 0;
  uint32_t count = 0;
};

// What a node sees: pools with devices for it, newest generations only.
struct NodeDevices {
  // A pool whose devices nobody gets.
  struct Unusable {
    PoolId pool;
    bool incomplete = false;  // slices are missing: the driver is at work on them
    size_t before = 0;        // runs of the pools in front of it
  };
  std::vector<DeviceRun> runs;       // of the usable pools, in the order of pools and slices
  std::optional<Unusable> unusable;  // the first such pool
  bool invalid = false;              // two devices of some pool have one name
};

// Slices and devices have numbers, from 0, which are good for this version of the slices only.
class DeviceSlices {
 public:
  // Of the cache as it is; `before` may be null.
  static std::shared_ptr<const DeviceSlices> of(const client::Cache& cache,
                                                const std::shared_ptr<const DeviceSlices>& before);

  const DeviceSlice& slice(uint32_t number) const { return *slices_[number]; }
  uint32_t first_device(uint32_t slice) const { return first_[slice]; }
  uint32_t devices() const { return devices_; }
  // Costs what the node's slices and those of several nodes hold.
  NodeDevices on(const api::Node& node) const;

  // The numbers of the devices of a name: more than one where a pool is being replaced, or invalid.
  template <class F>
  void for_each_device(const PoolId& pool, const api::Str& name, F&& f) const {
    const auto found = pools_.find(pool);
    if (found == pools_.end()) return;
    for (const uint32_t s : found->second) {
      const api::List<api::Device>& devices = slices_[s]->spec().devices;
      const std::vector<uint32_t>& order = slices_[s]->by_name;
      auto at =
          std::lower_bound(order.begin(), order.end(), name,
                           [&](uint32_t i, const api::Str& n) { return devices[i].name < n; });
      for (; at != order.end() && devices[*at].name == name; ++at) f(first_[s] + *at);
    }
  }

 private:
  // What a node sees of a pool.
  struct View {
    bool incomplete = false;
    bool invalid = false;
    std::vector<uint32_t> slices;
  };
  const api::ResourcePool& pool(uint32_t slice) const { return slices_[slice]->spec().pool; }
  bool complete(const PoolId& id, const View& seen, bool* obsolete) const;
  bool has_twins(const View& seen) const;

  uint64_t changes_ = 0;                                    // of the cache
  std::vector<std::shared_ptr<const DeviceSlice>> slices_;  // by name
  std::vector<uint32_t> first_;                             // devices, by slice
  uint32_t devices_ = 0;
  std::map<api::Str, std::vector<uint32_t>> local_;  // slices of one node
  std::vector<uint32_t> wide_;                       // of several
  std::map<PoolId, std::vector<uint32_t>> pools_;
};

}  // namespace mainspring::scheduler

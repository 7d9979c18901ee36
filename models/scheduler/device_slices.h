// The devices of the cluster, as drivers publish them in ResourceSlices, ready for allocation.
//
// Immutable once made, and shared by cycles and copies of a scheduler; what did not change is taken
// over from the version before. Where Kubernetes takes pools and slices in the order of Go's maps,
// here they have the order of their names.
// Source: k8s.io/dynamic-resource-allocation structured/internal/incubating/pools_incubating.go
// (v1.35).
#pragma once

#include <map>
#include <memory>
#include <string>
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

  const api::ResourceSliceSpec& spec() const { return object->spec; }
  bool serves(const api::Node& node) const;
};

// Driver and name.
using PoolId = std::pair<api::Str, api::Str>;

// What a node sees of a pool.
struct DevicePool {
  PoolId id;
  bool incomplete = false;  // slices are missing: the driver is at work on them
  bool invalid = false;     // two devices have one name
  std::vector<const DeviceSlice*> slices;
};

class DeviceSlices {
 public:
  // Of the cache as it is; `before` may be null.
  static std::shared_ptr<const DeviceSlices> of(const client::Cache& cache,
                                                const std::shared_ptr<const DeviceSlices>& before);

  // The pools with devices for the node, newest generations only. Valid as long as this is.
  std::vector<DevicePool> pools(const api::Node& node) const;

 private:
  bool complete(const DevicePool& pool, bool* obsolete) const;

  uint64_t changes_ = 0;                                    // of the cache
  std::vector<std::shared_ptr<const DeviceSlice>> slices_;  // by name
  std::map<api::Str, std::vector<uint32_t>> local_;         // slices of one node
  std::vector<uint32_t> wide_;                              // of several
  std::map<PoolId, std::vector<uint32_t>> pools_;
};

}  // namespace mainspring::scheduler

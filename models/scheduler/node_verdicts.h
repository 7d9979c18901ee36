// What the node-local plugins said about each node for pods of one template, remembered from cycle
// to cycle and forgotten for nodes that changed.
//
// A plugin is local at a point if its word depends on nothing but the pod's template and that
// node's NodeInfo (and, for images, the number of nodes). Filters of other plugins and scores that
// are weighed against each other are not remembered. The results are those of the plain path to
// the bit; this is memory, not state: copies of a scheduler start without it.
#pragma once

#include <cstdint>
#include <vector>

#include "models/scheduler/domain_sums.h"
#include "models/scheduler/framework.h"

namespace mainspring::scheduler {

class NodeVerdicts {
 public:
  enum Filter : uint8_t { kUnknown, kPasses, kFails };
  // Stand for a total.
  static constexpr int64_t kUnscored = INT64_MIN;
  static constexpr int64_t kRelative = INT64_MIN + 1;  // some score is weighed against others

  // Nodes are in the order of the snapshot's list, which is the order of the walk.
  struct Entry {
    api::Ref<const PodTemplate> t;
    size_t profile = 0;
    uint64_t order_version = 0;  // 0: nothing is known yet
    uint64_t seen = 0;           // changes of the cluster that are worked in
    std::vector<Filter> filter;
    std::vector<int64_t> total;  // weighted
  };

  // The memory for a pod, brought up to date.
  Entry& find(const ClusterCache& cluster, size_t profile, const PodInfo& pod);

 private:
  Recent<Entry> entries_;
};

}  // namespace mainspring::scheduler

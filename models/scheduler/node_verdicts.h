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
  enum Score : uint8_t { kUnscored, kPlain, kRelative };
  // All by slot of the ClusterCache.
  struct Entry {
    api::Ref<const PodTemplate> t;
    size_t profile = 0;
    size_t node_count = 0;  // 0: as yet unknown
    uint64_t seen = 0;  // changes of the cluster that are worked in
    std::vector<Filter> filter;
    std::vector<Score> scored;
    std::vector<int64_t> total;  // weighted, of kPlain nodes
  };

  // The memory for a pod, brought up to date.
  Entry& find(const ClusterCache& cluster, size_t profile, const PodInfo& pod);

 private:
  Recent<Entry> entries_;
};

}  // namespace mainspring::scheduler

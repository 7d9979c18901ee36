#include "models/scheduler/node_verdicts.h"

namespace mainspring::scheduler {

NodeVerdicts::Entry& NodeVerdicts::find(const ClusterCache& cluster, size_t profile,
                                        const PodInfo& pod) {
  bool made = false;
  Entry& e = entries_.find(recent_capacity(cluster), &made, [&](const Entry& x) {
    return x.t.get() == pod.t.get() && x.profile == profile;
  });
  if (made) {
    e.t = pod.t;
    e.profile = profile;
  }
  if (e.order_version != cluster.order_version() || e.seen < cluster.first_change()) {
    e.order_version = cluster.order_version();
    e.filter.assign(cluster.node_count(), kUnknown);
    e.total.assign(cluster.node_count(), kUnscored);
  } else {
    for (const uint32_t slot : cluster.changes_since(e.seen)) {
      const NodeInfo& node = cluster.node(slot);
      if (!node.in_snapshot) continue;
      e.filter[node.position] = kUnknown;
      e.total[node.position] = kUnscored;
    }
  }
  e.seen = cluster.generation();
  return e;
}

}  // namespace mainspring::scheduler

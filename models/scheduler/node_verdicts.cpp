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
  const size_t slots = cluster.slots();
  const bool forget = e.node_count != cluster.node_count() || e.seen < cluster.first_change();
  if (forget) {
    e.node_count = cluster.node_count();
    e.filter.assign(slots, kUnknown);
    e.scored.assign(slots, kUnscored);
    e.total.resize(slots);
  } else {
    e.filter.resize(slots, kUnknown);
    e.scored.resize(slots, kUnscored);
    e.total.resize(slots);
    for (const uint32_t slot : cluster.changes_since(e.seen)) {
      e.filter[slot] = kUnknown;
      e.scored[slot] = kUnscored;
    }
  }
  e.seen = cluster.generation();
  return e;
}

}  // namespace mainspring::scheduler

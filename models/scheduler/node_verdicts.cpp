#include "models/scheduler/node_verdicts.h"

#include <algorithm>

namespace mainspring::scheduler {

namespace {
constexpr size_t kEntries = 8;
}  // namespace

NodeVerdicts::Entry& NodeVerdicts::find(const ClusterCache& cluster, size_t profile,
                                        const PodInfo& pod) {
  size_t i = 0;
  while (i < entries_.size() &&
         (entries_[i].t.get() != pod.t.get() || entries_[i].profile != profile)) {
    ++i;
  }
  if (i == entries_.size()) {
    if (entries_.size() < kEntries) {
      entries_.emplace_back();
    } else {
      --i;
      entries_[i].node_count = 0;  // recycled: nothing of it counts
    }
    entries_[i].t = pod.t;
    entries_[i].profile = profile;
  }
  if (i > 0) {
    std::rotate(entries_.begin(), entries_.begin() + static_cast<ptrdiff_t>(i),
                entries_.begin() + static_cast<ptrdiff_t>(i) + 1);
  }
  Entry& e = entries_.front();
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

#include "models/scheduler/plugins/balanced_allocation.h"

#include <algorithm>
#include <cmath>

namespace mainspring::scheduler {

NodeResourcesBalancedAllocation::NodeResourcesBalancedAllocation(const Args& args) {
  for (const WeightedResource& r : args.resources) resources_.push_back(r.name);
  plain_ = resources_.size() == 2 && resources_[0] == "cpu" && resources_[1] == "memory";
}

Status NodeResourcesBalancedAllocation::pre_score(Cycle& cycle, const NodeList&) {
  return asks_for_any(cycle.info().node_request()) ? Status() : Status::skip();
}

bool NodeResourcesBalancedAllocation::asks_for_any(const Resources& pod) const {
  if (plain_) return pod.milli_cpu != 0 || pod.memory != 0;
  return std::any_of(resources_.begin(), resources_.end(),
                     [&](const api::Str& r) { return pod.get(r) != 0; });
}

int64_t NodeResourcesBalancedAllocation::score(const Cycle& cycle, const NodeInfo& node) const {
  const Resources& pod = cycle.info().node_request();
  if (!asks_for_any(pod)) return 0;  // where PreScore is off
  const auto fraction = [](int64_t requested, int64_t allocatable) {
    return std::min(1.0, static_cast<double>(requested) / static_cast<double>(allocatable));
  };
  double deviation = 0;
  if (plain_ && node.allocatable.milli_cpu != 0 && node.allocatable.memory != 0) {
    const double c = fraction(node.requested.milli_cpu + pod.milli_cpu, node.allocatable.milli_cpu);
    const double m = fraction(node.requested.memory + pod.memory, node.allocatable.memory);
    deviation = std::fabs((c - m) / 2);
  } else {
    std::vector<double> fractions;
    double total = 0;
    for (const api::Str& r : resources_) {
      const bool scalar = r != "cpu" && r != "memory" && r != "ephemeral-storage";
      if (scalar && pod.get(r) == 0) continue;
      const int64_t has = node.allocatable.get(r);
      if (has == 0) continue;
      fractions.push_back(fraction(node.requested.get(r) + pod.get(r), has));
      total += fractions.back();
    }
    if (fractions.size() == 2) {
      deviation = std::fabs((fractions[0] - fractions[1]) / 2);
    } else if (fractions.size() > 2) {
      const double n = static_cast<double>(fractions.size());
      const double mean = total / n;
      double sum = 0;
      for (const double f : fractions) sum = sum + (f - mean) * (f - mean);
      deviation = std::sqrt(sum / n);
    }
  }
  return static_cast<int64_t>((1 - deviation) * static_cast<double>(kMaxNodeScore));
}

}  // namespace mainspring::scheduler

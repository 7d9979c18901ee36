#include "models/scheduler/plugins/image_locality.h"

#include <algorithm>

namespace mainspring::scheduler {

int64_t ImageLocality::score_of(int64_t sum, int64_t containers) {
  const int64_t max = kMaxBytesPerContainer * containers;
  const int64_t clamped = std::clamp(sum, kMinBytes, std::max(max, kMinBytes));
  if (max <= kMinBytes) return 0;
  return kMaxNodeScore * (clamped - kMinBytes) / (max - kMinBytes);
}

int64_t ImageLocality::score(const Cycle& cycle, const NodeInfo& node) const {
  if (node.images.empty()) return 0;
  const double total = static_cast<double>(cycle.cluster.node_count());
  int64_t sum = 0;
  for (const api::Str& name : cycle.t().images) {
    const auto id = cycle.cluster.image(name);
    if (!id) continue;
    for (const NodeInfo::Image& i : node.images) {
      if (i.image != *id) continue;
      const double spread = static_cast<double>(i.nodes) / total;
      sum += static_cast<int64_t>(static_cast<double>(i.size) * spread);
    }
  }
  return score_of(sum, static_cast<int64_t>(cycle.t().images.size()));
}

}  // namespace mainspring::scheduler

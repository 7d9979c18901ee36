// Prefers nodes that have the pod's images already, weighed by size and by how common they are.
// Source: pkg/scheduler/framework/plugins/imagelocality (v1.35).
#pragma once

#include "models/scheduler/plugin.h"

namespace mainspring::scheduler {

class ImageLocality final : public PluginBase<ImageLocality> {
 public:
  static constexpr std::string_view kName = "ImageLocality";
  static constexpr Points kPoints = kScore;
  static constexpr Points kLocal = kScore;
  static constexpr int64_t kMinBytes = 23 * 1024 * 1024;
  static constexpr int64_t kMaxBytesPerContainer = int64_t{1000} * 1024 * 1024;

  int64_t score(const Cycle& cycle, const NodeInfo& node) const;
  static int64_t score_of(int64_t sum, int64_t containers);
};

}  // namespace mainspring::scheduler

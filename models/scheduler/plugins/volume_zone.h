// Bound volumes with zone or region labels go to nodes of that zone or region.
// Source: pkg/scheduler/framework/plugins/volumezone (v1.35).
#pragma once

#include "models/scheduler/plugin.h"

namespace mainspring::scheduler {

class VolumeZone final : public PluginBase<VolumeZone> {
 public:
  static constexpr std::string_view kName = "VolumeZone";
  static constexpr Points kPoints = kPreFilter | kFilter;
  static constexpr std::string_view kReason = "node(s) had no available volume zone";

  std::vector<EventRegistration> events() const override;
  bool hint(uint8_t hint, const client::ControlContext& ctx, const ClusterCache& cluster,
            const PodInfo& pod, const EventObjects& objects) const override;
  Status pre_filter(Cycle& cycle, std::optional<std::vector<api::Str>>* nodes) override;
  Status filter(const Cycle& cycle, const NodeInfo& node) const override;

 private:
  struct Data;
  const api::Str reason_ = kReason;
};

}  // namespace mainspring::scheduler

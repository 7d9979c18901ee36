// Holds pods back while spec.schedulingGates has entries.
// Source: pkg/scheduler/framework/plugins/schedulinggates (v1.35).
#pragma once

#include "models/scheduler/plugin.h"

namespace mainspring::scheduler {

class SchedulingGates final : public PluginBase<SchedulingGates> {
 public:
  static constexpr std::string_view kName = "SchedulingGates";
  static constexpr Points kPoints = kPreEnqueue;

  std::vector<EventRegistration> events() const override;
  bool hint(uint8_t hint, const client::ControlContext& ctx, const ClusterCache& cluster,
            const PodInfo& pod, const EventObjects& objects) const override;
  Status pre_enqueue(const client::ControlContext& ctx, const PodInfo& pod) override;
};

}  // namespace mainspring::scheduler

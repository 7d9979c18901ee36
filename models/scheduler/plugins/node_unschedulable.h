// Rejects cordoned nodes, unless the pod tolerates the taint that cordoning stands for.
// Source: pkg/scheduler/framework/plugins/nodeunschedulable (v1.35).
#pragma once

#include "models/scheduler/plugin.h"

namespace mainspring::scheduler {

class NodeUnschedulable final : public PluginBase<NodeUnschedulable> {
 public:
  static constexpr std::string_view kName = "NodeUnschedulable";
  static constexpr Points kPoints = kFilter;
  static constexpr Points kLocal = kFilter;
  static constexpr std::string_view kReason = "node(s) were unschedulable";

  std::vector<EventRegistration> events() const override;
  bool hint(uint8_t hint, const client::ControlContext& ctx, const ClusterCache& cluster,
            const PodInfo& pod, const EventObjects& objects) const override;
  Status filter(const Cycle& cycle, const NodeInfo& node) const override;

 private:
  const api::Str reason_ = kReason;
};

}  // namespace mainspring::scheduler

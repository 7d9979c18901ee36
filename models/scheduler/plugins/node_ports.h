// Host ports: one user at a time for an address, protocol and port.
// Source: pkg/scheduler/framework/plugins/nodeports (v1.35).
#pragma once

#include "models/scheduler/plugin.h"

namespace mainspring::scheduler {

class NodePorts final : public PluginBase<NodePorts> {
 public:
  static constexpr std::string_view kName = "NodePorts";
  static constexpr Points kPoints = kPreFilter | kFilter;
  static constexpr Points kLocal = kFilter;
  static constexpr std::string_view kReason =
      "node(s) didn't have free ports for the requested pod ports";

  std::vector<EventRegistration> events() const override;
  bool hint(uint8_t hint, const client::ControlContext& ctx, const ClusterCache& cluster,
            const PodInfo& pod, const EventObjects& objects) const override;
  Status pre_filter(Cycle& cycle, std::optional<std::vector<api::Str>>* nodes) override;
  Status filter(const Cycle& cycle, const NodeInfo& node) const override;
  std::string_view misses_pre_filter() const override {
    return "reading \"PreFilterNodePorts\" from cycleState: not found";
  }

 private:
  const api::Str reason_ = kReason;
};

}  // namespace mainspring::scheduler

// How many volumes of a CSI driver a node can have attached.
//
// Handles of volumes that are not provisioned yet are made from the claim's name, as in
// Kubernetes, whose random prefix only keeps them apart from real ones.
// Source: pkg/scheduler/framework/plugins/nodevolumelimits (v1.35).
#pragma once

#include "models/scheduler/plugin.h"

namespace mainspring::scheduler {

class NodeVolumeLimits final : public PluginBase<NodeVolumeLimits> {
 public:
  static constexpr std::string_view kName = "NodeVolumeLimits";
  static constexpr Points kPoints = kPreFilter | kFilter;
  static constexpr std::string_view kReason = "node(s) exceed max volume count";

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

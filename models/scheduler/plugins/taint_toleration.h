// Keeps pods off nodes whose taints they do not tolerate, and prefers nodes with fewer
// PreferNoSchedule taints to overlook.
// Source: pkg/scheduler/framework/plugins/tainttoleration (v1.35; the reason's text since 1.34.2).
#pragma once

#include "models/scheduler/plugin.h"

namespace mainspring::scheduler {

class TaintToleration final : public PluginBase<TaintToleration> {
 public:
  static constexpr std::string_view kName = "TaintToleration";
  static constexpr Points kPoints = kFilter | kPreScore | kScore;
  static constexpr std::string_view kMissesPreScore =
      "failed to read \"PreScoreTaintToleration\" from cycleState: not found";
  static constexpr Points kLocal = kFilter | kScore;
  static constexpr std::string_view kReason = "node(s) had untolerated taint(s)";

  std::vector<EventRegistration> events() const override;
  bool hint(uint8_t hint, const client::ControlContext& ctx, const ClusterCache& cluster,
            const PodInfo& pod, const EventObjects& objects) const override;
  Status filter(const Cycle& cycle, const NodeInfo& node) const override;
  Status pre_score(Cycle& cycle, const NodeList& nodes) override;
  int64_t score(const Cycle& cycle, const NodeInfo& node) const;
  Status normalize(Cycle& cycle, const NodeList& nodes, std::span<int64_t> scores) const;

 private:
  const api::Str reason_ = kReason;
};

}  // namespace mainspring::scheduler

// nodeSelector and node affinity: required terms filter, preferred terms score.
// Source: pkg/scheduler/framework/plugins/nodeaffinity (v1.35).
#pragma once

#include "models/scheduler/plugin.h"
#include "models/scheduler/plugin_args.h"

namespace mainspring::scheduler {

class NodeAffinity final : public PluginBase<NodeAffinity> {
 public:
  static constexpr std::string_view kName = "NodeAffinity";
  static constexpr Points kPoints = kPreFilter | kFilter | kPreScore | kScore;
  static constexpr Points kLocal = kFilter | kScore;
  static constexpr std::string_view kReason = "node(s) didn't match Pod's node affinity/selector";
  static constexpr std::string_view kReasonEnforced =
      "node(s) didn't match scheduler-enforced node affinity";
  static constexpr std::string_view kReasonConflict = "pod affinity terms conflict";
  using Args = NodeAffinityArgs;

  explicit NodeAffinity(const Args& args);

  std::vector<EventRegistration> events() const override;
  bool hint(uint8_t hint, const client::ControlContext& ctx, const ClusterCache& cluster,
            const PodInfo& pod, const EventObjects& objects) const override;
  Status pre_filter(Cycle& cycle, std::optional<std::vector<api::Str>>* nodes) override;
  Status filter(const Cycle& cycle, const NodeInfo& node) const override;
  Status pre_score(Cycle& cycle, const NodeList& nodes) override;
  int64_t score(const Cycle& cycle, const NodeInfo& node) const;
  Status normalize(Cycle& cycle, const NodeList& nodes, std::span<int64_t> scores) const;

 private:
  bool enforced(const api::Node& node) const {
    return !has_added_required_ || added_required_.matches(node);
  }
  bool has_added_required_ = false;
  NodeTerms added_required_;
  std::vector<PreferredNodeTerm> added_preferred_;
  bool has_added_preferred_ = false;
  const api::Str reason_ = kReason;
  const api::Str reason_enforced_ = kReasonEnforced;
  const api::Str reason_conflict_ = kReasonConflict;
};

}  // namespace mainspring::scheduler

// Spreads pods over the values of a topology label: hard constraints filter, soft ones score.
// Pods without constraints of their own get the profile's, with the selectors of their services
// and owner.
//
// Pods are counted by label class in sums that follow the cluster (DomainSums), so that a cycle
// costs what changed since the last one for pods of the same template, not nodes or pods.
// Source: pkg/scheduler/framework/plugins/podtopologyspread (v1.35).
#pragma once

#include "models/scheduler/domain_sums.h"
#include "models/scheduler/plugin.h"
#include "models/scheduler/plugin_args.h"

namespace mainspring::scheduler {

class PodTopologySpread final : public PluginBase<PodTopologySpread> {
 public:
  static constexpr std::string_view kName = "PodTopologySpread";
  static constexpr Points kPoints = kPreFilter | kFilter | kPreScore | kScore;
  static constexpr std::string_view kReason =
      "node(s) didn't match pod topology spread constraints";
  static constexpr std::string_view kReasonMissingLabel =
      "node(s) didn't match pod topology spread constraints (missing required label)";
  static constexpr std::string_view kMissesPreScore =
      "error reading \"PreScorePodTopologySpread\" from cycleState: not found";
  using Args = PodTopologySpreadArgs;

  PodTopologySpread(const Args& args, ClusterCache& cluster);
  PodTopologySpread(const PodTopologySpread& other);
  ~PodTopologySpread() override;

  std::vector<EventRegistration> events() const override;
  bool hint(uint8_t hint, const client::ControlContext& ctx, const ClusterCache& cluster,
            const PodInfo& pod, const EventObjects& objects) const override;
  Status pre_filter(Cycle& cycle, std::optional<std::vector<api::Str>>* nodes) override;
  void add_pod(Cycle& cycle, const PodInfo& pod, const NodeInfo& node) const override;
  void remove_pod(Cycle& cycle, const PodInfo& pod, const NodeInfo& node) const override;
  Status filter(const Cycle& cycle, const NodeInfo& node) const override;
  std::string_view misses_pre_filter() const override {
    return "reading \"PreFilterPodTopologySpread\" from cycleState: not found";
  }
  Status pre_score(Cycle& cycle, const NodeList& nodes) override;
  void filter_all(const Cycle& cycle, const NodeList& nodes,
                  std::span<uint8_t> marks) const override;
  void score_all(const Cycle& cycle, const NodeList& nodes, std::span<int64_t> scores) const;
  Status normalize(Cycle& cycle, const NodeList& nodes, std::span<int64_t> scores) const;

  // ln(domains + 2), as Go computes it; a table, because the run must not depend on a libm.
  static double weight_of(size_t domains);

 private:
  struct Data;
  struct Memory;
  // The pod's constraints of one kind, or the profile's if it has none of any kind.
  std::vector<SpreadConstraint> constraints(const client::ControlContext& ctx, const PodInfo& pod,
                                            bool hard) const;
  bool any(const PodInfo& pod, bool hard) const;
  Memory* memory(const Cycle& cycle, bool hard);
  void change(Cycle& cycle, const PodInfo& pod, const NodeInfo& node, int32_t by) const;

  bool system_defaults_ = true;
  std::vector<SpreadConstraint> defaults_;
  Recent<Memory> memories_;
  // Room for one call.
  std::vector<uint8_t> seen_values_;
  mutable std::vector<double> sums_;
  const api::Str reason_ = kReason;
  const api::Str reason_missing_ = kReasonMissingLabel;
};

// The selector that a pod's services and its controller select it by; empty if there is none.
Selector default_selector(const client::ControlContext& ctx, const api::Pod& pod);

}  // namespace mainspring::scheduler

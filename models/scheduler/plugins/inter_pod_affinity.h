// Pods that want to be near, or away from, other pods within a topology.
//
// Pods are matched by label class and counted per value of the topology key, in sums that follow
// the cluster (DomainSums).
// Source: pkg/scheduler/framework/plugins/interpodaffinity (v1.35), with its handling of
// namespaceSelector: an incoming pod's selector is also evaluated against no labels, so that NotIn
// and DoesNotExist match every namespace (kubernetes issue 141526).
#pragma once

#include "models/scheduler/domain_sums.h"
#include "models/scheduler/plugin.h"
#include "models/scheduler/plugin_args.h"

namespace mainspring::scheduler {

class InterPodAffinity final : public PluginBase<InterPodAffinity> {
 public:
  static constexpr std::string_view kName = "InterPodAffinity";
  static constexpr Points kPoints = kPreFilter | kFilter | kPreScore | kScore;
  static constexpr std::string_view kReasonAffinity = "node(s) didn't match pod affinity rules";
  static constexpr std::string_view kReasonAntiAffinity =
      "node(s) didn't match pod anti-affinity rules";
  static constexpr std::string_view kReasonExisting =
      "node(s) didn't satisfy existing pods anti-affinity rules";
  static constexpr std::string_view kMissesPreScore =
      "failed to read \"PreScoreInterPodAffinity\" from cycleState: not found";
  using Args = InterPodAffinityArgs;

  explicit InterPodAffinity(const Args& args);
  InterPodAffinity(const InterPodAffinity& other);
  ~InterPodAffinity() override;

  std::vector<EventRegistration> events() const override;
  bool hint(uint8_t hint, const client::ControlContext& ctx, const ClusterCache& cluster,
            const PodInfo& pod, const EventObjects& objects) const override;
  Status pre_filter(Cycle& cycle, std::optional<std::vector<api::Str>>* nodes) override;
  void add_pod(Cycle& cycle, const PodInfo& pod, const NodeInfo& node) const override;
  void remove_pod(Cycle& cycle, const PodInfo& pod, const NodeInfo& node) const override;
  Status filter(const Cycle& cycle, const NodeInfo& node) const override;
  std::string_view misses_pre_filter() const override {
    return "error reading \"PreFilterInterPodAffinity\" from cycleState: not found";
  }
  void filter_all(const Cycle& cycle, const NodeList& nodes,
                  std::span<uint8_t> marks) const override;
  Status pre_score(Cycle& cycle, const NodeList& nodes) override;
  void score_all(const Cycle& cycle, const NodeList& nodes, std::span<int64_t> scores) const;
  Status normalize(Cycle& cycle, const NodeList& nodes, std::span<int64_t> scores) const;

 private:
  struct Data;
  struct Memory;
  enum class Verdict : uint8_t { kFits, kNotNear, kTooNear, kUnwelcome };
  Memory& memory(const Cycle& cycle, bool scoring);
  void count_for_filter(const Cycle& cycle, Memory& m) const;
  void count_for_score(const Cycle& cycle, Memory& m) const;
  Verdict verdict(const Cycle& cycle, const NodeInfo& node) const;
  void change(Cycle& cycle, const PodInfo& pod, const NodeInfo& node, int32_t by) const;

  Args args_;
  Recent<Memory> memories_;
  const api::Str reason_affinity_ = kReasonAffinity;
  const api::Str reason_anti_ = kReasonAntiAffinity;
  const api::Str reason_existing_ = kReasonExisting;
};

}  // namespace mainspring::scheduler

#include "models/scheduler/plugins/taint_toleration.h"

namespace mainspring::scheduler {

namespace {
constexpr uint8_t kNodeHint = 0;
constexpr uint8_t kPodHint = 1;
}  // namespace

std::vector<EventRegistration> TaintToleration::events() const {
  return {{{Resource::kNode, kAdd | kUpdateNodeTaint}, kNodeHint},
          {{Resource::kUnscheduledPod, kUpdatePodToleration}, kPodHint}};
}

bool TaintToleration::hint(uint8_t hint, const client::ControlContext&, const ClusterCache&,
                           const PodInfo& pod, const EventObjects& objects) const {
  if (hint == kPodHint) return objects.new_pod && objects.new_pod->uid() == pod.uid();
  const auto& tolerations = pod.t->tolerations;
  const bool was_untolerated =
      !objects.old_node || untolerated_taint(objects.old_node->spec.taints, tolerations);
  return was_untolerated && !untolerated_taint(objects.new_node->spec.taints, tolerations);
}

Status TaintToleration::filter(const Cycle& cycle, const NodeInfo& node) const {
  if (!node.has_hard_taints) return {};
  if (!untolerated_taint(node.node->spec.taints, cycle.t().tolerations)) return {};
  return Status::unresolvable(reason_);
}

Status TaintToleration::pre_score(Cycle&, const NodeList&) { return {}; }

int64_t TaintToleration::score(const Cycle& cycle, const NodeInfo& node) const {
  if (!node.has_soft_taints) return 0;
  int64_t intolerable = 0;
  for (const api::Taint& taint : node.node->spec.taints) {
    if (taint.effect != "PreferNoSchedule") continue;
    bool tolerated = false;
    for (const api::Toleration& t : cycle.t().tolerations) {
      const bool soft = t.effect.empty() || t.effect == "PreferNoSchedule";
      tolerated = tolerated || (soft && tolerates(t, taint));
    }
    if (!tolerated) ++intolerable;
  }
  return intolerable;
}

Status TaintToleration::normalize(Cycle&, const NodeList&, std::span<int64_t> scores) const {
  default_normalize(scores, true);
  return {};
}

}  // namespace mainspring::scheduler

#include "models/scheduler/plugins/node_unschedulable.h"

namespace mainspring::scheduler {

namespace {
bool tolerates_cordon(const PodInfo& pod) {
  if (pod.t->tolerations.empty()) return false;
  api::Taint taint;
  taint.key = "node.kubernetes.io/unschedulable";
  taint.effect = "NoSchedule";
  return tolerates(pod.pod->spec.tolerations, taint);
}
constexpr uint8_t kNodeHint = 0;
constexpr uint8_t kPodHint = 1;
}  // namespace

std::vector<EventRegistration> NodeUnschedulable::events() const {
  return {{{Resource::kNode, kAdd | kUpdateNodeTaint}, kNodeHint},
          {{Resource::kUnscheduledPod, kUpdatePodToleration}, kPodHint}};
}

bool NodeUnschedulable::hint(uint8_t hint, const client::ControlContext&, const ClusterCache&,
                             const PodInfo& pod, const EventObjects& objects) const {
  if (hint == kPodHint) {
    return objects.new_pod && objects.new_pod->uid() == pod.uid() &&
           tolerates_cordon(*objects.new_pod);
  }
  const bool was = objects.old_node && objects.old_node->spec.unschedulable;
  const bool is = objects.new_node->spec.unschedulable;
  return objects.old_node ? was && !is : !is;
}

Status NodeUnschedulable::filter(const Cycle& cycle, const NodeInfo& node) const {
  if (!node.unschedulable || tolerates_cordon(cycle.info())) return {};
  return Status::unresolvable(reason_);
}

}  // namespace mainspring::scheduler

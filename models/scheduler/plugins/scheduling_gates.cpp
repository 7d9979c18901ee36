#include "models/scheduler/plugins/scheduling_gates.h"

namespace mainspring::scheduler {

std::vector<EventRegistration> SchedulingGates::events() const {
  return {{{Resource::kUnscheduledPod, kUpdatePodGatesEliminated}, 0}};
}

bool SchedulingGates::hint(uint8_t, const client::ControlContext&, const ClusterCache&,
                           const PodInfo& pod, const EventObjects& objects) const {
  return objects.new_pod && objects.new_pod->uid() == pod.uid();
}

Status SchedulingGates::pre_enqueue(const client::ControlContext&, const PodInfo& pod) {
  const auto& gates = pod.pod->spec.scheduling_gates;
  if (gates.empty()) return {};
  std::string message = "waiting for scheduling gates: [";
  for (size_t i = 0; i < gates.size(); ++i) {
    if (i) message += ' ';
    message += gates[i].name.view();
  }
  return Status::unresolvable(message + "]");
}

}  // namespace mainspring::scheduler

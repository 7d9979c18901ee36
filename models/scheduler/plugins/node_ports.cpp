#include "models/scheduler/plugins/node_ports.h"

namespace mainspring::scheduler {

std::vector<EventRegistration> NodePorts::events() const {
  return {{{Resource::kAssignedPod, kDelete}, 0},
          {{Resource::kNode, kAdd}, EventRegistration::kAlways}};
}

bool NodePorts::hint(uint8_t, const client::ControlContext&, const ClusterCache&,
                     const PodInfo& pod, const EventObjects& objects) const {
  if (!objects.old_pod) return false;
  const PodInfo& gone = *objects.old_pod;
  if (gone.node_name.empty() && gone.pod->status.nominated_node_name.empty()) return false;
  return ports_conflict(pod.t->host_ports, gone.t->host_ports);
}

Status NodePorts::pre_filter(Cycle& cycle, std::optional<std::vector<api::Str>>*) {
  return cycle.t().host_ports.empty() ? Status::skip() : Status();
}

Status NodePorts::filter(const Cycle& cycle, const NodeInfo& node) const {
  if (!ports_conflict(cycle.t().host_ports, node.ports)) return {};
  return Status::unschedulable(reason_);
}

}  // namespace mainspring::scheduler

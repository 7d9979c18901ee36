#include "models/scheduler/node_info.h"

#include <algorithm>

namespace mainspring::scheduler {

namespace {
void swap_remove(std::vector<PodInfoRef>& list, const PodInfo* pod) {
  for (size_t i = 0; i < list.size(); ++i) {
    if (list[i].get() != pod) continue;
    std::swap(list[i], list.back());
    list.pop_back();
    return;
  }
}
}  // namespace

void NodeInfo::set_node(NodeRef n) {
  node = std::move(n);
  if (!node) return;
  name = node->metadata.name;
  allocatable = Resources::of(node->status.allocatable);
  unschedulable = node->spec.unschedulable;
  has_hard_taints = has_soft_taints = false;
  for (const api::Taint& t : node->spec.taints) {
    if (t.effect == "PreferNoSchedule") {
      has_soft_taints = true;
    } else {
      has_hard_taints = true;
    }
  }
}

void NodeInfo::count(const PodInfo& pod, LabelClass label_class, int32_t sign) {
  requested.add(pod.node_request(), sign);
  nonzero_cpu += sign * pod.nonzero_cpu();
  nonzero_memory += sign * pod.nonzero_memory();
  named_claims += sign * pod.named_claims;
  if (pod.has_odd_claims || pod.has_disks) pods_with_odd_volumes += sign;
  for (const HostPort& port : pod.t->host_ports) {
    // A set, not a count, as in Kubernetes: removing one of two equal ports frees it.
    const auto it = std::find(ports.begin(), ports.end(), port);
    if (sign > 0 && it == ports.end()) ports.push_back(port);
    if (sign < 0 && it != ports.end()) ports.erase(it);
  }
  if (label_class == kNoClass) return;
  for (size_t i = 0; i < classes.size(); ++i) {
    if (classes[i].label_class != label_class) continue;
    classes[i].pods += sign;
    if (pod.terminating) classes[i].terminating += sign;
    if (classes[i].pods == 0) {
      classes[i] = classes.back();
      classes.pop_back();
    }
    return;
  }
  classes.push_back({label_class, 1, pod.terminating ? 1 : 0});
}

void NodeInfo::add_pod(PodInfoRef pod, LabelClass label_class, uint32_t state) {
  count(*pod, label_class, 1);
  if (pod->t->has_pod_affinity) pods_with_affinity.push_back(pod);
  if (!pod->t->required_anti_affinity.empty()) pods_with_required_anti_affinity.push_back(pod);
  pods.push_back({std::move(pod), label_class, state});
}

void NodeInfo::replace_at(size_t index, PodInfoRef pod) {
  const PodInfo* old = pods[index].pod.get();
  if (old->t->has_pod_affinity) {
    swap_remove(pods_with_affinity, old);
    pods_with_affinity.push_back(pod);
  }
  if (!old->t->required_anti_affinity.empty()) {
    swap_remove(pods_with_required_anti_affinity, old);
    pods_with_required_anti_affinity.push_back(pod);
  }
  std::swap(pods[index], pods.back());
  pods.back().pod = std::move(pod);
}

void NodeInfo::remove_at(size_t index) {
  const PodInfo& pod = *pods[index].pod;
  if (pod.t->has_pod_affinity) swap_remove(pods_with_affinity, &pod);
  if (!pod.t->required_anti_affinity.empty()) {
    swap_remove(pods_with_required_anti_affinity, &pod);
  }
  count(pod, pods[index].label_class, -1);
  std::swap(pods[index], pods.back());
  pods.pop_back();
}

bool ports_conflict(const std::vector<HostPort>& wanted, const std::vector<HostPort>& used) {
  for (const HostPort& w : wanted) {
    for (const HostPort& u : used) {
      if (w.port != u.port || w.protocol != u.protocol) continue;
      if (w.ip == "0.0.0.0" || u.ip == "0.0.0.0" || w.ip == u.ip) return true;
    }
  }
  return false;
}

}  // namespace mainspring::scheduler

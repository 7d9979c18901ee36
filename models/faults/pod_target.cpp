#include "models/faults/pod_target.h"

#include <fmt/format.h>

#include "models/node/internal.h"

namespace mainspring::faults {

using node::ContainerHandle;
using node::NodeIndex;
using node::PodHandle;

namespace {

std::string list(std::string_view one, std::string_view many,
                 const std::vector<std::string_view>& names) {
  if (names.size() == 1) return fmt::format("{} {}", one, names[0]);
  constexpr size_t kShown = 3;
  std::string text = fmt::format("{} ", many);
  for (size_t i = 0; i < names.size() && i < kShown; ++i) {
    if (i > 0) text += i + 1 == names.size() ? " and " : ", ";
    text += names[i];
  }
  if (names.size() > kShown) text += fmt::format(" and {} more", names.size() - kShown);
  return text;
}

}  // namespace

std::vector<ContainerHandle> target_containers(const FaultContext& context,
                                               const FaultTarget& target) {
  const node::NodeFleet& fleet = context.fleet;
  std::vector<ContainerHandle> matching;
  for (const PodHandle h : fleet.pods()) {
    const api::Pod& pod = fleet.object(h);
    if (!target.ns.empty() && pod.metadata.namespace_ != target.ns) continue;
    if (!target.pod.empty() && pod.metadata.name != target.pod) continue;
    if (!target.workload.empty() && node::workload_of(pod) != target.workload) continue;
    if (!target.node.empty() && pod.spec.node_name != target.node) continue;
    bool labels = true;
    for (const auto& [key, value] : target.labels) {
      const api::Str* has = pod.metadata.labels.find(key);
      labels = labels && has && *has == value;
    }
    if (!labels) continue;
    const std::vector<ContainerHandle> all = fleet.containers(h);
    for (size_t i = pod.spec.init_containers.size(); i < all.size(); ++i) {
      if (!target.container.empty() && fleet.container_name(all[i]) != target.container) continue;
      if (!fleet.running(all[i])) continue;
      matching.push_back(all[i]);
      break;
    }
  }
  std::vector<ContainerHandle> chosen;
  for (const size_t i : context.choose(matching.size(), target.count)) {
    chosen.push_back(matching[i]);
  }
  return chosen;
}

std::string pod_names(const FaultContext& context, const std::vector<ContainerHandle>& of) {
  if (of.empty()) return "no pod";
  std::vector<std::string_view> names;
  for (const ContainerHandle c : of) {
    const PodHandle pod = context.fleet.pod_of(c);
    if (pod.valid()) names.push_back(context.fleet.object(pod).metadata.name);
  }
  return names.empty() ? "pods that are gone" : list("pod", "pods", names);
}

std::vector<NodeIndex> target_nodes(const FaultContext& context, const FaultTarget& target) {
  const node::NodeFleet& fleet = context.fleet;
  std::vector<NodeIndex> matching;
  for (NodeIndex n = 0; n < fleet.machine_count(); ++n) {
    const node::MachineState state = fleet.state(n);
    if (state != node::MachineState::kUp && state != node::MachineState::kBooting) continue;
    const node::MachineSpec& spec = fleet.spec(n);
    if (!target.node.empty() && spec.name != target.node) continue;
    if (!target.pool.empty() && spec.pool != target.pool) continue;
    if (!target.zone.empty() && spec.zone != target.zone) continue;
    matching.push_back(n);
  }
  std::vector<NodeIndex> chosen;
  for (const size_t i : context.choose(matching.size(), target.count)) {
    chosen.push_back(matching[i]);
  }
  return chosen;
}

std::string node_names(const FaultContext& context, const std::vector<NodeIndex>& of) {
  if (of.empty()) return "no node";
  std::vector<std::string_view> names;
  names.reserve(of.size());
  for (const NodeIndex n : of) names.push_back(context.fleet.spec(n).name);
  return list("node", "nodes", names);
}

}  // namespace mainspring::faults

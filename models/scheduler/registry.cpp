#include "models/scheduler/registry.h"

#include "models/scheduler/plugins/balanced_allocation.h"
#include "models/scheduler/plugins/default_binder.h"
#include "models/scheduler/plugins/default_preemption.h"
#include "models/scheduler/plugins/dynamic_resources.h"
#include "models/scheduler/plugins/image_locality.h"
#include "models/scheduler/plugins/inter_pod_affinity.h"
#include "models/scheduler/plugins/node_affinity.h"
#include "models/scheduler/plugins/node_name.h"
#include "models/scheduler/plugins/node_ports.h"
#include "models/scheduler/plugins/node_resources_fit.h"
#include "models/scheduler/plugins/node_unschedulable.h"
#include "models/scheduler/plugins/node_volume_limits.h"
#include "models/scheduler/plugins/pod_topology_spread.h"
#include "models/scheduler/plugins/priority_sort.h"
#include "models/scheduler/plugins/scheduling_gates.h"
#include "models/scheduler/plugins/taint_toleration.h"
#include "models/scheduler/plugins/volume_binding.h"
#include "models/scheduler/plugins/volume_restrictions.h"
#include "models/scheduler/plugins/volume_zone.h"

namespace mainspring::scheduler {

namespace {
template <class P>
void plain(Registry& registry) {
  registry.add(P::kName, P::kPoints,
               [](const PluginConfig&, ClusterCache&) -> std::unique_ptr<Plugin> {
                 return std::make_unique<P>();
               });
}
}  // namespace

void register_scheduler_plugins(Registry& registry) {
  plain<SchedulingGates>(registry);
  plain<PrioritySort>(registry);
  plain<NodeUnschedulable>(registry);
  plain<NodeName>(registry);
  plain<TaintToleration>(registry);
  registry.add(NodeAffinity::kName, NodeAffinity::kPoints,
               [](const PluginConfig& c, ClusterCache&) -> std::unique_ptr<Plugin> {
                 return std::make_unique<NodeAffinity>(c.node_affinity);
               });
  plain<NodePorts>(registry);
  registry.add(NodeResourcesFit::kName, NodeResourcesFit::kPoints,
               [](const PluginConfig& c, ClusterCache&) -> std::unique_ptr<Plugin> {
                 return std::make_unique<NodeResourcesFit>(c.fit);
               });
  plain<VolumeRestrictions>(registry);
  plain<NodeVolumeLimits>(registry);
  registry.add(VolumeBinding::kName, VolumeBinding::kPoints,
               [](const PluginConfig& c, ClusterCache&) -> std::unique_ptr<Plugin> {
                 return std::make_unique<VolumeBinding>(c.volume_binding);
               });
  plain<VolumeZone>(registry);
  registry.add(PodTopologySpread::kName, PodTopologySpread::kPoints,
               [](const PluginConfig& c, ClusterCache& k) -> std::unique_ptr<Plugin> {
                 return std::make_unique<PodTopologySpread>(c.spread, k);
               });
  registry.add(InterPodAffinity::kName, InterPodAffinity::kPoints,
               [](const PluginConfig& c, ClusterCache&) -> std::unique_ptr<Plugin> {
                 return std::make_unique<InterPodAffinity>(c.inter_pod_affinity);
               });
  plain<DynamicResources>(registry);
  registry.add(DefaultPreemption::kName, DefaultPreemption::kPoints,
               [](const PluginConfig& c, ClusterCache&) -> std::unique_ptr<Plugin> {
                 return std::make_unique<DefaultPreemption>(c.preemption);
               });
  registry.add(NodeResourcesBalancedAllocation::kName, NodeResourcesBalancedAllocation::kPoints,
               [](const PluginConfig& c, ClusterCache&) -> std::unique_ptr<Plugin> {
                 return std::make_unique<NodeResourcesBalancedAllocation>(c.balanced);
               });
  plain<ImageLocality>(registry);
  plain<DefaultBinder>(registry);
}

std::vector<PluginWeight> default_plugins() {
  return {{"SchedulingGates", 0},
          {"PrioritySort", 0},
          {"NodeUnschedulable", 0},
          {"NodeName", 0},
          {"TaintToleration", 3},
          {"NodeAffinity", 2},
          {"NodePorts", 0},
          {"NodeResourcesFit", 1},
          {"VolumeRestrictions", 0},
          {"NodeVolumeLimits", 0},
          {"VolumeBinding", 0},
          {"VolumeZone", 0},
          {"PodTopologySpread", 2},
          {"InterPodAffinity", 2},
          {"DynamicResources", 2},
          {"DefaultPreemption", 0},
          {"NodeResourcesBalancedAllocation", 1},
          {"ImageLocality", 1},
          {"DefaultBinder", 0}};
}

}  // namespace mainspring::scheduler

#include "models/controllers/registry.h"

#include <utility>

#include "models/client/reconciler.h"

namespace mainspring::controllers {

void register_controllers(std::vector<std::unique_ptr<client::ControlLoop>>& loops,
                          const Options& options) {
  const auto add = [&loops](std::unique_ptr<client::Reconciler> r) {
    loops.push_back(std::make_unique<client::ReconcilerLoop>(std::move(r)));
  };
  add(make_deployment_controller(options.deployment));
  add(make_replicaset_controller(options.replicaset));
  add(make_endpointslice_controller(options.endpointslice));
  add(make_node_lifecycle_controller(options.node_lifecycle));
  add(make_taint_eviction_controller());
  add(make_pod_gc_controller(options.pod_gc));
  add(make_garbage_collector(options.garbage_collector));
  add(make_disruption_controller());
  add(make_namespace_controller(options.namespace_));
  add(make_statefulset_controller(options.statefulset));
  add(make_daemonset_controller(options.daemonset));
  add(make_job_controller(options.job));
  add(make_cronjob_controller(options.cronjob));
  add(make_resource_quota_controller(options.resource_quota));
  add(make_persistentvolume_controller(options.persistentvolume));
  add(make_ephemeral_volume_controller());
  add(make_resourceclaim_controller());
}

}  // namespace mainspring::controllers

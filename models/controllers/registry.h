// All controllers of kube-controller-manager that are modelled, in one place.
#pragma once

#include <memory>
#include <vector>

#include "models/client/control_loop.h"
#include "models/controllers/cronjob_controller.h"
#include "models/controllers/daemonset_controller.h"
#include "models/controllers/deployment_controller.h"
#include "models/controllers/disruption_controller.h"
#include "models/controllers/endpointslice_controller.h"
#include "models/controllers/ephemeral_volume_controller.h"
#include "models/controllers/garbage_collector.h"
#include "models/controllers/job_controller.h"
#include "models/controllers/namespace_controller.h"
#include "models/controllers/node_lifecycle_controller.h"
#include "models/controllers/persistentvolume_controller.h"
#include "models/controllers/pod_gc_controller.h"
#include "models/controllers/replicaset_controller.h"
#include "models/controllers/resource_quota_controller.h"
#include "models/controllers/resourceclaim_controller.h"
#include "models/controllers/statefulset_controller.h"
#include "models/controllers/taint_eviction_controller.h"

namespace mainspring::controllers {

// Defaults are those of kube-controller-manager's flags.
struct Options {
  DeploymentOptions deployment;
  ReplicaSetOptions replicaset;
  EndpointSliceOptions endpointslice;
  NodeLifecycleOptions node_lifecycle;
  PodGcOptions pod_gc;
  GarbageCollectorOptions garbage_collector;
  NamespaceOptions namespace_;
  StatefulSetOptions statefulset;
  DaemonSetOptions daemonset;
  JobOptions job;
  CronJobOptions cronjob;
  ResourceQuotaOptions resource_quota;
  PersistentVolumeOptions persistentvolume;
};

// Appends one loop per controller, in a fixed order: that in which they hear of a change.
void register_controllers(std::vector<std::unique_ptr<client::ControlLoop>>& loops,
                          const Options& options = {});

}  // namespace mainspring::controllers

// The node lifecycle controller: notices nodes that fall silent, and tells the rest of the cluster.
//
// Every 5 s it looks at all nodes. A node whose Lease and status have not changed for 50 s gets its
// conditions set to Unknown, its pods are marked not ready, and it is tainted: NoSchedule at once,
// NoExecute through a rate limiter per zone that slows down or stops when many nodes of a zone are
// gone. Between passes nothing is done, and a pass looks only at nodes that changed, are not ready,
// or are due; leases that renew themselves (models/client/lease_clock.h) are computed when due, so
// a quiet pass over any number of nodes costs next to nothing.
//
// Determinism: zones and nodes are walked in order of name.
// Not modelled: the 20 ms between tries of a refused status write; legacy failure-domain labels.
// Source: pkg/controller/nodelifecycle (node_lifecycle_controller.go,
// scheduler/rate_limited_queue.go), pkg/controller/util/node, v1.34 and v1.35; constants from the
// flags' defaults.
#pragma once

#include "models/client/reconciler.h"

namespace mainspring::controllers {

struct NodeLifecycleOptions {
  api::Duration monitor_period = api::Duration::seconds(5);         // --node-monitor-period
  api::Duration monitor_grace_period = api::Duration::seconds(50);  // --node-monitor-grace-period
  api::Duration startup_grace_period = api::Duration::seconds(60);  // --node-startup-grace-period
  int64_t eviction_rate_milli = 100;           // --node-eviction-rate, thousandths of a node/s
  int64_t secondary_eviction_rate_milli = 10;  // --secondary-node-eviction-rate
  int64_t large_cluster_threshold = 50;        // --large-cluster-size-threshold, nodes of a zone
  int64_t unhealthy_zone_percent = 55;         // --unhealthy-zone-threshold
  api::Duration taint_loop_period = api::Duration::millis(100);
};

std::unique_ptr<client::Reconciler> make_node_lifecycle_controller(
    NodeLifecycleOptions options = {});

}  // namespace mainspring::controllers

// The DaemonSet controller: one pod on every node that should have one.
//
// Which nodes: node selector, required affinity and taints; resources do not count. Pods are bound
// by the scheduler through a node affinity by name. Rolling updates delete (or, with surge, add)
// within maxUnavailable and maxSurge.
//
// Determinism: nodes are walked in order of creation, then name.
// Not modelled: adoption of orphans.
// Source: pkg/controller/daemon (daemon_controller.go, update.go, util/), v1.34 and v1.35.
#pragma once

#include "models/client/reconciler.h"

namespace mainspring::controllers {

struct DaemonSetOptions {
  int32_t workers = 2;           // --concurrent-daemonset-syncs
  int32_t burst_replicas = 250;  // most creates and deletes in one sync
  // Failed pods of a node are deleted after 1 s, 2 s, ... up to this.
  api::Duration max_failure_backoff = api::Duration::minutes(15);
};

std::unique_ptr<client::Reconciler> make_daemonset_controller(DaemonSetOptions options = {});

}  // namespace mainspring::controllers

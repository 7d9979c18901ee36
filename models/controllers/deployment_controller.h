// The Deployment controller: rolls pod templates out through ReplicaSets.
//
// One sync makes the writes that Kubernetes' syncDeployment makes, in its order and from the same
// (cached) knowledge: new ReplicaSet, revision annotations, scaling of new and old ones, history
// cleanup, status with its conditions, events. Where the real controller runs into its own stale
// copy (a second status update in one sync conflicts and the key is retried), so does this one.
//
// Not modelled: the rollback annotation of extensions/v1beta1, podReplacementPolicy (alpha).
// Source: pkg/controller/deployment (sync.go, rolling.go, recreate.go, progress.go,
// util/deployment_util.go), v1.34 and v1.35.
#pragma once

#include "models/client/reconciler.h"

namespace mainspring::controllers {

struct DeploymentOptions {
  int32_t workers = 5;       // --concurrent-deployment-syncs
  int32_t max_retries = 15;  // then a key is dropped until something changes
};

std::unique_ptr<client::Reconciler> make_deployment_controller(DeploymentOptions options = {});

}  // namespace mainspring::controllers

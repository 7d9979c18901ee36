// The ReplicaSet controller: keeps the number of pods that match a template at spec.replicas.
//
// Missing pods are created in slow-start batches (1, 2, 4, ...), surplus ones deleted all at once
// in the order of Kubernetes' ranking; at most 500 of either in a sync. Expectations guard against
// acting twice on a cache that lags. Pods that are terminal or going are not counted.
//
// Not modelled: the consistency store of v1.36. `terminating_replicas` (status.terminatingReplicas,
// beta and on in v1.35, off in v1.34) is an option.
// Source: pkg/controller/replicaset and controller_utils.go, v1.34 and v1.35.
#pragma once

#include "models/client/reconciler.h"

namespace mainspring::controllers {

struct ReplicaSetOptions {
  int32_t workers = 5;           // --concurrent-replicaset-syncs
  int32_t burst_replicas = 500;  // most creates or deletes in one sync
  bool terminating_replicas = false;
};

std::unique_ptr<client::Reconciler> make_replicaset_controller(ReplicaSetOptions options = {});

}  // namespace mainspring::controllers

// The Job controller: runs pods until enough of them have succeeded.
//
// Pods carry the finalizer batch.kubernetes.io/job-tracking until they are counted: a finished pod
// is first written into status.uncountedTerminatedPods, then loses its finalizer, then counts.
// Changes of pods are answered a second later, all at once. Failed pods are replaced after 10 s,
// 20 s, ... up to 10 min since the last success.
//
// Not modelled: podFailurePolicy, successPolicy, backoffLimitPerIndex, adoption of orphans, TTL
// after finishing.
// Source: pkg/controller/job (job_controller.go, backoff_utils.go, indexed_job_utils.go), v1.34/35.
#pragma once

#include "models/client/reconciler.h"

namespace mainspring::controllers {

struct JobOptions {
  int32_t workers = 5;                                     // --concurrent-job-syncs
  api::Duration batch_period = api::Duration::seconds(1);  // syncJobBatchPeriod
  api::Duration backoff = api::Duration::seconds(10);      // of failed pods, doubling
  api::Duration max_backoff = api::Duration::minutes(10);
  int32_t max_pods_per_sync = 500;
};

std::unique_ptr<client::Reconciler> make_job_controller(JobOptions options = {});

}  // namespace mainspring::controllers

// The HorizontalPodAutoscaler (autoscaling/v2): sets the replicas of a workload from metrics.
//
// Every autoscaler is looked at 15 s after it was seen first and every 15 s from then on. Replica
// counts, tolerance, treatment of pods that are not ready or have no metrics, stabilisation,
// scaling policies, conditions and events are those of Kubernetes, word for word.
//
// Metrics: Resource and ContainerResource (cpu, memory) from the resource metrics API. Pods, Object
// and External metrics fail as in a cluster where no adapter serves them.
// Determinism: pods and metrics are walked in order of name; ratios are IEEE doubles, computed with
// +, -, *, / and ceil only.
// Not modelled: scaling from zero (HPAScaleToZero), scale targets of custom resources. The words of
// an answer of the metrics API that is down are not reproduced.
// Source: pkg/controller/podautoscaler (horizontal.go, replica_calculator.go, metrics/), v1.34/35.
#pragma once

#include "models/client/reconciler.h"

namespace mainspring::autoscaling {

struct HorizontalOptions {
  int32_t workers = 5;                                     // --concurrent-horizontal-...
  api::Duration sync_period = api::Duration::seconds(15);  // ...-sync-period
  api::Duration downscale_stabilization = api::Duration::minutes(5);
  api::Duration cpu_initialization_period = api::Duration::minutes(5);
  api::Duration initial_readiness_delay = api::Duration::seconds(30);
  double tolerance = 0.1;  // ratio around 1.0
  // spec.behavior.*.tolerance is followed (HPAConfigurableTolerance, on since v1.35).
  bool configurable_tolerance = true;
  // If set, syncs fall on multiples of the period after this wall-clock time instead.
  api::Time phase;
};

std::unique_ptr<client::Reconciler> make_horizontal_controller(HorizontalOptions options = {});

}  // namespace mainspring::autoscaling

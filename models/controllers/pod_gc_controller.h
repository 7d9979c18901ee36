// The pod garbage collector: every 20 s it removes pods that nobody else will.
//
// Terminated pods beyond a threshold; pods of nodes tainted out-of-service; pods bound to nodes
// that no longer exist (after 40 s of quarantine and a live look); terminating pods that never got
// a node.
// Source: pkg/controller/podgc/gc_controller.go, v1.34 and v1.35.
#pragma once

#include "models/client/reconciler.h"

namespace mainspring::controllers {

struct PodGcOptions {
  int32_t terminated_threshold = 12500;  // --terminated-pod-gc-threshold; 0 turns it off
  api::Duration period = api::Duration::seconds(20);
  api::Duration quarantine = api::Duration::seconds(40);
};

std::unique_ptr<client::Reconciler> make_pod_gc_controller(PodGcOptions options = {});

}  // namespace mainspring::controllers

// The taint eviction controller: deletes pods that do not tolerate a NoExecute taint of their node.
//
// A pod that tolerates all of them for a limited time gets a timer for the shortest of those times;
// it keeps its start when taints change. Pods are marked with the condition DisruptionTarget and
// deleted with their own grace period; disruption budgets are not asked.
// Source: pkg/controller/tainteviction (taint_eviction.go, timed_workers.go), v1.34 and v1.35.
#pragma once

#include "models/client/reconciler.h"

namespace mainspring::controllers {

std::unique_ptr<client::Reconciler> make_taint_eviction_controller();

}  // namespace mainspring::controllers

// The StatefulSet controller: pods with names and claims of their own, in order.
//
// OrderedReady creates, deletes and updates one pod at a time and waits for it; Parallel creates
// and deletes all at once (slow start), and still updates one at a time. Templates are kept as
// ControllerRevisions.
//
// Not modelled: MaxUnavailableStatefulSet (off by default), repair of a pod's identity and storage
// after somebody changed it, owner references on claims once they exist.
// Source: pkg/controller/statefulset (stateful_set_control.go, stateful_set_utils.go), v1.34/35.
#pragma once

#include "models/client/reconciler.h"

namespace mainspring::controllers {

struct StatefulSetOptions {
  int32_t workers = 5;  // --concurrent-statefulset-syncs
};

std::unique_ptr<client::Reconciler> make_statefulset_controller(StatefulSetOptions options = {});

}  // namespace mainspring::controllers

// The garbage collector: deletes objects whose owners are gone, and carries out foreground and
// orphaning deletion.
//
// It keeps a graph of who owns whom, built from watches on all kinds. A dependent is asked for once
// more before it is deleted, so that each collected object costs two requests of its 40 per second.
// Determinism: dependents are walked in order of uid.
// Not modelled: kinds outside the schema, owner references across namespaces (they count as absent
// when the owner is not found in the dependent's namespace).
// Source: pkg/controller/garbagecollector (garbagecollector.go, graph_builder.go, operations.go),
// v1.34 and v1.35.
#pragma once

#include "models/client/reconciler.h"

namespace mainspring::controllers {

struct GarbageCollectorOptions {
  int32_t workers = 20;        // --concurrent-gc-syncs
  int64_t qps_milli = 40'000;  // twice the controller manager's: a deletion takes two calls
  int64_t burst = 30;
  size_t absent_owners = 500;  // owners remembered as gone
};

std::unique_ptr<client::Reconciler> make_garbage_collector(GarbageCollectorOptions options = {});

}  // namespace mainspring::controllers

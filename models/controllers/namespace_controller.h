// The namespace controller: empties a namespace that is being deleted, then lets it go.
//
// Pods go first (OrderedNamespaceDeletion, on since v1.33); when none is left, everything else. It
// looks 5 s after every change of the namespace.
// Source: pkg/controller/namespace (namespace_controller.go, deletion/), v1.34 and v1.35.
#pragma once

#include "models/client/reconciler.h"

namespace mainspring::controllers {

struct NamespaceOptions {
  int32_t workers = 10;                             // --concurrent-namespace-syncs
  api::Duration grace = api::Duration::seconds(5);  // namespaceDeletionGracePeriod
  int64_t qps_milli = 400'000;                      // 20 times the controller manager's
  int64_t burst = 3000;
};

std::unique_ptr<client::Reconciler> make_namespace_controller(NamespaceOptions options = {});

}  // namespace mainspring::controllers

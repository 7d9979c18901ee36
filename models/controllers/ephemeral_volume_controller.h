// The ephemeral volume controller: makes the claims of pods' generic ephemeral volumes, owned by
// the pod. Source: pkg/controller/volume/ephemeral (v1.35).
#pragma once

#include "models/client/reconciler.h"

namespace mainspring::controllers {

std::unique_ptr<client::Reconciler> make_ephemeral_volume_controller();

}  // namespace mainspring::controllers

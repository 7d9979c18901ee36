// The resource claim controller: makes claims from the templates that pods name and says so in
// pod.status.resourceClaimStatuses, reserves allocated claims for pods that were bound by others,
// takes away the reservations of pods that have ended, gives the devices of unused claims back, and
// deletes the claims of pods that have ended.
// Source: pkg/controller/resourceclaim (v1.35). Not modelled: claims for extended resources.
#pragma once

#include "models/client/reconciler.h"

namespace mainspring::controllers {

std::unique_ptr<client::Reconciler> make_resourceclaim_controller();

}  // namespace mainspring::controllers

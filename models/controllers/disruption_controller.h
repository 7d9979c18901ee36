// The disruption controller: how many pods a PodDisruptionBudget lets go at this moment.
//
// Not modelled: taking back the DisruptionTarget condition of pods that were not deleted after all,
// scale subresources of custom resources.
// Source: pkg/controller/disruption/disruption.go, v1.34 and v1.35.
#pragma once

#include "models/client/reconciler.h"

namespace mainspring::controllers {

std::unique_ptr<client::Reconciler> make_disruption_controller();

}  // namespace mainspring::controllers

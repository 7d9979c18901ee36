// The EndpointSlice controller: publishes the pods behind every Service with a selector.
//
// One group of slices per distinct set of ports (named ports are resolved pod by pod), at most 100
// endpoints in a slice, as few writes as possible: slices are updated in place first, then filled,
// then created. An endpoint is ready while its pod is ready and not going, serving while it is
// ready, terminating once it is being deleted. trafficDistribution adds zone and node hints.
//
// Determinism: where Kubernetes walks a Go map (endpoints taken to fill a slice), the order here is
// that in which the pods were first seen.
// Not modelled: topology-mode Auto hints, mirroring of Endpoints objects.
// Source: pkg/controller/endpointslice, staging endpointslice (reconciler.go, utils.go,
// trafficdist), v1.35.
#pragma once

#include "models/client/reconciler.h"

namespace mainspring::controllers {

struct EndpointSliceOptions {
  int32_t workers = 5;                    // --concurrent-service-endpoint-syncs
  int32_t max_endpoints_per_slice = 100;  // --max-endpoints-per-slice
  api::Duration batch_period;             // --endpointslice-updates-batch-period
  int32_t max_retries = 15;
};

std::unique_ptr<client::Reconciler> make_endpointslice_controller(
    EndpointSliceOptions options = {});

}  // namespace mainspring::controllers

// Limit ranges and resource quotas at admission.
// Source: plugin/pkg/admission/limitranger, staging/src/k8s.io/apiserver/pkg/admission/plugin/
// resourcequota. Modelled: LimitRange defaults of type Container; quotas over counts and over the
// requests and limits of pods, without scopes. Not modelled: min, max and ratio checks, scopes.
#pragma once

#include <string>

#include "models/api/types/core.h"
#include "models/apiserver/store.h"

namespace mainspring::apiserver {

struct Transaction;

void apply_limit_ranges(const Store& store, api::Pod& pod);
// Charges a new object to the quotas of its namespace; false with the reason when one is exceeded.
bool charge_quotas(Transaction& tx, const api::Object& object, std::string& why);

}  // namespace mainspring::apiserver

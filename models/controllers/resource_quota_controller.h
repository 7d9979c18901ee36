// The resource quota controller: counts what a quota holds back, and gives freed room back.
//
// Admission charges a quota when objects are created; usage falls only here: when an object is
// deleted or a pod ends, when the quota changes, and every 5 minutes.
//
// Not modelled: extended and storage-class quotas, the scope CrossNamespacePodAffinity, services by
// type, pods past their deletion grace.
// Source: pkg/controller/resourcequota, pkg/quota/v1 (evaluator/core/pods.go), v1.34 and v1.35.
#pragma once

#include "models/client/reconciler.h"

namespace mainspring::controllers {

struct ResourceQuotaOptions {
  int32_t workers = 5;                                    // --concurrent-resource-quota-syncs
  api::Duration sync_period = api::Duration::minutes(5);  // --resource-quota-sync-period
};

std::unique_ptr<client::Reconciler> make_resource_quota_controller(
    ResourceQuotaOptions options = {});

}  // namespace mainspring::controllers

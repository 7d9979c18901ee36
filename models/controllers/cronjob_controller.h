// The CronJob controller: starts Jobs by the clock.
//
// However many times were missed, at most one Job is started in a sync: the latest that is due.
//
// Not modelled: time zones (spec.timeZone is read as UTC, which is also the controller's own zone).
// Source: pkg/controller/cronjob (cronjob_controllerv2.go, utils.go), v1.34 and v1.35.
#pragma once

#include "models/client/reconciler.h"

namespace mainspring::controllers {

struct CronJobOptions {
  int32_t workers = 5;  // --concurrent-cron-job-syncs
};

std::unique_ptr<client::Reconciler> make_cronjob_controller(CronJobOptions options = {});

}  // namespace mainspring::controllers

// How many replicas a resource metric asks for.
// Source: pkg/controller/podautoscaler/replica_calculator.go and metrics/utilization.go, v1.35.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "models/api/types/core.h"
#include "models/client/control_loop.h"

namespace mainspring::autoscaling {

// One sample of a pod, in thousandths.
struct PodMetric {
  int64_t value_milli = 0;
  api::Time timestamp;
  api::Duration window;
};
using Samples = std::map<api::Str, PodMetric>;  // by pod name

struct Tolerances {
  double down = 0.1;
  double up = 0.1;
  bool within(double ratio) const { return 1.0 - down <= ratio && ratio <= 1.0 + up; }
};

struct CalculatorOptions {
  api::Duration cpu_initialization_period;
  api::Duration initial_readiness_delay;
};

struct Proposal {
  std::string error;  // not empty: nothing else counts
  int32_t replicas = 0;
  int32_t utilization = 0;  // percent of the request; only for utilization targets
  int64_t average_milli = 0;
};

// The samples of one resource ("cpu" or "memory"), of one container or (empty) of all, for the
// given pods. Pods without a complete sample are left out.
Samples samples_of(const std::vector<client::PodMetrics>& metrics,
                   const std::vector<const api::Pod*>& pods, std::string_view resource,
                   std::string_view container);

// Replicas that bring the average utilization of requests to the target percentage.
Proposal replicas_for_utilization(Samples samples, const std::vector<const api::Pod*>& pods,
                                  int32_t current, int32_t target_percent,
                                  std::string_view resource, std::string_view container,
                                  const Tolerances& tolerances, const CalculatorOptions& options,
                                  api::Time now);
// Replicas that bring the average value to the target (in thousandths).
Proposal replicas_for_value(Samples samples, const std::vector<const api::Pod*>& pods,
                            int32_t current, int64_t target_milli, std::string_view resource,
                            const Tolerances& tolerances, const CalculatorOptions& options,
                            api::Time now);

}  // namespace mainspring::autoscaling

// What the program in a container does, as far as its node notices: how long it takes to start,
// what it needs when idle, when it ends by itself, how it takes a SIGTERM. Manifests cannot say
// it; scenario files do, by rules that name workloads and containers.
//
// All times are counted from the start of the process. Draws come from the stream "app", keyed by
// pod uid, container and restart, so another pod never shifts them.
// Not modelled: start-up that gets slower for lack of CPU; more than one process in a container.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "models/api/value.h"
#include "models/node/types.h"
#include "sim/distributions.h"
#include "sim/time.h"

namespace mainspring::node {

inline sim::Distribution uniform_seconds(double low, double high) {
  return sim::Distribution::uniform(low * 1e9, high * 1e9).as_nanoseconds();
}

struct AppBehavior {
  api::RefCount refs;  // shared by every container it applies to

  // From process start until it listens: startup and liveness probes succeed from then on.
  sim::Distribution startup = uniform_seconds(1, 2);
  // From listening until the readiness probe succeeds.
  sim::Distribution warmup;

  MicroCores idle_cpu{1'000};              // burnt without requests
  MicroCores startup_cpu{200'000};         // wanted while starting
  int64_t base_memory = 64LL << 20;        // working set without requests, bytes
  int64_t memory_per_request = 256 << 10;  // bytes held by a request in flight
  int64_t leak_per_second = 0;             // growth of the working set, bytes

  // Ends by itself after this long (jobs, init containers, crashes); never when unset.
  std::optional<sim::Distribution> run_for;
  int32_t exit_code = 0;  // of that end
  // Chance that a start is a failing one, in thousandths; it ends after `crash_after` with
  // `crash_code` instead. 1000 is a crash loop.
  int32_t crash_per_mille = 0;
  sim::Distribution crash_after = uniform_seconds(2, 3);
  int32_t crash_code = 1;

  // After SIGTERM: how long it takes to end, and how. A program without a handler as process 1
  // ignores the signal and is killed at the end of the grace period.
  bool ignores_sigterm = false;
  sim::Distribution shutdown = uniform_seconds(0.1, 0.3);
  int32_t sigterm_exit_code = 143;  // 128 + 15 when the signal ends it; its own code when handled
  // True: new requests are refused from SIGTERM on. False: it serves until it ends.
  bool closes_on_sigterm = false;
  // Exec and httpGet preStop hooks take this long (sleep hooks say it themselves).
  sim::Duration pre_stop = sim::Duration::millis(50);
  sim::Duration post_start = sim::Duration::millis(50);

  // Probe answers by the clock of the process: from then on the probe fails. Unset: never.
  std::optional<sim::Duration> liveness_fails_after;
  std::optional<sim::Duration> readiness_fails_after;
};
using AppBehaviorRef = api::Ref<const AppBehavior>;

// A rule of the scenario: the containers it is for, and how they behave. Empty fields match all.
struct AppRule {
  api::Str ns;
  api::Str workload;  // the Deployment, StatefulSet, DaemonSet, Job, or bare pod
  api::Str container;
  AppBehaviorRef behavior;
};

// The rules of a scenario; the first that matches counts, else the default.
class AppRules {
 public:
  AppRules();
  void add(AppRule rule) { rules_.push_back(std::move(rule)); }
  void set_default(AppBehaviorRef behavior) { default_ = std::move(behavior); }
  // `init`: for containers that are meant to end (init containers that are no sidecars, containers
  // of Jobs): without a rule they end after a second with exit code 0.
  const AppBehaviorRef& find(std::string_view ns, std::string_view workload,
                             std::string_view container, bool ends) const;

 private:
  std::vector<AppRule> rules_;
  AppBehaviorRef default_;
  AppBehaviorRef default_that_ends_;
};

}  // namespace mainspring::node

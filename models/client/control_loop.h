// The seam between the control plane's logic and whatever it runs against.
//
// A ControlLoop (the scheduler, a controller, an autoscaler) is a value that reacts to three
// things: a change in its caches, a timer of its own, the answer to one of its requests. All it can
// see and do goes through a ControlContext: the clock, the cached view of the cluster, requests to
// the API server, timers. The simulator implements the context over virtual time, with rate limits,
// latencies and caches that lag; a client of a real cluster could implement it as well.
//
// Calls never nest: submit() and the timers return at once and answer by a later call. A loop keeps
// no pointer to the context between calls, and no closure anywhere, so that it can be cloned with
// the world at any instant.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "models/client/cache.h"
#include "models/client/request.h"

namespace mainspring::client {

// Usage of one container as the resource metrics API (metrics.k8s.io) reports it.
struct ContainerMetrics {
  api::Str name;
  int64_t cpu_milli = 0;
  int64_t memory_bytes = 0;
};
struct PodMetrics {
  api::Str name;
  api::Time timestamp;
  api::Duration window;
  std::vector<ContainerMetrics> containers;
};

using TimerId = uint64_t;  // never 0
// Chosen by the loop, handed back with the answer or the timer.
using Cookie = uint64_t;

class ControlContext {
 public:
  virtual ~ControlContext() = default;

  virtual api::Time now() const = 0;
  // The informer cache of a kind; the loop must have named it in ControlLoop::watches().
  virtual const Cache& cache(api::Kind kind) const = 0;

  // Sends a request through this client's rate limiter. The answer comes as on_outcome(cookie).
  virtual void submit(Request request, Cookie cookie) = 0;

  virtual TimerId set_timer(api::Time at, Cookie cookie) = 0;
  virtual void cancel_timer(TimerId id) = 0;

  // The resource metrics of the pods in a namespace, as the metrics server has them now; pods
  // without metrics are missing. Sorted by name.
  virtual std::vector<PodMetrics> pod_metrics(std::string_view ns) = 0;

  // Notes something that the run's record should hold besides changes of objects.
  virtual void record(std::string_view /*type*/, std::string_view /*key*/,
                      std::string_view /*payload*/) {}

  // A random word of this loop's own named stream: the n-th draw for an entity.
  virtual uint64_t random(std::string_view entity, uint64_t draw) const = 0;
};

// How a loop's client behaves towards the API server.
struct ClientLimits {
  int64_t qps_milli = 20'000;  // thousandths of a request per second; 0: unlimited
  int64_t burst = 30;
  // Events go through a second client with limits of its own, as kube-scheduler's do.
  bool events_apart = false;
};

// One informer a loop needs: a kind, and the indexes it will ask for.
struct WatchSpec {
  api::Kind kind;
  std::vector<IndexBy> indexes;
};

class ControlLoop {
 public:
  virtual ~ControlLoop() = default;
  virtual std::string_view name() const = 0;
  virtual std::unique_ptr<ControlLoop> clone() const = 0;

  virtual std::vector<WatchSpec> watches() const = 0;
  virtual ClientLimits limits() const { return {}; }

  // Called once, after the caches have synced.
  virtual void start(ControlContext&) {}
  // A change that the caches already show.
  virtual void on_watch(ControlContext&, const WatchEvent&) {}
  virtual void on_timer(ControlContext&, Cookie) {}
  virtual void on_outcome(ControlContext&, Cookie, const Outcome&) {}
};

}  // namespace mainspring::client

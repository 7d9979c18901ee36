// The frame that every key-driven controller hangs in: a work queue, a number of workers, and
// plans.
//
// A controller is one file with one class derived from Reconciler. It says what it watches, turns
// changes into keys (observe), and turns a key into a plan (sync) from its caches, the key and the
// time alone. ReconcilerLoop does the rest.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "models/client/control_loop.h"
#include "models/client/event_recorder.h"
#include "models/client/plan.h"
#include "models/client/work_queue.h"

namespace mainspring::client {

// What a reconciler may touch during a call.
class ReconcileContext {
 public:
  ReconcileContext(ControlContext& ctx, WorkQueue& queue, EventRecorder& recorder)
      : ctx_(ctx), queue_(queue), recorder_(recorder) {}

  api::Time now() const { return ctx_.now(); }
  const Cache& cache(api::Kind kind) const { return ctx_.cache(kind); }
  WorkQueue& queue() { return queue_; }
  void enqueue_after(const Key& key, api::Duration d) { queue_.add_at(key, now() + d, now()); }
  void event(const api::Object& about, std::string_view type, std::string_view reason,
             std::string message) {
    recorder_.event(ctx_, about, type, reason, std::move(message));
  }
  ControlContext& control() { return ctx_; }

 private:
  ControlContext& ctx_;
  WorkQueue& queue_;
  EventRecorder& recorder_;
};

class Reconciler {
 public:
  virtual ~Reconciler() = default;
  virtual std::string_view name() const = 0;  // as in user agents: "deployment-controller"
  virtual std::unique_ptr<Reconciler> clone() const = 0;

  virtual std::vector<WatchSpec> watches() const = 0;
  virtual int32_t workers() const { return 5; }
  virtual RateLimits rate_limits() const { return {}; }
  virtual ClientLimits client_limits() const { return {}; }
  // How long a worker still holds a key after the answer to its sync's last write. With zero the
  // key's next sync may begin the instant the answer is there, when the change itself is about to
  // reach the cache or just has.
  virtual api::Duration wind_up() const { return {}; }

  // Turns a change into keys of the queue.
  virtual void observe(ReconcileContext& ctx, const WatchEvent& event) = 0;
  virtual Plan sync(ReconcileContext& ctx, const Key& key) = 0;
  // The next plan of a sync whose plan said `then = stage`.
  virtual Plan resume(ReconcileContext&, const Key&, uint32_t /*stage*/, const SyncState*,
                      const PlanResult&) {
    return Plan::done();
  }
  // Hears every write of its plans, also the ones a slow start never sent (code 0).
  virtual void on_write(ReconcileContext&, const Key&, const Write&, const Outcome&) {}
  // Loops that also work by the clock set timers through ctx.control() with cookies below 2^32.
  virtual void start(ReconcileContext&) {}
  virtual void on_timer(ReconcileContext&, Cookie) {}
};

class ReconcilerLoop final : public ControlLoop {
 public:
  explicit ReconcilerLoop(std::unique_ptr<Reconciler> reconciler);
  ReconcilerLoop(const ReconcilerLoop& other);

  std::string_view name() const override { return reconciler_->name(); }
  std::unique_ptr<ControlLoop> clone() const override;
  std::vector<WatchSpec> watches() const override { return reconciler_->watches(); }
  ClientLimits limits() const override { return reconciler_->client_limits(); }
  void start(ControlContext& ctx) override;
  void on_watch(ControlContext& ctx, const WatchEvent& event) override;
  void on_timer(ControlContext& ctx, Cookie cookie) override;
  void on_outcome(ControlContext& ctx, Cookie cookie, const Outcome& outcome) override;

  Reconciler& reconciler() { return *reconciler_; }

 private:
  // One worker's sync in progress.
  struct Job {
    bool busy = false;
    Key key;
    Plan plan;
    size_t step = 0;
    size_t sent = 0;       // of the current step
    size_t batch_end = 0;  // of the current step: writes before this may be in flight
    size_t answered = 0;   // of the current step
    size_t batch = 0;      // size of the current slow-start batch
    size_t base = 0;       // index of the current step's first write in `outcomes`
    bool step_failed = false;
    bool wrote = false;  // anything, in this sync
    std::vector<Outcome> outcomes;
    int32_t error = -1;  // index in `outcomes`
  };

  ReconcileContext view(ControlContext& ctx) { return {ctx, queue_, recorder_}; }
  void pump(ControlContext& ctx);
  void run_plan(ControlContext& ctx, size_t worker, Plan plan);
  void advance(ControlContext& ctx, size_t worker);
  bool start_step(ControlContext& ctx, size_t worker);
  void finish_step(ControlContext& ctx, size_t worker);
  void finish_plan(ControlContext& ctx, size_t worker);
  void release(ControlContext& ctx, size_t worker);
  void send(ControlContext& ctx, size_t worker);
  void arm(ControlContext& ctx);

  std::unique_ptr<Reconciler> reconciler_;
  WorkQueue queue_;
  EventRecorder recorder_;
  std::vector<Job> jobs_;
  TimerId wakeup_ = 0;
  api::Time wakeup_at_;
};

}  // namespace mainspring::client

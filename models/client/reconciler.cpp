#include "models/client/reconciler.h"

#include <algorithm>
#include <utility>

namespace mainspring::client {

namespace {
// Cookies: bit 63 marks a worker's write, 62 the recorder, 61 the queue's wake-up, 60 the end of a
// worker's wind-up; timers of the reconciler itself are below 2^32.
constexpr Cookie kWriteBit = Cookie{1} << 63;
constexpr Cookie kRecorderBit = Cookie{1} << 62;
constexpr Cookie kWakeupBit = Cookie{1} << 61;
constexpr Cookie kWindUpBit = Cookie{1} << 60;
constexpr int kWorkerShift = 40;

Cookie write_cookie(size_t worker, size_t index) {
  return kWriteBit | (static_cast<Cookie>(worker) << kWorkerShift) | static_cast<Cookie>(index);
}
}  // namespace

ReconcilerLoop::ReconcilerLoop(std::unique_ptr<Reconciler> reconciler)
    : reconciler_(std::move(reconciler)),
      queue_(reconciler_->rate_limits()),
      recorder_(reconciler_->name(), kRecorderBit),
      jobs_(static_cast<size_t>(reconciler_->workers())) {}

ReconcilerLoop::ReconcilerLoop(const ReconcilerLoop& other)
    : ControlLoop(other),
      reconciler_(other.reconciler_->clone()),
      queue_(other.queue_),
      recorder_(other.recorder_),
      jobs_(other.jobs_),
      wakeup_(other.wakeup_),
      wakeup_at_(other.wakeup_at_) {}

std::unique_ptr<ControlLoop> ReconcilerLoop::clone() const {
  return std::make_unique<ReconcilerLoop>(*this);
}

void ReconcilerLoop::start(ControlContext& ctx) {
  ReconcileContext rc = view(ctx);
  reconciler_->start(rc);
  pump(ctx);
}

void ReconcilerLoop::on_watch(ControlContext& ctx, const WatchEvent& event) {
  ReconcileContext rc = view(ctx);
  reconciler_->observe(rc, event);
  pump(ctx);
}

void ReconcilerLoop::on_timer(ControlContext& ctx, Cookie cookie) {
  if (cookie == kWakeupBit) {
    wakeup_ = 0;
  } else if (cookie & kWindUpBit) {
    release(ctx, cookie & ~kWindUpBit);
  } else {
    ReconcileContext rc = view(ctx);
    reconciler_->on_timer(rc, cookie);
  }
  pump(ctx);
}

void ReconcilerLoop::on_outcome(ControlContext& ctx, Cookie cookie, const Outcome& outcome) {
  if (cookie == kRecorderBit) {
    recorder_.on_outcome(ctx, outcome);
    return;
  }
  const size_t worker = (cookie & ~kWriteBit) >> kWorkerShift;
  const size_t index = cookie & ((Cookie{1} << kWorkerShift) - 1);
  Job& job = jobs_[worker];
  job.outcomes[index] = outcome;
  ++job.answered;
  const Step& step = job.plan.steps[job.step];
  const bool failed = !outcome.ok();
  if (failed) {
    job.step_failed = true;
    if (job.error < 0 && !step.best_effort) job.error = static_cast<int32_t>(index);
  }
  {
    ReconcileContext rc = view(ctx);
    reconciler_->on_write(rc, job.key, step.writes[index - job.base], outcome);
  }
  advance(ctx, worker);
  pump(ctx);
}

// Hands keys to free workers until there are none of one or the other.
void ReconcilerLoop::pump(ControlContext& ctx) {
  queue_.promote(ctx.now());
  for (bool progress = true; progress && !queue_.empty();) {
    progress = false;
    for (size_t w = 0; w < jobs_.size(); ++w) {
      if (jobs_[w].busy) continue;
      const std::optional<Key> key = queue_.get();
      if (!key) break;
      progress = true;
      jobs_[w].busy = true;
      jobs_[w].key = *key;
      ReconcileContext rc = view(ctx);
      run_plan(ctx, w, reconciler_->sync(rc, *key));
    }
  }
  arm(ctx);
}

void ReconcilerLoop::run_plan(ControlContext& ctx, size_t worker, Plan plan) {
  Job& job = jobs_[worker];
  job.plan = std::move(plan);
  job.step = 0;
  job.outcomes.clear();
  job.error = -1;
  size_t writes = 0;
  for (const Step& s : job.plan.steps) writes += s.writes.size();
  job.outcomes.resize(writes);
  job.base = 0;
  if (!start_step(ctx, worker)) finish_plan(ctx, worker);
}

// Begins the current step, skipping empty ones; false when none is left.
bool ReconcilerLoop::start_step(ControlContext& ctx, size_t worker) {
  Job& job = jobs_[worker];
  while (job.step < job.plan.steps.size() && job.plan.steps[job.step].writes.empty()) ++job.step;
  if (job.step >= job.plan.steps.size()) return false;
  const Step& step = job.plan.steps[job.step];
  job.sent = 0;
  job.answered = 0;
  job.step_failed = false;
  job.batch = step.mode == Step::Mode::kParallel ? step.writes.size() : 1;
  job.batch_end = std::min(job.batch, step.writes.size());
  send(ctx, worker);
  return true;
}

void ReconcilerLoop::send(ControlContext& ctx, size_t worker) {
  Job& job = jobs_[worker];
  while (job.sent < job.batch_end) {
    const size_t i = job.sent++;
    job.wrote = true;
    ctx.submit(job.plan.steps[job.step].writes[i].request, write_cookie(worker, job.base + i));
  }
}

void ReconcilerLoop::advance(ControlContext& ctx, size_t worker) {
  Job& job = jobs_[worker];
  if (job.answered < job.sent) return;
  const Step& step = job.plan.steps[job.step];
  const bool stop = job.step_failed && !step.best_effort;
  if (job.sent < step.writes.size() && !stop) {
    if (step.mode == Step::Mode::kSlowStart) job.batch *= 2;
    job.batch_end = std::min(job.sent + job.batch, step.writes.size());
    send(ctx, worker);
    return;
  }
  finish_step(ctx, worker);
}

void ReconcilerLoop::finish_step(ControlContext& ctx, size_t worker) {
  Job& job = jobs_[worker];
  const Step& step = job.plan.steps[job.step];
  for (size_t i = job.sent; i < step.writes.size(); ++i) {
    ReconcileContext rc = view(ctx);
    reconciler_->on_write(rc, job.key, step.writes[i], Outcome{});
  }
  job.base += step.writes.size();
  ++job.step;
  const bool abandon = job.error >= 0;
  if (abandon || !start_step(ctx, worker)) finish_plan(ctx, worker);
}

void ReconcilerLoop::finish_plan(ControlContext& ctx, size_t worker) {
  Job& job = jobs_[worker];
  ReconcileContext rc = view(ctx);
  if (job.plan.then != 0) {
    PlanResult result;
    result.outcomes = std::move(job.outcomes);
    if (job.error >= 0) result.error = &result.outcomes[static_cast<size_t>(job.error)];
    const uint32_t stage = job.plan.then;
    const api::Ref<const SyncState> state = job.plan.state;
    run_plan(ctx, worker, reconciler_->resume(rc, job.key, stage, state.get(), result));
    return;
  }
  const api::Duration wind_up = reconciler_->wind_up();
  if (job.wrote && wind_up > api::Duration()) {
    ctx.set_timer(ctx.now() + wind_up, kWindUpBit | worker);
  } else {
    release(ctx, worker);
  }
}

// Ends a sync: its key may be handed out again.
void ReconcilerLoop::release(ControlContext& ctx, size_t worker) {
  Job& job = jobs_[worker];
  const bool failed = job.error >= 0 || job.plan.verdict == Plan::Verdict::kRetry;
  if (failed) {
    queue_.add_rate_limited(job.key, ctx.now());
  } else {
    queue_.forget(job.key);
    if (job.plan.requeue_after > api::Duration()) {
      queue_.add_at(job.key, ctx.now() + job.plan.requeue_after, ctx.now());
    }
  }
  queue_.done(job.key);
  job = Job{};
}

// Keeps one timer set for the earliest delayed key.
void ReconcilerLoop::arm(ControlContext& ctx) {
  const std::optional<api::Time> next = queue_.next_deadline();
  if (wakeup_ != 0) {
    if (next && wakeup_at_ == *next) return;
    ctx.cancel_timer(wakeup_);
    wakeup_ = 0;
  }
  if (next) {
    wakeup_at_ = *next;
    wakeup_ = ctx.set_timer(*next, kWakeupBit);
  }
}

}  // namespace mainspring::client

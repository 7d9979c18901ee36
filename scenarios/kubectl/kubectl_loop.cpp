#include "scenarios/kubectl/kubectl_loop.h"

#include <fmt/format.h>

#include <utility>

namespace mainspring::scenarios {

namespace {
// Cookies: step in the high bits, tag below; kBegin starts due steps, kStartedBit starts a job.
constexpr int kTagBits = 24;
constexpr client::Cookie kBegin = ~client::Cookie{0};
constexpr uint32_t kStartTag = (1u << kTagBits) - 1;

client::Cookie cookie_of(size_t step, uint32_t tag) {
  return (static_cast<client::Cookie>(step) << kTagBits) | tag;
}
}  // namespace

void KubectlLoop::Job::submit(client::Request request, uint32_t tag) {
  ctx_->submit(std::move(request), cookie_of(step_, tag));
}
void KubectlLoop::Job::timer(api::Duration after, uint32_t tag) {
  ctx_->set_timer(now() + after, cookie_of(step_, tag));
}
void KubectlLoop::Job::fail(std::string_view message) {
  result_->err.append("error: ").append(message).append("\n");
  result_->exit_code = 1;
  ended_ = true;
}
void KubectlLoop::Job::complain(const client::Outcome& outcome) {
  result_->err +=
      fmt::format("Error from server ({}): {}\n", outcome.reason.view(), outcome.message.view());
  result_->exit_code = 1;
}
void KubectlLoop::Job::fail(const client::Outcome& outcome) {
  complain(outcome);
  ended_ = true;
}

KubectlLoop::KubectlLoop(std::vector<KubectlStep> steps, KubectlDelays delays)
    : steps_(std::move(steps)), delays_(delays), jobs_(steps_.size()) {}

KubectlLoop::KubectlLoop(const KubectlLoop& other)
    : ControlLoop(other),
      steps_(other.steps_),
      delays_(other.delays_),
      results_(other.results_),
      next_(other.next_),
      waiting_(other.waiting_),
      applied_(other.applied_) {
  for (const std::unique_ptr<Job>& job : other.jobs_) {
    jobs_.push_back(job ? job->clone() : nullptr);
  }
}

KubectlLoop::~KubectlLoop() = default;

std::unique_ptr<client::ControlLoop> KubectlLoop::clone() const {
  return std::make_unique<KubectlLoop>(*this);
}

void KubectlLoop::start(client::ControlContext& ctx) { begin_due(ctx); }

void KubectlLoop::begin_due(client::ControlContext& ctx) {
  while (!waiting_ && next_ < steps_.size()) {
    const size_t step = next_;
    if (steps_[step].at > ctx.now()) {
      ctx.set_timer(steps_[step].at, kBegin);
      return;
    }
    ++next_;
    waiting_ = !steps_[step].background;
    begin(ctx, step);
  }
}

void KubectlLoop::begin(client::ControlContext& ctx, size_t step) {
  const KubectlCommand& command = steps_[step].command;
  KubectlResult result;
  result.step = step;
  result.started = ctx.now();
  results_.push_back(std::move(result));
  ctx.record("kubectl.begin", command.line, "");
  std::string error;
  jobs_[step] = make_kubectl_job(command, error);
  if (!jobs_[step]) {
    results_.back().err = fmt::format("error: {}\n", error);
    ctx.record("kubectl.end", command.line, results_.back().err);
    results_.back().exit_code = 1;
    results_.back().ended = ctx.now();
    if (!steps_[step].background) waiting_ = false;
    return;
  }
  api::Duration delay = delays_.start;
  if (command.verb == "apply" && !std::exchange(applied_, true)) delay = delays_.first_apply;
  ctx.set_timer(ctx.now() + delay, cookie_of(step, kStartTag));
}

void KubectlLoop::on_timer(client::ControlContext& ctx, client::Cookie cookie) {
  if (cookie == kBegin) {
    begin_due(ctx);
    return;
  }
  const size_t step = cookie >> kTagBits;
  const uint32_t tag = cookie & kStartTag;
  Job* job = jobs_[step].get();
  if (!job) return;
  job->ctx_ = &ctx;
  job->command_ = &steps_[step].command;
  job->step_ = step;
  for (KubectlResult& r : results_) {
    if (r.step == step) job->result_ = &r;
  }
  tag == kStartTag ? job->start() : job->on_timer(tag);
  settle(ctx, step);
}

void KubectlLoop::on_outcome(client::ControlContext& ctx, client::Cookie cookie,
                             const client::Outcome& outcome) {
  const size_t step = cookie >> kTagBits;
  Job* job = jobs_[step].get();
  if (!job) return;
  job->ctx_ = &ctx;
  job->command_ = &steps_[step].command;
  job->step_ = step;
  for (KubectlResult& r : results_) {
    if (r.step == step) job->result_ = &r;
  }
  job->on_outcome(static_cast<uint32_t>(cookie & kStartTag), outcome);
  settle(ctx, step);
}

void KubectlLoop::settle(client::ControlContext& ctx, size_t step) {
  if (!jobs_[step]->ended()) return;
  jobs_[step].reset();
  for (KubectlResult& r : results_) {
    if (r.step != step) continue;
    r.ended = ctx.now();
    ctx.record("kubectl.end", steps_[step].command.line, r.exit_code == 0 ? r.out : r.err);
  }
  if (!steps_[step].background) waiting_ = false;
  begin_due(ctx);
}

}  // namespace mainspring::scenarios

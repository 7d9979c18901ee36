// kubectl as a client of the simulated API server: the timeline of commands of a scenario.
//
// Every command sends the requests that the real kubectl sends (GET before PATCH, the scale
// subresource, evictions that retry after 5 s, ...), one after the other in virtual time, and
// prints what it prints. A command starts at its time or when the one before it has ended, unless
// that one runs in the background. Source of the delays: recorded timelines of a real kubectl 1.32
// (tests/conformance/timelines). Not modelled: server-side apply's field ownership, --prune,
// plugins.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "models/client/control_loop.h"
#include "scenarios/kubectl/command.h"

namespace mainspring::scenarios {

struct KubectlStep {
  api::Time at;
  KubectlCommand command;
  bool background = false;
};

struct KubectlResult {
  size_t step = 0;
  api::Time started;
  api::Time ended;  // absent while it runs
  int exit_code = 0;
  std::string out;
  std::string err;
};

struct KubectlDelays {
  api::Duration start = api::Duration::millis(55);  // process start, discovery from its cache
  api::Duration first_apply = api::Duration::millis(400);  // once: reading the OpenAPI schema
};

class KubectlLoop final : public client::ControlLoop {
 public:
  // What one running command does; one class a command, in jobs.cpp.
  class Job;

  explicit KubectlLoop(std::vector<KubectlStep> steps, KubectlDelays delays = {});
  KubectlLoop(const KubectlLoop& other);
  ~KubectlLoop() override;

  std::string_view name() const override { return "kubectl"; }
  std::unique_ptr<client::ControlLoop> clone() const override;
  std::vector<client::WatchSpec> watches() const override { return {}; }
  client::ClientLimits limits() const override { return {50'000, 300}; }
  void start(client::ControlContext& ctx) override;
  void on_timer(client::ControlContext& ctx, client::Cookie cookie) override;
  void on_outcome(client::ControlContext& ctx, client::Cookie cookie,
                  const client::Outcome& outcome) override;

  const std::vector<KubectlStep>& steps() const { return steps_; }
  const std::vector<KubectlResult>& results() const { return results_; }

 private:
  friend class Job;
  void begin_due(client::ControlContext& ctx);
  void begin(client::ControlContext& ctx, size_t step);
  void settle(client::ControlContext& ctx, size_t step);

  std::vector<KubectlStep> steps_;
  KubectlDelays delays_;
  std::vector<KubectlResult> results_;
  std::vector<std::unique_ptr<Job>> jobs_;  // by step; null when not running
  size_t next_ = 0;                         // the next step to begin
  bool waiting_ = false;                    // for a step in the foreground
  bool applied_ = false;
};

// What a job can do. Tags are its own numbers, below 2^20.
class KubectlLoop::Job {
 public:
  virtual ~Job() = default;
  virtual std::unique_ptr<Job> clone() const = 0;
  virtual void start() = 0;
  virtual void on_outcome(uint32_t tag, const client::Outcome& outcome) = 0;
  virtual void on_timer(uint32_t /*tag*/) {}
  bool ended() const { return ended_; }

 protected:
  const KubectlCommand& command() const { return *command_; }
  void submit(client::Request request, uint32_t tag);
  void timer(api::Duration after, uint32_t tag);
  void print(std::string_view line) { result_->out.append(line).append("\n"); }
  // "Error from server (Reason): ...", and the command goes on; its exit code will be 1.
  void complain(const client::Outcome& outcome);
  // "error: ..." or as complain(), and the command ends with exit code 1.
  void fail(std::string_view message);
  void fail(const client::Outcome& outcome);
  void end() { ended_ = true; }
  api::Time now() const { return ctx_->now(); }

 private:
  friend class KubectlLoop;
  // Set for the duration of a call only.
  client::ControlContext* ctx_ = nullptr;
  const KubectlCommand* command_ = nullptr;
  KubectlResult* result_ = nullptr;
  size_t step_ = 0;
  bool ended_ = false;
};

// The job of a command; null with a message when its words make no sense.
std::unique_ptr<KubectlLoop::Job> make_kubectl_job(const KubectlCommand& command,
                                                   std::string& error);

}  // namespace mainspring::scenarios

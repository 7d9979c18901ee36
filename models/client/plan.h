// A plan: what one sync of a controller wants written, as data.
//
// The worker that carries it out does so over virtual time: requests pass the client's rate limiter
// and the API server's latency, batches wait for one another, and the controller hears each
// outcome. A plan can be compared write by write with what the real controller sends.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/client/request.h"

namespace mainspring::client {

struct Write {
  Request request;
  uint32_t tag = 0;  // the controller's own, handed back with the outcome
};

struct Step {
  enum class Mode : uint8_t {
    kSerial,     // one after the other, stops at the first error
    kParallel,   // all at once; every one is sent
    kSlowStart,  // batches of 1, 2, 4, ...; a batch with an error is the last one sent
  };
  Mode mode = Mode::kSerial;
  std::vector<Write> writes;
  // An error here neither fails the sync nor stops it.
  bool best_effort = false;
};

// What a sync remembers for its later stages: immutable once made, so that forks can share it.
struct SyncState {
  api::RefCount refs;
  virtual ~SyncState() = default;
};

struct Plan {
  std::vector<Step> steps;

  // Non-zero: when the steps are done (or one has failed), the controller's resume() is asked for
  // the next plan of the same sync, and `verdict` below is not looked at.
  uint32_t then = 0;
  api::Ref<const SyncState> state;

  enum class Verdict : uint8_t {
    kDone,   // forget the key's failures
    kRetry,  // the sync failed: add the key again, rate-limited
    kDrop,   // the sync failed and is not retried
  };
  Verdict verdict = Verdict::kDone;
  std::string error;  // for kRetry and kDrop: what went wrong
  // With kDone: sync again after this long; zero means no.
  api::Duration requeue_after;

  static Plan done() { return {}; }
  static Plan after(api::Duration d) {
    Plan p;
    p.requeue_after = d;
    return p;
  }
  static Plan retry(std::string why) {
    Plan p;
    p.verdict = Verdict::kRetry;
    p.error = std::move(why);
    return p;
  }
  // Adds a serial step of one write.
  Plan& write(Request request, uint32_t tag = 0) {
    steps.push_back(Step{Step::Mode::kSerial, {Write{std::move(request), tag}}, false});
    return *this;
  }
};

// What became of a plan's steps, handed to resume().
struct PlanResult {
  // Per write in order of the plan; code 0 for writes that were never sent.
  std::vector<Outcome> outcomes;
  // The first error of a step that was not best-effort, or null.
  const Outcome* error = nullptr;
};

}  // namespace mainspring::client

// A sync written as straight-line code, although every write it makes takes virtual time.
//
// The controllers of Kubernetes are written as functions that call the API server and go on with
// the answer. A Script lets a reconciler be written the same way: call() hands back the answer if
// it is known, and says "not yet" if it is not; the function then returns at once and Script makes
// a Plan of the call. When the answer comes, the function runs again from the beginning on the same
// inputs, its earlier calls are answered from the log, and it gets one call further.
//
// The rules for the function: everything it reads from caches is gathered once, before the first
// run, into an immutable Inputs (or goes through remember()); now() is the time at that point of
// the script; events go through event(), which speaks only once. A sync makes few calls, so
// running again costs little.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "models/client/reconciler.h"

namespace mainspring::controllers {

using client::Key;
using client::Outcome;
using client::Plan;
using client::ReconcileContext;
using client::Request;
using client::Step;
using client::Verb;
using client::WatchEvent;
using client::WatchType;

// Nothing, "the answer is not there yet", or what went wrong.
class [[nodiscard]] Error {
 public:
  Error() = default;
  static Error pending() { return Error(kPending, {}); }
  static Error failed(std::string why) { return Error(kFailed, std::move(why)); }
  static Error of(const Outcome& o) { return o.ok() ? Error() : Error(kFailed, o.message.str()); }

  explicit operator bool() const { return state_ != kNone; }
  bool is_pending() const { return state_ == kPending; }
  bool is_failure() const { return state_ == kFailed; }
  const std::string& message() const { return message_; }

 private:
  enum State : uint8_t { kNone, kPending, kFailed };
  Error(State s, std::string m) : state_(s), message_(std::move(m)) {}
  State state_ = kNone;
  std::string message_;
};

// What a script knows so far. `inputs` is the reconciler's own.
struct ScriptLog final : client::SyncState {
  struct Entry {
    std::vector<Outcome> outcomes;
    api::Time answered;
  };
  api::Ref<const client::SyncState> inputs;
  api::Time began;
  std::vector<Entry> entries;
  std::vector<api::ObjectRef> memos;
};

class Script {
 public:
  // The first run.
  Script(ReconcileContext& ctx, api::Ref<const client::SyncState> inputs);
  // A later run, from Reconciler::resume().
  Script(ReconcileContext& ctx, const client::SyncState* log, const client::PlanResult& result);

  template <class Inputs>
  const Inputs& inputs() const {
    return static_cast<const Inputs&>(*log_.inputs);
  }

  // One request. Sets *outcome when it is answered; the error is only ever "pending".
  Error call(Request request, const Outcome** outcome, uint32_t tag = 0);
  // One request whose failure is the caller's failure.
  Error must(Request request, const Outcome** outcome = nullptr, uint32_t tag = 0);
  // Several requests; answers in order, code 0 for those that were never sent.
  Error batch(Step step, const std::vector<Outcome>** outcomes);

  api::Time now() const { return at_ == 0 ? log_.began : log_.entries[at_ - 1].answered; }
  // Whether this point of the script is reached for the first time.
  bool live() const { return at_ == log_.entries.size(); }
  // What a read of the cache gave when it was first made here. May be null.
  api::ObjectRef remember(const api::ObjectRef* current);
  void event(const api::Object& about, std::string_view type, std::string_view reason,
             std::string message);

  // After the function returned "pending": the plan that asks for the missing answer.
  Plan next_plan(uint32_t stage = 1);

 private:
  ReconcileContext& ctx_;
  ScriptLog log_;
  size_t at_ = 0;  // entries used so far
  size_t memo_ = 0;
  Step step_;
};

}  // namespace mainspring::controllers

#include "models/controllers/script.h"

#include <utility>

namespace mainspring::controllers {

Script::Script(ReconcileContext& ctx, api::Ref<const client::SyncState> inputs) : ctx_(ctx) {
  log_.inputs = std::move(inputs);
  log_.began = ctx.now();
}

Script::Script(ReconcileContext& ctx, const client::SyncState* log,
               const client::PlanResult& result)
    : ctx_(ctx), log_(static_cast<const ScriptLog&>(*log)) {
  log_.entries.push_back({result.outcomes, ctx.now()});
}

Error Script::call(Request request, const Outcome** outcome, uint32_t tag) {
  const std::vector<Outcome>* outcomes = nullptr;
  if (live()) {
    Step step;
    step.writes.push_back({std::move(request), tag});
    return batch(std::move(step), &outcomes);
  }
  *outcome = &log_.entries[at_++].outcomes.front();
  return {};
}

Error Script::must(Request request, const Outcome** outcome, uint32_t tag) {
  const Outcome* answer = nullptr;
  if (Error e = call(std::move(request), &answer, tag)) return e;
  if (outcome) *outcome = answer;
  return Error::of(*answer);
}

Error Script::batch(Step step, const std::vector<Outcome>** outcomes) {
  if (!live()) {
    *outcomes = &log_.entries[at_++].outcomes;
    return {};
  }
  step_ = std::move(step);
  return Error::pending();
}

api::ObjectRef Script::remember(const api::ObjectRef* current) {
  if (memo_ == log_.memos.size()) {
    log_.memos.push_back(current ? *current : api::ObjectRef());
  }
  return log_.memos[memo_++];
}

void Script::event(const api::Object& about, std::string_view type, std::string_view reason,
                   std::string message) {
  if (live()) ctx_.event(about, type, reason, std::move(message));
}

Plan Script::next_plan(uint32_t stage) {
  Plan plan;
  plan.steps.push_back(std::move(step_));
  plan.then = stage;
  plan.state = api::Ref<const client::SyncState>(new ScriptLog(std::move(log_)));
  return plan;
}

}  // namespace mainspring::controllers

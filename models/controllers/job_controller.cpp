#include "models/controllers/job_controller.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "models/api/types/batch.h"
#include "models/client/expectations.h"
#include "models/controllers/pod_ranking.h"
#include "models/controllers/script.h"
#include "models/controllers/util.h"

namespace mainspring::controllers {

namespace {

using api::Job;
using api::JobCondition;
using api::JobStatus;
using api::Pod;
using api::Str;
using api::Time;
using Pods = std::vector<PodRef>;
namespace condition = api::job_condition_type;

constexpr std::string_view kFinalizer = "batch.kubernetes.io/job-tracking";
constexpr std::string_view kIndex = "batch.kubernetes.io/job-completion-index";

enum Tag : uint32_t { kOther, kCreatePod, kDeletePod, kRelease };

// Failures since the last success.
struct Backoff {
  int32_t failures = 0;
  Time last;
};

struct Inputs final : client::SyncState {
  api::Ref<const Job> job;
  Pods pods;                // all of the job's
  std::set<Str> releasing;  // uids of pods that lose their finalizer already
  Backoff backoff;          // as before this sync
  bool satisfied = false;
};

bool tracked(const Pod& p) {
  const auto& f = p.metadata.finalizers;
  return std::find(f.begin(), f.end(), kFinalizer) != f.end();
}
bool is_indexed(const Job& j) { return j.spec.completion_mode == api::completion_mode::kIndexed; }
bool is_suspended(const Job& j) { return j.spec.suspend.value_or(false); }
bool replaces_failed_only(const Job& j) {
  return j.spec.pod_replacement_policy == api::pod_replacement_policy::kFailed;
}
bool is_failed(const Job& j, const Pod& p) {
  if (p.status.phase == api::pod_phase::kFailed) return true;
  return !replaces_failed_only(j) && api::is_terminating(p) &&
         p.status.phase != api::pod_phase::kSucceeded;
}
bool is_succeeded(const Pod& p) { return p.status.phase == api::pod_phase::kSucceeded; }

int64_t index_of(const Pod& p) {
  const Str* text = p.metadata.annotations.find(kIndex);
  return text ? parse_int(*text).value_or(-1) : -1;
}

// "0-2,5" and back.
std::set<int64_t> parse_indexes(std::string_view text) {
  std::set<int64_t> result;
  while (!text.empty()) {
    const size_t comma = text.find(',');
    const std::string_view part = text.substr(0, comma);
    const size_t dash = part.find('-');
    const int64_t first = parse_int(part.substr(0, dash)).value_or(0);
    const int64_t last =
        dash == std::string_view::npos ? first : parse_int(part.substr(dash + 1)).value_or(first);
    for (int64_t i = first; i <= last; ++i) result.insert(i);
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
  }
  return result;
}

std::string format_indexes(const std::set<int64_t>& indexes) {
  std::string text;
  for (auto it = indexes.begin(); it != indexes.end();) {
    const int64_t first = *it;
    int64_t last = first;
    while (++it != indexes.end() && *it == last + 1) last = *it;
    if (!text.empty()) text += ',';
    // Two in a row are written one by one, more as a range.
    if (last == first) {
      text += std::to_string(first);
    } else {
      text += fmt::format("{}{}{}", first, last == first + 1 ? "," : "-", last);
    }
  }
  return text;
}

// When a failed pod failed: its last container, else its Ready condition, else its deletion.
Time finished_at(const Pod& p) {
  Time latest;
  bool all = !p.status.container_statuses.empty();
  for (const api::ContainerStatus& s : p.status.container_statuses) {
    if (!s.state.terminated || s.state.terminated->finished_at.is_zero()) {
      all = false;
    } else {
      latest = std::max(latest, s.state.terminated->finished_at);
    }
  }
  if (all) return latest;
  const api::PodCondition* c =
      api::find_condition(p.status.conditions, api::pod_condition_type::kReady);
  if (c && c->status == kFalse && !c->last_transition_time.is_zero()) {
    return c->last_transition_time;
  }
  if (api::is_terminating(p)) return p.metadata.deletion_timestamp;
  return p.metadata.creation_timestamp;
}

JobCondition make_condition(std::string_view type, std::string_view status, std::string_view reason,
                            std::string_view message, Time now) {
  JobCondition c;
  c.type = type;
  c.status = status;
  c.reason = reason;
  c.message = message;
  c.last_probe_time = now.truncated_to_second();
  c.last_transition_time = now.truncated_to_second();
  return c;
}

// Adds or changes a condition; a False one is only worth a change. True if anything was changed.
bool ensure_condition(JobStatus& s, const JobCondition& c) {
  for (JobCondition& has : s.conditions.edit()) {
    if (has.type != c.type) continue;
    if (has.status == c.status && has.reason == c.reason && has.message == c.message) return false;
    has = c;
    return true;
  }
  if (c.status == kFalse) return false;
  s.conditions.push_back(c);
  return true;
}

bool is_finished(const Job& j) {
  return api::has_condition(j.status.conditions, condition::kComplete, kTrue) ||
         api::has_condition(j.status.conditions, condition::kFailed, kTrue);
}

// --- one sync -----------------------------------------------------------------------------------

class Sync {
 public:
  Sync(Script& script, ReconcileContext& ctx, const Key& key, const JobOptions& options,
       client::Expectations& creations, client::Expectations& deletions)
      : script_(script),
        ctx_(ctx),
        key_(key),
        options_(options),
        creations_(creations),
        deletions_(deletions),
        in_(script.inputs<Inputs>()),
        job_(*in_.job),
        status_(in_.job->status) {}

  Error run();
  const Backoff& backoff() const { return backoff_; }

 private:
  void classify();
  void judge();
  Error manage(int32_t* active);
  Error create_pods(int32_t n);
  Error delete_pods(const Pods& pods);
  Error track(bool flush);
  Pods write_down(const std::set<Str>& with_finalizer, bool* flush);
  bool drop_counted(const std::set<Str>& with_finalizer);
  Error write_status();
  bool finish();
  std::vector<int64_t> pending_indexes(int32_t n) const;

  Script& script_;
  ReconcileContext& ctx_;
  const Key& key_;
  const JobOptions& options_;
  client::Expectations& creations_;
  client::Expectations& deletions_;
  const Inputs& in_;
  const Job& job_;
  JobStatus status_;
  Str version_;  // resource version for the next status update
  Pods active_;
  int32_t succeeded_ = 0;
  int32_t failed_ = 0;
  int32_t terminating_ = 0;
  std::set<int64_t> done_;  // completed indexes
  Backoff backoff_;
  std::optional<JobCondition> finished_;
};

Error Sync::run() {
  version_ = job_.metadata.resource_version;
  status_.uncounted_terminated_pods.edit();
  classify();
  if (status_.start_time.is_zero() && !is_suspended(job_)) {
    status_.start_time = script_.now().truncated_to_second();
  }
  judge();
  int32_t active = static_cast<int32_t>(active_.size());
  int32_t ready = 0;
  for (const PodRef& p : active_) ready += api::is_ready(*p);
  Error manage_error;
  bool suspend_changed = false;
  if (finished_) {
    manage_error = delete_pods(active_);
    if (manage_error.is_pending()) return manage_error;
    if (manage_error || !in_.satisfied) {
      finished_.reset();
    } else {
      active = 0;
    }
  } else {
    bool managed = false;
    if (in_.satisfied && job_.metadata.deletion_timestamp.is_zero()) {
      manage_error = manage(&active);
      if (manage_error.is_pending()) return manage_error;
      managed = true;
    }
    const auto& completions = job_.spec.completions;
    const bool complete =
        active == 0 && (completions ? succeeded_ >= *completions : succeeded_ > 0);
    if (complete && (completions || !active_.size())) {
      finished_ = make_condition(condition::kSuccessCriteriaMet, kTrue, "CompletionsReached",
                                 "Reached expected number of succeeded pods", script_.now());
    } else if (managed && is_suspended(job_)) {
      suspend_changed =
          ensure_condition(status_, make_condition(condition::kSuspended, kTrue, "JobSuspended",
                                                   "Job suspended", script_.now()));
      if (suspend_changed) script_.event(job_, kNormal, "Suspended", "Job suspended");
    } else if (managed) {
      suspend_changed =
          ensure_condition(status_, make_condition(condition::kSuspended, kFalse, "JobResumed",
                                                   "Job resumed", script_.now()));
      if (suspend_changed) {
        script_.event(job_, kNormal, "Resumed", "Job resumed");
        status_.start_time = script_.now().truncated_to_second();
      }
    }
  }
  const bool flush = suspend_changed || status_.active != active || status_.ready != ready ||
                     status_.terminating != terminating_;
  status_.active = active;
  status_.ready = ready;
  status_.terminating = terminating_;
  if (Error e = track(flush)) return e;
  return manage_error;
}

// Who is active, who has finished and is not counted yet, and how long to wait after failures.
void Sync::classify() {
  done_ = parse_indexes(status_.completed_indexes);
  const api::UncountedTerminatedPods uncounted = *status_.uncounted_terminated_pods;
  const auto counted = [&](const Pod& p) {
    const auto has = [&p](const api::List<Str>& list) {
      return std::find(list.begin(), list.end(), p.metadata.uid) != list.end();
    };
    return !tracked(p) || in_.releasing.contains(p.metadata.uid) || has(uncounted.succeeded) ||
           has(uncounted.failed);
  };
  int32_t new_succeeded = 0;
  int32_t new_failed = 0;
  std::vector<std::pair<Time, bool>> finishes;  // when, and whether it was a success
  std::set<int64_t> done = done_;
  for (const PodRef& p : in_.pods) {
    if (api::is_active(*p)) {
      active_.push_back(p);
      continue;
    }
    if (api::is_terminating(*p) && !api::is_terminal(*p)) ++terminating_;
    if (counted(*p)) continue;
    if (is_succeeded(*p)) {
      ++new_succeeded;
      if (is_indexed(job_)) done.insert(index_of(*p));
      finishes.emplace_back(finished_at(*p), true);
    } else if (is_failed(job_, *p)) {
      ++new_failed;
      finishes.emplace_back(finished_at(*p), false);
    }
  }
  succeeded_ = is_indexed(job_) ? static_cast<int32_t>(done.size())
                                : status_.succeeded + new_succeeded +
                                      static_cast<int32_t>(uncounted.succeeded.size());
  failed_ = status_.failed + new_failed + static_cast<int32_t>(uncounted.failed.size());
  std::sort(finishes.begin(), finishes.end());
  backoff_ = in_.backoff;
  for (const auto& [at, success] : finishes) {
    if (success) {
      backoff_ = {};
    } else {
      ++backoff_.failures;
      backoff_.last = at;
    }
  }
}

// Whether the job has come to an end, the first reason counts.
void Sync::judge() {
  const Time now = script_.now();
  for (const std::string_view type : {condition::kSuccessCriteriaMet, condition::kFailureTarget}) {
    const JobCondition* c = api::find_condition(status_.conditions, type);
    if (!c || c->status != kTrue) continue;
    finished_ = *c;
    return;
  }
  const int32_t limit = job_.spec.backoff_limit.value_or(6);
  int32_t restarts = 0;
  if (job_.spec.template_.spec.restart_policy == api::restart_policy::kOnFailure) {
    for (const PodRef& p : in_.pods) {
      if (api::is_terminal(*p)) continue;
      for (const api::ContainerStatus& s : p->status.init_container_statuses) {
        restarts += s.restart_count;
      }
      for (const api::ContainerStatus& s : p->status.container_statuses) {
        restarts += s.restart_count;
      }
    }
  }
  if (failed_ > limit || (limit == 0 ? restarts > 0 : restarts >= limit)) {
    finished_ = make_condition(condition::kFailureTarget, kTrue, "BackoffLimitExceeded",
                               "Job has reached the specified backoff limit", now);
    return;
  }
  const auto& deadline = job_.spec.active_deadline_seconds;
  if (!deadline || is_suspended(job_) || status_.start_time.is_zero()) return;
  const api::Duration left = status_.start_time + api::Duration::seconds(*deadline) - now;
  if (left <= api::Duration()) {
    finished_ = make_condition(condition::kFailureTarget, kTrue, "DeadlineExceeded",
                               "Job was active longer than specified deadline", now);
  } else if (script_.live()) {
    ctx_.enqueue_after(key_, left);
  }
}

Error Sync::manage(int32_t* active) {
  if (is_suspended(job_)) {
    if (Error e = delete_pods(active_)) return e;
    *active = 0;
    return {};
  }
  const int32_t parallelism = job_.spec.parallelism.value_or(1);
  const int32_t running = static_cast<int32_t>(active_.size());
  int32_t want = 0;
  if (!job_.spec.completions) {
    want = succeeded_ > 0 ? running : parallelism;
  } else {
    want = std::clamp(*job_.spec.completions - succeeded_, 0, parallelism);
  }
  if (running > want) {
    std::vector<RankedPod> ranked;
    for (const PodRef& p : active_) ranked.push_back({p, 0});
    sort_for_deletion(ranked, script_.now());
    Pods surplus;
    for (int32_t i = 0; i < running - want && i < options_.max_pods_per_sync; ++i) {
      surplus.push_back(ranked[static_cast<size_t>(i)].pod);
    }
    *active -= static_cast<int32_t>(surplus.size());
    return delete_pods(surplus);
  }
  int32_t missing = want - running - (replaces_failed_only(job_) ? terminating_ : 0);
  if (missing <= 0) return {};
  if (backoff_.failures > 0) {
    api::Duration wait = options_.backoff;
    for (int32_t i = 1; i < backoff_.failures && wait < options_.max_backoff; ++i) wait = wait * 2;
    wait = std::min(wait, options_.max_backoff);
    const api::Duration left = wait - (script_.now() - backoff_.last);
    if (left > api::Duration()) {
      if (script_.live()) ctx_.enqueue_after(key_, std::max(left, options_.batch_period));
      // As the real one: such a sync reports no active pods.
      *active = 0;
      return {};
    }
  }
  missing = std::min(missing, options_.max_pods_per_sync);
  *active += missing;
  return create_pods(missing);
}

// The lowest indexes that nobody works on.
std::vector<int64_t> Sync::pending_indexes(int32_t n) const {
  std::set<int64_t> taken = done_;
  for (const PodRef& p : in_.pods) {
    if (api::is_active(*p) || is_succeeded(*p)) taken.insert(index_of(*p));
  }
  std::vector<int64_t> result;
  for (int64_t i = 0; i < job_.spec.completions.value_or(0) && n > 0; ++i) {
    if (taken.contains(i)) continue;
    result.push_back(i);
    --n;
  }
  return result;
}

Error Sync::create_pods(int32_t n) {
  Step step;
  step.mode = Step::Mode::kSlowStart;
  std::vector<int64_t> indexes(static_cast<size_t>(n), -1);
  if (is_indexed(job_)) indexes = pending_indexes(n);
  if (script_.live()) {
    creations_.expect_creations(key_, static_cast<int64_t>(indexes.size()), ctx_.now());
    for (const int64_t index : indexes) {
      api::Ref<Pod> pod = pod_from_template(job_.spec.template_, job_);
      pod->metadata.finalizers.push_back(kFinalizer);
      if (index >= 0) {
        const std::string text = std::to_string(index);
        pod->metadata.annotations.set(kIndex, text);
        pod->metadata.labels.set(kIndex, text);
        pod->metadata.generate_name = fmt::format("{}-{}-", job_.metadata.name.view(), index);
        pod->spec.hostname = fmt::format("{}-{}", job_.metadata.name.view(), index);
        for (api::Container& c : pod->spec.containers.edit()) {
          api::EnvVar env;
          env.name = "JOB_COMPLETION_INDEX";
          api::ObjectFieldSelector field;
          field.field_path = fmt::format("metadata.labels['{}']", kIndex);
          env.value_from.edit().field_ref = std::move(field);
          c.env.push_back(std::move(env));
        }
      }
      step.writes.push_back({create_request(pod), kCreatePod});
    }
  }
  const std::vector<Outcome>* outcomes = nullptr;
  if (Error e = script_.batch(std::move(step), &outcomes)) return e;
  for (const Outcome& o : *outcomes) {
    if (!o.ok() && o.code != 0 && !namespace_terminating(o)) return Error::of(o);
  }
  return {};
}

Error Sync::delete_pods(const Pods& pods) {
  if (pods.empty()) return {};
  Step step;
  step.mode = Step::Mode::kParallel;
  std::vector<Str> names;
  for (const PodRef& p : pods) {
    names.push_back(key_of(*p));
    step.writes.push_back({delete_request(*p), kDeletePod});
  }
  if (script_.live()) deletions_.expect_deletions(key_, std::move(names), ctx_.now());
  const std::vector<Outcome>* outcomes = nullptr;
  if (Error e = script_.batch(std::move(step), &outcomes)) return e;
  for (const Outcome& o : *outcomes) {
    if (!o.ok() && !o.not_found()) return Error::of(o);
  }
  return {};
}

Error Sync::write_status() {
  api::Ref<Job> body = api::clone(job_);
  body->metadata.resource_version = version_;
  body->status = status_;
  const Outcome* o = nullptr;
  if (Error e = script_.must(update_status_request(body), &o)) return e;
  version_ = o->object->metadata.resource_version;
  return {};
}

// Pods that have lost their finalizer move from the uncounted lists into the counts.
bool Sync::drop_counted(const std::set<Str>& with_finalizer) {
  bool changed = false;
  api::UncountedTerminatedPods& u = status_.uncounted_terminated_pods.edit();
  for (const bool success : {true, false}) {
    api::List<Str>& list = success ? u.succeeded : u.failed;
    std::vector<Str> kept;
    for (const Str& uid : list) {
      if (with_finalizer.contains(uid)) kept.push_back(uid);
    }
    const int32_t gone = static_cast<int32_t>(list.size() - kept.size());
    if (gone == 0) continue;
    (success ? status_.succeeded : status_.failed) += gone;
    list = api::List<Str>(std::move(kept));
    changed = true;
  }
  return changed;
}

bool Sync::finish() {
  if (!finished_) return false;
  const api::UncountedTerminatedPods& u = *status_.uncounted_terminated_pods;
  if (!u.succeeded.empty() || !u.failed.empty() || terminating_ > 0) return false;
  JobCondition c = *finished_;
  c.last_probe_time = c.last_transition_time = script_.now().truncated_to_second();
  ensure_condition(status_, c);
  if (c.type == condition::kComplete) {
    status_.completion_time = script_.now().truncated_to_second();
  }
  return true;
}

// Writes down the finished pods that are not counted yet; they are to lose their finalizers.
Pods Sync::write_down(const std::set<Str>& with_finalizer, bool* flush_out) {
  bool flush = *flush_out;
  api::UncountedTerminatedPods& u = status_.uncounted_terminated_pods.edit();
  const auto has = [](const api::List<Str>& list, const Str& uid) {
    return std::find(list.begin(), list.end(), uid) != list.end();
  };
  const bool failing = finished_ && finished_->type != condition::kSuccessCriteriaMet;
  Pods release;
  for (const PodRef& p : in_.pods) {
    const Str& uid = p->metadata.uid;
    if (!with_finalizer.contains(uid)) continue;
    const bool failed = is_failed(job_, *p);
    const bool free = api::is_terminating(*p) || failed || is_succeeded(*p) || finished_ ||
                      !job_.metadata.deletion_timestamp.is_zero();
    if (!free) continue;
    release.push_back(p);
    if (is_succeeded(*p) && !has(u.failed, uid)) {
      const int64_t index = index_of(*p);
      if (is_indexed(job_)) {
        if (index >= 0 && done_.insert(index).second) flush = true;
      } else if (!has(u.succeeded, uid)) {
        u.succeeded.push_back(uid);
        flush = true;
      }
    } else if ((failed || failing) && !has(u.failed, uid)) {
      u.failed.push_back(uid);
      flush = true;
    }
  }
  if (is_indexed(job_)) {
    const std::string text = format_indexes(done_);
    flush |= status_.completed_indexes != text;
    status_.completed_indexes = text;
    status_.succeeded = static_cast<int32_t>(done_.size());
  }
  *flush_out = flush;
  return release;
}

// Counts finished pods: written down, released, counted.
Error Sync::track(bool flush) {
  std::set<Str> with_finalizer;
  for (const PodRef& p : in_.pods) {
    if (tracked(*p) && !in_.releasing.contains(p->metadata.uid)) {
      with_finalizer.insert(p->metadata.uid);
    }
  }
  flush |= drop_counted(with_finalizer);
  const Pods release = write_down(with_finalizer, &flush);
  if (finished_ && (finished_->type == condition::kFailureTarget ||
                    finished_->type == condition::kSuccessCriteriaMet)) {
    // The interim condition is written before the finalizers go, the final one after.
    flush |= ensure_condition(status_, *finished_);
    finished_ = make_condition(
        finished_->type == condition::kFailureTarget ? condition::kFailed : condition::kComplete,
        kTrue, finished_->reason, finished_->message, script_.now());
  }
  if (flush) {
    if (Error e = write_status()) return e;
    flush = false;
  }
  if (!release.empty()) {
    Step step;
    step.mode = Step::Mode::kParallel;
    for (const PodRef& p : release) {
      api::Json list = api::Json::array();
      for (const Str& f : p->metadata.finalizers) {
        if (f != kFinalizer) list.push_back(f);
      }
      Request patch = get_request(*p);
      patch.verb = Verb::kPatch;
      patch.patch_type = client::PatchType::kMerge;
      patch.uid = p->metadata.uid;
      api::Json metadata = api::Json::object();
      metadata.set("finalizers", std::move(list));
      patch.patch = api::Json::object();
      patch.patch.set("metadata", std::move(metadata));
      step.writes.push_back({std::move(patch), kRelease});
    }
    const std::vector<Outcome>* outcomes = nullptr;
    if (Error e = script_.batch(std::move(step), &outcomes)) return e;
    std::string failure;
    for (size_t i = 0; i < release.size(); ++i) {
      const Outcome& o = (*outcomes)[i];
      if (o.ok() || o.not_found()) {
        with_finalizer.erase(release[i]->metadata.uid);
      } else {
        failure = o.message.str();
      }
    }
    flush = drop_counted(with_finalizer);
    if (!failure.empty()) {
      if (flush) {
        if (Error e = write_status(); e.is_pending()) return e;
      }
      return Error::failed(failure);
    }
  }
  const bool finished = finish();
  if (!flush && !finished) return {};
  if (Error e = write_status()) return e;
  if (finished && finished_->type == condition::kComplete) {
    script_.event(job_, kNormal, "Completed", "Job completed");
  } else if (finished) {
    script_.event(job_, kWarning, finished_->reason, finished_->message.str());
  }
  return {};
}

// --- the controller -----------------------------------------------------------------------------

class JobController final : public client::Reconciler {
 public:
  explicit JobController(JobOptions options) : options_(options) {}

  std::string_view name() const override { return "job-controller"; }
  std::unique_ptr<client::Reconciler> clone() const override {
    return std::make_unique<JobController>(*this);
  }
  std::vector<client::WatchSpec> watches() const override {
    return {{api::Kind::Job, {}}, {api::Kind::Pod, {client::IndexBy::kControllerUid}}};
  }
  int32_t workers() const override { return options_.workers; }
  client::RateLimits rate_limits() const override {
    return {api::Duration::seconds(1), api::Duration::seconds(60), false};
  }

  void observe(ReconcileContext& ctx, const WatchEvent& event) override;
  Plan sync(ReconcileContext& ctx, const Key& key) override;
  Plan resume(ReconcileContext& ctx, const Key& key, uint32_t, const client::SyncState* log,
              const client::PlanResult& result) override {
    return run(ctx, key, Script(ctx, log, result));
  }
  void on_write(ReconcileContext& ctx, const Key& key, const client::Write& write,
                const Outcome& outcome) override;

 private:
  Plan run(ReconcileContext& ctx, const Key& key, Script script);

  JobOptions options_;
  client::Expectations creations_;
  client::Expectations deletions_;
  std::map<Key, std::map<Str, Str>> releasing_;  // pod uid -> key, until seen without finalizer
  std::map<Key, Backoff> backoff_;
};

void JobController::observe(ReconcileContext& ctx, const WatchEvent& event) {
  const api::Object& o = *event.object;
  if (o.kind == api::Kind::Job) {
    const Key key = key_of(o);
    if (event.type == WatchType::kDeleted) {
      creations_.forget(key);
      deletions_.forget(key);
      releasing_.erase(key);
      backoff_.erase(key);
    }
    const bool status_only = event.type == WatchType::kModified && event.old &&
                             event.old->metadata.generation == o.metadata.generation;
    ctx.enqueue_after(key, status_only ? options_.batch_period : api::Duration());
    return;
  }
  if (o.kind != api::Kind::Pod) return;
  const api::OwnerReference* owner = controller_of_kind(o, "Job");
  if (!owner) return;
  const Job* job = ctx.cache(api::Kind::Job).get<Job>(o.metadata.namespace_, owner->name);
  if (!job || job->metadata.uid != owner->uid) return;
  const Key key = key_of(*job);
  const Pod& pod = api::as<Pod>(o);
  const bool deleted = event.type == WatchType::kDeleted;
  if (deleted || !tracked(pod)) {
    const auto found = releasing_.find(key);
    if (found != releasing_.end()) found->second.erase(o.metadata.uid);
  }
  if (deleted || api::is_terminating(pod)) {
    deletions_.deletion_observed(key, key_of(o));
  } else if (event.type == WatchType::kAdded) {
    creations_.creation_observed(key);
  }
  ctx.enqueue_after(key, options_.batch_period);
}

Plan JobController::sync(ReconcileContext& ctx, const Key& key) {
  const auto [ns, name] = split_key(key);
  api::Ref<Inputs> in(new Inputs());
  in->job = ctx.cache(api::Kind::Job).get_ref<Job>(ns, name);
  if (!in->job) return Plan::done();
  const Str& manager = in->job->spec.managed_by;
  if (!manager.empty() && manager != "kubernetes.io/job-controller") return Plan::done();
  if (is_finished(*in->job)) {
    backoff_.erase(key);
    return Plan::done();
  }
  for (const api::ObjectRef& o :
       ctx.cache(api::Kind::Pod).by(client::IndexBy::kControllerUid, in->job->metadata.uid)) {
    in->pods.push_back(api::cast<Pod>(o));
  }
  for (const auto& [uid, pod] : releasing_[key]) in->releasing.insert(uid);
  in->backoff = backoff_[key];
  in->satisfied = creations_.satisfied(key, ctx.now()) && deletions_.satisfied(key, ctx.now());
  return run(ctx, key, Script(ctx, std::move(in)));
}

Plan JobController::run(ReconcileContext& ctx, const Key& key, Script script) {
  Sync sync(script, ctx, key, options_, creations_, deletions_);
  const Error e = sync.run();
  if (e.is_pending()) return script.next_plan();
  if (e) return Plan::retry(e.message());
  backoff_[key] = sync.backoff();
  return Plan::done();
}

void JobController::on_write(ReconcileContext& ctx, const Key& key, const client::Write& write,
                             const Outcome& outcome) {
  if (write.tag == kOther) return;
  if (write.tag == kRelease) {
    if (outcome.ok() && outcome.object) {
      releasing_[key][outcome.object->metadata.uid] = write.request.name;
    }
    return;
  }
  const auto [ns, name] = split_key(key);
  const Job* job = ctx.cache(api::Kind::Job).get<Job>(ns, name);
  hear_of_pod(ctx, key, job, write.tag == kCreatePod, write, outcome, &creations_, &deletions_);
}

}  // namespace

std::unique_ptr<client::Reconciler> make_job_controller(JobOptions options) {
  return std::make_unique<JobController>(options);
}

}  // namespace mainspring::controllers

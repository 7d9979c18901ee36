#include "models/controllers/cronjob_controller.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "models/api/time_text.h"
#include "models/api/types/batch.h"
#include "models/controllers/cron_schedule.h"
#include "models/controllers/script.h"
#include "models/controllers/util.h"

namespace mainspring::controllers {

namespace {

using api::CronJob;
using api::CronJobStatus;
using api::Job;
using api::Time;
using JobRef = api::Ref<const Job>;

constexpr std::string_view kScheduledAt = "batch.kubernetes.io/cronjob-scheduled-timestamp";
// A turn comes this long after the minute, so that the clock has surely passed it.
constexpr api::Duration kSlack = api::Duration::millis(100);

struct Inputs final : client::SyncState {
  api::Ref<const CronJob> cron;
  std::vector<JobRef> jobs;
};

std::string_view finished_as(const Job& j) {
  for (const std::string_view type :
       {api::job_condition_type::kComplete, api::job_condition_type::kFailed}) {
    if (api::has_condition(j.status.conditions, type, kTrue)) return type;
  }
  return {};
}

class Sync {
 public:
  explicit Sync(Script& script)
      : script_(script),
        in_(script.inputs<Inputs>()),
        cron_(*in_.cron),
        base_(in_.cron),
        status_(in_.cron->status) {}
  Error run();
  api::Duration requeue() const { return requeue_; }

 private:
  Error clean_up();
  Error keep_track();
  Error decide();
  Error start(Time due);
  Error delete_job(const Job& job);
  void drop_active(const api::Str& uid) {
    std::vector<api::ObjectReference> kept;
    for (const api::ObjectReference& r : status_.active) {
      if (r.uid != uid) kept.push_back(r);
    }
    status_.active = api::List<api::ObjectReference>(std::move(kept));
  }
  bool is_active(const api::Str& uid) const {
    return std::any_of(status_.active.begin(), status_.active.end(),
                       [&uid](const api::ObjectReference& r) { return r.uid == uid; });
  }

  Script& script_;
  const Inputs& in_;
  const CronJob& cron_;
  api::Ref<const CronJob> base_;  // what the status is written over
  CronJobStatus status_;
  api::Duration requeue_;
};

Error Sync::run() {
  if (Error e = clean_up()) return e;
  Error result = keep_track();
  if (!result && cron_.metadata.deletion_timestamp.is_zero()) result = decide();
  if (result.is_pending()) return result;
  if (!(status_ == base_->status)) {
    api::Ref<CronJob> body = api::clone(*base_);
    body->status = status_;
    if (Error e = script_.must(update_status_request(body))) return e;
  }
  return result;
}

Error Sync::delete_job(const Job& job) {
  Request r = delete_request(job);
  r.propagation = client::Propagation::kBackground;
  const Outcome* o = nullptr;
  if (Error e = script_.call(std::move(r), &o)) return e;
  if (!o->ok() && !o->not_found()) {
    script_.event(cron_, kWarning, "FailedDelete",
                  fmt::format("Deleted job: {}", o->message.view()));
    return Error::of(*o);
  }
  drop_active(job.metadata.uid);
  script_.event(cron_, kNormal, "SuccessfulDelete",
                fmt::format("Deleted job {}", job.metadata.name.view()));
  return {};
}

// Keeps the newest finished jobs of either kind.
Error Sync::clean_up() {
  for (const bool good : {false, true}) {
    const auto& limit =
        good ? cron_.spec.successful_jobs_history_limit : cron_.spec.failed_jobs_history_limit;
    if (!limit) continue;
    std::vector<JobRef> finished;
    for (const JobRef& j : in_.jobs) {
      const std::string_view as = finished_as(*j);
      if (!as.empty() && (as == api::job_condition_type::kComplete) == good) finished.push_back(j);
    }
    std::sort(finished.begin(), finished.end(), [](const JobRef& a, const JobRef& b) {
      const Time ta = a->status.start_time;
      const Time tb = b->status.start_time;
      if (ta.is_zero() != tb.is_zero()) return tb.is_zero();
      return ta != tb ? ta < tb : a->metadata.name < b->metadata.name;
    });
    const int64_t surplus = static_cast<int64_t>(finished.size()) - *limit;
    for (int64_t i = 0; i < surplus; ++i) {
      if (Error e = delete_job(*finished[static_cast<size_t>(i)]); e.is_pending()) return e;
    }
  }
  return {};
}

// Brings the list of active jobs in line with the jobs that there are.
Error Sync::keep_track() {
  std::set<api::Str> present;
  for (const JobRef& j : in_.jobs) {
    present.insert(j->metadata.uid);
    const bool active = is_active(j->metadata.uid);
    const std::string_view as = finished_as(*j);
    if (!active && as.empty()) {
      // The cache may be older than the status that was written with the job.
      const Outcome* o = nullptr;
      if (Error e = script_.must(get_request(cron_), &o)) return e;
      const api::Ref<const CronJob> fresh = api::cast<CronJob>(o->object);
      const auto& listed = fresh->status.active;
      if (std::any_of(listed.begin(), listed.end(),
                      [&j](const auto& r) { return r.uid == j->metadata.uid; })) {
        base_ = fresh;
        status_ = fresh->status;
        continue;
      }
      script_.event(cron_, kWarning, "UnexpectedJob",
                    fmt::format("Saw a job that the controller did not create or forgot: {}",
                                j->metadata.name.view()));
    } else if (active && !as.empty()) {
      drop_active(j->metadata.uid);
      script_.event(
          cron_, kNormal, "SawCompletedJob",
          fmt::format("Saw completed job: {}, condition: {}", j->metadata.name.view(), as));
    } else if (as == api::job_condition_type::kComplete) {
      const Time at = j->status.completion_time;
      if (status_.last_successful_time.is_zero() || status_.last_successful_time < at) {
        status_.last_successful_time = at;
      }
    }
  }
  const api::List<api::ObjectReference> listed = status_.active;
  for (const api::ObjectReference& r : listed) {
    if (present.contains(r.uid)) continue;
    Request get;
    get.verb = Verb::kGet;
    get.kind = api::Kind::Job;
    get.ns = r.namespace_;
    get.name = r.name;
    const Outcome* o = nullptr;
    if (Error e = script_.call(get, &o)) return e;
    if (o->not_found()) {
      script_.event(cron_, kNormal, "MissingJob",
                    fmt::format("Active job went missing: {}", r.name.view()));
      drop_active(r.uid);
    } else if (!o->ok()) {
      return Error::of(*o);
    }
  }
  return {};
}

Error Sync::decide() {
  if (cron_.spec.suspend.value_or(false)) return {};
  const Time now = script_.now();
  const std::optional<CronSchedule> schedule = CronSchedule::parse(cron_.spec.schedule);
  if (!schedule) {
    script_.event(cron_, kWarning, "UnparseableSchedule",
                  fmt::format("unparseable schedule \"{}\"", cron_.spec.schedule.view()));
    return {};
  }
  const auto& deadline = cron_.spec.starting_deadline_seconds;
  Time earliest = status_.last_schedule_time.is_zero() ? cron_.metadata.creation_timestamp
                                                       : status_.last_schedule_time;
  if (deadline) earliest = std::max(earliest, now - api::Duration::seconds(*deadline));
  // The latest time that is due; long gaps are jumped over in steps of the schedule's own.
  Time due;
  int64_t missed = 0;
  const Time first = schedule->next(earliest);
  if (first.is_zero()) return {};
  if (first <= now) {
    const Time second = schedule->next(first);
    due = first;
    missed = 1;
    if (!second.is_zero() && second <= now) {
      const int64_t between = std::max<int64_t>(1, (second - first).ns() / 1'000'000'000);
      const int64_t elapsed = (now - first).ns() / 1'000'000'000;
      missed = elapsed / between + 1;
      Time from = first;
      if (missed > 2) from = first + api::Duration::seconds((missed - 2) * between);
      for (Time t = schedule->next(from); !t.is_zero() && t <= now; t = schedule->next(t)) due = t;
    }
  }
  const Time after = schedule->next(due.is_zero() ? earliest : due);
  if (!after.is_zero()) {
    requeue_ = std::max(after + kSlack - now, api::Duration::nanos(1));
  }
  if (missed > 100) {
    script_.event(cron_, kWarning, "TooManyMissedTimes",
                  fmt::format("too many missed start times: {}. Set or decrease "
                              ".spec.startingDeadlineSeconds or check clock skew",
                              missed));
  }
  if (due.is_zero()) return {};
  if (deadline && due + api::Duration::seconds(*deadline) < now) {
    script_.event(cron_, kWarning, "MissSchedule",
                  fmt::format("Missed scheduled time to start a job: {}", api::format_time(due)));
    return {};
  }
  return start(due);
}

Error Sync::start(Time due) {
  const std::string name =
      fmt::format("{}-{}", cron_.metadata.name.view(), due.unix_seconds() / 60);
  const bool running = std::any_of(status_.active.begin(), status_.active.end(),
                                   [&name](const auto& r) { return r.name == name; });
  if (running || status_.last_schedule_time == due) return {};
  if (cron_.spec.concurrency_policy == api::concurrency_policy::kForbid &&
      !status_.active.empty()) {
    script_.event(cron_, kNormal, "JobAlreadyActive",
                  "Not starting job because prior execution is running and concurrency policy is "
                  "Forbid");
    return {};
  }
  if (cron_.spec.concurrency_policy == api::concurrency_policy::kReplace) {
    for (const JobRef& j : in_.jobs) {
      if (!is_active(j->metadata.uid)) continue;
      if (Error e = delete_job(*j)) return e;
    }
  }
  api::Ref<Job> job = api::make<Job>();
  job->metadata.name = name;
  job->metadata.namespace_ = cron_.metadata.namespace_;
  job->metadata.labels = cron_.spec.job_template.metadata.labels;
  job->metadata.annotations = cron_.spec.job_template.metadata.annotations;
  job->metadata.annotations.set(kScheduledAt, api::format_time(due));
  job->metadata.owner_references = {api::make_controller_reference(cron_)};
  job->spec = cron_.spec.job_template.spec;
  const Outcome* o = nullptr;
  if (Error e = script_.call(create_request(job), &o)) return e;
  if (!o->ok()) {
    if (namespace_terminating(*o)) return Error::of(*o);
    if (!o->already_exists()) {
      script_.event(cron_, kWarning, "FailedCreate",
                    fmt::format("Error creating job: {}", o->message.view()));
    }
    return Error::of(*o);
  }
  script_.event(cron_, kNormal, "SuccessfulCreate", fmt::format("Created job {}", name));
  const api::ObjectMeta& m = o->object->metadata;
  api::ObjectReference r;
  r.api_version = "batch/v1";
  r.kind = "Job";
  r.namespace_ = m.namespace_;
  r.name = m.name;
  r.uid = m.uid;
  r.resource_version = m.resource_version;
  status_.active.push_back(std::move(r));
  status_.last_schedule_time = due;
  return {};
}

class CronJobController final : public client::Reconciler {
 public:
  explicit CronJobController(CronJobOptions options) : options_(options) {}

  std::string_view name() const override { return "cronjob-controller"; }
  std::unique_ptr<client::Reconciler> clone() const override {
    return std::make_unique<CronJobController>(*this);
  }
  std::vector<client::WatchSpec> watches() const override {
    return {{api::Kind::CronJob, {}}, {api::Kind::Job, {client::IndexBy::kControllerUid}}};
  }
  int32_t workers() const override { return options_.workers; }

  void observe(ReconcileContext& ctx, const WatchEvent& event) override {
    if (event.object->kind == api::Kind::CronJob) {
      ctx.queue().add(key_of(*event.object));
    } else if (const api::OwnerReference* owner = controller_of_kind(*event.object, "CronJob")) {
      ctx.queue().add(make_key(event.object->metadata.namespace_, owner->name));
    }
  }
  Plan sync(ReconcileContext& ctx, const Key& key) override {
    const auto [ns, name] = split_key(key);
    api::Ref<Inputs> in(new Inputs());
    in->cron = ctx.cache(api::Kind::CronJob).get_ref<CronJob>(ns, name);
    if (!in->cron) return Plan::done();
    for (const api::ObjectRef& o :
         ctx.cache(api::Kind::Job).by(client::IndexBy::kControllerUid, in->cron->metadata.uid)) {
      in->jobs.push_back(api::cast<Job>(o));
    }
    return run(Script(ctx, std::move(in)));
  }
  Plan resume(ReconcileContext& ctx, const Key&, uint32_t, const client::SyncState* log,
              const client::PlanResult& result) override {
    return run(Script(ctx, log, result));
  }

 private:
  static Plan run(Script script) {
    Sync sync(script);
    const Error e = sync.run();
    if (e.is_pending()) return script.next_plan();
    if (e) return Plan::retry(e.message());
    return sync.requeue() > api::Duration() ? Plan::after(sync.requeue()) : Plan::done();
  }

  CronJobOptions options_;
};

}  // namespace

std::unique_ptr<client::Reconciler> make_cronjob_controller(CronJobOptions options) {
  return std::make_unique<CronJobController>(options);
}

}  // namespace mainspring::controllers

#include "tests/conformance/scheduler/case_runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "models/api/codec.h"
#include "models/api/diagnostics.h"
#include "models/api/patch.h"
#include "models/api/pod_helpers.h"
#include "models/scheduler/configuration.h"
#include "tests/conformance/scheduler/claim_server.h"
#include "tests/conformance/scheduler/volume_controller.h"
#include "tests/support/fake_control.h"

namespace mainspring::conformance {

namespace {
using api::Json;

std::string_view code_name(scheduler::Code code) {
  switch (code) {
    case scheduler::Code::kSuccess:
      return "Success";
    case scheduler::Code::kError:
      return "Error";
    case scheduler::Code::kUnschedulable:
      return "Unschedulable";
    case scheduler::Code::kUnschedulableAndUnresolvable:
      return "UnschedulableAndUnresolvable";
    case scheduler::Code::kWait:
      return "Wait";
    case scheduler::Code::kSkip:
      return "Skip";
    case scheduler::Code::kPending:
      return "Pending";
  }
  return {};
}

api::Str key_of(const api::Str& ns, const api::Str& name) {
  return api::Str(ns.str() + "/" + name.str());
}

Json words(const scheduler::Status& status) {
  Json out = Json::array();
  out.push_back(code_name(status.code()));
  status.for_each_reason([&](const api::Str& reason) { out.push_back(reason); });
  return out;
}

class CaseRunner final : public scheduler::AttemptObserver {
 public:
  CaseRunner(scheduler::SchedulerOptions options, Path path)
      : loop_(std::move(options)), path_(path) {
    ctx_.prepare(loop_);
    for (const api::Kind kind : kAlwaysThere) ctx_.writable(kind);
    loop_.observe(this);
    loop_.start(ctx_);
  }

  // Observes nothing any more, and lets the scheduler work on an object; without one, terminating
  // pods go.
  void put_quietly(const api::ObjectRef& object) {
    loop_.observe(nullptr);
    if (object) {
      put(api::clone(*object));
    } else {
      reap();
    }
    settle();
  }
  int64_t binds() const { return binds_; }

  void set_random(uint64_t word) { ctx_.random_word = word; }

  // Empty if the step was understood.
  std::string apply(size_t number, const Json& step) {
    step_ = number;
    if (const Json* put = step.find("put")) {
      api::Diagnostics diagnostics;
      const api::ObjectRef object = api::decode(*put, diagnostics);
      if (!object || !diagnostics.ok()) return diagnostics.to_text();
      if (!ctx_.holds(object->kind)) return "a kind that cases do not hold";
      this->put(api::clone(*object));
    } else if (const Json* change = step.find("change")) {
      api::Diagnostics diagnostics;
      const api::ObjectRef parts = api::decode(*change, diagnostics);
      if (!parts || !diagnostics.ok()) return diagnostics.to_text();
      if (parts->kind != api::Kind::Pod) return "only pods are changed in part";
      this->change(*change, api::as<api::Pod>(*parts));
    } else if (const Json* gone = step.find("delete")) {
      const api::KindInfo* info =
          api::find_kind((*gone)["apiVersion"].as_view(), (*gone)["kind"].as_view());
      if (!info || !ctx_.holds(info->kind)) return "a kind that cases do not hold";
      remove(info->kind, (*gone)["namespace"].as_view(), (*gone)["name"].as_view());
    } else if (const Json* free = step.find("free")) {
      free_claim((*free)["namespace"].as_view(), (*free)["name"].as_view(), ctx_, putter_);
    } else if (step["reap"].as_bool()) {
      reap();
    }
    settle();
    const int64_t wait = step["wait"].as_int();
    if (wait > kLongestWait) return fmt::format("wait: at most {} s", kLongestWait);
    for (int64_t second = 0; second < wait; ++second) let_second_pass();
    return {};
  }

  Json answer() {
    finish_attempt();
    Json out = Json::object();
    if (attempts_.size() > 0) out.set("attempts", attempts_);
    std::vector<api::Str> waiting;
    for (const api::ObjectRef& o : ctx_.cache(api::Kind::Pod).list()) {
      const api::Str& ns = o->metadata.namespace_;
      const api::Str& name = o->metadata.name;
      if (loop_.queue().place(ns, name) == scheduler::SchedulingQueue::Place::kUnschedulable) {
        waiting.push_back(key_of(ns, name));
      }
    }
    std::sort(waiting.begin(), waiting.end());
    if (!waiting.empty()) out.set("waiting", strings(waiting));
    const Json claims = given_devices(ctx_);
    if (!claims.empty()) out.set("claims", claims);
    return out;
  }

  Detail detail(const scheduler::PodInfo&) const override {
    return path_ == Path::kPlain ? Detail::kScores : Detail::kDecision;
  }
  void decided(const scheduler::PodInfo& pod, const scheduler::Decision& d,
               const std::vector<scheduler::Profile::PluginScores>& scores) override {
    begin_attempt(pod.key());
    const scheduler::ClusterCache& cluster = loop_.cluster();
    const scheduler::Profile& profile = profile_of(pod);
    if (d.kind == scheduler::Decision::Kind::kNode) attempt_.set("node", cluster.node(d.node).name);
    if (d.kind == scheduler::Decision::Kind::kNode && !d.totals.empty()) {
      Json names = Json::array();
      for (const auto& s : scores) names.push_back(profile.plugin_name(s.plugin));
      if (!scores.empty()) attempt_.set("plugins", names);
      Json rows = Json::array();
      for (size_t i = 0; i < d.feasible.size(); ++i) {
        Json row = Json::array();
        row.push_back(cluster.node(d.feasible[i]).name);
        row.push_back(d.totals[i]);
        for (const auto& s : scores) row.push_back(s.weighted[i]);
        rows.push_back(row);
      }
      attempt_.set("scores", rows);
    }
    if (d.kind == scheduler::Decision::Kind::kRejected) {
      Json statuses = Json::object();
      statuses.set("*", words(d.statuses.absent));
      for (const auto& [slot, status] : d.statuses.list) {
        statuses.set(cluster.node(slot).name, words(status));
      }
      attempt_.set("statuses", statuses);
      set_plugins("rejectedBy", profile, d.unschedulable_plugins);
      set_plugins("pendingBy", profile, d.pending_plugins);
    }
  }

  void failed(const scheduler::PodInfo& pod, bool rejected, const std::string& message,
              const scheduler::Nominating& nominating) override {
    if (attempt_.is_null()) begin_attempt(pod.key());
    attempt_.erase("node");
    attempt_.set("reason", rejected ? "Unschedulable" : "SchedulerError");
    attempt_.set("message", message);
    if (nominating.override_) attempt_.set("nominated", nominating.node);
  }

 private:
  // Kinds that cases may hold whether or not the scheduler watches them.
  static constexpr api::Kind kAlwaysThere[] = {api::Kind::PersistentVolume,
                                               api::Kind::PersistentVolumeClaim,
                                               api::Kind::StorageClass, api::Kind::PriorityClass};
  static constexpr int64_t kLongestWait = 24 * 3600;  // seconds

  static Json strings(const std::vector<api::Str>& list) {
    Json out = Json::array();
    for (const api::Str& s : list) out.push_back(s);
    return out;
  }

  const scheduler::Profile& profile_of(const scheduler::PodInfo& pod) const {
    for (size_t i = 0; i < loop_.profiles(); ++i) {
      if (pod.pod->spec.scheduler_name == loop_.profile(i).scheduler_name()) {
        return loop_.profile(i);
      }
    }
    return loop_.profile();
  }

  void set_plugins(const char* key, const scheduler::Profile& profile, scheduler::PluginSet set) {
    std::vector<api::Str> names;
    for (scheduler::PluginId id = 0; id < static_cast<int>(scheduler::kMaxPlugins); ++id) {
      if (set.contains(id)) names.push_back(api::Str(profile.plugin_name(id)));
    }
    std::sort(names.begin(), names.end());
    if (!names.empty()) attempt_.set(key, strings(names));
  }

  void begin_attempt(const api::Str& pod) {
    finish_attempt();
    attempt_ = Json::object();
    attempt_.set("step", step_).set("pod", pod).set("nextStart", loop_.next_start());
  }
  void finish_attempt() {
    if (attempt_.is_null()) return;
    if (!victims_.empty()) attempt_.set("victims", strings(victims_));
    victims_.clear();
    attempts_.push_back(std::move(attempt_));
    attempt_ = Json();
  }

  void put(api::Ref<api::Object> object) {
    object->metadata.resource_version = std::to_string(++version_);
    if (object->kind == api::Kind::Pod && object->metadata.deletion_timestamp) {
      terminating_.insert(key_of(object->metadata.namespace_, object->metadata.name));
    }
    const api::ObjectRef* known =
        ctx_.cache(object->kind).find(object->metadata.namespace_, object->metadata.name);
    ctx_.deliver(loop_, known ? client::WatchType::kModified : client::WatchType::kAdded,
                 api::ObjectRef(std::move(object)));
  }

  // Replaces the parts of a pod that `given` has, if there is such a pod.
  void change(const Json& given, const api::Pod& parts) {
    const api::ObjectRef* found =
        ctx_.cache(api::Kind::Pod).find(parts.metadata.namespace_, parts.metadata.name);
    if (!found) return;
    api::Ref<api::Pod> pod = api::clone(api::as<api::Pod>(**found));
    const auto has = [&](const char* section, const char* field) {
      const Json* s = given.find(section);
      return s && s->find(field);
    };
    if (has("metadata", "labels")) pod->metadata.labels = parts.metadata.labels;
    if (has("metadata", "deletionTimestamp")) {
      pod->metadata.deletion_timestamp = parts.metadata.deletion_timestamp;
    }
    if (has("spec", "tolerations")) pod->spec.tolerations = parts.spec.tolerations;
    if (has("spec", "schedulingGates")) pod->spec.scheduling_gates = parts.spec.scheduling_gates;
    if (has("status", "containerStatuses")) {
      pod->status.container_statuses = parts.status.container_statuses;
    }
    if (has("status", "nominatedNodeName")) {
      pod->status.nominated_node_name = parts.status.nominated_node_name;
    }
    if (has("status", "resourceClaimStatuses")) {
      pod->status.resource_claim_statuses = parts.status.resource_claim_statuses;
    }
    if (has("status", "phase")) pod->status.phase = parts.status.phase;
    put(std::move(pod));
  }

  void remove(api::Kind kind, std::string_view ns, std::string_view name) {
    const api::ObjectRef* found = ctx_.cache(kind).find(ns, name);
    if (found) ctx_.deliver(loop_, client::WatchType::kDeleted, api::ObjectRef(*found));
  }

  void reap() {
    const std::set<api::Str> keys = std::move(terminating_);
    terminating_.clear();
    for (const api::Str& key : keys) {
      const std::string_view text = key.view();
      const size_t slash = text.find('/');
      const std::string_view ns = text.substr(0, slash);
      const std::string_view name = text.substr(slash + 1);
      const api::ObjectRef* pod = ctx_.cache(api::Kind::Pod).find(ns, name);
      if (pod && (*pod)->metadata.deletion_timestamp) remove(api::Kind::Pod, ns, name);
    }
  }

  // Answers requests and lets the scheduler go on until it has nothing to do at this time.
  void settle() {
    answer_requests();
    while (loop_.queue().has_ready()) {
      const api::Time until = ctx_.now() + api::Duration::nanos(1);
      while (ctx_.fire_next(loop_, until)) answer_requests();
      ctx_.time = until;
    }
  }

  // The queue's timers first; then the pods whose volumes are being bound look whether they are.
  void let_second_pass() {
    std::vector<test::FakeControl::Timer> looks;
    std::erase_if(ctx_.timers, [&](const test::FakeControl::Timer& t) {
      const bool look = scheduler::Scheduler::is_step(t.cookie);
      if (look) looks.push_back(t);
      return look;
    });
    ctx_.run_until(loop_, epoch_ + api::Duration::seconds(++elapsed_));
    settle();
    for (const test::FakeControl::Timer& look : looks) {
      finish_attempt();
      ctx_.time = std::max(ctx_.time, look.at);
      // Were the binding to fail, it would have told the API before the next cycle.
      loop_.hold(true);
      loop_.on_timer(ctx_, look.cookie);
      answer_requests();
      loop_.hold(false);
      settle();
    }
  }

  void answer_requests() {
    while (answered_ < ctx_.sent.size()) {
      const test::FakeControl::Sent sent = ctx_.sent[answered_++];
      const client::Request& r = sent.request;
      client::Outcome out;
      out.code = 200;
      if (r.kind == api::Kind::Pod) {
        act(r, &out);
      } else if (r.kind == api::Kind::ResourceClaim) {
        answer_claim(r, ctx_, putter_, &out);
      } else if (r.verb == client::Verb::kUpdate) {
        put(api::clone(*r.body));
        out.object = *ctx_.cache(r.kind).find(r.ns, r.name);
        volumes_.written(out.object);
      }
      loop_.on_outcome(ctx_, sent.cookie, out);
    }
    ctx_.sent.clear();
    answered_ = 0;
  }

  void act(const client::Request& r, client::Outcome* out) {
    const api::ObjectRef* found = ctx_.cache(api::Kind::Pod).find(r.ns, r.name);
    if (!found) {
      out->code = 404;
      return;
    }
    api::Ref<api::Pod> pod = api::clone(api::as<api::Pod>(**found));
    switch (r.verb) {
      case client::Verb::kBind:
        // What the API server and the kubelet do. The start is a second later than that of the pod
        // bound before, and later than those of pods that the case binds.
        if (attempt_.is_null()) {
          begin_attempt(key_of(r.ns, r.name));
          attempt_.set("bound", r.target);
        }
        pod->spec.node_name = r.target;
        pod->status.phase = "Running";
        pod->status.start_time =
            epoch_ + api::Duration::seconds(++binds_) - api::Duration::hours(8);
        pod->status.nominated_node_name = api::Str();
        break;
      case client::Verb::kPatchStatusJson: {
        api::Diagnostics problems;
        const auto patched = api::apply_strategic_merge_patch(*pod, r.patch, problems);
        pod->status = api::as<api::Pod>(*patched).status;
        break;
      }
      case client::Verb::kDelete:
        pod->metadata.deletion_timestamp = epoch_;
        victims_.push_back(key_of(r.ns, r.name));
        break;
      default:
        return;
    }
    put(pod);
  }

  test::FakeControl ctx_;
  scheduler::Scheduler loop_;
  const PutObject putter_ = [this](api::Ref<api::Object> object) { put(std::move(object)); };
  VolumeController volumes_{ctx_, putter_};
  Path path_;
  const api::Time epoch_ = ctx_.now();
  uint64_t version_ = 0;
  int64_t binds_ = 0;
  int64_t elapsed_ = 0;  // seconds
  size_t answered_ = 0;
  size_t step_ = 0;
  Json attempts_ = Json::array();
  Json attempt_;
  std::vector<api::Str> victims_;
  std::set<api::Str> terminating_;  // pods, at least those that are
};

}  // namespace

Json answer_case(const Json& the_case, Path path) {
  scheduler::SchedulerOptions options;
  if (const Json* configuration = the_case.find("config")) {
    scheduler::Registry registry;
    scheduler::register_scheduler_plugins(registry);
    api::Diagnostics diagnostics;
    options = scheduler::read_configuration(*configuration, registry, diagnostics);
    if (!diagnostics.ok()) return Json::object({{"error", diagnostics.to_text()}});
  }
  options.cycle_time = api::Duration::nanos(1);
  options.remember_verdicts = path == Path::kFast;
  CaseRunner runner(std::move(options), path);
  runner.set_random(static_cast<uint64_t>(the_case["random"].as_int()));
  const auto steps = the_case["steps"].items();
  for (size_t i = 0; i < steps.size(); ++i) {
    const std::string error = runner.apply(i, steps[i]);
    if (!error.empty()) {
      return Json::object({{"error", "step " + std::to_string(i) + ": " + error}});
    }
  }
  return runner.answer();
}

Json without_plugin_scores(Json answer) {
  if (!answer.contains("attempts")) return answer;
  for (Json& attempt : answer.edit("attempts").edit_items()) {
    attempt.erase("plugins");
    if (!attempt.contains("scores")) continue;
    for (Json& row : attempt.edit("scores").edit_items()) row.edit_items().resize(2);
  }
  return answer;
}

double bench_case(const Json& the_case) {
  scheduler::SchedulerOptions options;
  options.cycle_time = api::Duration::nanos(1);
  CaseRunner runner(std::move(options), Path::kFast);
  std::vector<api::ObjectRef> objects;
  for (const Json& step : the_case["steps"].items()) {
    api::Diagnostics diagnostics;
    const Json* put = step.find("put");
    objects.push_back(put ? api::decode(*put, diagnostics) : nullptr);
  }
  const size_t measured = static_cast<size_t>(the_case["measured"].as_int());
  std::clock_t began = std::clock();
  int64_t before = 0;
  for (size_t i = 0; i < objects.size(); ++i) {
    if (i + measured == objects.size()) {
      began = std::clock();
      before = runner.binds();
    }
    runner.put_quietly(objects[i]);
  }
  const double seconds = static_cast<double>(std::clock() - began) / CLOCKS_PER_SEC;
  return static_cast<double>(runner.binds() - before) / seconds;
}

}  // namespace mainspring::conformance

#include "scenarios/analysis_facts.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "models/api/pod_helpers.h"
#include "models/api/text.h"
#include "models/api/types/apps.h"
#include "models/api/types/autoscaling.h"
#include "models/api/types/core.h"
#include "models/api/types/discovery.h"
#include "scenarios/samples.h"

namespace mainspring::scenarios {

void StepLine::set(double at, double value) {
  if (!t.empty() && t.back() == at) {
    v.back() = value;
    // What it was before the instant may be what it is again.
    if (v.size() > 1 && v[v.size() - 2] == value) {
      t.pop_back();
      v.pop_back();
    }
    return;
  }
  if (!v.empty() && v.back() == value) return;
  t.push_back(at);
  v.push_back(value);
}

void StepLine::sample(double at, double value) {
  if (!t.empty() && t.back() == at) {
    v.back() = value;
    return;
  }
  t.push_back(at);
  v.push_back(value);
}

double StepLine::at(double time) const {
  const auto after = std::upper_bound(t.begin(), t.end(), time);
  return after == t.begin() ? 0 : v[static_cast<size_t>(after - t.begin()) - 1];
}

std::string label_of(std::string_view ns, std::string_view name) {
  if (ns.empty() || ns == "default") return std::string(name);
  return fmt::format("{}/{}", ns, name);
}

namespace {
template <class T>
const T* find_labelled(const std::vector<T>& all, std::string_view name) {
  if (name.starts_with("default/")) name.remove_prefix(8);
  for (const T& one : all) {
    if (one.label == name) return &one;
  }
  return nullptr;
}
}  // namespace

const ServiceFacts* Facts::service(std::string_view name) const {
  return find_labelled(services, name);
}
const WorkloadFacts* Facts::workload(std::string_view name) const {
  return find_labelled(workloads, name);
}

namespace {

constexpr double kGroupSeconds = 60;        // incidents of a group this close together are one
constexpr double kLongPendingSeconds = 15;  // waiting longer for a node is an incident
constexpr size_t kNone = SIZE_MAX;

bool counts_for_requests(const api::Pod& pod) {
  return !pod.spec.node_name.empty() && !api::is_terminal(pod);
}

int64_t cpu_milli(const api::Map<api::Quantity>& resources) {
  const api::Quantity* q = resources.find("cpu");
  return q ? q->milli_value() : 0;
}

std::string phase_of(const api::Pod& pod) {
  if (api::is_terminating(pod) && !api::is_terminal(pod)) return "Terminating";
  return pod.status.phase.empty() ? "Pending" : pod.status.phase.str();
}

struct PodView {
  PodState state = PodState::kPending;
  std::string reason;
};

// The reason of the first container that is not as it should be.
std::string container_reason(const api::Pod& pod, std::string_view wanted = {}) {
  for (const auto* list : {&pod.status.init_container_statuses, &pod.status.container_statuses}) {
    for (const api::ContainerStatus& c : *list) {
      const std::string_view waiting =
          c.state.waiting ? c.state.waiting->reason.view() : std::string_view();
      const std::string_view ended =
          c.state.terminated ? c.state.terminated->reason.view() : std::string_view();
      const std::string_view reason = waiting.empty() ? ended : waiting;
      if (reason.empty() || reason == "Completed") continue;
      if (wanted.empty() || reason == wanted) return std::string(reason);
    }
  }
  return {};
}

PodView view_of(const api::Pod& pod, bool was_ready) {
  if (pod.status.phase == "Succeeded") return {PodState::kSucceeded, {}};
  if (pod.status.phase == "Failed") {
    return {PodState::kFailed,
            pod.status.reason.empty() ? container_reason(pod) : pod.status.reason.str()};
  }
  if (api::is_terminating(pod)) {
    const api::PodCondition* why = api::find_condition(pod.status.conditions, "DisruptionTarget");
    return {PodState::kTerminating, why ? why->reason.str() : pod.status.reason.str()};
  }
  if (pod.spec.node_name.empty()) {
    const api::PodCondition* c = api::find_condition(pod.status.conditions, "PodScheduled");
    const bool refused = c && c->status == "False";
    return {PodState::kPending, !refused             ? std::string()
                                : c->message.empty() ? c->reason.str()
                                                     : c->message.str()};
  }
  if (!container_reason(pod, "CrashLoopBackOff").empty()) {
    return {PodState::kCrashLoop, "CrashLoopBackOff"};
  }
  if (api::is_ready(pod)) return {PodState::kReady, {}};
  std::string reason = container_reason(pod);
  if (was_ready && reason.empty()) {
    const api::PodCondition* c = api::find_condition(pod.status.conditions, "Ready");
    if (c) reason = c->reason.str();
  }
  return {was_ready ? PodState::kNotReady : PodState::kStarting, std::move(reason)};
}

NodeState state_of(const api::Node& node, bool was_ready) {
  const api::NodeCondition* ready = api::find_condition(node.status.conditions, "Ready");
  if (ready && ready->status == "True") {
    return node.spec.unschedulable ? NodeState::kCordoned : NodeState::kReady;
  }
  if (ready && ready->status == "Unknown") return NodeState::kUnreachable;
  return was_ready ? NodeState::kNotReady : NodeState::kBooting;
}

bool up(NodeState s) { return s == NodeState::kReady || s == NodeState::kCordoned; }

class Collector {
 public:
  explicit Collector(const std::set<std::string>& users) : users_(users) {}

  Facts run(sim::JournalReader reader, double end) {
    const std::optional<api::Time> epoch = epoch_of(reader.header());
    if (epoch) f_.epoch = *epoch;
    epoch_known_ = epoch.has_value();
    sim::JournalRecord record;
    while (f_.error.empty() && reader.next(record)) take(record);
    if (f_.error.empty()) f_.error = reader.error();
    t_ = std::max(t_, end);
    f_.end = t_;
    f_.digest = reader.digest().hex();
    f_.records = reader.records();
    finish();
    return std::move(f_);
  }

 private:
  void take(const sim::JournalRecord& record) {
    t_ = seconds_of(record.at);
    if (record.type.starts_with("store.")) {
      if (const auto change = f_.final_state.apply(record, &f_.error))
        store_change(*change, record);
    } else if (record.type == traffic::kBucketRecord) {
      bucket(record);
    } else if (record.type == "sample.cluster") {
      sample(record);
    } else if (record.type == "model.note") {
      note(record);
    } else if (record.type == "fault.inject" || record.type == "fault.recover") {
      fault(record);
    } else if (record.type == "kubectl.begin") {
      ActionFacts action;
      action.line = record.key;
      action.begin = t_;
      f_.actions.push_back(std::move(action));
    } else if (record.type == "kubectl.end") {
      for (ActionFacts& a : f_.actions) {
        if (a.end || a.line != record.key) continue;
        a.end = t_;
        a.output = record.payload;
        break;
      }
    }
  }

  void store_change(const StoreChange& c, const sim::JournalRecord& record) {
    if (!epoch_known_ && c.after && c.after->metadata.creation_timestamp) {
      f_.epoch = epoch_from_creation(*c.after, record.at);
      epoch_known_ = true;
    }
    const api::Object& object = c.after ? *c.after : *c.before;
    switch (object.kind) {
      case api::Kind::Pod:
        return pod(c);
      case api::Kind::Node:
        return node(c);
      case api::Kind::Deployment:
        return deployment(c);
      case api::Kind::StatefulSet:
        return stateful_set(c);
      case api::Kind::DaemonSet:
        return daemon_set(c);
      case api::Kind::ReplicaSet:
        return replica_set(c);
      case api::Kind::HorizontalPodAutoscaler:
        return autoscaler(c);
      case api::Kind::EndpointSlice:
        return endpoint_slice(c);
      case api::Kind::Event:
        if (c.after) event(api::as<api::Event>(*c.after));
        return;
      default:
        return;
    }
  }

  // --- workloads --------------------------------------------------------------------------------

  size_t workload_of(std::string_view kind, std::string_view ns, std::string_view name) {
    const std::string key = fmt::format("{}/{}/{}", kind, ns, name);
    const auto [at, added] = workload_index_.emplace(key, f_.workloads.size());
    if (added) {
      WorkloadFacts w;
      w.kind = kind;
      w.ns = ns;
      w.name = name;
      w.label = label_of(ns, name);
      f_.workloads.push_back(std::move(w));
    }
    return at->second;
  }
  WorkloadFacts& workload(const StoreChange& c) {
    return f_.workloads[workload_of(c.kind, c.namespace_, c.name)];
  }
  void sizes(const StoreChange& c, int desired, int ready) {
    WorkloadFacts& w = workload(c);
    w.desired.set(t_, c.after ? desired : 0);
    w.ready.set(t_, c.after ? ready : 0);
  }

  void deployment(const StoreChange& c) {
    const auto& d = api::as<api::Deployment>(c.after ? *c.after : *c.before);
    const int desired = d.spec.replicas.value_or(1);
    sizes(c, desired, d.status.ready_replicas);
    const size_t index = workload_of(c.kind, c.namespace_, c.name);
    const bool done = c.after && d.status.observed_generation >= d.metadata.generation &&
                      d.status.updated_replicas == desired && d.status.replicas == desired &&
                      d.status.ready_replicas == desired;
    if (!done) return;
    for (Rollout& r : f_.rollouts) {
      if (r.workload == index && !r.end && t_ > r.begin) r.end = t_;
    }
  }
  void stateful_set(const StoreChange& c) {
    const auto& s = api::as<api::StatefulSet>(c.after ? *c.after : *c.before);
    sizes(c, s.spec.replicas.value_or(1), s.status.ready_replicas);
  }
  void daemon_set(const StoreChange& c) {
    const auto& d = api::as<api::DaemonSet>(c.after ? *c.after : *c.before);
    sizes(c, d.status.desired_number_scheduled, d.status.number_ready);
  }
  void replica_set(const StoreChange& c) {
    const api::Object& object = c.after ? *c.after : *c.before;
    const api::OwnerReference* owner = api::controller_of(object);
    if (!owner || owner->kind != "Deployment") return;
    const std::string key = fmt::format("{}/{}", c.namespace_, owner->name.view());
    if (!c.before && c.after) {
      if (++replica_sets_[key] > 1) {
        const size_t w = workload_of("Deployment", c.namespace_, owner->name);
        for (Rollout& r : f_.rollouts) {
          if (r.workload == w && !r.end) r.end = t_;  // overtaken by the next one
        }
        f_.rollouts.push_back({w, t_, std::nullopt});
      }
    }
    if (c.after) deployment_of_[fmt::format("{}/{}", c.namespace_, c.name)] = owner->name.str();
  }

  // --- autoscalers ------------------------------------------------------------------------------

  void autoscaler(const StoreChange& c) {
    if (!c.after) return;
    const auto& h = api::as<api::HorizontalPodAutoscaler>(*c.after);
    const size_t index =
        workload_of(h.spec.scale_target_ref.kind, c.namespace_, h.spec.scale_target_ref.name);
    f_.workloads[index].autoscaler = c.name;
    f_.workloads[index].max_replicas = h.spec.max_replicas;
    for (size_t i = f_.rescales.size(); i-- > 0 && t_ - f_.rescales[i].t < 2;) {
      if (f_.rescales[i].workload == index) tell_metric(f_.rescales[i], h);
    }
  }

  static void tell_metric(Rescale& r, const api::HorizontalPodAutoscaler& h) {
    if (h.status.desired_replicas != r.to || !r.metric.empty()) return;
    for (size_t i = 0; i < h.spec.metrics.size() && i < h.status.current_metrics.size(); ++i) {
      const auto& want = h.spec.metrics[i].resource;
      const auto& now = h.status.current_metrics[i].resource;
      if (!want || !now || !want->target.average_utilization || !now->current.average_utilization) {
        continue;
      }
      r.metric = fmt::format("{} at {} % of its request, target {} %", want->name.view(),
                             *now->current.average_utilization, *want->target.average_utilization);
      return;
    }
  }

  void rescaled(const api::Event& e) {
    constexpr std::string_view kSize = "New size: ";
    const std::string_view text = e.message;
    if (!text.starts_with(kSize)) return;
    int to = 0;
    const auto [rest, bad] =
        std::from_chars(text.data() + kSize.size(), text.data() + text.size(), to);
    if (bad != std::errc()) return;
    const api::ObjectRef o = f_.final_state.find(
        "HorizontalPodAutoscaler", e.involved_object.namespace_, e.involved_object.name);
    if (!o) return;
    const auto& h = api::as<api::HorizontalPodAutoscaler>(*o);
    Rescale r;
    r.t = t_;
    r.to = to;
    r.workload = workload_of(h.spec.scale_target_ref.kind, e.involved_object.namespace_,
                             h.spec.scale_target_ref.name);
    const StepLine& desired = f_.workloads[r.workload].desired;
    // The write of the size comes before the event that tells of it.
    const size_t n = desired.v.size();
    r.from = static_cast<int>(desired.last());
    if (n > 1 && r.from == to) r.from = static_cast<int>(desired.v[n - 2]);
    constexpr std::string_view kReason = "reason: ";
    const size_t reason = text.find(kReason);
    if (reason != std::string_view::npos) r.reason = text.substr(reason + kReason.size());
    tell_metric(r, h);
    f_.rescales.push_back(std::move(r));
  }

  // --- events -----------------------------------------------------------------------------------

  void event(const api::Event& e) {
    if (e.reason == "SuccessfulRescale") rescaled(e);
    if (e.reason == "Preempted" && e.count <= 1) preempted(e);
    if (e.reason == "FailedCreate") failed_create(e);
    if (e.reason == "TaintManagerEviction" && e.message.view().starts_with("Marking")) {
      incident("taint-eviction", t_, "pods of dead nodes evicted", e.message.str(),
               fmt::format("pod/{}/{}", e.involved_object.namespace_.view(),
                           e.involved_object.name.view()));
    }
  }

  // A controller's request was refused.
  void failed_create(const api::Event& e) {
    const api::ObjectReference& by = e.involved_object;
    const auto above =
        deployment_of_.find(fmt::format("{}/{}", by.namespace_.view(), by.name.view()));
    const bool owned = by.kind == "ReplicaSet" && above != deployment_of_.end();
    const std::string who = label_of(by.namespace_, owned ? above->second : by.name.str());
    const std::string_view what = by.kind == "CronJob" ? "jobs" : "pods";
    incident("failed-create/" + who, t_, fmt::format("{} cannot create {}", who, what),
             e.message.str(),
             fmt::format("{}/{}/{}", api::to_lower(by.kind), by.namespace_.view(), by.name.view()));
  }

  // The event names the preemptor by its uid only.
  void preempted(const api::Event& e) {
    constexpr std::string_view kBy = "Preempted by pod ";
    std::string_view uid = e.message;
    if (!uid.starts_with(kBy)) return;
    uid.remove_prefix(kBy.size());
    uid = uid.substr(0, uid.find(' '));
    const auto by = pods_by_uid_.find(uid);
    const auto victim = pods_by_uid_.find(e.involved_object.uid.view());
    if (by == pods_by_uid_.end() || victim == pods_by_uid_.end()) return;
    const PodLane& taker = f_.pod_lanes[by->second.index];
    const PodLane& giver = f_.pod_lanes[victim->second.index];
    // The event comes after the deletion that it tells of.
    const double at = f_.pods[victim->second.index].terminating.value_or(t_);
    incident(
        fmt::format("preempted/{} by {}", giver.workload, taker.workload), at,
        fmt::format("{} preempted by {}", giver.workload, taker.workload),
        fmt::format("pod {} took the place of {} on node {}", taker.name, giver.name, giver.node),
        fmt::format("pod/{}/{}", giver.namespace_, giver.name));
    f_.preemptions.push_back(
        {at, giver.workload, taker.workload, victim->second.priority, by->second.priority});
  }

  void incident(std::string group, double at, std::string title, std::string detail,
                std::string object) {
    const auto known = last_incident_.find(group);
    if (known != last_incident_.end()) {
      Incident& i = f_.incidents[known->second];
      if (at - i.last <= kGroupSeconds && i.t - at <= kGroupSeconds) {
        i.t = std::min(i.t, at);
        i.last = std::max(i.last, at);
        ++i.count;
        return;
      }
    }
    last_incident_[group] = f_.incidents.size();
    Incident i;
    i.group = std::move(group);
    i.t = i.last = at;
    i.title = std::move(title);
    i.detail = std::move(detail);
    i.object = std::move(object);
    f_.incidents.push_back(std::move(i));
  }

  // --- pods -------------------------------------------------------------------------------------

  void pod(const StoreChange& c) {
    const ObjectKey name(c.namespace_, c.name);
    const auto live = live_pods_.find(name);
    size_t index = live == live_pods_.end() ? kNone : live->second;
    if (index == kNone && c.after) index = add_pod(api::as<api::Pod>(*c.after), name);
    if (index == kNone) return;
    count_pod(c);
    PodLane& lane = f_.pod_lanes[index];
    PodFacts& facts = f_.pods[index];
    if (!c.after) {
      close(lane);
      facts.gone = t_;
      if (!facts.left_pending) facts.left_pending = t_;
      end_of_wait(index);
      live_pods_.erase(name);
      return;
    }
    const auto& p = api::as<api::Pod>(*c.after);
    const PodView view = view_of(p, facts.ready.has_value());
    if (view.state == PodState::kReady && !facts.ready) facts.ready = t_;
    if (view.state == PodState::kTerminating && !facts.terminating) facts.terminating = t_;
    if (!facts.left_pending && phase_of(p) != "Pending") facts.left_pending = t_;
    if (view.state == PodState::kPending && !view.reason.empty()) {
      facts.unschedulable = view.reason;
    }
    if (!p.spec.node_name.empty() && !facts.bound) {
      facts.bound = t_;
      end_of_wait(index);
      lane.node = p.spec.node_name.str();
      lane.zone = zone_of_node(lane.node);
    }
    int restarts = 0;
    for (const auto* list : {&p.status.init_container_statuses, &p.status.container_statuses}) {
      for (const api::ContainerStatus& s : *list) restarts += s.restart_count;
    }
    lane.restarts = std::max(lane.restarts, restarts);
    pod_incidents(c, p, index, view);
    segment(lane, view);
  }

  size_t add_pod(const api::Pod& p, const ObjectKey& name) {
    const size_t index = f_.pods.size();
    PodLane lane;
    lane.namespace_ = name.first;
    lane.name = name.second;
    PodFacts facts;
    facts.created = t_;
    const api::OwnerReference* owner = api::controller_of(p);
    lane.workload = label_of(name.first, owner ? top_owner(name.first, *owner) : name.second);
    if (owner) {
      const bool by_set = owner->kind == "ReplicaSet";
      const std::string key =
          fmt::format("{}/{}/{}", by_set ? "Deployment" : owner->kind.view(), name.first,
                      by_set ? top_owner(name.first, *owner) : owner->name.str());
      const auto known = workload_index_.find(key);
      if (known != workload_index_.end()) facts.workload = known->second;
    }
    f_.pod_lanes.push_back(std::move(lane));
    f_.pods.push_back(std::move(facts));
    live_pods_[name] = index;
    pods_by_uid_[p.metadata.uid.str()] = {index, p.spec.priority.value_or(0)};
    return index;
  }

  // The Deployment of a ReplicaSet, the CronJob of a Job, or the owner itself.
  std::string top_owner(const std::string& ns, const api::OwnerReference& owner) const {
    const auto known = deployment_of_.find(fmt::format("{}/{}", ns, owner.name.view()));
    if (owner.kind == "ReplicaSet" && known != deployment_of_.end()) return known->second;
    if (const api::ObjectRef o = f_.final_state.find(owner.kind, ns, owner.name)) {
      if (const api::OwnerReference* above = api::controller_of(*o)) return above->name.str();
    }
    if (owner.kind == "ReplicaSet") {
      const std::string_view name = owner.name;
      return std::string(name.substr(0, name.rfind('-')));
    }
    return owner.name.str();
  }

  std::string zone_of_node(const std::string& name) const {
    const auto at = node_index_.find(name);
    return at == node_index_.end() ? std::string() : f_.nodes[at->second].zone;
  }

  void count_pod(const StoreChange& c) {
    if (c.before) {
      const auto& before = api::as<api::Pod>(*c.before);
      --phases_[phase_of(before)];
      if (counts_for_requests(before)) requested_milli_ -= cpu_milli(api::pod_requests(before));
    }
    if (c.after) {
      const auto& after = api::as<api::Pod>(*c.after);
      ++phases_[phase_of(after)];
      if (counts_for_requests(after)) requested_milli_ += cpu_milli(api::pod_requests(after));
    }
    for (const auto& [phase, n] : phases_) f_.pods_by_phase[phase].set(t_, n);
    f_.cpu_requested_cores.set(t_, static_cast<double>(requested_milli_) / 1000);
  }

  // When it is bound, gone, or the run ends: a long wait for a node is an incident.
  void end_of_wait(size_t index) {
    PodFacts& p = f_.pods[index];
    if (p.bound && *p.bound < t_) return;
    const PodLane& lane = f_.pod_lanes[index];
    if (t_ - p.created < kLongPendingSeconds || p.unschedulable.empty()) return;
    p.waited_for_room = p.unschedulable.find("Insufficient ") != std::string::npos ||
                        p.unschedulable.find("Too many pods") != std::string::npos;
    incident("unschedulable/" + lane.workload, p.created,
             fmt::format("{} finds no node", lane.workload), p.unschedulable,
             fmt::format("pod/{}/{}", lane.namespace_, lane.name));
  }

  void pod_incidents(const StoreChange& c, const api::Pod& p, size_t index, const PodView& view) {
    const PodLane& lane = f_.pod_lanes[index];
    const std::string object = fmt::format("pod/{}/{}", lane.namespace_, lane.name);
    const PodState before = lane.segments.empty() ? PodState::kPending : lane.segments.back().state;
    for (const api::ContainerStatus& s : p.status.container_statuses) {
      const api::Time when = oom_killed(s);
      if (!when) continue;
      const api::ContainerStatus* old =
          c.before ? api::find_container_status(
                         api::as<api::Pod>(*c.before).status.container_statuses, s.name)
                   : nullptr;
      if (old && oom_killed(*old) == when) continue;
      incident("oom/" + lane.workload, t_, lane.workload + " OOM-killed",
               fmt::format("container {} of pod {} went over its memory limit", s.name.view(),
                           lane.name),
               object);
    }
    if (view.state == PodState::kCrashLoop && before != PodState::kCrashLoop) {
      incident("crash-loop/" + lane.workload, t_, lane.workload + " in a crash loop",
               fmt::format("pod {}, {} restarts", lane.name, lane.restarts), object);
    }
    if (view.state == PodState::kFailed && before != PodState::kFailed &&
        view.reason == "Evicted") {
      incident("evicted/" + lane.workload, t_, lane.workload + " evicted", p.status.message.str(),
               object);
    }
  }

  // When the container last ended for want of memory.
  static api::Time oom_killed(const api::ContainerStatus& s) {
    for (const auto* state : {&s.state, &s.last_state}) {
      if (state->terminated && state->terminated->reason == "OOMKilled") {
        return state->terminated->finished_at;
      }
    }
    return {};
  }

  void close(PodLane& lane) {
    if (lane.segments.empty()) return;
    lane.segments.back().end_seconds = t_;
    if (lane.segments.back().start_seconds == t_) lane.segments.pop_back();
  }
  void segment(PodLane& lane, const PodView& view) {
    if (!lane.segments.empty()) {
      const PodSegment& last = lane.segments.back();
      if (last.state == view.state && last.reason == view.reason) return;
      close(lane);
    }
    lane.segments.push_back({t_, t_, view.state, view.reason});
  }

  // --- nodes ------------------------------------------------------------------------------------

  void node(const StoreChange& c) {
    const auto& n = api::as<api::Node>(c.after ? *c.after : *c.before);
    const std::string name(c.name);
    auto at = node_index_.find(name);
    if (at == node_index_.end()) {
      NodeLane lane;
      lane.name = name;
      lane.zone = n.metadata.labels.get("topology.kubernetes.io/zone").str();
      lane.instance_type = n.metadata.labels.get("node.kubernetes.io/instance-type").str();
      lane.pool = n.metadata.labels.get("mainspring.dev/pool").str();
      at = node_index_.emplace(name, f_.nodes.size()).first;
      f_.nodes.push_back(std::move(lane));
    }
    NodeLane& lane = f_.nodes[at->second];
    std::vector<NodeSegment>& segments = lane.segments;
    const bool existed = c.before && !segments.empty();
    const NodeState before = existed ? segments.back().state : NodeState::kGone;
    const bool was_ready = ready_once_.contains(name);
    const NodeState state = c.after ? state_of(n, was_ready) : NodeState::kGone;
    if (state == before) return;
    if (existed) segments.back().end_seconds = t_;
    if (c.after) segments.push_back({t_, t_, state});
    if (up(state)) ready_once_.insert(name);
    count_node(lane.zone, before, state, n);
    if (up(before) == up(state)) return;
    f_.node_changes.push_back({t_, name, up(state)});
    if (up(before) && c.after) {
      incident(
          "node/" + lane.zone, t_,
          lane.zone.empty() ? "nodes not ready" : fmt::format("nodes of {} not ready", lane.zone),
          fmt::format("node {} is {}", name,
                      state == NodeState::kUnreachable ? "unreachable" : "not ready"),
          "node/" + name);
    }
  }

  void count_node(const std::string& zone, NodeState before, NodeState after,
                  const api::Node& node) {
    if (before != NodeState::kGone) --(up(before) ? zone_up_ : zone_down_)[zone];
    if (after != NodeState::kGone) ++(up(after) ? zone_up_ : zone_down_)[zone];
    f_.nodes_ready[zone].set(t_, zone_up_[zone]);
    f_.nodes_not_ready[zone].set(t_, zone_down_[zone]);
    const int64_t cpu = cpu_milli(node.status.allocatable);
    int64_t& counted = allocatable_[node.metadata.name.str()];
    allocatable_milli_ -= counted;
    counted = up(after) ? cpu : 0;
    allocatable_milli_ += counted;
    f_.cpu_allocatable_cores.set(t_, static_cast<double>(allocatable_milli_) / 1000);
  }

  // --- endpoints --------------------------------------------------------------------------------

  void endpoint_slice(const StoreChange& c) {
    if (!c.before) return;
    const auto& before = api::as<api::EndpointSlice>(*c.before);
    std::set<std::string_view> still;
    if (c.after) {
      for (const api::Endpoint& e : api::as<api::EndpointSlice>(*c.after).endpoints) {
        if (e.conditions.ready.value_or(true) && !e.addresses.empty()) {
          still.insert(e.addresses[0].view());
        }
      }
    }
    const std::string service =
        label_of(c.namespace_, before.metadata.labels.get("kubernetes.io/service-name").view());
    for (const api::Endpoint& e : before.endpoints) {
      if (!e.conditions.ready.value_or(true) || e.addresses.empty()) continue;
      if (still.contains(e.addresses[0].view())) continue;
      f_.endpoint_losses.push_back({t_, service, e.node_name.str()});
    }
  }

  // --- what is not in the store -----------------------------------------------------------------

  void bucket(const sim::JournalRecord& record) {
    std::string_view key = record.key;
    if (!key.starts_with(traffic::kServicePrefix)) return;
    key.remove_prefix(traffic::kServicePrefix.size());
    const size_t slash = key.find('/');
    traffic::Bucket b;
    if (slash == std::string_view::npos || !traffic::decode(record.payload, b)) return;
    const std::string label = label_of(key.substr(0, slash), key.substr(slash + 1));
    const auto [at, added] = service_index_.emplace(label, f_.services.size());
    if (added) {
      ServiceFacts s;
      s.ns = key.substr(0, slash);
      s.name = key.substr(slash + 1);
      s.label = label;
      s.users = users_.contains(label);
      f_.services.push_back(std::move(s));
    }
    RequestBucket out;
    out.begin = seconds_of(b.begin);
    out.width = seconds_of(b.width);
    out.ok = b.ok;
    out.failed = b.failed_total();
    out.why = b.failed;
    const bool none = b.latency.count() == 0;
    const auto ms = [&](double q) {
      return none ? std::numeric_limits<double>::quiet_NaN()
                  : static_cast<double>(b.latency.quantile(q).ns()) / 1e6;
    };
    out.p50_ms = ms(0.5);
    out.p90_ms = ms(0.9);
    out.p99_ms = ms(0.99);
    b.latency.append_to(out.latency);
    f_.services[at->second].buckets.push_back(std::move(out));
  }

  void sample(const sim::JournalRecord& record) {
    ClusterSample s;
    if (!decode_sample(record.payload, s)) return;
    f_.cpu_used_cores.sample(t_, static_cast<double>(s.cpu_used_milli) / 1000);
    f_.memory_used_gib.sample(t_, static_cast<double>(s.memory_used_bytes) / 1073741824.0);
    f_.cost_rate_usd_h.sample(t_, static_cast<double>(s.cost_rate_micro_usd_h) / 1e6);
    f_.cost_usd.sample(t_, static_cast<double>(s.cost_micro_usd) / 1e6);
  }

  void note(const sim::JournalRecord& record) {
    constexpr std::string_view kNode = "Node/";
    if (record.payload.starts_with("The API server refused")) {
      f_.notes.push_back(fmt::format("{}: {}", record.key, record.payload));
    }
    if (!record.key.starts_with(kNode)) return;
    if (record.payload.find("lost power") == std::string_view::npos) return;
    if (dark_at_ != t_) dark_.clear();
    dark_at_ = t_;
    dark_.emplace_back(record.key.substr(kNode.size()));
  }

  void fault(const sim::JournalRecord& record) {
    const std::string name(record.key.substr(record.key.find('/') + 1));
    if (record.type == "fault.recover") {
      for (FaultFacts& f : f_.faults) {
        if (f.end || f.name != name) continue;
        f.end = t_;
        f.what_ended = record.payload;
        return;
      }
      return;
    }
    FaultFacts f;
    f.name = name;
    f.what = record.payload;
    f.begin = t_;
    if (dark_at_ == t_) {
      f.nodes = dark_;
      dark_.clear();
    }
    if (!f.nodes.empty()) {
      f.kind = FaultKind::kMachines;
    } else if (f.what.starts_with("Traffic")) {
      f.kind = FaultKind::kTraffic;
    } else if (f.what.starts_with("The process")) {
      f.kind = FaultKind::kContainers;
    }
    f_.faults.push_back(std::move(f));
  }

  void finish() {
    for (size_t i = 0; i < f_.pods.size(); ++i) {
      if (f_.pods[i].gone) continue;
      if (!f_.pods[i].bound) end_of_wait(i);
      if (!f_.pod_lanes[i].segments.empty()) f_.pod_lanes[i].segments.back().end_seconds = t_;
    }
    for (NodeLane& lane : f_.nodes) {
      const bool exists = f_.final_state.find("Node", "", lane.name) != nullptr;
      if (exists && !lane.segments.empty()) lane.segments.back().end_seconds = t_;
    }
    std::sort(f_.services.begin(), f_.services.end(),
              [](const auto& a, const auto& b) { return a.label < b.label; });
    std::stable_sort(f_.incidents.begin(), f_.incidents.end(),
                     [](const auto& a, const auto& b) { return a.t < b.t; });
  }

  const std::set<std::string>& users_;
  Facts f_;
  double t_ = 0;
  bool epoch_known_ = false;
  std::map<std::string, size_t> workload_index_;  // KIND/NS/NAME
  std::map<std::string, size_t> service_index_;   // label
  std::map<std::string, size_t> node_index_;
  std::map<ObjectKey, size_t> live_pods_;
  struct KnownPod {
    size_t index;
    int32_t priority;
  };
  std::map<std::string, KnownPod, std::less<>> pods_by_uid_;
  std::map<std::string, std::string> deployment_of_;  // NS/REPLICASET
  std::map<std::string, int> replica_sets_;           // NS/DEPLOYMENT -> made so far
  std::map<std::string, size_t> last_incident_;
  std::map<std::string, int> phases_;
  std::map<std::string, int> zone_up_;
  std::map<std::string, int> zone_down_;
  std::map<std::string, int64_t> allocatable_;
  std::set<std::string> ready_once_;
  int64_t requested_milli_ = 0;
  int64_t allocatable_milli_ = 0;
  std::vector<std::string> dark_;  // nodes that lost power at dark_at_
  double dark_at_ = -1;
};

}  // namespace

Facts collect_facts(sim::JournalReader reader, const std::set<std::string>& users, double end) {
  return Collector(users).run(std::move(reader), end);
}

namespace {

// The changes of sizes of a scope, in order of time.
class SizeWalk {
 public:
  SizeWalk(const Facts& facts, const WorkloadFacts* scope) {
    for (const WorkloadFacts& w : facts.workloads) {
      const bool of_all = w.kind == "Deployment" || w.kind == "StatefulSet";
      if (scope ? &w == scope : of_all) workloads_.push_back({&w, 0, 0, false, false});
    }
    for (size_t i = 0; i < workloads_.size(); ++i) {
      for (const double t : workloads_[i].facts->desired.t) changes_.emplace_back(t, i);
      for (const double t : workloads_[i].facts->ready.t) changes_.emplace_back(t, i);
    }
    std::sort(changes_.begin(), changes_.end());
    changes_.erase(std::unique(changes_.begin(), changes_.end()), changes_.end());
  }

  // Carries out all changes of the next instant; false at the end.
  bool next() {
    if (at_ == changes_.size()) return false;
    time_ = changes_[at_].first;
    lost_ = false;
    for (; at_ < changes_.size() && changes_[at_].first == time_; ++at_) {
      One& w = workloads_[changes_[at_].second];
      const double desired = advance(w.facts->desired, w.desired_at);
      const double before = w.ready_at == 0 ? 0 : w.facts->ready.v[w.ready_at - 1];
      const double ready = advance(w.facts->ready, w.ready_at);
      if (ready < before && ready < desired) lost_ = true;
      unhealthy_ += (ready < desired) - w.unhealthy;
      w.unhealthy = ready < desired;
      if (desired > 0 && !w.begun) {
        w.begun = true;
        ++begun_;
      }
    }
    return true;
  }
  double time() const { return time_; }
  bool lost() const { return lost_; }  // a ready replica, at this instant
  bool healthy() const { return unhealthy_ == 0; }
  bool begun() const { return begun_ > 0; }
  std::string missing() const {
    std::string out;
    for (const One& w : workloads_) {
      if (!w.unhealthy) continue;
      if (!out.empty()) out += ", ";
      out += fmt::format("{} {:.0f}/{:.0f}", w.facts->label, w.facts->ready.last(),
                         w.facts->desired.last());
    }
    return out;
  }

 private:
  struct One {
    const WorkloadFacts* facts;
    size_t desired_at;  // points passed
    size_t ready_at;
    bool unhealthy;
    bool begun;
  };
  double advance(const StepLine& line, size_t& passed) const {
    while (passed < line.t.size() && line.t[passed] <= time_) ++passed;
    return passed == 0 ? 0 : line.v[passed - 1];
  }

  std::vector<One> workloads_;
  std::vector<std::pair<double, size_t>> changes_;
  size_t at_ = 0;
  double time_ = 0;
  bool lost_ = false;
  int unhealthy_ = 0;
  int begun_ = 0;
};

}  // namespace

Recovery recovery_after(const Facts& facts, const WorkloadFacts* scope, double t, double until) {
  Recovery r;
  SizeWalk walk(facts, scope);
  while (walk.next()) {
    if (walk.time() < t) continue;
    if (!r.lost_at) {
      if (walk.time() > std::min(t + kLossWindow, until)) return r;
      if (walk.lost()) r.lost_at = walk.time();
    }
    if (r.lost_at && walk.healthy()) {
      r.healed = walk.time();
      return r;
    }
  }
  if (r.lost_at) r.missing = walk.missing();
  return r;
}

std::optional<double> all_ready_from(const Facts& facts, const WorkloadFacts* scope, double t) {
  SizeWalk walk(facts, scope);
  bool healthy = false;
  while (walk.next()) {
    if (walk.time() > t && healthy) return t;  // it was so already
    healthy = walk.begun() && walk.healthy();
    if (walk.time() >= t && healthy) return walk.time();
  }
  if (healthy) return t;
  return std::nullopt;
}

}  // namespace mainspring::scenarios

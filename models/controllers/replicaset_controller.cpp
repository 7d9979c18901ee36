#include "models/controllers/replicaset_controller.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "models/api/types/apps.h"
#include "models/client/expectations.h"
#include "models/controllers/pod_ranking.h"
#include "models/controllers/script.h"
#include "models/controllers/util.h"

namespace mainspring::controllers {

namespace {

using api::Pod;
using api::ReplicaSet;
using api::ReplicaSetStatus;
using Pods = std::vector<PodRef>;

constexpr std::string_view kFailure = api::replica_set_condition_type::kReplicaFailure;

// Tags of writes, for on_write().
enum Tag : uint32_t { kOther, kCreatePod, kDeletePod };

int32_t replicas_of(const ReplicaSet& rs) { return rs.spec.replicas.value_or(1); }

// What the status counts among the pods that a replica set owns, kept up to date change by change:
// a sync that only writes the status need not look at the pods.
struct Tally {
  api::Opt<api::LabelSelector> selector;  // of the replica set when they were counted
  api::StrMap labels;                     // of its template
  int32_t active = 0;
  int32_t strange = 0;  // of the active: those that the selector does not match
  int32_t fully_labeled = 0;
  int32_t ready = 0;
  int32_t terminating = 0;

  bool is_of(const ReplicaSet& rs) const {
    return selector == rs.spec.selector && labels == rs.spec.template_.metadata.labels;
  }
  void count(const Pod& pod, int32_t n) {
    const bool match = matches(selector, pod.metadata.labels);
    if (api::is_active(pod)) {
      active += n;
      if (!match) strange += n;
      if (api::matches_all(labels, pod.metadata.labels)) fully_labeled += n;
      if (api::is_ready(pod)) ready += n;
    } else if (match && api::is_terminating(pod) && !api::is_terminal(pod)) {
      terminating += n;
    }
  }
};

struct Inputs final : client::SyncState {
  api::Ref<const ReplicaSet> rs;
  Tally tally;
  bool counted = false;    // the tally says it all, and `pods` is empty
  Pods pods;               // owned, or orphans that match; active ones only
  bool satisfied = false;  // expectations at the start
};

class ReplicaSetController final : public client::Reconciler {
 public:
  explicit ReplicaSetController(ReplicaSetOptions options) : options_(options) {}

  std::string_view name() const override { return "replicaset-controller"; }
  std::unique_ptr<client::Reconciler> clone() const override {
    return std::make_unique<ReplicaSetController>(*this);
  }
  std::vector<client::WatchSpec> watches() const override {
    return {{api::Kind::ReplicaSet, {client::IndexBy::kNamespace, client::IndexBy::kControllerUid}},
            {api::Kind::Pod, {client::IndexBy::kControllerUid}}};
  }
  int32_t workers() const override { return options_.workers; }

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
  const Tally& tally_of(ReconcileContext& ctx, const ReplicaSet& rs);
  void tally_change(const WatchEvent& event);
  Error body(ReconcileContext& ctx, const Key& key, Script& script, Plan* plan);
  Error claim(Script& script, const Inputs& in, Pods* pods);
  Error manage(ReconcileContext& ctx, const Key& key, Script& script, const Inputs& in,
               const Pods& pods, std::string* failure);
  Pods surplus(ReconcileContext& ctx, const ReplicaSet& rs, const Pods& pods, size_t n) const;
  ReplicaSetStatus status_of(const Inputs& in, const Pods& pods, const std::string& failure,
                             api::Time now) const;
  static Error write_status(Script& script, const ReplicaSet& rs, ReplicaSetStatus status,
                            api::Ref<const ReplicaSet>* updated);
  void pod_gone(ReconcileContext& ctx, const Pod& pod);
  void pod_changed(ReconcileContext& ctx, const Pod& pod, const Pod& old);
  static const ReplicaSet* owner_of(ReconcileContext& ctx, const Pod& pod);
  static void add_matching(ReconcileContext& ctx, const Pod& pod);

  ReplicaSetOptions options_;
  client::Expectations expectations_;
  std::map<api::Str, Tally> tallies_;  // by uid of the replica set
};

// --- what wakes a replica set -------------------------------------------------------------------

const ReplicaSet* ReplicaSetController::owner_of(ReconcileContext& ctx, const Pod& pod) {
  const api::OwnerReference* owner = controller_of_kind(pod, "ReplicaSet");
  if (!owner) return nullptr;
  const ReplicaSet* rs =
      ctx.cache(api::Kind::ReplicaSet).get<ReplicaSet>(pod.metadata.namespace_, owner->name);
  return rs && rs->metadata.uid == owner->uid ? rs : nullptr;
}

void ReplicaSetController::add_matching(ReconcileContext& ctx, const Pod& pod) {
  if (pod.metadata.labels.empty()) return;
  for (const api::ObjectRef& o :
       ctx.cache(api::Kind::ReplicaSet).by(client::IndexBy::kNamespace, pod.metadata.namespace_)) {
    const ReplicaSet& rs = api::as<ReplicaSet>(*o);
    if (rs.spec.selector && !selects_everything(*rs.spec.selector) &&
        matches(*rs.spec.selector, pod.metadata.labels)) {
      ctx.queue().add(key_of(rs));
    }
  }
}

void ReplicaSetController::observe(ReconcileContext& ctx, const WatchEvent& event) {
  if (event.object->kind == api::Kind::ReplicaSet) {
    const Key key = key_of(*event.object);
    if (event.type == WatchType::kDeleted) {
      expectations_.forget(key);
      tallies_.erase(event.object->metadata.uid);
    }
    ctx.queue().add(key);
    return;
  }
  if (event.object->kind != api::Kind::Pod) return;
  tally_change(event);
  const Pod& pod = api::as<Pod>(*event.object);
  if (event.type == WatchType::kDeleted || api::is_terminating(pod)) {
    pod_gone(ctx, pod);
    if (event.type == WatchType::kModified && event.old &&
        !(event.old->metadata.labels == pod.metadata.labels)) {
      pod_gone(ctx, api::as<Pod>(*event.old));
    }
    return;
  }
  if (event.type == WatchType::kModified && event.old) {
    pod_changed(ctx, pod, api::as<Pod>(*event.old));
    return;
  }
  if (!api::controller_of(pod)) {
    add_matching(ctx, pod);
  } else if (const ReplicaSet* rs = owner_of(ctx, pod)) {
    const Key key = key_of(*rs);
    expectations_.creation_observed(key);
    ctx.queue().add(key);
  }
}

void ReplicaSetController::pod_gone(ReconcileContext& ctx, const Pod& pod) {
  const ReplicaSet* rs = owner_of(ctx, pod);
  if (!rs) return;
  const Key key = key_of(*rs);
  expectations_.deletion_observed(key, key_of(pod));
  ctx.queue().add(key);
}

void ReplicaSetController::pod_changed(ReconcileContext& ctx, const Pod& pod, const Pod& old) {
  const api::OwnerReference* before = api::controller_of(old);
  const api::OwnerReference* after = api::controller_of(pod);
  const bool owner_changed = !before != !after || (before && before->uid != after->uid);
  if (owner_changed) {
    if (const ReplicaSet* rs = owner_of(ctx, old)) ctx.queue().add(key_of(*rs));
  }
  if (after) {
    const ReplicaSet* rs = owner_of(ctx, pod);
    if (!rs) return;
    const Key key = key_of(*rs);
    ctx.queue().add(key);
    // A pod that has just become ready becomes available later, and nothing else tells.
    if (rs->spec.min_ready_seconds > 0 && !api::is_ready(old) && api::is_ready(pod)) {
      ctx.enqueue_after(key, api::Duration::seconds(int64_t{rs->spec.min_ready_seconds} + 1));
    }
  } else if (owner_changed || !(old.metadata.labels == pod.metadata.labels)) {
    add_matching(ctx, pod);
  }
}

// --- one sync -----------------------------------------------------------------------------------

void ReplicaSetController::tally_change(const WatchEvent& event) {
  const auto count = [this](const api::ObjectRef& object, int32_t n) {
    if (!object) return;
    const Pod& pod = api::as<Pod>(*object);
    const api::OwnerReference* owner = api::controller_of(pod);
    if (!owner) return;
    const auto found = tallies_.find(owner->uid);
    if (found != tallies_.end()) found->second.count(pod, n);
  };
  count(event.old, -1);
  if (event.type != WatchType::kDeleted) count(event.object, 1);
}

const Tally& ReplicaSetController::tally_of(ReconcileContext& ctx, const ReplicaSet& rs) {
  const auto [at, fresh] = tallies_.try_emplace(rs.metadata.uid);
  Tally& tally = at->second;
  if (!fresh && tally.is_of(rs)) return tally;
  tally = Tally{.selector = rs.spec.selector, .labels = rs.spec.template_.metadata.labels};
  for (const api::ObjectRef& o :
       ctx.cache(api::Kind::Pod).by(client::IndexBy::kControllerUid, rs.metadata.uid)) {
    tally.count(api::as<Pod>(*o), 1);
  }
  return tally;
}

Plan ReplicaSetController::sync(ReconcileContext& ctx, const Key& key) {
  const auto [ns, name] = split_key(key);
  api::Ref<const ReplicaSet> rs = ctx.cache(api::Kind::ReplicaSet).get_ref<ReplicaSet>(ns, name);
  if (!rs) {
    expectations_.forget(key);
    return Plan::done();
  }
  api::Ref<Inputs> in(new Inputs());
  in->tally = tally_of(ctx, *rs);
  in->satisfied = expectations_.satisfied(key, ctx.now());
  const client::Cache& pods = ctx.cache(api::Kind::Pod);
  for (const api::ObjectRef& o : pods.by(client::IndexBy::kControllerUid, "")) {
    const Pod& pod = api::as<Pod>(*o);
    if (pod.metadata.namespace_ == ns && api::is_active(pod) &&
        matches(rs->spec.selector, pod.metadata.labels)) {
      in->pods.push_back(api::cast<Pod>(o));
    }
  }
  const bool manages = in->satisfied && rs->metadata.deletion_timestamp.is_zero() &&
                       in->tally.active != replicas_of(*rs);
  in->counted =
      in->pods.empty() && !manages && in->tally.strange == 0 && rs->spec.min_ready_seconds == 0;
  if (!in->counted) {
    Pods owned;
    for (const api::ObjectRef& o : pods.by(client::IndexBy::kControllerUid, rs->metadata.uid)) {
      if (api::is_active(api::as<Pod>(*o))) owned.push_back(api::cast<Pod>(o));
    }
    in->pods.insert(in->pods.begin(), owned.begin(), owned.end());
  }
  in->rs = std::move(rs);
  return run(ctx, key, Script(ctx, std::move(in)));
}

Plan ReplicaSetController::run(ReconcileContext& ctx, const Key& key, Script script) {
  Plan plan;
  const Error e = body(ctx, key, script, &plan);
  if (e.is_pending()) return script.next_plan();
  return e ? Plan::retry(e.message()) : plan;
}

Error ReplicaSetController::body(ReconcileContext& ctx, const Key& key, Script& script,
                                 Plan* plan) {
  const Inputs& in = script.inputs<Inputs>();
  const ReplicaSet& rs = *in.rs;
  Pods claimed;
  if (!in.counted) {
    if (Error e = claim(script, in, &claimed)) return e;
  }
  std::string failure;
  // What "now" is for availability is taken before the pods are managed.
  const api::Time now = script.now();
  if (!in.counted && in.satisfied && rs.metadata.deletion_timestamp.is_zero()) {
    if (Error e = manage(ctx, key, script, in, claimed, &failure)) return e;
  }
  api::Ref<const ReplicaSet> updated = in.rs;
  const ReplicaSetStatus status = status_of(in, claimed, failure, now);
  if (Error e = write_status(script, rs, status, &updated)) return e;
  if (!failure.empty()) return Error::failed(failure);

  const int32_t min_ready = updated->spec.min_ready_seconds;
  if (min_ready > 0 && updated->status.ready_replicas != updated->status.available_replicas) {
    // The next pod that becomes available.
    std::optional<api::Duration> next;
    for (const PodRef& pod : claimed) {
      const api::PodCondition* c =
          api::find_condition(pod->status.conditions, api::pod_condition_type::kReady);
      if (!c || c->status != kTrue || api::is_available(*pod, min_ready, now)) continue;
      const api::Duration wait =
          c->last_transition_time + api::Duration::seconds(min_ready) - script.now();
      if (!next || wait < *next) next = wait;
    }
    const api::Duration after = next.value_or(api::Duration::seconds(min_ready));
    plan->requeue_after = std::max(after, api::Duration::nanos(1));
  }
  return {};
}

// Settles which of the pods are ours: keeps, releases, adopts.
Error ReplicaSetController::claim(Script& script, const Inputs& in, Pods* pods) {
  const ReplicaSet& rs = *in.rs;
  const bool deleting = !rs.metadata.deletion_timestamp.is_zero();
  bool checked = false;
  Error first;
  pods->reserve(in.pods.size());
  for (const PodRef& pod : in.pods) {
    const bool owned = api::controller_of(*pod) != nullptr;
    const bool match = matches(rs.spec.selector, pod->metadata.labels);
    if (owned && match) {
      pods->push_back(pod);
    } else if (owned && !deleting) {
      const Outcome* o = nullptr;
      if (Error e = script.call(release_request(*pod, rs), &o)) return e;
      if (!o->ok() && !o->not_found() && !first) first = Error::of(*o);
    } else if (!owned && match && !deleting) {
      if (!checked) {
        const Outcome* fresh = nullptr;
        if (Error e = script.must(get_request(rs), &fresh)) return e;
        if (fresh->object->metadata.uid != rs.metadata.uid ||
            !fresh->object->metadata.deletion_timestamp.is_zero()) {
          return Error::failed(fmt::format("{}/{} has just been deleted",
                                           rs.metadata.namespace_.view(), rs.metadata.name.view()));
        }
        checked = true;
      }
      const Outcome* o = nullptr;
      if (Error e = script.call(adopt_request(*pod, rs), &o)) return e;
      if (o->ok()) {
        pods->push_back(pod);
      } else if (!o->not_found() && !first) {
        first = Error::of(*o);
      }
    }
  }
  return first;
}

// Creates what is missing or deletes what is too much. *failure says what went wrong with it.
Error ReplicaSetController::manage(ReconcileContext& ctx, const Key& key, Script& script,
                                   const Inputs& in, const Pods& pods, std::string* failure) {
  const ReplicaSet& rs = *in.rs;
  const int64_t diff = static_cast<int64_t>(pods.size()) - replicas_of(rs);
  if (diff == 0) return {};
  const size_t n = static_cast<size_t>(std::min<int64_t>(std::abs(diff), options_.burst_replicas));
  Step step;
  if (script.live() && diff < 0) {
    expectations_.expect_creations(key, static_cast<int64_t>(n), ctx.now());
    const Request create = create_request(pod_from_template(rs.spec.template_, rs));
    step.mode = Step::Mode::kSlowStart;
    step.writes.assign(n, client::Write{create, kCreatePod});
  } else if (script.live()) {
    const Pods chosen = surplus(ctx, rs, pods, n);
    std::vector<api::Str> names;
    step.mode = Step::Mode::kParallel;
    for (const PodRef& pod : chosen) {
      names.push_back(key_of(*pod));
      step.writes.push_back({delete_request(*pod), kDeletePod});
    }
    expectations_.expect_deletions(key, std::move(names), ctx.now());
  }
  const std::vector<Outcome>* outcomes = nullptr;
  if (Error e = script.batch(std::move(step), &outcomes)) return e;
  for (const Outcome& o : *outcomes) {
    if (o.ok() || o.code == 0) continue;
    if (diff < 0 ? namespace_terminating(o) : o.not_found()) continue;
    *failure = o.message.str();
    break;
  }
  return {};
}

Pods ReplicaSetController::surplus(ReconcileContext& ctx, const ReplicaSet& rs, const Pods& pods,
                                   size_t n) const {
  if (n >= pods.size()) return pods;
  // Active pods per node of all replica sets with the same owner.
  std::map<api::Str, int32_t> on_node;
  if (const api::OwnerReference* owner = api::controller_of(rs)) {
    for (const api::ObjectRef& set :
         ctx.cache(api::Kind::ReplicaSet).by(client::IndexBy::kControllerUid, owner->uid)) {
      for (const api::ObjectRef& o :
           ctx.cache(api::Kind::Pod).by(client::IndexBy::kControllerUid, set->metadata.uid)) {
        const Pod& pod = api::as<Pod>(*o);
        if (api::is_active(pod)) ++on_node[pod.spec.node_name];
      }
    }
  }
  std::vector<RankedPod> ranked;
  ranked.reserve(pods.size());
  for (const PodRef& pod : pods) {
    const auto found = on_node.find(pod->spec.node_name);
    ranked.push_back({pod, found == on_node.end() ? 0 : found->second});
  }
  sort_for_deletion(ranked, ctx.now());
  Pods chosen;
  for (size_t i = 0; i < n; ++i) chosen.push_back(ranked[i].pod);
  return chosen;
}

void ReplicaSetController::on_write(ReconcileContext& ctx, const Key& key,
                                    const client::Write& write, const Outcome& outcome) {
  if (write.tag == kOther) return;
  const auto [ns, name] = split_key(key);
  const ReplicaSet* rs = ctx.cache(api::Kind::ReplicaSet).get<ReplicaSet>(ns, name);
  hear_of_pod(ctx, key, rs, write.tag == kCreatePod, write, outcome, &expectations_,
              &expectations_);
}

// --- status -------------------------------------------------------------------------------------

ReplicaSetStatus ReplicaSetController::status_of(const Inputs& in, const Pods& pods,
                                                 const std::string& failure, api::Time now) const {
  const ReplicaSet& rs = *in.rs;
  ReplicaSetStatus s = rs.status;
  s.replicas = in.counted ? in.tally.active : static_cast<int32_t>(pods.size());
  s.fully_labeled_replicas = in.counted ? in.tally.fully_labeled : 0;
  s.ready_replicas = in.counted ? in.tally.ready : 0;
  s.available_replicas = s.ready_replicas;  // no minReadySeconds where they are counted
  for (const PodRef& pod : pods) {
    if (api::matches_all(rs.spec.template_.metadata.labels, pod->metadata.labels)) {
      ++s.fully_labeled_replicas;
    }
    if (!api::is_ready(*pod)) continue;
    ++s.ready_replicas;
    if (api::is_available(*pod, rs.spec.min_ready_seconds, now)) ++s.available_replicas;
  }
  if (options_.terminating_replicas) s.terminating_replicas = in.tally.terminating;

  const api::ReplicaSetCondition* has = api::find_condition(s.conditions, kFailure);
  if (!failure.empty() && !has) {
    api::ReplicaSetCondition c;
    c.type = kFailure;
    c.status = kTrue;
    c.reason = s.replicas < replicas_of(rs) ? "FailedCreate" : "FailedDelete";
    c.message = failure;
    c.last_transition_time = now.truncated_to_second();
    s.conditions.push_back(std::move(c));
  } else if (failure.empty() && has) {
    std::vector<api::ReplicaSetCondition> kept;
    for (const api::ReplicaSetCondition& c : s.conditions) {
      if (c.type != kFailure) kept.push_back(c);
    }
    s.conditions = api::List<api::ReplicaSetCondition>(std::move(kept));
  }
  return s;
}

// Writes the status if it says anything new; one more try on the newest version if that fails.
Error ReplicaSetController::write_status(Script& script, const ReplicaSet& rs,
                                         ReplicaSetStatus status,
                                         api::Ref<const ReplicaSet>* updated) {
  if (rs.metadata.generation == rs.status.observed_generation && status == rs.status) return {};
  status.observed_generation = rs.metadata.generation;
  api::Ref<ReplicaSet> body = api::clone(rs);
  body->status = status;
  const Outcome* o = nullptr;
  if (Error e = script.call(update_status_request(body), &o)) return e;
  if (!o->ok()) {
    const Outcome* fresh = nullptr;
    if (Error e = script.must(get_request(rs), &fresh)) return e;
    body = api::clone(api::as<ReplicaSet>(*fresh->object));
    body->status = status;
    if (Error e = script.must(update_status_request(body), &o)) return e;
  }
  *updated = api::cast<ReplicaSet>(o->object);
  return {};
}

}  // namespace

std::unique_ptr<client::Reconciler> make_replicaset_controller(ReplicaSetOptions options) {
  return std::make_unique<ReplicaSetController>(options);
}

}  // namespace mainspring::controllers

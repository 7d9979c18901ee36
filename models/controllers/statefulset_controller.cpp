#include "models/controllers/statefulset_controller.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "models/controllers/revisions.h"
#include "models/controllers/util.h"

namespace mainspring::controllers {

namespace {

using api::Pod;
using api::StatefulSet;
using api::StatefulSetStatus;
using PodPtr = api::Ref<const Pod>;

constexpr std::string_view kRevisionLabel = "controller-revision-hash";
constexpr std::string_view kNameLabel = "statefulset.kubernetes.io/pod-name";
constexpr std::string_view kIndexLabel = "apps.kubernetes.io/pod-index";

// Tags of writes, for on_write().
enum Tag : uint32_t { kOther, kCreatePod, kDeletePod, kCreateClaim };

struct Inputs final : client::SyncState {
  api::Ref<const StatefulSet> set;
  std::vector<PodPtr> pods;
  std::vector<RevisionRef> revisions;
  std::set<api::Str> claims;  // names of those that exist
};

int32_t replicas_of(const StatefulSet& s) { return s.spec.replicas.value_or(1); }
int32_t first_ordinal(const StatefulSet& s) { return s.spec.ordinals ? s.spec.ordinals->start : 0; }

// -1 for a pod whose name is not that of the set and a number.
int32_t ordinal_of(const StatefulSet& s, const Pod& pod) {
  const std::string_view name = pod.metadata.name.view();
  const std::string_view set = s.metadata.name.view();
  if (name.size() <= set.size() + 1 || !name.starts_with(set) || name[set.size()] != '-') return -1;
  const std::optional<int64_t> n = parse_int(name.substr(set.size() + 1));
  return n && *n >= 0 ? static_cast<int32_t>(*n) : -1;
}

bool is_created(const Pod& p) { return !p.status.phase.empty(); }
bool is_running_and_ready(const Pod& p) {
  return p.status.phase == api::pod_phase::kRunning && api::is_ready(p);
}
bool is_healthy(const Pod& p) { return is_running_and_ready(p) && !api::is_terminating(p); }
api::Str revision_of(const Pod& p) { return p.metadata.labels.get(kRevisionLabel); }

std::string claim_name(const StatefulSet& s, const api::PersistentVolumeClaimTemplate& t,
                       int32_t ordinal) {
  return fmt::format("{}-{}-{}", t.metadata.name.view(), s.metadata.name.view(), ordinal);
}

// --- one sync -----------------------------------------------------------------------------------

class Sync {
 public:
  Sync(Script& script) : script_(script), in_(script.inputs<Inputs>()), set_(*in_.set) {}
  Error run();
  bool waits_for_availability() const {
    return set_.spec.min_ready_seconds > 0 && status_.available_replicas != replicas_of(set_);
  }

 private:
  Error update();
  Error create_pods(const std::vector<size_t>& which);
  Error process_ordered(bool* stop);
  Error process_burst();
  Error process_condemned(bool* stop);
  Error delete_pod(const Pod& pod);
  void add_creation(Step& step, size_t index) const;
  api::Ref<Pod> make_pod(int32_t ordinal) const;
  void count(const std::vector<PodPtr>& pods);
  void count_all();
  bool available(const Pod& p) const {
    return is_running_and_ready(p) &&
           api::is_available(p, set_.spec.min_ready_seconds, script_.now());
  }
  bool ordered() const {
    return set_.spec.pod_management_policy != api::pod_management_policy_type::kParallel;
  }

  Script& script_;
  const Inputs& in_;
  const StatefulSet& set_;
  RevisionRef current_;
  RevisionRef update_;
  StatefulSetStatus status_;
  std::vector<PodPtr> replicas_;   // by ordinal; those still to be created have no phase
  std::vector<PodPtr> condemned_;  // highest ordinal first
  PodPtr first_unhealthy_;
};

Error Sync::run() {
  std::vector<RevisionRef> revisions = in_.revisions;
  sort_revisions(revisions);
  int32_t collisions = set_.status.collision_count.value_or(0);
  api::StrMap labels = set_.spec.template_.metadata.labels;
  if (Error e = sync_revision(script_, set_, set_.spec.template_, labels, &revisions, &collisions,
                              &update_)) {
    return e;
  }
  current_ = update_;
  for (const RevisionRef& r : revisions) {
    if (r->metadata.name == set_.status.current_revision) current_ = r;
  }
  status_.observed_generation = set_.metadata.generation;
  status_.current_revision = current_->metadata.name;
  status_.update_revision = update_->metadata.name;
  status_.collision_count = collisions;
  status_.conditions = set_.status.conditions;

  Error result = update();
  if (result.is_pending()) return result;

  const int32_t n = replicas_of(set_);
  if (set_.spec.update_strategy.type == api::stateful_set_update_strategy_type::kRollingUpdate &&
      status_.updated_replicas == n && status_.ready_replicas == n && status_.replicas == n) {
    status_.current_replicas = status_.updated_replicas;
    status_.current_revision = status_.update_revision;
  }
  if (!(status_ == set_.status)) {
    api::Ref<StatefulSet> body = api::clone(set_);
    body->status = status_;
    if (Error e = script_.must(update_status_request(body))) return e;
  }
  if (result) return result;
  std::vector<api::Str> live{status_.current_revision, status_.update_revision,
                             current_->metadata.name, update_->metadata.name};
  for (const PodPtr& p : in_.pods) live.push_back(revision_of(*p));
  return truncate_history(script_, revisions, set_.spec.revision_history_limit.value_or(10), live);
}

void Sync::count(const std::vector<PodPtr>& pods) {
  for (const PodPtr& p : pods) {
    if (is_created(*p)) ++status_.replicas;
    if (is_running_and_ready(*p)) {
      ++status_.ready_replicas;
      if (available(*p)) ++status_.available_replicas;
    }
    if (is_created(*p) && !api::is_terminating(*p)) {
      if (revision_of(*p) == current_->metadata.name) ++status_.current_replicas;
      if (revision_of(*p) == update_->metadata.name) ++status_.updated_replicas;
    }
  }
}

void Sync::count_all() {
  status_.replicas = status_.ready_replicas = status_.available_replicas = 0;
  status_.current_replicas = status_.updated_replicas = 0;
  count(replicas_);
  count(condemned_);
}

// The pod of an ordinal as it is created now: at the old revision below the partition.
api::Ref<Pod> Sync::make_pod(int32_t ordinal) const {
  const auto& strategy = set_.spec.update_strategy;
  const int32_t index = ordinal - first_ordinal(set_);
  bool old = false;
  if (strategy.type == api::stateful_set_update_strategy_type::kRollingUpdate) {
    old = strategy.rolling_update ? index < strategy.rolling_update->partition.value_or(0)
                                  : index < set_.status.current_replicas;
  }
  const bool same = current_ == update_;
  api::Ref<Pod> pod =
      pod_from_template(old && !same ? template_of(*current_) : set_.spec.template_, set_);
  const std::string name = fmt::format("{}-{}", set_.metadata.name.view(), ordinal);
  pod->metadata.name = name;
  pod->metadata.labels.set(kNameLabel, name);
  pod->metadata.labels.set(kIndexLabel, std::to_string(ordinal));
  pod->metadata.labels.set(kRevisionLabel, old ? current_->metadata.name : update_->metadata.name);
  pod->spec.hostname = name;
  pod->spec.subdomain = set_.spec.service_name;
  for (const api::PersistentVolumeClaimTemplate& t : set_.spec.volume_claim_templates) {
    api::Volume v;
    v.name = t.metadata.name;
    api::PersistentVolumeClaimVolumeSource source;
    source.claim_name = claim_name(set_, t, ordinal);
    v.persistent_volume_claim = std::move(source);
    api::ListItems<api::Volume>& volumes = pod->spec.volumes.edit();
    const auto named = [&v](const api::Volume& other) { return other.name == v.name; };
    volumes.erase(std::remove_if(volumes.begin(), volumes.end(), named), volumes.end());
    volumes.push_back(std::move(v));
  }
  return pod;
}

Error Sync::update() {
  count(in_.pods);
  const int32_t n = replicas_of(set_);
  const int32_t start = first_ordinal(set_);
  replicas_.assign(static_cast<size_t>(n), PodPtr());
  for (const PodPtr& p : in_.pods) {
    const int32_t ordinal = ordinal_of(set_, *p);
    if (ordinal >= start && ordinal < start + n) {
      replicas_[static_cast<size_t>(ordinal - start)] = p;
    } else if (ordinal >= 0) {
      condemned_.push_back(p);
    }
  }
  for (int32_t i = 0; i < n; ++i) {
    PodPtr& p = replicas_[static_cast<size_t>(i)];
    if (!p) p = make_pod(start + i);
  }
  std::sort(condemned_.begin(), condemned_.end(), [this](const PodPtr& a, const PodPtr& b) {
    return ordinal_of(set_, *a) > ordinal_of(set_, *b);
  });
  for (const PodPtr& p : replicas_) {
    if (!first_unhealthy_ && !is_healthy(*p)) first_unhealthy_ = p;
  }
  for (auto it = condemned_.rbegin(); it != condemned_.rend(); ++it) {
    if (!first_unhealthy_ && !is_healthy(**it)) first_unhealthy_ = *it;
  }
  if (!set_.metadata.deletion_timestamp.is_zero()) return {};

  bool stop = false;
  Error e = ordered() ? process_ordered(&stop) : process_burst();
  if (e.is_pending()) return e;
  if (!e && !stop) e = process_condemned(&stop);
  if (e.is_pending()) return e;
  count_all();
  if (e || stop) return e;
  if (set_.spec.update_strategy.type == api::stateful_set_update_strategy_type::kOnDelete) {
    return {};
  }
  // The highest pod of another revision goes; the next one only when its successor is well.
  const auto& rolling = set_.spec.update_strategy.rolling_update;
  const int32_t least = rolling ? rolling->partition.value_or(0) : 0;
  for (int32_t i = n - 1; i >= least; --i) {
    const Pod& p = *replicas_[static_cast<size_t>(i)];
    if (revision_of(p) != update_->metadata.name && !api::is_terminating(p)) {
      if (Error f = delete_pod(p)) return f;
      --status_.current_replicas;
      return {};
    }
    if (!is_healthy(p)) return {};
  }
  return {};
}

// Claims that are missing, then the pod itself.
void Sync::add_creation(Step& step, size_t index) const {
  const Pod& pod = *replicas_[index];
  const int32_t ordinal = ordinal_of(set_, pod);
  for (const api::PersistentVolumeClaimTemplate& t : set_.spec.volume_claim_templates) {
    const std::string name = claim_name(set_, t, ordinal);
    if (in_.claims.contains(name)) continue;
    api::Ref<api::PersistentVolumeClaim> claim = api::make<api::PersistentVolumeClaim>();
    claim->metadata = t.metadata;
    claim->metadata.name = name;
    claim->metadata.namespace_ = set_.metadata.namespace_;
    if (set_.spec.selector) {
      for (const auto& [k, v] : set_.spec.selector->match_labels) {
        claim->metadata.labels.set(k, v);
      }
    }
    const auto& retention = set_.spec.persistent_volume_claim_retention_policy;
    if (retention &&
        retention->when_deleted == api::persistent_volume_claim_retention_policy_type::kDelete) {
      claim->metadata.owner_references = {api::make_controller_reference(set_)};
    }
    claim->spec = t.spec;
    step.writes.push_back({create_request(claim), kCreateClaim});
  }
  step.writes.push_back({create_request(replicas_[index]), kCreatePod});
}

Error Sync::create_pods(const std::vector<size_t>& which) {
  Step step;
  const bool claims = !set_.spec.volume_claim_templates.empty();
  step.mode = claims ? Step::Mode::kSerial : Step::Mode::kSlowStart;
  for (const size_t i : which) add_creation(step, i);
  const std::vector<Outcome>* outcomes = nullptr;
  if (Error e = script_.batch(std::move(step), &outcomes)) return e;
  for (const Outcome& o : *outcomes) {
    if (!o.ok() && o.code != 0 && !o.already_exists()) return Error::of(o);
  }
  return {};
}

Error Sync::process_ordered(bool* stop) {
  for (size_t i = 0; i < replicas_.size(); ++i) {
    const Pod& p = *replicas_[i];
    if (api::is_terminal(p)) {
      *stop = true;
      return api::is_terminating(p) ? Error() : delete_pod(p);
    }
    if (!is_created(p)) {
      *stop = true;
      return create_pods({i});
    }
    if (api::is_terminating(p) || !is_running_and_ready(p) || !available(p)) {
      *stop = true;
      return {};
    }
  }
  return {};
}

Error Sync::process_burst() {
  std::vector<size_t> missing;
  for (size_t i = 0; i < replicas_.size(); ++i) {
    const Pod& p = *replicas_[i];
    if (api::is_terminal(p)) {
      if (api::is_terminating(p)) continue;
      if (Error e = delete_pod(p)) return e;
    } else if (!is_created(p)) {
      missing.push_back(i);
    }
  }
  return missing.empty() ? Error() : create_pods(missing);
}

Error Sync::process_condemned(bool* stop) {
  for (const PodPtr& p : condemned_) {
    if (api::is_terminating(*p)) {
      if (!ordered()) continue;
      *stop = true;
      return {};
    }
    if (ordered() && (!is_running_and_ready(*p) || !available(*p)) && p != first_unhealthy_) {
      *stop = true;
      return {};
    }
    if (Error e = delete_pod(*p)) return e;
    if (ordered()) {
      *stop = true;
      return {};
    }
  }
  return {};
}

Error Sync::delete_pod(const Pod& pod) {
  Step step;
  step.writes.push_back({delete_request(pod), kDeletePod});
  const std::vector<Outcome>* outcomes = nullptr;
  if (Error e = script_.batch(std::move(step), &outcomes)) return e;
  const Outcome& o = outcomes->front();
  return o.ok() || o.not_found() ? Error() : Error::of(o);
}

// --- the controller -----------------------------------------------------------------------------

class StatefulSetController final : public client::Reconciler {
 public:
  explicit StatefulSetController(StatefulSetOptions options) : options_(options) {}

  std::string_view name() const override { return "statefulset-controller"; }
  std::unique_ptr<client::Reconciler> clone() const override {
    return std::make_unique<StatefulSetController>(*this);
  }
  std::vector<client::WatchSpec> watches() const override {
    return {{api::Kind::StatefulSet, {}},
            {api::Kind::Pod, {client::IndexBy::kControllerUid}},
            {api::Kind::ControllerRevision, {client::IndexBy::kControllerUid}},
            {api::Kind::PersistentVolumeClaim, {}}};
  }
  int32_t workers() const override { return options_.workers; }

  void observe(ReconcileContext& ctx, const WatchEvent& event) override {
    if (event.object->kind == api::Kind::StatefulSet) {
      ctx.queue().add(key_of(*event.object));
    } else if (event.object->kind == api::Kind::Pod) {
      const api::OwnerReference* owner = controller_of_kind(*event.object, "StatefulSet");
      if (!owner) return;
      const api::Str& ns = event.object->metadata.namespace_;
      const StatefulSet* s = ctx.cache(api::Kind::StatefulSet).get<StatefulSet>(ns, owner->name);
      if (s && s->metadata.uid == owner->uid) ctx.queue().add(key_of(*s));
    }
  }
  Plan sync(ReconcileContext& ctx, const Key& key) override;
  Plan resume(ReconcileContext& ctx, const Key&, uint32_t, const client::SyncState* log,
              const client::PlanResult& result) override {
    return run(Script(ctx, log, result));
  }
  void on_write(ReconcileContext& ctx, const Key& key, const client::Write& write,
                const Outcome& outcome) override;

 private:
  static Plan run(Script script);
  StatefulSetOptions options_;
};

Plan StatefulSetController::sync(ReconcileContext& ctx, const Key& key) {
  const auto [ns, name] = split_key(key);
  api::Ref<Inputs> in(new Inputs());
  in->set = ctx.cache(api::Kind::StatefulSet).get_ref<StatefulSet>(ns, name);
  if (!in->set) return Plan::done();
  const api::Str& uid = in->set->metadata.uid;
  for (const api::ObjectRef& o :
       ctx.cache(api::Kind::Pod).by(client::IndexBy::kControllerUid, uid)) {
    if (matches(in->set->spec.selector, o->metadata.labels)) in->pods.push_back(api::cast<Pod>(o));
  }
  for (const api::ObjectRef& o :
       ctx.cache(api::Kind::ControllerRevision).by(client::IndexBy::kControllerUid, uid)) {
    in->revisions.push_back(api::cast<api::ControllerRevision>(o));
  }
  const int32_t start = first_ordinal(*in->set);
  for (int32_t i = start; i < start + replicas_of(*in->set); ++i) {
    for (const auto& t : in->set->spec.volume_claim_templates) {
      const std::string claim = claim_name(*in->set, t, i);
      if (ctx.cache(api::Kind::PersistentVolumeClaim).find(ns, claim)) in->claims.insert(claim);
    }
  }
  return run(Script(ctx, std::move(in)));
}

Plan StatefulSetController::run(Script script) {
  Sync sync(script);
  const Error e = sync.run();
  if (e.is_pending()) return script.next_plan();
  if (e) return Plan::retry(e.message());
  // A pod becomes available with time alone.
  const StatefulSet& set = *script.inputs<Inputs>().set;
  return sync.waits_for_availability()
             ? Plan::after(api::Duration::seconds(set.spec.min_ready_seconds))
             : Plan::done();
}

void StatefulSetController::on_write(ReconcileContext& ctx, const Key& key,
                                     const client::Write& write, const Outcome& outcome) {
  if (write.tag == kOther || outcome.code == 0) return;
  const auto [ns, name] = split_key(key);
  const StatefulSet* set = ctx.cache(api::Kind::StatefulSet).get<StatefulSet>(ns, name);
  if (!set) return;
  if (write.tag == kCreateClaim) {
    if (outcome.already_exists()) return;
    const std::string pod = "";
    ctx.event(
        *set, outcome.ok() ? kNormal : kWarning, outcome.ok() ? "SuccessfulCreate" : "FailedCreate",
        fmt::format(
            "create Claim {} Pod {} in StatefulSet {} {}", write.request.body->metadata.name.view(),
            fmt::format("{}{}", name,
                        write.request.body->metadata.name.view().substr(
                            write.request.body->metadata.name.view().rfind('-'))),
            name,
            outcome.ok() ? std::string("success") : "failed error: " + outcome.message.str()));
    return;
  }
  const bool create = write.tag == kCreatePod;
  if (!create && outcome.not_found()) return;
  if (create && outcome.already_exists()) return;
  const std::string_view verb = create ? "create" : "delete";
  const std::string_view pod =
      create ? write.request.body->metadata.name.view() : write.request.name.view();
  if (outcome.ok()) {
    ctx.event(*set, kNormal, create ? "SuccessfulCreate" : "SuccessfulDelete",
              fmt::format("{} Pod {} in StatefulSet {} successful", verb, pod, name));
  } else {
    ctx.event(*set, kWarning, create ? "FailedCreate" : "FailedDelete",
              fmt::format("{} Pod {} in StatefulSet {} failed error: {}", verb, pod, name,
                          outcome.message.view()));
  }
}

}  // namespace

std::unique_ptr<client::Reconciler> make_statefulset_controller(StatefulSetOptions options) {
  return std::make_unique<StatefulSetController>(options);
}

}  // namespace mainspring::controllers

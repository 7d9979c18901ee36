#include "models/controllers/deployment_controller.h"

#include <fmt/format.h>

#include <algorithm>

#include "models/api/types/apps.h"
#include "models/controllers/script.h"
#include "models/controllers/util.h"

namespace mainspring::controllers {

namespace {

using api::Deployment;
using api::DeploymentCondition;
using api::DeploymentStatus;
using api::Pod;
using api::ReplicaSet;
using DeploymentRef = api::Ref<const Deployment>;
using ReplicaSetRef = api::Ref<const ReplicaSet>;
using Sets = std::vector<ReplicaSetRef>;

constexpr std::string_view kRevision = "deployment.kubernetes.io/revision";
constexpr std::string_view kRevisionHistory = "deployment.kubernetes.io/revision-history";
constexpr std::string_view kDesiredReplicas = "deployment.kubernetes.io/desired-replicas";
constexpr std::string_view kMaxReplicas = "deployment.kubernetes.io/max-replicas";
constexpr std::string_view kHashLabel = "pod-template-hash";
constexpr std::string_view kNotCopied[] = {"kubectl.kubernetes.io/last-applied-configuration",
                                           kRevision,
                                           kRevisionHistory,
                                           kDesiredReplicas,
                                           kMaxReplicas,
                                           "deprecated.deployment.rollback.to"};
constexpr size_t kMaxHistoryLength = 2000;  // characters of the revision history annotation

constexpr std::string_view kProgressing = api::deployment_condition_type::kProgressing;
constexpr std::string_view kAvailable = api::deployment_condition_type::kAvailable;
constexpr std::string_view kReplicaFailure = api::deployment_condition_type::kReplicaFailure;

// --- numbers of a rollout -----------------------------------------------------------------------

int32_t replicas_of(const ReplicaSet& rs) { return rs.spec.replicas.value_or(1); }
int32_t replicas_of(const Deployment& d) { return d.spec.replicas.value_or(1); }

bool is_rolling(const Deployment& d) {
  return d.spec.strategy.type != api::deployment_strategy_type::kRecreate;
}

struct Fenceposts {
  int32_t surge = 0;
  int32_t unavailable = 0;
};

Fenceposts fenceposts(const Deployment& d) {
  const int64_t n = replicas_of(d);
  Fenceposts f;
  const api::RollingUpdateDeployment* r = d.spec.strategy.rolling_update.get();
  if (r && r->max_surge) {
    f.surge = static_cast<int32_t>(r->max_surge->scaled(n, true).value_or(0));
  }
  if (r && r->max_unavailable) {
    f.unavailable = static_cast<int32_t>(r->max_unavailable->scaled(n, false).value_or(0));
  }
  // Rounding may bring both to zero, and then nothing could ever move.
  if (f.surge == 0 && f.unavailable == 0) f.unavailable = 1;
  return f;
}

int32_t max_surge(const Deployment& d) { return is_rolling(d) ? fenceposts(d).surge : 0; }

int32_t max_unavailable(const Deployment& d) {
  if (!is_rolling(d) || replicas_of(d) == 0) return 0;
  return std::min(fenceposts(d).unavailable, replicas_of(d));
}

// Sums over replica sets; null entries count nothing.
int32_t sum_spec(const Sets& sets) {
  int32_t n = 0;
  for (const ReplicaSetRef& rs : sets) n += rs ? replicas_of(*rs) : 0;
  return n;
}
int32_t sum_actual(const Sets& sets) {
  int32_t n = 0;
  for (const ReplicaSetRef& rs : sets) n += rs ? rs->status.replicas : 0;
  return n;
}
int32_t sum_ready(const Sets& sets) {
  int32_t n = 0;
  for (const ReplicaSetRef& rs : sets) n += rs ? rs->status.ready_replicas : 0;
  return n;
}
int32_t sum_available(const Sets& sets) {
  int32_t n = 0;
  for (const ReplicaSetRef& rs : sets) n += rs ? rs->status.available_replicas : 0;
  return n;
}

Sets active_of(const Sets& sets) {
  Sets active;
  for (const ReplicaSetRef& rs : sets) {
    if (rs && replicas_of(*rs) > 0) active.push_back(rs);
  }
  return active;
}

Sets with(Sets sets, const ReplicaSetRef& one) {
  sets.push_back(one);
  return sets;
}

bool older_set(const ReplicaSetRef& a, const ReplicaSetRef& b) {
  return older(a->metadata, b->metadata);
}

// What the new replica set may grow to now.
int32_t new_set_size(const Deployment& d, const Sets& all, int32_t current) {
  const int32_t desired = replicas_of(d);
  if (!is_rolling(d)) return desired;
  const int32_t most = desired + max_surge(d);
  const int32_t now = sum_spec(all);
  if (now >= most) return current;
  return current + std::min(most - now, desired - current);
}

// --- annotations --------------------------------------------------------------------------------

std::optional<int32_t> int_annotation(const ReplicaSet& rs, std::string_view key) {
  const api::Str* text = rs.metadata.annotations.find(key);
  if (!text) return std::nullopt;
  const std::optional<int64_t> n = parse_int(*text);
  if (!n) return std::nullopt;
  return static_cast<int32_t>(*n);
}

// Nothing when it cannot be read; zero when there is none.
std::optional<int64_t> revision_of(const ReplicaSet& rs) {
  const api::Str* text = rs.metadata.annotations.find(kRevision);
  if (!text) return 0;
  return parse_int(*text);
}

int64_t max_revision(const Sets& sets) {
  int64_t most = 0;
  for (const ReplicaSetRef& rs : sets) most = std::max(most, revision_of(*rs).value_or(0));
  return most;
}

bool set_annotation(api::ObjectMeta& meta, std::string_view key, const api::Str& value) {
  const api::Str* has = meta.annotations.find(key);
  if (has && *has == value) return false;
  meta.annotations.set(key, value);
  return true;
}

bool set_replicas_annotations(ReplicaSet& rs, int32_t desired, int32_t most) {
  const bool a = set_annotation(rs.metadata, kDesiredReplicas, std::to_string(desired));
  const bool b = set_annotation(rs.metadata, kMaxReplicas, std::to_string(most));
  return a || b;
}

// Appends the revision that this replica set had, dropping the oldest ones beyond the limit.
void remember_revision(ReplicaSet& rs, const std::string& revision) {
  const std::string history = rs.metadata.annotations.get(kRevisionHistory).str();
  if (history.empty()) {
    rs.metadata.annotations.set(kRevisionHistory, revision);
    return;
  }
  size_t total = history.size() + revision.size() + 1;
  size_t start = 0;
  while (total > kMaxHistoryLength && start < history.size()) {
    const size_t comma = history.find(',', start);
    const size_t end = comma == std::string::npos ? history.size() : comma;
    total -= end - start + 1;
    start = end + 1;
  }
  if (total > kMaxHistoryLength) return;
  std::string text = start < history.size() ? history.substr(start) + "," : std::string();
  rs.metadata.annotations.set(kRevisionHistory, text + revision);
}

bool set_new_set_annotations(const Deployment& d, ReplicaSet& rs, int64_t revision, bool exists) {
  bool changed = false;
  for (const auto& [key, value] : d.metadata.annotations) {
    if (std::find(std::begin(kNotCopied), std::end(kNotCopied), key.view()) !=
        std::end(kNotCopied)) {
      continue;
    }
    changed |= set_annotation(rs.metadata, key, value);
  }
  const api::Str* has = rs.metadata.annotations.find(kRevision);
  const std::string old_text = has ? has->str() : std::string();
  int64_t old_revision = 0;
  if (!old_text.empty()) {
    const std::optional<int64_t> n = parse_int(old_text);
    if (!n) return false;
    old_revision = *n;
  }
  if (old_revision < revision) {
    rs.metadata.annotations.set(kRevision, std::to_string(revision));
    changed = true;
    if (has != nullptr) remember_revision(rs, old_text);
  }
  if (!exists) {
    changed |= set_replicas_annotations(rs, replicas_of(d), replicas_of(d) + max_surge(d));
  }
  return changed;
}

// --- conditions ---------------------------------------------------------------------------------

bool has_deadline(const Deployment& d) {
  const auto& deadline = d.spec.progress_deadline_seconds;
  return deadline && *deadline != INT32_MAX;
}

DeploymentCondition condition(std::string_view type, std::string_view status,
                              std::string_view reason, const std::string& message, api::Time now) {
  DeploymentCondition c;
  c.type = type;
  c.status = status;
  c.reason = reason;
  c.message = message;
  c.last_update_time = now.truncated_to_second();
  c.last_transition_time = now.truncated_to_second();
  return c;
}

void remove_condition(DeploymentStatus& status, std::string_view type) {
  std::vector<DeploymentCondition> kept;
  for (const DeploymentCondition& c : status.conditions) {
    if (c.type != type) kept.push_back(c);
  }
  if (kept.size() != status.conditions.size()) {
    status.conditions = api::List<DeploymentCondition>(std::move(kept));
  }
}

// Does nothing when status and reason are the same; puts a changed condition at the end.
void set_condition(DeploymentStatus& status, DeploymentCondition c) {
  const DeploymentCondition* old = api::find_condition(status.conditions, c.type);
  if (old && old->status == c.status && old->reason == c.reason) return;
  if (old && old->status == c.status) c.last_transition_time = old->last_transition_time;
  remove_condition(status, c.type);
  status.conditions.push_back(std::move(c));
}

bool is_complete(const Deployment& d, const DeploymentStatus& s) {
  const int32_t n = replicas_of(d);
  return s.updated_replicas == n && s.replicas == n && s.available_replicas == n &&
         s.observed_generation >= d.metadata.generation;
}

bool is_progressing(const DeploymentStatus& was, const DeploymentStatus& is) {
  return is.updated_replicas > was.updated_replicas ||
         is.replicas - is.updated_replicas < was.replicas - was.updated_replicas ||
         is.ready_replicas > was.ready_replicas || is.available_replicas > was.available_replicas;
}

bool is_timed_out(const Deployment& d, const DeploymentStatus& s, api::Time now) {
  const DeploymentCondition* c = api::find_condition(s.conditions, kProgressing);
  if (!has_deadline(d) || !c || c->reason == "NewReplicaSetAvailable") return false;
  if (c->reason == "ProgressDeadlineExceeded") return true;
  return c->last_update_time + api::Duration::seconds(*d.spec.progress_deadline_seconds) < now;
}

DeploymentStatus calculate_status(const Sets& all, const ReplicaSetRef& new_set,
                                  const Deployment& d, api::Time now) {
  const int32_t available = sum_available(all);
  DeploymentStatus s;
  s.observed_generation = d.metadata.generation;
  s.replicas = sum_actual(all);
  s.updated_replicas = new_set ? new_set->status.replicas : 0;
  s.ready_replicas = sum_ready(all);
  s.available_replicas = available;
  s.unavailable_replicas = std::max(0, sum_spec(all) - available);
  s.collision_count = d.status.collision_count;
  s.conditions = d.status.conditions;
  if (available >= replicas_of(d) - max_unavailable(d)) {
    set_condition(s, condition(kAvailable, kTrue, "MinimumReplicasAvailable",
                               "Deployment has minimum availability.", now));
  } else {
    set_condition(s, condition(kAvailable, kFalse, "MinimumReplicasUnavailable",
                               "Deployment does not have minimum availability.", now));
  }
  return s;
}

// --- one sync -----------------------------------------------------------------------------------

struct Inputs final : client::SyncState {
  DeploymentRef deployment;
  Sets candidates;  // owned, or orphans that match, in the namespace
  // Recreate only: whether a replica set's pods are alive, by uid of the set.
  std::vector<std::pair<api::Str, bool>> pods_alive;
};

// Templates are compared without the hash label, which only the copy in the replica set has.
bool same_template(const api::PodTemplateSpec& a, const api::PodTemplateSpec& b) {
  if (!(a.spec == b.spec)) return false;
  api::ObjectMeta ma = a.metadata;
  api::ObjectMeta mb = b.metadata;
  ma.labels.erase(kHashLabel);
  mb.labels.erase(kHashLabel);
  return ma == mb;
}

class Sync {
 public:
  Sync(Script& script, ReconcileContext& ctx, const Key& key)
      : script_(script),
        ctx_(ctx),
        key_(key),
        in_(script.inputs<Inputs>()),
        d_(api::clone(*in_.deployment)) {}

  Error run();

 private:
  Error claim();
  Error check_paused();
  Error all_and_revision(bool create, ReplicaSetRef* new_set, Sets* old);
  Error new_set(const Sets& old, bool create, ReplicaSetRef* result);
  Error create_new_set(const Sets& old, int64_t revision, ReplicaSetRef* result);
  Error status_only();
  Error sync_scale_and_status();
  Error is_scaling_event(bool* result);
  Error scale(const ReplicaSetRef& new_set, Sets& old);
  Error scale_proportionally(Sets all);
  Error scale_set(const ReplicaSetRef& rs, int32_t size, bool* scaled, ReplicaSetRef* updated);
  Error scale_set_if_needed(const ReplicaSetRef& rs, int32_t size, bool* scaled = nullptr,
                            ReplicaSetRef* updated = nullptr);
  Error rolling();
  Error recreate();
  Error reconcile_new(const Sets& all, const ReplicaSetRef& new_set, bool* scaled);
  Error reconcile_old(const Sets& all, Sets old, const ReplicaSetRef& new_set, bool* scaled);
  Error clean_unhealthy(Sets& old, int32_t most, int32_t* count);
  Error scale_down_old(const Sets& all, Sets& old, int32_t* count);
  Error cleanup(const Sets& old);
  Error rollout_status(const Sets& all, const ReplicaSetRef& new_set);
  Error write_status() { return script_.must(update_status_request(api::clone(*d_))); }
  Error plain_status(const Sets& all, const ReplicaSetRef& new_set);
  bool old_pods_running(const ReplicaSetRef& new_set, const Sets& old) const;
  void requeue_stuck(const DeploymentStatus& status);
  int32_t desired() const { return replicas_of(*d_); }

  Script& script_;
  ReconcileContext& ctx_;
  const Key& key_;
  const Inputs& in_;
  api::Ref<Deployment> d_;  // this sync's own copy, at the resource version of its start
  Sets sets_;
};

Error Sync::run() {
  if (d_->spec.selector && selects_everything(*d_->spec.selector)) {
    script_.event(*d_, kWarning, "SelectingAll",
                  "This deployment is selecting all pods. A non-empty selector is required.");
    if (d_->status.observed_generation < d_->metadata.generation) {
      d_->status.observed_generation = d_->metadata.generation;
      const Outcome* ignored = nullptr;
      return script_.call(update_status_request(api::clone(*d_)), &ignored);
    }
    return {};
  }
  if (Error e = claim()) return e;
  if (!d_->metadata.deletion_timestamp.is_zero()) return status_only();
  if (Error e = check_paused()) return e;
  if (d_->spec.paused) return sync_scale_and_status();
  bool scaling = false;
  if (Error e = is_scaling_event(&scaling)) return e;
  if (scaling) return sync_scale_and_status();
  return is_rolling(*d_) ? rolling() : recreate();
}

// Settles which replica sets are ours: keeps, releases, adopts.
Error Sync::claim() {
  const bool deleting = !d_->metadata.deletion_timestamp.is_zero();
  const api::Str& uid = d_->metadata.uid;
  bool checked = false;
  Error first;
  for (const ReplicaSetRef& rs : in_.candidates) {
    const api::OwnerReference* owner = api::controller_of(*rs);
    const bool match = matches(d_->spec.selector, rs->metadata.labels);
    if (owner) {
      if (owner->uid != uid) continue;
      if (match) {
        sets_.push_back(rs);
      } else if (!deleting) {
        const Outcome* o = nullptr;
        if (Error e = script_.call(release_request(*rs, *d_), &o)) return e;
        if (!o->ok() && !o->not_found() && !first) first = Error::of(*o);
      }
      continue;
    }
    if (deleting || !match || !rs->metadata.deletion_timestamp.is_zero()) continue;
    if (!checked) {
      const Outcome* fresh = nullptr;
      if (Error e = script_.must(get_request(*d_), &fresh)) return e;
      if (fresh->object->metadata.uid != uid) {
        return Error::failed(fmt::format("original Deployment {} is gone", key_.view()));
      }
      if (!fresh->object->metadata.deletion_timestamp.is_zero()) {
        return Error::failed(fmt::format("{} has just been deleted", key_.view()));
      }
      checked = true;
    }
    const Outcome* o = nullptr;
    if (Error e = script_.call(adopt_request(*rs, *d_), &o)) return e;
    if (o->ok()) {
      sets_.push_back(api::cast<ReplicaSet>(o->object));
    } else if (!o->not_found() && !first) {
      first = Error::of(*o);
    }
  }
  std::sort(sets_.begin(), sets_.end(), older_set);
  return first;
}

// Pausing and resuming leave a condition, so that the time spent paused is not taken for a lack of
// progress.
Error Sync::check_paused() {
  if (!has_deadline(*d_)) return {};
  const DeploymentCondition* c = api::find_condition(d_->status.conditions, kProgressing);
  if (c && c->reason == "ProgressDeadlineExceeded") return {};
  const bool was_paused = c && c->reason == "DeploymentPaused";
  if (d_->spec.paused == was_paused) return {};
  if (d_->spec.paused) {
    set_condition(d_->status, condition(kProgressing, kUnknown, "DeploymentPaused",
                                        "Deployment is paused", script_.now()));
  } else {
    set_condition(d_->status, condition(kProgressing, kUnknown, "DeploymentResumed",
                                        "Deployment is resumed", script_.now()));
  }
  return write_status();
}

Error Sync::all_and_revision(bool create, ReplicaSetRef* result, Sets* old) {
  old->clear();
  ReplicaSetRef current;
  for (const ReplicaSetRef& rs : sets_) {
    if (!current && same_template(rs->spec.template_, d_->spec.template_)) {
      current = rs;
    } else {
      old->push_back(rs);
    }
  }
  *result = current;
  return new_set(*old, create, result);
}

// Brings annotations and minReadySeconds of the new replica set up to date and the revision of the
// deployment with it; creates the set if it is missing and `create` says so.
Error Sync::new_set(const Sets& old, bool create, ReplicaSetRef* result) {
  const int64_t revision = max_revision(old) + 1;
  if (!*result) return create ? create_new_set(old, revision, result) : Error();
  api::Ref<ReplicaSet> copy = api::clone(**result);
  const bool annotated = set_new_set_annotations(*d_, *copy, revision, true);
  if (annotated || copy->spec.min_ready_seconds != d_->spec.min_ready_seconds) {
    copy->spec.min_ready_seconds = d_->spec.min_ready_seconds;
    const Outcome* o = nullptr;
    if (Error e = script_.must(update_request(copy), &o)) return e;
    *result = api::cast<ReplicaSet>(o->object);
    return {};
  }
  bool update = set_annotation(d_->metadata, kRevision, copy->metadata.annotations.get(kRevision));
  if (has_deadline(*d_) && !api::find_condition(d_->status.conditions, kProgressing)) {
    set_condition(d_->status,
                  condition(kProgressing, kTrue, "FoundNewReplicaSet",
                            fmt::format("Found new replica set \"{}\"", copy->metadata.name.view()),
                            script_.now()));
    update = true;
  }
  return update ? write_status() : Error();
}

Error Sync::create_new_set(const Sets& old, int64_t revision, ReplicaSetRef* result) {
  const std::string hash = template_hash(d_->spec.template_, d_->status.collision_count);
  api::Ref<ReplicaSet> rs = api::make<ReplicaSet>();
  // The name must not pass 253 characters; the hash is what tells the sets apart.
  constexpr size_t kMaxName = 253;
  const std::string_view base = d_->metadata.name.view().substr(0, kMaxName - 1 - hash.size());
  rs->metadata.name = fmt::format("{}-{}", base, hash);
  rs->metadata.namespace_ = d_->metadata.namespace_;
  rs->metadata.owner_references = {api::make_controller_reference(*d_)};
  rs->spec.template_ = d_->spec.template_;
  rs->spec.template_.metadata.labels.set(kHashLabel, hash);
  rs->metadata.labels = rs->spec.template_.metadata.labels;
  rs->spec.selector = d_->spec.selector;
  rs->spec.selector.edit().match_labels.set(kHashLabel, hash);
  rs->spec.min_ready_seconds = d_->spec.min_ready_seconds;
  const int32_t size = new_set_size(*d_, old, 0);
  rs->spec.replicas = size;
  set_new_set_annotations(*d_, *rs, revision, false);

  const Outcome* o = nullptr;
  if (Error e = script_.call(create_request(rs), &o)) return e;
  const bool already_exists = o->already_exists();
  if (already_exists) {
    const api::ObjectRef existing = script_.remember(
        ctx_.cache(api::Kind::ReplicaSet).find(rs->metadata.namespace_, rs->metadata.name));
    if (!existing) {
      return Error::failed(
          fmt::format("replicaset.apps \"{}\" not found", rs->metadata.name.view()));
    }
    const ReplicaSet& other = api::as<ReplicaSet>(*existing);
    const api::OwnerReference* owner = api::controller_of(other);
    if (!owner || owner->uid != d_->metadata.uid ||
        !same_template(d_->spec.template_, other.spec.template_)) {
      // Two templates with one hash: the count makes the next try another hash.
      d_->status.collision_count = d_->status.collision_count.value_or(0) + 1;
      const std::string message = o->message.str();
      const Outcome* ignored = nullptr;
      if (Error e = script_.call(update_status_request(api::clone(*d_)), &ignored)) return e;
      return Error::failed(message);
    }
    *result = api::cast<ReplicaSet>(existing);
  } else if (!o->ok()) {
    const std::string why = o->message.str();
    if (namespace_terminating(*o)) return Error::failed(why);
    const std::string message =
        fmt::format("Failed to create new replica set \"{}\": {}", rs->metadata.name.view(), why);
    if (has_deadline(*d_)) {
      set_condition(d_->status, condition(kProgressing, kFalse, "ReplicaSetCreateError", message,
                                          script_.now()));
      const Outcome* ignored = nullptr;
      if (Error e = script_.call(update_status_request(api::clone(*d_)), &ignored)) return e;
    }
    script_.event(*d_, kWarning, "ReplicaSetCreateError", message);
    return Error::failed(why);
  } else {
    *result = api::cast<ReplicaSet>(o->object);
    if (size > 0) {
      script_.event(*d_, kNormal, "ScalingReplicaSet",
                    fmt::format("Scaled up replica set {} from 0 to {}",
                                (*result)->metadata.name.view(), size));
    }
  }

  bool update = set_annotation(d_->metadata, kRevision, std::to_string(revision));
  if (!already_exists && has_deadline(*d_)) {
    set_condition(d_->status, condition(kProgressing, kTrue, "NewReplicaSetCreated",
                                        fmt::format("Created new replica set \"{}\"",
                                                    (*result)->metadata.name.view()),
                                        script_.now()));
    update = true;
  }
  return update ? write_status() : Error();
}

Error Sync::status_only() {
  ReplicaSetRef current;
  Sets old;
  if (Error e = all_and_revision(false, &current, &old)) return e;
  return plain_status(with(old, current), current);
}

Error Sync::sync_scale_and_status() {
  ReplicaSetRef current;
  Sets old;
  if (Error e = all_and_revision(false, &current, &old)) return e;
  if (Error e = scale(current, old)) return e;
  if (d_->spec.paused) {
    if (Error e = cleanup(old)) return e;
  }
  return plain_status(with(old, current), current);
}

Error Sync::plain_status(const Sets& all, const ReplicaSetRef& current) {
  DeploymentStatus status = calculate_status(all, current, *d_, script_.now());
  status.terminating_replicas = d_->status.terminating_replicas;
  if (status == d_->status) return {};
  d_->status = std::move(status);
  return write_status();
}

Error Sync::is_scaling_event(bool* result) {
  ReplicaSetRef current;
  Sets old;
  if (Error e = all_and_revision(false, &current, &old)) return e;
  for (const ReplicaSetRef& rs : active_of(with(old, current))) {
    const std::optional<int32_t> was = int_annotation(*rs, kDesiredReplicas);
    if (was && *was != desired()) *result = true;
  }
  return {};
}

// --- scaling ------------------------------------------------------------------------------------

Error Sync::scale_set(const ReplicaSetRef& rs, int32_t size, bool* scaled, ReplicaSetRef* updated) {
  api::Ref<ReplicaSet> copy = api::clone(*rs);
  const int32_t was = replicas_of(*rs);
  const bool annotate = set_replicas_annotations(*copy, desired(), desired() + max_surge(*d_));
  if (was == size && !annotate) return {};
  copy->spec.replicas = size;
  const Outcome* o = nullptr;
  if (Error e = script_.must(update_request(copy), &o)) return e;
  if (updated) *updated = api::cast<ReplicaSet>(o->object);
  if (was != size) {
    script_.event(*d_, kNormal, "ScalingReplicaSet",
                  fmt::format("Scaled {} replica set {} from {} to {}", was < size ? "up" : "down",
                              rs->metadata.name.view(), was, size));
    if (scaled) *scaled = true;
  }
  return {};
}

Error Sync::scale_set_if_needed(const ReplicaSetRef& rs, int32_t size, bool* scaled,
                                ReplicaSetRef* updated) {
  return replicas_of(*rs) == size ? Error() : scale_set(rs, size, scaled, updated);
}

// The only active replica set, or the newest if none is active; null if there are several.
ReplicaSetRef active_or_latest(const ReplicaSetRef& current, const Sets& old) {
  if (!current && old.empty()) return {};
  const Sets active = active_of(with(old, current));
  if (active.size() == 1) return active.front();
  if (!active.empty()) return {};
  return current ? current : *std::max_element(old.begin(), old.end(), older_set);
}

bool is_saturated(const Deployment& d, const ReplicaSetRef& rs) {
  if (!rs) return false;
  const std::optional<int32_t> was = int_annotation(*rs, kDesiredReplicas);
  return was && replicas_of(*rs) == replicas_of(d) && *was == replicas_of(d) &&
         rs->status.available_replicas == replicas_of(d);
}

Error Sync::scale(const ReplicaSetRef& current, Sets& old) {
  if (const ReplicaSetRef only = active_or_latest(current, old)) {
    return scale_set_if_needed(only, desired());
  }
  if (is_saturated(*d_, current)) {
    for (const ReplicaSetRef& rs : active_of(old)) {
      if (Error e = scale_set_if_needed(rs, 0)) return e;
    }
    return {};
  }
  return is_rolling(*d_) ? scale_proportionally(active_of(with(old, current))) : Error();
}

// Rounds half away from zero, as integer.RoundToInt32.
int32_t rounded(double x) { return static_cast<int32_t>(x < 0 ? x - 0.5 : x + 0.5); }

// By how much a replica set should change to keep its share of a deployment of another size.
int32_t fraction(const Deployment& d, const ReplicaSet& rs) {
  const int32_t size = replicas_of(rs);
  if (replicas_of(d) == 0) return -size;
  int32_t before = int_annotation(rs, kMaxReplicas).value_or(0);
  if (before == 0) before = d.status.replicas;
  if (before == 0) return 0;
  const int32_t most = replicas_of(d) + max_surge(d);
  return rounded(static_cast<double>(size * most) / static_cast<double>(before)) - size;
}

Error Sync::scale_proportionally(Sets all) {
  const int32_t allowed = desired() > 0 ? desired() + max_surge(*d_) : 0;
  const int32_t to_add = allowed - sum_spec(all);
  if (to_add != 0) {
    // Growing favours the newer of two equals, shrinking takes from the older.
    std::sort(all.begin(), all.end(), [&](const ReplicaSetRef& a, const ReplicaSetRef& b) {
      if (replicas_of(*a) != replicas_of(*b)) return replicas_of(*a) > replicas_of(*b);
      return to_add > 0 ? older_set(b, a) : older_set(a, b);
    });
  }
  int32_t added = 0;
  std::vector<int32_t> sizes;
  for (const ReplicaSetRef& rs : all) {
    int32_t part = 0;
    if (to_add != 0 && replicas_of(*rs) != 0 && to_add != added) {
      const int32_t share = fraction(*d_, *rs);
      part = to_add > 0 ? std::min(share, to_add - added) : std::max(share, to_add - added);
    }
    sizes.push_back(replicas_of(*rs) + part);
    added += part;
  }
  for (size_t i = 0; i < all.size(); ++i) {
    if (i == 0 && to_add != 0) sizes[0] = std::max(0, sizes[0] + to_add - added);
    if (Error e = scale_set(all[i], sizes[i], nullptr, nullptr)) return e;
  }
  return {};
}

// --- strategies ---------------------------------------------------------------------------------

Error Sync::rolling() {
  ReplicaSetRef current;
  Sets old;
  if (Error e = all_and_revision(true, &current, &old)) return e;
  const Sets all = with(old, current);
  bool scaled = false;
  if (Error e = reconcile_new(all, current, &scaled)) return e;
  if (scaled) return rollout_status(all, current);
  if (Error e = reconcile_old(all, active_of(old), current, &scaled)) return e;
  if (scaled) return rollout_status(all, current);
  if (is_complete(*d_, d_->status)) {
    if (Error e = cleanup(old)) return e;
  }
  return rollout_status(all, current);
}

Error Sync::reconcile_new(const Sets& all, const ReplicaSetRef& current, bool* scaled) {
  const int32_t size = replicas_of(*current);
  if (size == desired()) return {};
  if (size > desired()) return scale_set_if_needed(current, desired(), scaled);
  return scale_set_if_needed(current, new_set_size(*d_, all, size), scaled);
}

// Pods of the new set that are not available count against what may be taken from the old ones.
Error Sync::reconcile_old(const Sets& all, Sets old, const ReplicaSetRef& current, bool* scaled) {
  if (sum_spec(old) == 0) return {};
  const int32_t min_available = desired() - max_unavailable(*d_);
  const int32_t unavailable = replicas_of(*current) - current->status.available_replicas;
  const int32_t most = sum_spec(all) - min_available - unavailable;
  if (most <= 0) return {};
  // A failure of either step ends the round without an error, as if nothing had been scaled.
  int32_t cleaned = 0;
  if (Error e = clean_unhealthy(old, most, &cleaned)) return e.is_pending() ? e : Error();
  int32_t down = 0;
  if (Error e = scale_down_old(with(old, current), old, &down)) {
    return e.is_pending() ? e : Error();
  }
  *scaled = cleaned + down > 0;
  return {};
}

Error Sync::clean_unhealthy(Sets& old, int32_t most, int32_t* count) {
  std::sort(old.begin(), old.end(), older_set);
  for (ReplicaSetRef& rs : old) {
    if (*count >= most) break;
    const int32_t size = replicas_of(*rs);
    if (size == 0 || size == rs->status.available_replicas) continue;
    const int32_t down = std::min(most - *count, size - rs->status.available_replicas);
    // The status lags behind a scale-down that was just made.
    if (down < 0) return Error::failed("more replicas available than wanted");
    if (Error e = scale_set_if_needed(rs, size - down, nullptr, &rs)) return e;
    *count += down;
  }
  return {};
}

Error Sync::scale_down_old(const Sets& all, Sets& old, int32_t* count) {
  const int32_t min_available = desired() - max_unavailable(*d_);
  const int32_t budget = sum_available(all) - min_available;
  if (budget <= 0) return {};
  std::sort(old.begin(), old.end(), older_set);
  for (const ReplicaSetRef& rs : old) {
    if (*count >= budget) break;
    const int32_t size = replicas_of(*rs);
    if (size == 0) continue;
    const int32_t down = std::min(size, budget - *count);
    if (Error e = scale_set_if_needed(rs, size - down)) return e;
    *count += down;
  }
  return {};
}

Error Sync::recreate() {
  ReplicaSetRef current;
  Sets old;
  if (Error e = all_and_revision(false, &current, &old)) return e;
  Sets all = with(old, current);
  bool scaled = false;
  for (const ReplicaSetRef& rs : active_of(old)) {
    if (Error e = scale_set_if_needed(rs, 0, &scaled)) return e;
  }
  if (scaled || old_pods_running(current, old)) return rollout_status(all, current);
  if (!current) {
    if (Error e = all_and_revision(true, &current, &old)) return e;
    all = with(old, current);
  }
  if (Error e = scale_set_if_needed(current, desired())) return e;
  if (is_complete(*d_, d_->status)) {
    if (Error e = cleanup(old)) return e;
  }
  return rollout_status(all, current);
}

bool Sync::old_pods_running(const ReplicaSetRef& current, const Sets& old) const {
  if (sum_actual(old) > 0) return true;
  for (const auto& [uid, alive] : in_.pods_alive) {
    if (alive && !(current && current->metadata.uid == uid)) return true;
  }
  return false;
}

Error Sync::cleanup(const Sets& old) {
  const auto& limit = d_->spec.revision_history_limit;
  if (!limit || *limit == INT32_MAX) return {};
  Sets candidates;
  for (const ReplicaSetRef& rs : old) {
    if (rs->metadata.deletion_timestamp.is_zero()) candidates.push_back(rs);
  }
  const int64_t surplus = static_cast<int64_t>(candidates.size()) - *limit;
  if (surplus <= 0) return {};
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const ReplicaSetRef& a, const ReplicaSetRef& b) {
                     const int64_t ra = revision_of(*a).value_or(0);
                     const int64_t rb = revision_of(*b).value_or(0);
                     return ra != rb ? ra < rb : older_set(a, b);
                   });
  for (int64_t i = 0; i < surplus; ++i) {
    const ReplicaSet& rs = *candidates[static_cast<size_t>(i)];
    if (rs.status.replicas != 0 || replicas_of(rs) != 0 ||
        rs.metadata.generation > rs.status.observed_generation) {
      continue;
    }
    const Outcome* o = nullptr;
    if (Error e = script_.call(delete_request(rs), &o)) return e;
    if (!o->ok() && !o->not_found()) return Error::of(*o);
  }
  return {};
}

// --- status of a rollout ------------------------------------------------------------------------

Error Sync::rollout_status(const Sets& all, const ReplicaSetRef& current) {
  const api::Time now = script_.now();
  DeploymentStatus status = calculate_status(all, current, *d_, now);
  status.terminating_replicas = d_->status.terminating_replicas;
  if (!has_deadline(*d_)) remove_condition(status, kProgressing);

  const std::string subject = current
                                  ? fmt::format("ReplicaSet \"{}\"", current->metadata.name.view())
                                  : fmt::format("Deployment \"{}\"", d_->metadata.name.view());
  const DeploymentCondition* was = api::find_condition(d_->status.conditions, kProgressing);
  const bool finished =
      status.replicas == status.updated_replicas && was && was->reason == "NewReplicaSetAvailable";
  if (has_deadline(*d_) && !finished) {
    if (is_complete(*d_, status)) {
      set_condition(status, condition(kProgressing, kTrue, "NewReplicaSetAvailable",
                                      subject + " has successfully progressed.", now));
    } else if (is_progressing(d_->status, status)) {
      // Progress renews lastUpdateTime even when status and reason stay.
      DeploymentCondition c =
          condition(kProgressing, kTrue, "ReplicaSetUpdated", subject + " is progressing.", now);
      if (was) {
        if (was->status == kTrue) c.last_transition_time = was->last_transition_time;
        remove_condition(status, kProgressing);
      }
      set_condition(status, c);
    } else if (is_timed_out(*d_, status, now)) {
      set_condition(status, condition(kProgressing, kFalse, "ProgressDeadlineExceeded",
                                      subject + " has timed out progressing.", now));
    }
  }

  // A failure of the new replica set goes before one of the old ones.
  const api::ReplicaSetCondition* failure = nullptr;
  if (current) failure = api::find_condition(current->status.conditions, kReplicaFailure);
  for (size_t i = 0; i < all.size() && !failure; ++i) {
    if (all[i]) failure = api::find_condition(all[i]->status.conditions, kReplicaFailure);
  }
  if (failure) {
    DeploymentCondition c = condition(kReplicaFailure, failure->status, failure->reason,
                                      failure->message.str(), failure->last_transition_time);
    set_condition(status, c);
  } else {
    remove_condition(status, kReplicaFailure);
  }

  if (status == d_->status) {
    if (script_.live()) requeue_stuck(status);
    return {};
  }
  d_->status = std::move(status);
  return write_status();
}

// Looks again when the progress deadline has passed, as nothing else would wake the key.
void Sync::requeue_stuck(const DeploymentStatus& status) {
  const DeploymentCondition* c = api::find_condition(d_->status.conditions, kProgressing);
  if (!has_deadline(*d_) || !c) return;
  if (is_complete(*d_, status) || c->reason == "ProgressDeadlineExceeded") return;
  const api::Duration after = c->last_update_time +
                              api::Duration::seconds(*d_->spec.progress_deadline_seconds) -
                              script_.now();
  if (after < api::Duration::seconds(1)) {
    ctx_.queue().add_rate_limited(key_, ctx_.now());
  } else {
    ctx_.enqueue_after(key_, after + api::Duration::seconds(1));
  }
}

// --- the controller -----------------------------------------------------------------------------

class DeploymentController final : public client::Reconciler {
 public:
  explicit DeploymentController(DeploymentOptions options) : options_(options) {}

  std::string_view name() const override { return "deployment-controller"; }
  std::unique_ptr<client::Reconciler> clone() const override {
    return std::make_unique<DeploymentController>(*this);
  }
  std::vector<client::WatchSpec> watches() const override {
    return {{api::Kind::Deployment, {client::IndexBy::kNamespace}},
            {api::Kind::ReplicaSet, {client::IndexBy::kControllerUid}},
            {api::Kind::Pod, {client::IndexBy::kControllerUid}}};
  }
  int32_t workers() const override { return options_.workers; }

  void observe(ReconcileContext& ctx, const WatchEvent& event) override;
  Plan sync(ReconcileContext& ctx, const Key& key) override;
  Plan resume(ReconcileContext& ctx, const Key& key, uint32_t, const client::SyncState* log,
              const client::PlanResult& result) override {
    return run(ctx, key, Script(ctx, log, result));
  }

 private:
  Plan run(ReconcileContext& ctx, const Key& key, Script script);
  void observe_set(ReconcileContext& ctx, const WatchEvent& event);
  void observe_pod_gone(ReconcileContext& ctx, const Pod& pod);
  static const Deployment* owner_of(ReconcileContext& ctx, const api::Object& object);
  static void add_matching(ReconcileContext& ctx, const ReplicaSet& rs);

  DeploymentOptions options_;
};

// The deployment that the controller reference names, if it still is the same one.
const Deployment* DeploymentController::owner_of(ReconcileContext& ctx, const api::Object& object) {
  const api::OwnerReference* owner = controller_of_kind(object, "Deployment");
  if (!owner) return nullptr;
  const Deployment* d =
      ctx.cache(api::Kind::Deployment).get<Deployment>(object.metadata.namespace_, owner->name);
  return d && d->metadata.uid == owner->uid ? d : nullptr;
}

void DeploymentController::add_matching(ReconcileContext& ctx, const ReplicaSet& rs) {
  for (const api::ObjectRef& o :
       ctx.cache(api::Kind::Deployment).by(client::IndexBy::kNamespace, rs.metadata.namespace_)) {
    const Deployment& d = api::as<Deployment>(*o);
    if (d.spec.selector && !selects_everything(*d.spec.selector) &&
        matches(*d.spec.selector, rs.metadata.labels)) {
      ctx.queue().add(key_of(d));
    }
  }
}

void DeploymentController::observe(ReconcileContext& ctx, const WatchEvent& event) {
  switch (event.object->kind) {
    case api::Kind::Deployment:
      ctx.queue().add(key_of(*event.object));
      break;
    case api::Kind::ReplicaSet:
      observe_set(ctx, event);
      break;
    case api::Kind::Pod:
      if (event.type == WatchType::kDeleted) observe_pod_gone(ctx, api::as<Pod>(*event.object));
      break;
    default:
      break;
  }
}

void DeploymentController::observe_set(ReconcileContext& ctx, const WatchEvent& event) {
  const ReplicaSet& rs = api::as<ReplicaSet>(*event.object);
  const Deployment* d = owner_of(ctx, rs);
  const bool owned = api::controller_of(rs) != nullptr;
  if (event.type == WatchType::kModified && event.old) {
    const api::OwnerReference* before = api::controller_of(*event.old);
    const api::OwnerReference* after = api::controller_of(rs);
    const bool changed = !before != !after || (before && before->uid != after->uid);
    if (changed) {
      if (const Deployment* old = owner_of(ctx, *event.old)) ctx.queue().add(key_of(*old));
    }
    if (!owned && (changed || !(event.old->metadata.labels == rs.metadata.labels))) {
      add_matching(ctx, rs);
    }
  } else if (event.type == WatchType::kAdded && !owned &&
             rs.metadata.deletion_timestamp.is_zero()) {
    add_matching(ctx, rs);
  }
  if (d) ctx.queue().add(key_of(*d));
}

// A Recreate deployment waits for the last of its pods to be gone.
void DeploymentController::observe_pod_gone(ReconcileContext& ctx, const Pod& pod) {
  const api::OwnerReference* owner = controller_of_kind(pod, "ReplicaSet");
  if (!owner) return;
  const ReplicaSet* rs =
      ctx.cache(api::Kind::ReplicaSet).get<ReplicaSet>(pod.metadata.namespace_, owner->name);
  const Deployment* d = rs ? owner_of(ctx, *rs) : nullptr;
  if (!d || is_rolling(*d)) return;
  for (const api::ObjectRef& o :
       ctx.cache(api::Kind::ReplicaSet).by(client::IndexBy::kControllerUid, d->metadata.uid)) {
    if (!ctx.cache(api::Kind::Pod).by(client::IndexBy::kControllerUid, o->metadata.uid).empty()) {
      return;
    }
  }
  ctx.queue().add(key_of(*d));
}

Plan DeploymentController::sync(ReconcileContext& ctx, const Key& key) {
  const auto [ns, name] = split_key(key);
  DeploymentRef d = ctx.cache(api::Kind::Deployment).get_ref<Deployment>(ns, name);
  if (!d) return Plan::done();
  api::Ref<Inputs> in(new Inputs());
  const client::Cache& sets = ctx.cache(api::Kind::ReplicaSet);
  for (const api::ObjectRef& o : sets.by(client::IndexBy::kControllerUid, d->metadata.uid)) {
    in->candidates.push_back(api::cast<ReplicaSet>(o));
  }
  for (const api::ObjectRef& o : sets.by(client::IndexBy::kControllerUid, "")) {
    if (o->metadata.namespace_ == ns) in->candidates.push_back(api::cast<ReplicaSet>(o));
  }
  if (!is_rolling(*d)) {
    for (const ReplicaSetRef& rs : in->candidates) {
      bool alive = false;
      for (const api::ObjectRef& o :
           ctx.cache(api::Kind::Pod).by(client::IndexBy::kControllerUid, rs->metadata.uid)) {
        alive = alive || !api::is_terminal(api::as<Pod>(*o));
      }
      in->pods_alive.emplace_back(rs->metadata.uid, alive);
    }
  }
  in->deployment = std::move(d);
  return run(ctx, key, Script(ctx, std::move(in)));
}

Plan DeploymentController::run(ReconcileContext& ctx, const Key& key, Script script) {
  const Error e = Sync(script, ctx, key).run();
  if (e.is_pending()) return script.next_plan();
  if (!e) return Plan::done();
  Plan plan = Plan::retry(e.message());
  if (ctx.queue().requeues(key) >= options_.max_retries) plan.verdict = Plan::Verdict::kDrop;
  return plan;
}

}  // namespace

std::unique_ptr<client::Reconciler> make_deployment_controller(DeploymentOptions options) {
  return std::make_unique<DeploymentController>(options);
}

}  // namespace mainspring::controllers

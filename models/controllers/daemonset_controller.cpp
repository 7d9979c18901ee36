#include "models/controllers/daemonset_controller.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "models/api/node_affinity.h"
#include "models/api/tolerations.h"
#include "models/client/expectations.h"
#include "models/controllers/revisions.h"
#include "models/controllers/util.h"

namespace mainspring::controllers {

namespace {

using api::DaemonSet;
using api::DaemonSetStatus;
using api::Node;
using api::Pod;
using api::Str;
using PodPtr = api::Ref<const Pod>;
using Pods = std::vector<PodPtr>;

constexpr std::string_view kRevisionLabel = "controller-revision-hash";
constexpr std::string_view kGenerationLabel = "pod-template-generation";
constexpr std::string_view kGenerationAnnotation = "deprecated.daemonset.template.generation";
constexpr std::string_view kHashLabel = "controller.kubernetes.io/hash";

enum Tag : uint32_t { kOther, kCreatePod, kDeletePod };

struct Inputs final : client::SyncState {
  api::Ref<const DaemonSet> set;
  std::vector<api::Ref<const Node>> nodes;
  std::map<Str, Pods> by_node;  // of this set, by the node they are meant for
  std::vector<RevisionRef> revisions;
  std::set<Str> kill;  // failed pods whose time has come
  bool satisfied = false;
};

// The node that a pod of a DaemonSet is meant for.
Str target_node(const Pod& pod) {
  if (!pod.spec.node_name.empty()) return pod.spec.node_name;
  if (!pod.spec.affinity || !pod.spec.affinity->node_affinity) return {};
  const auto& required =
      pod.spec.affinity->node_affinity->required_during_scheduling_ignored_during_execution;
  if (!required) return {};
  for (const api::NodeSelectorTerm& term : required->node_selector_terms) {
    for (const api::NodeSelectorRequirement& r : term.match_fields) {
      if (r.key == "metadata.name" && r.operator_ == "In" && r.values.size() == 1) {
        return r.values[0];
      }
    }
  }
  return {};
}

void tolerate(api::PodSpec& spec, std::string_view key, std::string_view effect) {
  api::Toleration t;
  t.key = key;
  t.operator_ = api::toleration_operator::kExists;
  t.effect = effect;
  for (const api::Toleration& has : spec.tolerations) {
    if (has == t) return;
  }
  spec.tolerations.push_back(std::move(t));
}

// The template as pods of the set get it: it stays on nodes in trouble.
api::PodTemplateSpec daemon_template(const DaemonSet& set) {
  api::PodTemplateSpec t = set.spec.template_;
  tolerate(t.spec, "node.kubernetes.io/not-ready", "NoExecute");
  tolerate(t.spec, "node.kubernetes.io/unreachable", "NoExecute");
  tolerate(t.spec, "node.kubernetes.io/disk-pressure", "NoSchedule");
  tolerate(t.spec, "node.kubernetes.io/memory-pressure", "NoSchedule");
  tolerate(t.spec, "node.kubernetes.io/pid-pressure", "NoSchedule");
  tolerate(t.spec, "node.kubernetes.io/unschedulable", "NoSchedule");
  if (t.spec.host_network) {
    tolerate(t.spec, "node.kubernetes.io/network-unavailable", "NoSchedule");
  }
  return t;
}

struct Eligible {
  bool run = false;   // should have a pod
  bool keep = false;  // may keep the one that it has
  bool operator==(const Eligible&) const = default;
};

Eligible eligible(const api::PodTemplateSpec& t, const Node& node) {
  if (!t.spec.node_name.empty() && t.spec.node_name != node.metadata.name) return {};
  if (!api::matches_required_node_affinity(t.spec, node.metadata.labels, node.metadata.name)) {
    return {};
  }
  if (api::find_untolerated_for_scheduling(node.spec.taints, t.spec.tolerations)) {
    return {false, !api::find_untolerated(node.spec.taints, t.spec.tolerations, {"NoExecute"})};
  }
  return {true, true};
}

// Scheduled before unscheduled, then older, then by name: the first is the one to keep.
bool goes_before(const PodPtr& a, const PodPtr& b) {
  const bool bound = !a->spec.node_name.empty();
  if (bound != !b->spec.node_name.empty()) return bound;
  return older(a->metadata, b->metadata);
}

class DaemonSetController final : public client::Reconciler {
 public:
  explicit DaemonSetController(DaemonSetOptions options) : options_(options) {}

  std::string_view name() const override { return "daemonset-controller"; }
  std::unique_ptr<client::Reconciler> clone() const override {
    return std::make_unique<DaemonSetController>(*this);
  }
  std::vector<client::WatchSpec> watches() const override {
    return {{api::Kind::DaemonSet, {}},
            {api::Kind::Node, {}},
            {api::Kind::Pod, {client::IndexBy::kControllerUid}},
            {api::Kind::ControllerRevision, {client::IndexBy::kControllerUid}}};
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
  struct Backoff {
    int32_t failures = 0;
    api::Time last;
  };
  // What is to be done about pods.
  struct Work {
    std::vector<Str> create_on;
    Pods remove;
  };
  void choose_failed(ReconcileContext& ctx, const Key& key, Inputs& in);
  Plan run(ReconcileContext& ctx, const Key& key, Script script);
  Error body(ReconcileContext& ctx, const Key& key, Script& script);
  static void manage(Script& script, const std::string& hash, Work* work);
  static void look_at_node(Script& script, const Str& node, const Eligible& e, const Pods& pods,
                           const std::string& hash, Work* work);
  Error carry_out(ReconcileContext& ctx, const Key& key, Script& script, const Work& work,
                  const std::string& hash);
  static void rolling_update(const Inputs& in, const std::string& hash, api::Time now, Work* work);
  static DaemonSetStatus status_of(const Inputs& in, const std::string& hash, api::Time now);

  DaemonSetOptions options_;
  client::Expectations creations_;
  client::Expectations deletions_;
  std::map<std::string, Backoff> backoff_;  // of failed pods, by set and node
};

bool is_updated(const Pod& pod, const std::string& hash) {
  return pod.metadata.labels.get(kRevisionLabel) == hash;
}

bool is_available(const DaemonSet& set, const Pod& pod, api::Time now) {
  return api::is_available(pod, set.spec.min_ready_seconds, now);
}

void DaemonSetController::observe(ReconcileContext& ctx, const WatchEvent& event) {
  const api::Object& o = *event.object;
  if (o.kind == api::Kind::DaemonSet) {
    const Key key = key_of(o);
    if (event.type == WatchType::kDeleted) {
      creations_.forget(key);
      deletions_.forget(key);
    }
    ctx.queue().add(key);
    return;
  }
  if (o.kind == api::Kind::Node) {
    const Node& node = api::as<Node>(o);
    const Node* old = event.old ? &api::as<Node>(*event.old) : nullptr;
    if (event.type == WatchType::kDeleted) return;
    if (old && old->metadata.labels == node.metadata.labels &&
        old->spec.taints == node.spec.taints) {
      return;
    }
    for (const api::ObjectRef& d : ctx.cache(api::Kind::DaemonSet).list()) {
      const api::PodTemplateSpec t = daemon_template(api::as<DaemonSet>(*d));
      const Eligible now = eligible(t, node);
      if (old ? !(now == eligible(t, *old)) : now.run) ctx.queue().add(key_of(*d));
    }
    return;
  }
  if (o.kind != api::Kind::Pod) return;
  const api::OwnerReference* owner = controller_of_kind(o, "DaemonSet");
  if (!owner) return;
  const DaemonSet* set =
      ctx.cache(api::Kind::DaemonSet).get<DaemonSet>(o.metadata.namespace_, owner->name);
  if (!set || set->metadata.uid != owner->uid) return;
  const Key key = key_of(*set);
  const Pod& pod = api::as<Pod>(o);
  if (event.type == WatchType::kDeleted || api::is_terminating(pod)) {
    deletions_.deletion_observed(key, key_of(o));
  } else if (event.type == WatchType::kAdded) {
    creations_.creation_observed(key);
  }
  ctx.queue().add(key);
  const Pod* old = event.old ? &api::as<Pod>(*event.old) : nullptr;
  if (old && !api::is_ready(*old) && api::is_ready(pod) && set->spec.min_ready_seconds > 0) {
    ctx.enqueue_after(key, api::Duration::seconds(int64_t{set->spec.min_ready_seconds} + 1));
  }
}

Plan DaemonSetController::sync(ReconcileContext& ctx, const Key& key) {
  const auto [ns, name] = split_key(key);
  api::Ref<Inputs> in(new Inputs());
  in->set = ctx.cache(api::Kind::DaemonSet).get_ref<DaemonSet>(ns, name);
  if (!in->set || !in->set->metadata.deletion_timestamp.is_zero()) return Plan::done();
  if (in->set->spec.selector && selects_everything(*in->set->spec.selector)) {
    ctx.event(*in->set, kWarning, "SelectingAll",
              "This daemon set is selecting all pods. A non-empty selector is required.");
    return Plan::done();
  }
  for (const api::ObjectRef& o : ctx.cache(api::Kind::Node).list()) {
    in->nodes.push_back(api::cast<Node>(o));
  }
  std::stable_sort(in->nodes.begin(), in->nodes.end(),
                   [](const auto& a, const auto& b) { return older(a->metadata, b->metadata); });
  const Str& uid = in->set->metadata.uid;
  for (const api::ObjectRef& o :
       ctx.cache(api::Kind::Pod).by(client::IndexBy::kControllerUid, uid)) {
    const Pod& pod = api::as<Pod>(*o);
    if (!matches(in->set->spec.selector, pod.metadata.labels)) continue;
    if (api::is_terminating(pod) && api::is_terminal(pod)) continue;
    const Str node = target_node(pod);
    if (!node.empty()) in->by_node[node].push_back(api::cast<Pod>(o));
  }
  for (const api::ObjectRef& o :
       ctx.cache(api::Kind::ControllerRevision).by(client::IndexBy::kControllerUid, uid)) {
    in->revisions.push_back(api::cast<api::ControllerRevision>(o));
  }
  in->satisfied = creations_.satisfied(key, ctx.now()) && deletions_.satisfied(key, ctx.now());
  if (in->satisfied) choose_failed(ctx, key, *in);
  return run(ctx, key, Script(ctx, std::move(in)));
}

// A pod that keeps failing must not be replaced in a hot loop: each node waits 1 s, 2 s, 4 s, ...
void DaemonSetController::choose_failed(ReconcileContext& ctx, const Key& key, Inputs& in) {
  const DaemonSet& set = *in.set;
  const api::Time now = ctx.now();
  for (const auto& [node, pods] : in.by_node) {
    for (const PodPtr& p : pods) {
      if (p->status.phase != api::pod_phase::kFailed || api::is_terminating(*p)) continue;
      Backoff& b = backoff_[fmt::format("{}/{}/{}", set.metadata.uid.view(),
                                        set.metadata.generation, node.view())];
      api::Duration wait = api::Duration::seconds(1);
      for (int32_t i = 1; i < b.failures && wait < options_.max_failure_backoff; ++i) {
        wait = wait * 2;
      }
      wait = std::min(wait, options_.max_failure_backoff);
      if (b.failures > 0 && now - b.last < wait) {
        ctx.enqueue_after(key, wait - (now - b.last));
        continue;
      }
      ++b.failures;
      b.last = now;
      in.kill.insert(key_of(*p));
    }
  }
}

Plan DaemonSetController::run(ReconcileContext& ctx, const Key& key, Script script) {
  const Error e = body(ctx, key, script);
  if (e.is_pending()) return script.next_plan();
  if (e) return Plan::retry(e.message());
  const Inputs& in = script.inputs<Inputs>();
  const DaemonSetStatus s = status_of(in, "", ctx.now());
  return in.set->spec.min_ready_seconds > 0 && s.number_ready != s.number_available
             ? Plan::after(api::Duration::seconds(in.set->spec.min_ready_seconds))
             : Plan::done();
}

Error DaemonSetController::body(ReconcileContext& ctx, const Key& key, Script& script) {
  const Inputs& in = script.inputs<Inputs>();
  const DaemonSet& set = *in.set;
  std::vector<RevisionRef> revisions = in.revisions;
  sort_revisions(revisions);
  int32_t collisions = set.status.collision_count.value_or(0);
  RevisionRef current;
  if (Error e = sync_revision(script, set, set.spec.template_, set.spec.template_.metadata.labels,
                              &revisions, &collisions, &current)) {
    return e;
  }
  const std::string hash = current->metadata.labels.get(kHashLabel).str();

  Error failed;
  if (in.satisfied) {
    Work work;
    manage(script, hash, &work);
    const bool managed = !work.create_on.empty() || !work.remove.empty();
    failed = carry_out(ctx, key, script, work, hash);
    if (failed.is_pending()) return failed;
    if (!failed && !managed &&
        set.spec.update_strategy.type != api::daemon_set_update_strategy_type::kOnDelete) {
      Work update;
      rolling_update(in, hash, script.now(), &update);
      failed = carry_out(ctx, key, script, update, hash);
      if (failed.is_pending()) return failed;
    }
    if (!failed) {
      std::vector<Str> live{current->metadata.name};
      for (const RevisionRef& r : revisions) {
        for (const auto& [node, pods] : in.by_node) {
          for (const PodPtr& p : pods) {
            if (is_updated(*p, r->metadata.labels.get(kHashLabel).str())) {
              live.push_back(r->metadata.name);
            }
          }
        }
      }
      failed =
          truncate_history(script, revisions, set.spec.revision_history_limit.value_or(10), live);
      if (failed.is_pending()) return failed;
    }
  }
  DaemonSetStatus status = status_of(in, hash, script.now());
  if (in.satisfied) {
    status.observed_generation = set.metadata.generation;
    if (collisions > 0) status.collision_count = collisions;
  }
  if (!(status == set.status)) {
    api::Ref<DaemonSet> next = api::clone(set);
    next->status = status;
    if (Error e = script.must(update_status_request(next))) return e;
  }
  return failed;
}

// Which nodes lack a pod and which pods are one too many.
void DaemonSetController::manage(Script& script, const std::string& hash, Work* work) {
  const Inputs& in = script.inputs<Inputs>();
  const api::PodTemplateSpec t = daemon_template(*in.set);
  std::map<Str, bool> known;
  for (const auto& node : in.nodes) {
    known[node->metadata.name] = true;
    const auto pods = in.by_node.find(node->metadata.name);
    look_at_node(script, node->metadata.name, eligible(t, *node),
                 pods == in.by_node.end() ? Pods() : pods->second, hash, work);
  }
  // Pods that wait for a node that is no more.
  for (const auto& [node, pods] : in.by_node) {
    if (known.contains(node)) continue;
    for (const PodPtr& p : pods) {
      if (p->spec.node_name.empty()) work->remove.push_back(p);
    }
  }
}

void DaemonSetController::look_at_node(Script& script, const Str& node, const Eligible& e,
                                       const Pods& pods, const std::string& hash, Work* work) {
  const DaemonSet& set = *script.inputs<Inputs>().set;
  if (e.run && pods.empty()) {
    work->create_on.push_back(node);
    return;
  }
  if (!e.keep) {
    for (const PodPtr& p : pods) {
      if (!api::is_terminating(*p)) work->remove.push_back(p);
    }
    return;
  }
  Pods running;
  bool removed = false;
  for (const PodPtr& p : pods) {
    if (api::is_terminating(*p)) continue;
    if (p->status.phase == api::pod_phase::kFailed) {
      if (!script.inputs<Inputs>().kill.contains(key_of(*p))) continue;
      script.event(
          set, kWarning, "FailedDaemonPod",
          fmt::format("Found failed daemon pod {}/{} on node {}, will try to kill it",
                      p->metadata.namespace_.view(), p->metadata.name.view(), node.view()));
      work->remove.push_back(p);
      removed = true;
    } else if (p->status.phase == api::pod_phase::kSucceeded) {
      script.event(
          set, kNormal, "SucceededDaemonPod",
          fmt::format("Found succeeded daemon pod {}/{} on node {}, will try to delete it",
                      p->metadata.namespace_.view(), p->metadata.name.view(), node.view()));
      work->remove.push_back(p);
      removed = true;
    } else {
      running.push_back(p);
    }
  }
  if (removed && running.empty()) return;
  const auto& rolling = set.spec.update_strategy.rolling_update;
  const bool surge =
      rolling && rolling->max_surge && rolling->max_surge->scaled(100, true).value_or(0) > 0;
  std::stable_sort(running.begin(), running.end(), goes_before);
  if (!surge) {
    for (size_t i = 1; i < running.size(); ++i) work->remove.push_back(running[i]);
    return;
  }
  // One new and one old pod may be side by side.
  Pods fresh;
  Pods old;
  for (const PodPtr& p : running) (is_updated(*p, hash) ? fresh : old).push_back(p);
  for (size_t i = 1; i < fresh.size(); ++i) work->remove.push_back(fresh[i]);
  for (size_t i = 1; i < old.size(); ++i) work->remove.push_back(old[i]);
  if (!fresh.empty() && !old.empty() &&
      (!api::is_ready(*old[0]) || is_available(set, *fresh[0], script.now()))) {
    work->remove.push_back(old[0]);
  }
  if (running.empty() && e.run && !removed) work->create_on.push_back(node);
}

Error DaemonSetController::carry_out(ReconcileContext& ctx, const Key& key, Script& script,
                                     const Work& work, const std::string& hash) {
  const DaemonSet& set = *script.inputs<Inputs>().set;
  const size_t burst = static_cast<size_t>(options_.burst_replicas);
  const size_t creates = std::min(work.create_on.size(), burst);
  const size_t deletes = std::min(work.remove.size(), burst);
  if (script.live() && (creates > 0 || deletes > 0)) {
    creations_.expect_creations(key, static_cast<int64_t>(creates), ctx.now());
    std::vector<Str> names;
    for (size_t i = 0; i < deletes; ++i) names.push_back(key_of(*work.remove[i]));
    deletions_.expect_deletions(key, std::move(names), ctx.now());
  }
  std::string failure;
  const std::vector<Outcome>* outcomes = nullptr;
  if (creates > 0) {
    Step step;
    step.mode = Step::Mode::kSlowStart;
    if (script.live()) {
      api::PodTemplateSpec t = daemon_template(set);
      t.metadata.labels.set(kRevisionLabel, hash);
      const Str generation = set.metadata.annotations.get(kGenerationAnnotation);
      if (!generation.empty()) t.metadata.labels.set(kGenerationLabel, generation);
      for (size_t i = 0; i < creates; ++i) {
        api::Ref<Pod> pod = pod_from_template(t, set);
        api::NodeSelectorTerm term;
        term.match_fields = {api::requirement_in("metadata.name", {work.create_on[i]})};
        pod->spec.affinity.edit()
            .node_affinity.edit()
            .required_during_scheduling_ignored_during_execution = api::selector_of(term);
        step.writes.push_back({create_request(pod), kCreatePod});
      }
    }
    if (Error e = script.batch(std::move(step), &outcomes)) return e;
    for (const Outcome& o : *outcomes) {
      if (!o.ok() && o.code != 0 && !namespace_terminating(o) && failure.empty()) {
        failure = o.message.str();
      }
    }
  }
  if (deletes > 0) {
    Step step;
    step.mode = Step::Mode::kParallel;
    for (size_t i = 0; i < deletes; ++i) {
      step.writes.push_back({delete_request(*work.remove[i]), kDeletePod});
    }
    if (Error e = script.batch(std::move(step), &outcomes)) return e;
    for (const Outcome& o : *outcomes) {
      if (!o.ok() && !o.not_found() && failure.empty()) failure = o.message.str();
    }
  }
  return failure.empty() ? Error() : Error::failed(failure);
}

void DaemonSetController::rolling_update(const Inputs& in, const std::string& hash, api::Time now,
                                         Work* work) {
  const DaemonSet& set = *in.set;
  const api::PodTemplateSpec t = daemon_template(set);
  std::vector<std::pair<Str, Eligible>> nodes;
  int32_t desired = 0;
  for (const auto& node : in.nodes) {
    const Eligible e = eligible(t, *node);
    if (e.run) ++desired;
    nodes.emplace_back(node->metadata.name, e);
  }
  const auto& rolling = set.spec.update_strategy.rolling_update;
  const auto scaled = [desired](const std::optional<api::IntOrString>& v, int32_t otherwise) {
    return v ? static_cast<int32_t>(v->scaled(desired, true).value_or(0)) : otherwise;
  };
  const int32_t max_surge = rolling ? scaled(rolling->max_surge, 0) : 0;
  int32_t max_unavailable = rolling ? scaled(rolling->max_unavailable, 1) : 1;
  if (max_surge == 0 && max_unavailable == 0 && desired > 0) max_unavailable = 1;

  // The new and the old live pod of a node.
  const auto pair_of = [&](const Str& node) {
    std::pair<PodPtr, PodPtr> result;
    const auto pods = in.by_node.find(node);
    if (pods == in.by_node.end()) return result;
    for (const PodPtr& p : pods->second) {
      if (api::is_terminating(*p)) continue;
      (is_updated(*p, hash) ? result.first : result.second) = p;
    }
    return result;
  };
  if (max_surge == 0) {
    int32_t unavailable = 0;
    Pods candidates;
    Pods allowed;
    for (const auto& [name, e] : nodes) {
      const auto [fresh, old] = pair_of(name);
      if (!fresh && !old && !e.run) continue;
      if (fresh ? old || !is_available(set, *fresh, now) : !old) {
        ++unavailable;
      } else if (!fresh && !is_available(set, *old, now)) {
        allowed.push_back(old);
        ++unavailable;
      } else if (!fresh && unavailable < max_unavailable) {
        candidates.push_back(old);
      }
    }
    const size_t more = static_cast<size_t>(std::max(0, max_unavailable - unavailable));
    work->remove = allowed;
    for (size_t i = 0; i < candidates.size() && i < more; ++i) {
      work->remove.push_back(candidates[i]);
    }
    return;
  }
  int32_t surging = 0;
  std::vector<Str> candidates;
  for (const auto& [name, e] : nodes) {
    const auto [fresh, old] = pair_of(name);
    if (!old) continue;
    if (fresh) {
      if (is_available(set, *fresh, now)) {
        work->remove.push_back(old);
      } else {
        ++surging;
      }
    } else if (!is_available(set, *old, now)) {
      if (e.run) {
        work->create_on.push_back(name);
      } else {
        work->remove.push_back(old);
      }
    } else if (e.run) {
      candidates.push_back(name);
    }
  }
  const size_t more = static_cast<size_t>(std::max(0, max_surge - surging));
  for (size_t i = 0; i < candidates.size() && i < more; ++i) {
    work->create_on.push_back(candidates[i]);
  }
}

DaemonSetStatus DaemonSetController::status_of(const Inputs& in, const std::string& hash,
                                               api::Time now) {
  const DaemonSet& set = *in.set;
  const api::PodTemplateSpec t = daemon_template(set);
  DaemonSetStatus s = set.status;
  s.desired_number_scheduled = s.current_number_scheduled = s.number_misscheduled = 0;
  s.number_ready = s.number_available = s.updated_number_scheduled = 0;
  for (const auto& node : in.nodes) {
    const auto found = in.by_node.find(node->metadata.name);
    const bool scheduled = found != in.by_node.end() && !found->second.empty();
    if (!eligible(t, *node).run) {
      s.number_misscheduled += scheduled;
      continue;
    }
    ++s.desired_number_scheduled;
    if (!scheduled) continue;
    ++s.current_number_scheduled;
    const Pod& pod = **std::min_element(found->second.begin(), found->second.end(), goes_before);
    if (api::is_ready(pod)) {
      ++s.number_ready;
      s.number_available += is_available(set, pod, now);
    }
    s.updated_number_scheduled += is_updated(pod, hash);
  }
  s.number_unavailable = s.desired_number_scheduled - s.number_available;
  return s;
}

void DaemonSetController::on_write(ReconcileContext& ctx, const Key& key,
                                   const client::Write& write, const Outcome& outcome) {
  if (write.tag == kOther) return;
  const auto [ns, name] = split_key(key);
  const DaemonSet* set = ctx.cache(api::Kind::DaemonSet).get<DaemonSet>(ns, name);
  hear_of_pod(ctx, key, set, write.tag == kCreatePod, write, outcome, &creations_, &deletions_);
}

}  // namespace

std::unique_ptr<client::Reconciler> make_daemonset_controller(DaemonSetOptions options) {
  return std::make_unique<DaemonSetController>(options);
}

}  // namespace mainspring::controllers

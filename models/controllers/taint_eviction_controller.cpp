#include "models/controllers/taint_eviction_controller.h"

#include <fmt/format.h>

#include <map>
#include <optional>

#include "models/api/tolerations.h"
#include "models/controllers/script.h"
#include "models/controllers/taints.h"
#include "models/controllers/util.h"

namespace mainspring::controllers {

namespace {

using api::Node;
using api::Pod;
using api::Time;

constexpr int kTries = 5;

std::vector<api::Taint> no_execute_taints(const Node& node) {
  std::vector<api::Taint> taints;
  for (const api::Taint& t : node.spec.taints) {
    if (t.effect == api::taint_effect::kNoExecute) taints.push_back(t);
  }
  return taints;
}

// How long the pod may stay: nothing when some taint is not tolerated, max() for ever.
std::optional<api::Duration> toleration_time(const std::vector<api::Taint>& taints,
                                             const Pod& pod) {
  api::Duration least = api::Duration::max();
  for (const api::Taint& taint : taints) {
    const api::Toleration* used = nullptr;
    for (const api::Toleration& t : pod.spec.tolerations) {
      if (!used && api::tolerates(t, taint)) used = &t;
    }
    if (!used) return std::nullopt;
    if (!used->toleration_seconds) continue;
    if (*used->toleration_seconds <= 0) return api::Duration();
    least = std::min(least, api::Duration::seconds(*used->toleration_seconds));
  }
  return least;
}

class TaintEvictionController final : public client::Reconciler {
 public:
  std::string_view name() const override { return "taint-eviction-controller"; }
  std::unique_ptr<client::Reconciler> clone() const override {
    return std::make_unique<TaintEvictionController>(*this);
  }
  std::vector<client::WatchSpec> watches() const override {
    return {{api::Kind::Node, {}}, {api::Kind::Pod, {client::IndexBy::kNodeName}}};
  }
  int32_t workers() const override { return 8; }

  void start(ReconcileContext& ctx) override {
    for (const api::ObjectRef& o : ctx.cache(api::Kind::Node).list()) {
      node_changed(ctx, api::as<Node>(*o));
    }
  }
  void observe(ReconcileContext& ctx, const WatchEvent& event) override;
  // A key is a pod whose time may have come.
  Plan sync(ReconcileContext& ctx, const Key& key) override;
  Plan resume(ReconcileContext& ctx, const Key& key, uint32_t, const client::SyncState* log,
              const client::PlanResult& result) override {
    return run(key, Script(ctx, log, result));
  }

 private:
  struct Work {
    Time created;
    Time fire;
    bool fired = false;  // kept, so that the pod is not deleted twice
  };
  struct NoInputs final : client::SyncState {};

  void node_changed(ReconcileContext& ctx, const Node& node);
  void process(ReconcileContext& ctx, const Pod& pod, const std::vector<api::Taint>& taints);
  void cancel(ReconcileContext& ctx, const Key& pod);
  void add(ReconcileContext& ctx, const Key& pod, Time created, Time fire);
  Plan run(const Key& key, Script script);
  Error evict(const Key& key, Script& script);

  std::map<api::Str, std::vector<api::Taint>> tainted_;  // nodes with NoExecute taints
  std::map<Key, Work> work_;                             // by pod
};

// Events of this controller are about a name only.
api::Ref<Pod> reference(const Key& key) {
  const auto [ns, name] = split_key(key);
  api::Ref<Pod> pod = api::make<Pod>();
  pod->metadata.namespace_ = ns;
  pod->metadata.name = name;
  return pod;
}

void TaintEvictionController::observe(ReconcileContext& ctx, const WatchEvent& event) {
  if (event.object->kind == api::Kind::Node) {
    const Node& node = api::as<Node>(*event.object);
    if (event.type == WatchType::kDeleted) {
      tainted_.erase(node.metadata.name);
    } else if (!event.old || !(api::as<Node>(*event.old).spec.taints == node.spec.taints)) {
      node_changed(ctx, node);
    }
    return;
  }
  if (event.object->kind != api::Kind::Pod) return;
  const Pod& pod = api::as<Pod>(*event.object);
  if (event.type == WatchType::kDeleted) {
    cancel(ctx, key_of(pod));
    return;
  }
  if (pod.spec.node_name.empty()) return;
  if (event.type == WatchType::kModified && event.old) {
    const Pod& old = api::as<Pod>(*event.old);
    if (old.spec.node_name == pod.spec.node_name && old.spec.tolerations == pod.spec.tolerations) {
      return;
    }
  }
  const auto taints = tainted_.find(pod.spec.node_name);
  if (taints != tainted_.end()) process(ctx, pod, taints->second);
}

void TaintEvictionController::node_changed(ReconcileContext& ctx, const Node& node) {
  std::vector<api::Taint> taints = no_execute_taints(node);
  const bool was_tainted = tainted_.contains(node.metadata.name);
  if (taints.empty() && !was_tainted) return;
  const auto pods =
      ctx.cache(api::Kind::Pod).by(client::IndexBy::kNodeName, node.metadata.name.view());
  if (taints.empty()) {
    tainted_.erase(node.metadata.name);
    for (const api::ObjectRef& pod : pods) cancel(ctx, key_of(*pod));
    return;
  }
  const std::vector<api::Taint>& kept = tainted_[node.metadata.name] = std::move(taints);
  for (const api::ObjectRef& pod : pods) process(ctx, api::as<Pod>(*pod), kept);
}

void TaintEvictionController::process(ReconcileContext& ctx, const Pod& pod,
                                      const std::vector<api::Taint>& taints) {
  const Key key = key_of(pod);
  const Time now = ctx.now();
  const std::optional<api::Duration> stay = toleration_time(taints, pod);
  if (!stay) {
    cancel(ctx, key);
    add(ctx, key, now, now);
    return;
  }
  if (*stay == api::Duration::max()) {
    cancel(ctx, key);
    return;
  }
  Time created = now;
  const auto found = work_.find(key);
  if (found != work_.end() && !found->second.fired) {
    // Whoever is waiting already goes on from when it began to wait.
    created = found->second.created;
    if (created < now) return;
    cancel(ctx, key);
  }
  add(ctx, key, created, now + *stay);
}

void TaintEvictionController::cancel(ReconcileContext& ctx, const Key& pod) {
  const auto found = work_.find(pod);
  if (found == work_.end()) return;
  const bool waiting = !found->second.fired;
  work_.erase(found);
  if (waiting) {
    ctx.event(*reference(pod), kNormal, "TaintManagerEviction",
              fmt::format("Cancelling deletion of Pod {}", pod.view()));
  }
}

void TaintEvictionController::add(ReconcileContext& ctx, const Key& pod, Time created, Time fire) {
  if (!work_.try_emplace(pod, Work{created, fire, fire <= ctx.now()}).second) return;
  ctx.queue().add_at(pod, fire, ctx.now());
}

Plan TaintEvictionController::sync(ReconcileContext& ctx, const Key& key) {
  const auto found = work_.find(key);
  if (found == work_.end()) return Plan::done();
  // The queue keeps the earliest of several times for a key; the pod may have been given a later.
  if (found->second.fire > ctx.now()) return Plan::after(found->second.fire - ctx.now());
  found->second.fired = true;
  return run(key, Script(ctx, api::Ref<const client::SyncState>(new NoInputs())));
}

Plan TaintEvictionController::run(const Key& key, Script script) {
  const Error e = evict(key, script);
  if (e.is_pending()) return script.next_plan();
  // Forgotten after a failure, so that the next change of the pod or its node tries again.
  if (e) work_.erase(key);
  return Plan::done();
}

Error TaintEvictionController::evict(const Key& key, Script& script) {
  const api::Ref<Pod> about = reference(key);
  script.event(*about, kNormal, "TaintManagerEviction",
               fmt::format("Marking for deletion Pod {}", key.view()));
  std::string why;
  for (int i = 0; i < kTries; ++i) {
    const Outcome* o = nullptr;
    if (Error e = script.call(get_request(*about), &o)) return e;
    if (o->ok()) {
      const Pod& pod = api::as<Pod>(*o->object);
      api::Ref<Pod> body = api::clone(pod);
      api::PodCondition c;
      c.type = api::pod_condition_type::kDisruptionTarget;
      c.status = kTrue;
      c.reason = "DeletionByTaintManager";
      c.message = "Taint manager: deleting due to NoExecute taint";
      c.last_transition_time = script.now().truncated_to_second();
      if (api::set_pod_condition(body->status, c)) {
        body->metadata.resource_version = {};
        Request patch = update_status_request(body);
        patch.verb = Verb::kPatchStatus;
        patch.uid = pod.metadata.uid;
        if (Error e = script.call(std::move(patch), &o)) return e;
      }
      if (o->ok()) {
        if (Error e = script.call(delete_request(pod), &o)) return e;
      }
      if (o->ok()) return {};
    }
    why = o->message.str();
  }
  return Error::failed(why);
}

}  // namespace

std::unique_ptr<client::Reconciler> make_taint_eviction_controller() {
  return std::make_unique<TaintEvictionController>();
}

}  // namespace mainspring::controllers

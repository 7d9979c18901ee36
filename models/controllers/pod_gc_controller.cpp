#include "models/controllers/pod_gc_controller.h"

#include <algorithm>
#include <map>
#include <set>

#include "models/controllers/script.h"
#include "models/controllers/taints.h"
#include "models/controllers/util.h"

namespace mainspring::controllers {

namespace {

using api::Node;
using api::Pod;
using api::Time;

enum Timer : client::Cookie { kRound = 1 };

// Keys: "n/NODE" looks for a node and removes its pods; the others remove one pod each.
constexpr char kOrphansOf = 'n';
constexpr char kTerminated = 't';
constexpr char kOutOfService = 'o';
constexpr char kUnscheduled = 'u';

struct Inputs final : client::SyncState {
  api::Str node;
  std::vector<api::Ref<const Pod>> pods;
};

class PodGcController final : public client::Reconciler {
 public:
  explicit PodGcController(PodGcOptions options) : options_(options) {}

  std::string_view name() const override { return "pod-garbage-collector"; }
  std::unique_ptr<client::Reconciler> clone() const override {
    return std::make_unique<PodGcController>(*this);
  }
  std::vector<client::WatchSpec> watches() const override {
    return {{api::Kind::Node, {}}, {api::Kind::Pod, {client::IndexBy::kNodeName}}};
  }
  int32_t workers() const override { return 1; }

  void start(ReconcileContext& ctx) override {
    for (const api::ObjectRef& o : ctx.cache(api::Kind::Pod).list()) {
      note(api::as<Pod>(*o), nullptr);
    }
    round(ctx);
  }
  void observe(ReconcileContext&, const WatchEvent& event) override {
    if (event.object->kind == api::Kind::Pod) {
      const Pod* old = event.old ? &api::as<Pod>(*event.old) : nullptr;
      if (event.type == WatchType::kDeleted) {
        note(Pod(), &api::as<Pod>(*event.object));
      } else {
        note(api::as<Pod>(*event.object), old);
      }
    } else if (event.type != WatchType::kModified) {
      look_for_missing_ = true;
    }
  }
  void on_timer(ReconcileContext& ctx, client::Cookie) override { round(ctx); }
  Plan sync(ReconcileContext& ctx, const Key& key) override;
  Plan resume(ReconcileContext& ctx, const Key& key, uint32_t, const client::SyncState* log,
              const client::PlanResult& result) override {
    return run(ctx, key, Script(ctx, log, result));
  }

 private:
  // Keeps count of what a round would look for, so that a quiet round need not walk all pods.
  void note(const Pod& now, const Pod* old);
  void round(ReconcileContext& ctx);
  void collect_terminated(ReconcileContext& ctx);
  Plan run(ReconcileContext& ctx, const Key& key, Script script);
  Error remove_pods(Script& script, bool orphaned, bool fail);

  PodGcOptions options_;
  std::map<api::Str, int64_t> on_node_;  // pods per node name
  std::set<api::Str> terminating_;       // pods with a deletion timestamp
  int64_t terminated_ = 0;
  std::map<api::Str, Time> quarantine_;  // missing nodes, until when
  // Nodes or pods came or went: pods may be on nodes that are missing and not in quarantine.
  bool look_for_missing_ = true;
};

void PodGcController::note(const Pod& now, const Pod* old) {
  // Most changes of a pod change nothing of what is counted here.
  if (old && old->spec.node_name == now.spec.node_name && !now.metadata.name.empty() &&
      old->status.phase == now.status.phase &&
      api::is_terminating(*old) == api::is_terminating(now)) {
    return;
  }
  if (old) {
    if (!old->spec.node_name.empty()) {
      const auto at = on_node_.find(old->spec.node_name);
      if (at != on_node_.end() && --at->second == 0) on_node_.erase(at);
    }
    if (api::is_terminal(*old)) --terminated_;
    terminating_.erase(key_of(*old));
  }
  if (now.metadata.name.empty()) return;
  if (!now.spec.node_name.empty() && ++on_node_[now.spec.node_name] == 1) {
    look_for_missing_ = true;
  }
  if (api::is_terminal(now)) ++terminated_;
  if (api::is_terminating(now)) terminating_.insert(key_of(now));
}

void PodGcController::round(ReconcileContext& ctx) {
  const Time now = ctx.now();
  const client::Cache& nodes = ctx.cache(api::Kind::Node);
  const client::Cache& pods = ctx.cache(api::Kind::Pod);
  if (options_.terminated_threshold > 0 && terminated_ > options_.terminated_threshold) {
    collect_terminated(ctx);
  }
  for (const api::Str& key : terminating_) {
    const auto [ns, name] = split_key(key);
    const Pod* pod = pods.get<Pod>(ns, name);
    if (!pod) continue;
    if (pod->spec.node_name.empty()) {
      ctx.queue().add(std::string(1, kUnscheduled) + "/" + key.str());
      continue;
    }
    const Node* node = nodes.get<Node>("", pod->spec.node_name);
    if (node && !api::is_ready(*node) &&
        std::any_of(node->spec.taints.begin(), node->spec.taints.end(),
                    [](const api::Taint& t) { return t.key == kTaintOutOfService; })) {
      ctx.queue().add(std::string(1, kOutOfService) + "/" + key.str());
    }
  }
  // Nodes that exist again leave quarantine; those whose time is up are looked at.
  for (auto it = quarantine_.begin(); it != quarantine_.end();) {
    const bool back = nodes.find("", it->first) != nullptr;
    if (back || it->second <= now) {
      if (!back) ctx.queue().add(std::string(1, kOrphansOf) + "/" + it->first.str());
      it = quarantine_.erase(it);
      look_for_missing_ = true;
    } else {
      ++it;
    }
  }
  if (look_for_missing_) {
    look_for_missing_ = false;
    for (const auto& [node, count] : on_node_) {
      if (!nodes.find("", node)) quarantine_.try_emplace(node, now + options_.quarantine);
    }
  }
  ctx.control().set_timer(now + options_.period, kRound);
}

// The oldest terminated pods beyond the threshold, those that the kubelet evicted before others.
void PodGcController::collect_terminated(ReconcileContext& ctx) {
  std::vector<const Pod*> done;
  const std::vector<api::ObjectRef> all = ctx.cache(api::Kind::Pod).list();
  for (const api::ObjectRef& o : all) {
    const Pod& pod = api::as<Pod>(*o);
    if (api::is_terminal(pod)) done.push_back(&pod);
  }
  const auto evicted = [](const Pod& p) {
    return p.status.phase == api::pod_phase::kFailed && p.status.reason == "Evicted";
  };
  std::stable_sort(done.begin(), done.end(), [&](const Pod* a, const Pod* b) {
    if (evicted(*a) != evicted(*b)) return evicted(*a);
    return older(a->metadata, b->metadata);
  });
  const size_t surplus = done.size() - static_cast<size_t>(options_.terminated_threshold);
  for (size_t i = 0; i < surplus; ++i) {
    ctx.queue().add(std::string(1, kTerminated) + "/" + key_of(*done[i]).str());
  }
}

Plan PodGcController::sync(ReconcileContext& ctx, const Key& key) {
  const std::string_view rest = key.view().substr(2);
  api::Ref<Inputs> in(new Inputs());
  const client::Cache& pods = ctx.cache(api::Kind::Pod);
  if (key.view().front() == kOrphansOf) {
    in->node = rest;
    for (const api::ObjectRef& o : pods.by(client::IndexBy::kNodeName, rest)) {
      in->pods.push_back(api::cast<Pod>(o));
    }
  } else {
    const auto [ns, name] = split_key(Key(rest));
    const api::Ref<const Pod> pod = pods.get_ref<Pod>(std::string(ns), std::string(name));
    if (pod) in->pods.push_back(pod);
  }
  if (in->pods.empty()) return Plan::done();
  return run(ctx, key, Script(ctx, std::move(in)));
}

Plan PodGcController::run(ReconcileContext&, const Key& key, Script script) {
  const char kind = key.view().front();
  Error e;
  if (kind == kOrphansOf) {
    // The cache may be behind: the node is asked for once more before its pods go.
    api::Ref<Node> node = api::make<Node>();
    node->metadata.name = script.inputs<Inputs>().node;
    const Outcome* o = nullptr;
    e = script.call(get_request(*node), &o);
    if (!e && o->not_found()) e = remove_pods(script, true, true);
  } else {
    e = remove_pods(script, false, kind == kOutOfService);
  }
  // Whatever failed is tried in the next round.
  return e.is_pending() ? script.next_plan() : Plan::done();
}

Error PodGcController::remove_pods(Script& script, bool orphaned, bool fail) {
  for (const api::Ref<const Pod>& pod : script.inputs<Inputs>().pods) {
    const Outcome* o = nullptr;
    if (fail && !api::is_terminal(*pod)) {
      api::Ref<Pod> body = api::clone(*pod);
      body->metadata.resource_version = {};
      body->status.phase = api::pod_phase::kFailed;
      if (orphaned) {
        api::PodCondition c;
        c.type = api::pod_condition_type::kDisruptionTarget;
        c.status = kTrue;
        c.reason = "DeletionByPodGC";
        c.message = "PodGC: node no longer exists";
        c.last_transition_time = script.now().truncated_to_second();
        api::set_pod_condition(body->status, c);
      }
      Request patch = update_status_request(body);
      patch.verb = Verb::kPatchStatus;
      patch.uid = pod->metadata.uid;
      if (Error e = script.call(std::move(patch), &o)) return e;
      if (!o->ok()) continue;
    }
    Request remove = delete_request(*pod);
    remove.grace_period_seconds = 0;
    if (Error e = script.call(std::move(remove), &o)) return e;
  }
  return {};
}

}  // namespace

std::unique_ptr<client::Reconciler> make_pod_gc_controller(PodGcOptions options) {
  return std::make_unique<PodGcController>(options);
}

}  // namespace mainspring::controllers

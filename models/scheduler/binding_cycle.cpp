// From a decision to a bound pod: assume, Reserve, Permit, PreBind, Bind, PostBind, each step over
// virtual time. Source: pkg/scheduler/schedule_one.go, framework/runtime/{framework,
// waiting_pods_map}.go (v1.35).
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "models/api/time_format.h"
#include "models/scheduler/scheduler.h"

namespace mainspring::scheduler {

namespace {
constexpr api::Duration kMaxPermitWait = api::Duration::minutes(15);  // runtime.maxTimeout
}  // namespace

// The scheduler's bindings as Permit plugins see them.
struct Scheduler::Waiting final : WaitingPods {
  explicit Waiting(Scheduler& s) : self(s) {}
  std::vector<PodInfoRef> waiting() const override {
    std::vector<PodInfoRef> out;
    for (const auto& [id, b] : self.bindings_) {
      if (!b.waits_for.empty() && !b.verdict) out.push_back(b.assumed);
    }
    return out;
  }
  void allow(const api::Str& uid, PluginId plugin) override {
    Binding* b = self.find_waiting(uid);
    if (!b) return;
    std::erase_if(b->waits_for, [&](const auto& p) { return p.plugin == plugin; });
    if (b->waits_for.empty()) b->verdict = Status();
  }
  bool reject(const api::Str& uid, PluginId plugin, api::Str reason) override {
    return self.reject_waiting(uid, plugin, std::move(reason));
  }
  Scheduler& self;
};

Scheduler::Binding* Scheduler::find_waiting(const api::Str& uid) {
  if (waiting_ == 0) return nullptr;
  for (auto& [id, b] : bindings_) {
    if (!b.waits_for.empty() && !b.verdict && b.assumed->uid() == uid) return &b;
  }
  return nullptr;
}

bool Scheduler::reject_waiting(const api::Str& uid, PluginId plugin, api::Str reason) {
  Binding* b = find_waiting(uid);
  if (!b) return false;
  b->verdict = Status::unschedulable(std::move(reason)).set_plugin(plugin);
  return true;
}

void Scheduler::bind(client::ControlContext& ctx, Cycle& cycle, QueuedPod queued, uint32_t slot) {
  const Profile& profile = cycle.profile;
  const api::Str node = cluster_.node(slot).name;
  Binding b;
  b.queued = std::move(queued);
  b.assumed = cluster_.placed_on(cycle.info(), node);
  cluster_.assume(b.assumed);
  queue_.nominator.remove(b.assumed->uid());

  const auto refuse = [&](const Status& s, const Plugin& p, std::string_view point) {
    release(ctx, b);
    Failure f{.rejected = s.is_rejected(), .message = {}};
    if (s.is_rejected()) {
      NodeStatuses one;
      one.list.emplace_back(slot, s);
      f.message = rejection_histogram(1, one);
      (s.code() == Code::kPending ? b.queued.pending_plugins : b.queued.unschedulable_plugins)
          .insert(p.id());
    } else {
      f.message = fmt::format("running {} plugin \"{}\": {}", point, p.name(), s.message());
    }
    fail(ctx, std::move(b.queued), f);
  };
  for (Plugin* p : profile.at(kReserve)) {
    const Status s = profile.lacks_pre_filter(*p)
                         ? Status::error(p->misses_pre_filter())
                         : p->reserve(cycle, *b.assumed, cluster_.node(slot));
    if (!s.ok()) return refuse(s, *p, "Reserve");
  }
  Waiting waiting(*this);
  cycle.waiting = &waiting;
  for (Plugin* p : profile.at(kPermit)) {
    api::Duration timeout;
    const Status s = p->permit(cycle, *b.assumed, cluster_.node(slot), &timeout);
    if (s.code() == Code::kWait) {
      timeout = std::min(timeout, kMaxPermitWait);
      b.waits_for.push_back({p->id(), timeout, ctx.now() + timeout});
      if (scratch_.observer) scratch_.observer->waits(*b.assumed, kPermit, p->id());
    } else if (!s.ok()) {
      return refuse(s, *p, "Permit");
    }
  }
  cycle.waiting = nullptr;
  start_binding(ctx, std::move(b));
}

void Scheduler::start_binding(client::ControlContext& ctx, Binding b) {
  const api::Str& node = b.assumed->node_name;
  bool works = !b.waits_for.empty();
  const Profile& profile = profiles_[b.queued.profile];
  for (Plugin* p : profile.at(kPreBind)) {
    const Status s = profile.lacks_pre_filter(*p) ? Status::error(p->misses_pre_filter())
                                                  : p->pre_bind_pre_flight(ctx, *b.assumed, node);
    if (s.is_skip()) {
      b.skip.insert(p->id());
    } else if (s.ok()) {
      works = true;
    } else {
      return give_up(ctx, std::move(b),
                     Status::error(fmt::format("running PreBindPreFlight \"{}\": {}", p->name(),
                                               s.message())));
    }
  }
  const uint64_t id = ++next_id_;
  for (const Binding::Patience& p : b.waits_for) ctx.set_timer(p.until, cookie(kPatience, id));
  if (!b.waits_for.empty()) ++waiting_;
  const PodInfoRef pod = b.assumed;
  bindings_.emplace(id, std::move(b));
  if (!works || pod->pod->status.nominated_node_name == pod->node_name) {
    return await_permit(ctx, id);
  }
  // It will take a while: others, as the cluster autoscaler, shall know where the pod goes.
  client::Request request;
  request.verb = client::Verb::kPatchStatusJson;
  request.patch_type = client::PatchType::kStrategicMerge;
  request.kind = api::Kind::Pod;
  request.ns = pod->ns();
  request.name = pod->pod->metadata.name;
  request.patch = api::Json::object(
      {{"status", api::Json::object({{"nominatedNodeName", api::Json(pod->node_name)}})}});
  ctx.submit(std::move(request), cookie(kNominate, id));
}

void Scheduler::await_permit(client::ControlContext& ctx, uint64_t id) {
  const auto it = bindings_.find(id);
  if (it == bindings_.end()) return;
  it->second.at_permit = true;
  if (!it->second.waits_for.empty() || it->second.verdict) return hear_permits(ctx);
  queue_.done(it->second.assumed->uid());
  pre_bind(ctx, id, nullptr);
}

void Scheduler::permit_timed_out(client::ControlContext& ctx, uint64_t id) {
  const auto it = bindings_.find(id);
  if (it == bindings_.end() || it->second.verdict) return;
  for (const Binding::Patience& p : it->second.waits_for) {
    if (p.until > ctx.now()) continue;
    it->second.verdict =
        Status::unschedulable(
            fmt::format("rejected due to timeout after waiting {} at plugin {}",
                        api::format_duration(p.timeout),
                        profiles_[it->second.queued.profile].plugin_name(p.plugin)))
            .set_plugin(p.plugin);
    break;
  }
  hear_permits(ctx);
}

// Lets those go on, or back, about whom Permit plugins have made up their minds.
void Scheduler::hear_permits(client::ControlContext& ctx) {
  while (waiting_ > 0) {
    const auto it = std::find_if(bindings_.begin(), bindings_.end(), [](const auto& e) {
      return e.second.verdict && e.second.at_permit;
    });
    if (it == bindings_.end()) return;
    --waiting_;
    const Status verdict = std::move(*it->second.verdict);
    it->second.verdict.reset();
    it->second.waits_for.clear();
    if (verdict.ok()) {
      queue_.done(it->second.assumed->uid());
      pre_bind(ctx, it->first, nullptr);
      continue;
    }
    Binding b = std::move(it->second);
    bindings_.erase(it);
    const bool freed = release(ctx, b);
    NodeStatuses one;
    one.list.emplace_back(0, verdict);
    if (verdict.plugin() == kNoPlugin) {
      b.queued.unschedulable_plugins.insert_framework();
    } else {
      b.queued.unschedulable_plugins.insert(verdict.plugin());
    }
    fail(ctx, std::move(b.queued),
         {.rejected = true,
          .message = rejection_histogram(1, one),
          .in_cycle = false,
          .room = freed ? b.assumed : PodInfoRef()});
  }
}

void Scheduler::pre_bind(client::ControlContext& ctx, uint64_t id, const client::Outcome* outcome) {
  const auto it = bindings_.find(id);
  if (it == bindings_.end()) return;
  Binding& b = it->second;
  const auto plugins = profiles_[b.queued.profile].at(kPreBind);
  for (; b.pre_bind < plugins.size(); ++b.pre_bind, outcome = nullptr) {
    Plugin* p = plugins[b.pre_bind];
    if (b.skip.contains(p->id())) continue;
    PreBindStep step;
    step.outcome = outcome;
    Status s = p->pre_bind(ctx, *b.assumed, b.assumed->node_name, &step);
    if (s.code() == Code::kWait) {
      if (step.request) {
        ctx.submit(std::move(*step.request), cookie(kStep, id));
      } else {
        if (scratch_.observer) scratch_.observer->waits(*b.assumed, kPreBind, p->id());
        ctx.set_timer(ctx.now() + step.wait, cookie(kStep, id));
      }
      return;
    }
    if (s.ok()) continue;
    if (!s.is_rejected()) {
      s = Status::error(fmt::format("running PreBind plugin \"{}\": {}", p->name(), s.message()));
    }
    Binding failed = std::move(b);
    bindings_.erase(it);
    return give_up(ctx, std::move(failed), s);
  }
  send_binding(ctx, id);
}

void Scheduler::send_binding(client::ControlContext& ctx, uint64_t id) {
  const auto it = bindings_.find(id);
  Binding& b = it->second;
  for (Plugin* p : profiles_[b.queued.profile].at(kBind)) {
    client::Request request;
    if (p->bind(*b.assumed, b.assumed->node_name, &request).is_skip()) continue;
    b.binder = p->name();
    return ctx.submit(std::move(request), cookie(kBindPod, id));
  }
  Binding failed = std::move(b);
  bindings_.erase(it);
  give_up(ctx, std::move(failed), Status::error("no bind plugin took the pod"));
}

void Scheduler::bound(client::ControlContext& ctx, Binding b, const client::Outcome& outcome) {
  if (!outcome.ok()) {
    const Status why = Status::error(
        fmt::format("running Bind plugin \"{}\": {}", b.binder, outcome.message.view()));
    return give_up(ctx, std::move(b), why);
  }
  const PodInfo& pod = *b.assumed;
  cluster_.finish_binding(pod.uid());
  if (scratch_.observer) scratch_.observer->bound(pod);
  recorders_[b.queued.profile].event_v1(
      ctx, *pod.pod, "Normal", "Scheduled", "Binding",
      fmt::format("Successfully assigned {} to {}", pod.key(), pod.node_name.view()));
  for (Plugin* p : profiles_[b.queued.profile].at(kPostBind)) {
    p->post_bind(ctx, pod, pod.node_name);
  }
}

bool Scheduler::release(client::ControlContext& ctx, const Binding& b) {
  const auto plugins = profiles_[b.queued.profile].at(kReserve);
  for (size_t i = plugins.size(); i-- > 0;) {
    plugins[i]->unreserve(ctx, *b.assumed, b.assumed->node_name);
  }
  // One that was deleted on its way has left already, and Kubernetes counts that as forgetting it.
  const api::Str& uid = b.assumed->uid();
  const bool forgotten = cluster_.is_assumed(uid) || !cluster_.find_pod(uid);
  cluster_.forget(uid);
  return forgotten;
}

// The room that the pod held is free. A pod that was rejected is back in the queue by then and does
// not hear of it: its own room does not help it.
void Scheduler::tell_of_room(client::ControlContext& ctx, const PodInfoRef& pod, bool rejected) {
  move_all(ctx, {Resource::kAssignedPod, kDelete}, {.old_pod = pod}, std::nullopt,
           rejected ? pod->uid() : api::Str());
}

void Scheduler::give_up(client::ControlContext& ctx, Binding b, const Status& why) {
  const bool freed = release(ctx, b);
  const bool rejected = why.is_rejected();
  if (freed && !rejected) tell_of_room(ctx, b.assumed, false);
  fail(ctx, std::move(b.queued),
       {.rejected = rejected,
        .message = why.message(),
        .in_cycle = false,
        .room = freed && rejected ? b.assumed : PodInfoRef()});
}

// A pod is being deleted, or gone, on its way to its node: what it holds is free at once. Its
// binding goes on, and fails.
void Scheduler::assumed_pod_deleted(client::ControlContext& ctx, const api::Str& uid) {
  const PodInfoRef pod = cluster_.find_pod(uid);
  if (!reject_waiting(uid, kNoPlugin, "removed")) cluster_.forget(uid);
  move_all(ctx, {Resource::kAssignedPod, kDelete}, {.old_pod = pod});
}

}  // namespace mainspring::scheduler

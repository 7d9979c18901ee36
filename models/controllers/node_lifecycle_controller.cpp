#include "models/controllers/node_lifecycle_controller.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>
#include <set>

#include "models/client/lease_clock.h"
#include "models/client/token_bucket.h"
#include "models/controllers/script.h"
#include "models/controllers/taints.h"
#include "models/controllers/util.h"

namespace mainspring::controllers {

namespace {

using api::Duration;
using api::Node;
using api::NodeCondition;
using api::Pod;
using api::Str;
using api::Time;
using NodeRef = api::Ref<const Node>;

namespace condition = api::node_condition_type;
constexpr std::string_view kNoSchedule = api::taint_effect::kNoSchedule;
constexpr std::string_view kNoExecute = api::taint_effect::kNoExecute;
constexpr std::string_view kLeaseNamespace = "kube-node-lease";
constexpr int kStatusTries = 5;  // NodeHealthUpdateRetry
// Pass times are kept this long, to know which pass saw a renewal first.
constexpr Duration kPassMemory = Duration::minutes(5);

enum Timer : client::Cookie { kMonitor = 1, kTaintLoop = 2 };

// The kinds of work in the queue, as prefixes of its keys.
constexpr char kNodeTaints = 'n';  // NoSchedule taints and labels of a node that changed
constexpr char kHealth = 'm';      // a node whose pass needs writes
constexpr char kEvict = 'x';       // the NoExecute taint of a node
constexpr char kReachable = 'r';   // takes the NoExecute taints away
constexpr char kPod = 'p';         // a pod just bound to a node

struct ConditionTaint {
  std::string_view type;
  std::string_view status;
  std::string_view key;
};
constexpr ConditionTaint kConditionTaints[] = {
    {condition::kReady, kFalse, kTaintNotReady},
    {condition::kReady, kUnknown, kTaintUnreachable},
    {condition::kMemoryPressure, kTrue, "node.kubernetes.io/memory-pressure"},
    {condition::kDiskPressure, kTrue, "node.kubernetes.io/disk-pressure"},
    {condition::kNetworkUnavailable, kTrue, "node.kubernetes.io/network-unavailable"},
    {condition::kPIDPressure, kTrue, "node.kubernetes.io/pid-pressure"},
};

Str typed_key(char kind, std::string_view rest) { return fmt::format("{}/{}", kind, rest); }

// What the Ready condition says; kNone where there is none.
enum class Ready : uint8_t { kNone, kTrue, kFalse, kUnknown };
Ready ready_of(const Node& node) {
  const NodeCondition* c = api::find_condition(node.status.conditions, condition::kReady);
  if (!c) return Ready::kNone;
  if (c->status == kTrue) return Ready::kTrue;
  return c->status == kFalse ? Ready::kFalse : Ready::kUnknown;
}

std::string zone_of(const Node& node) {
  const Str region = node.metadata.labels.get("topology.kubernetes.io/region");
  const Str zone = node.metadata.labels.get("topology.kubernetes.io/zone");
  if (region.empty() && zone.empty()) return {};
  return fmt::format("{}:{}", region.view(), zone.view());
}

bool counts_for_disruption(const Node& node) {
  return !node.metadata.labels.contains("node.kubernetes.io/exclude-disruption");
}

// A rate limiter that can be set to "never".
class Limiter {
 public:
  explicit Limiter(int64_t rate_milli) : rate_milli_(rate_milli), bucket_(rate_milli, 1) {}
  bool never() const { return rate_milli_ <= 0; }
  bool try_take(Time now) { return !never() && bucket_.try_take(now); }
  // A limiter that had no token left hands that on to its successor.
  void set_rate(int64_t rate_milli, Time now) {
    if (rate_milli == rate_milli_) return;
    const bool drained = !try_take(now);
    rate_milli_ = rate_milli;
    bucket_ = client::TokenBucket(rate_milli, 1);
    if (drained) try_take(now);
  }

 private:
  int64_t rate_milli_;
  client::TokenBucket bucket_;
};

enum class ZoneState : uint8_t { kInitial, kNormal, kPartial, kFull };

struct Zone {
  explicit Zone(int64_t rate_milli) : limiter(rate_milli) {}
  ZoneState state = ZoneState::kInitial;
  Limiter limiter;
  std::deque<Str> queue;  // nodes waiting for their NoExecute taint
  std::set<Str> members;  // nodes added and not removed since: added once only
};

// What is remembered of a node between passes.
struct Health {
  Time probe;                  // when a sign of life was noticed last
  Time lease_seen;             // renewal noticed last
  Ready ready = Ready::kNone;  // as the last pass left it
  Time heartbeat;              // of the Ready condition then
  std::string zone;
  bool counts = true;
  Time due;  // its place in `due_`
  // The node as it was looked at last, if it was ready and wanted nothing: while it stays the same
  // object, only its signs of life count.
  NodeRef quiet;
};

struct Inputs final : client::SyncState {
  NodeRef node;
  std::vector<api::Ref<const Pod>> pods;
  bool unknown = false;  // the conditions become Unknown in this pass
};

class NodeLifecycleController final : public client::Reconciler {
 public:
  explicit NodeLifecycleController(NodeLifecycleOptions options) : options_(options) {}

  std::string_view name() const override { return "node-controller"; }
  std::unique_ptr<client::Reconciler> clone() const override {
    return std::make_unique<NodeLifecycleController>(*this);
  }
  std::vector<client::WatchSpec> watches() const override {
    return {{api::Kind::Node, {}},
            {api::Kind::Lease, {}},
            {api::Kind::Pod, {client::IndexBy::kNodeName}}};
  }
  // 8 for nodes that changed, 8 in a pass, 4 for pods.
  int32_t workers() const override { return 20; }

  void start(ReconcileContext& ctx) override;
  void observe(ReconcileContext& ctx, const WatchEvent& event) override;
  void on_timer(ReconcileContext& ctx, client::Cookie cookie) override;
  Plan sync(ReconcileContext& ctx, const Key& key) override;
  Plan resume(ReconcileContext& ctx, const Key& key, uint32_t, const client::SyncState* log,
              const client::PlanResult& result) override {
    return run(ctx, key, Script(ctx, log, result));
  }

 private:
  Plan run(ReconcileContext& ctx, const Key& key, Script script);
  Error node_taints(Script& script);
  Error health(ReconcileContext& ctx, Script& script);
  Error update_conditions(Script& script, const Inputs& in, bool* written);
  Error taint_based_eviction(ReconcileContext& ctx, Script& script, const Node& node, Ready ready);
  Error mark_pods_not_ready(Script& script, const Inputs& in, bool* complete);

  void pass(ReconcileContext& ctx);
  bool is_quiet(ReconcileContext& ctx, const Str& name, Health& health, Time now);
  void pass_over(ReconcileContext& ctx, const Str& name);
  void finish_pass(ReconcileContext& ctx);
  void handle_disruption(ReconcileContext& ctx);
  void set_limiter(Zone& zone, int64_t nodes, ZoneState state, Time now) const;
  void catch_up(const Str& name, Health& health, Time now) const;
  void set_due(const Str& name, Health& health, Time due);
  bool is_overdue(const Node& node, const Health& health, Time now) const;
  Duration grace(Ready ready) const {
    return ready == Ready::kNone ? options_.startup_grace_period : options_.monitor_grace_period;
  }
  void record(const Node& node, Health& health, Ready ready);
  void queue_for_taint(ReconcileContext& ctx, const Node& node, Ready ready);
  void taint_loop(ReconcileContext& ctx);
  void arm_taint_loop(ReconcileContext& ctx);
  bool needs_taint_writes(const Node& node, Ready ready) const;
  void node_event(ReconcileContext& ctx, const Str& name, const Str& uid, std::string_view reason,
                  std::string message);

  NodeLifecycleOptions options_;
  std::map<Str, Health> health_;  // of nodes that a pass has seen
  std::map<Str, Str> known_;      // name -> uid of registered nodes
  std::map<Str, client::LeaseClock> leases_;
  std::map<std::string, Zone> zones_;
  std::set<Str> dirty_;      // changed since the last pass
  std::set<Str> not_ready_;  // looked at in every pass
  std::set<Str> retry_;      // pods still to be marked
  // When nodes must be looked at again. An entry counts if it is what Health::due says.
  std::map<Time, std::vector<Str>> due_;
  std::deque<Time> passes_;
  std::set<Str> in_pass_;  // nodes whose writes this pass waits for
  bool passing_ = false;
  bool disruption_dirty_ = true;
  bool taint_loop_armed_ = false;
  Time started_;
};

// --- what it hears ------------------------------------------------------------------------------

void NodeLifecycleController::start(ReconcileContext& ctx) {
  started_ = ctx.now();
  for (const api::ObjectRef& o : ctx.cache(api::Kind::Lease).list()) {
    if (o->metadata.namespace_ == kLeaseNamespace) {
      leases_[o->metadata.name] = client::lease_clock(api::as<api::Lease>(*o));
    }
  }
  for (const api::ObjectRef& o : ctx.cache(api::Kind::Node).list()) {
    dirty_.insert(o->metadata.name);
    ctx.queue().add(typed_key(kNodeTaints, o->metadata.name));
  }
  pass(ctx);
}

void NodeLifecycleController::observe(ReconcileContext& ctx, const WatchEvent& event) {
  const Str& name = event.object->metadata.name;
  switch (event.object->kind) {
    case api::Kind::Node:
      dirty_.insert(name);
      if (event.type == WatchType::kDeleted) {
        retry_.erase(name);
      } else {
        ctx.queue().add(typed_key(kNodeTaints, name));
      }
      break;
    case api::Kind::Lease:
      if (event.object->metadata.namespace_ != kLeaseNamespace) break;
      if (event.type == WatchType::kDeleted) {
        leases_.erase(name);
      } else {
        leases_[name] = client::lease_clock(api::as<api::Lease>(*event.object));
      }
      break;
    case api::Kind::Pod: {
      if (event.type == WatchType::kDeleted) break;
      const Pod& pod = api::as<Pod>(*event.object);
      if (pod.spec.node_name.empty()) break;
      const Pod* old = event.old ? &api::as<Pod>(*event.old) : nullptr;
      if (old && old->spec.node_name == pod.spec.node_name) break;
      // Only a pod on a node that is known not to be ready means work.
      const auto health = health_.find(pod.spec.node_name);
      if (health == health_.end() || health->second.ready == Ready::kTrue ||
          health->second.ready == Ready::kNone) {
        break;
      }
      ctx.queue().add(typed_key(kPod, key_of(pod).view()));
      break;
    }
    default:
      break;
  }
}

void NodeLifecycleController::on_timer(ReconcileContext& ctx, client::Cookie cookie) {
  if (cookie == kMonitor) {
    pass(ctx);
  } else if (cookie == kTaintLoop) {
    taint_loop_armed_ = false;
    taint_loop(ctx);
  }
}

// --- a pass -------------------------------------------------------------------------------------

void NodeLifecycleController::pass(ReconcileContext& ctx) {
  const Time now = ctx.now();
  passing_ = true;
  passes_.push_back(now);
  while (now - passes_.front() > kPassMemory) passes_.pop_front();

  std::set<Str> work = std::move(dirty_);
  dirty_.clear();
  work.insert(not_ready_.begin(), not_ready_.end());
  work.insert(retry_.begin(), retry_.end());
  while (!due_.empty() && due_.begin()->first <= now) {
    const std::vector<Str> names = std::move(due_.begin()->second);
    const Time due = due_.begin()->first;
    due_.erase(due_.begin());
    for (const Str& name : names) {
      const auto h = health_.find(name);
      if (h == health_.end() || h->second.due != due || work.contains(name)) continue;
      if (!is_quiet(ctx, name, h->second, now)) work.insert(name);
    }
  }
  for (const Str& name : work) pass_over(ctx, name);
  if (in_pass_.empty()) finish_pass(ctx);
}

void NodeLifecycleController::node_event(ReconcileContext& ctx, const Str& name, const Str& uid,
                                         std::string_view reason, std::string message) {
  // Node events are about a reference without a resource version.
  api::Ref<Node> about = api::make<Node>();
  about->metadata.name = name;
  about->metadata.uid = uid;
  ctx.event(*about, kNormal, reason, std::move(message));
}

// Whether a node whose time has come is as it was and has given a sign of life since; it is then
// due later.
bool NodeLifecycleController::is_quiet(ReconcileContext& ctx, const Str& name, Health& health,
                                       Time now) {
  if (!health.quiet) return false;
  const api::ObjectRef* node = ctx.cache(api::Kind::Node).find("", name);
  if (!node || node->get() != health.quiet.get()) return false;
  catch_up(name, health, now);
  const Time due = health.probe + grace(Ready::kTrue);
  if (now >= due) return false;
  set_due(name, health, due);
  return true;
}

// Looks at one node: registers it, finds out whether it lives, and queues the writes it needs.
void NodeLifecycleController::pass_over(ReconcileContext& ctx, const Str& name) {
  const Time now = ctx.now();
  const NodeRef node = ctx.cache(api::Kind::Node).get_ref<Node>("", name);
  const auto known = known_.find(name);
  const auto forget = [&] {
    const auto h = health_.find(name);
    if (h != health_.end()) {
      const auto zone = zones_.find(h->second.zone);
      if (zone != zones_.end()) zone->second.members.erase(name);
      health_.erase(h);
    }
    not_ready_.erase(name);
    disruption_dirty_ = true;
  };
  if (!node) {
    if (known != known_.end()) {
      node_event(
          ctx, name, known->second, "RemovingNode",
          fmt::format("Node {} event: Removing Node {} from Controller", name.view(), name.view()));
      known_.erase(known);
    }
    forget();
    return;
  }
  if (known == known_.end()) {
    known_.emplace(name, node->metadata.uid);
    node_event(
        ctx, name, node->metadata.uid, "RegisteredNode",
        fmt::format("Node {} event: Registered Node {} in Controller", name.view(), name.view()));
  }
  zones_.try_emplace(zone_of(*node), options_.eviction_rate_milli);

  const Ready ready = ready_of(*node);
  const NodeCondition* c = api::find_condition(node->status.conditions, condition::kReady);
  auto found = health_.find(name);
  if (found == health_.end()) {
    found = health_.emplace(name, Health{}).first;
    found->second.probe = ready == Ready::kNone ? node->metadata.creation_timestamp : now;
    found->second.zone = zone_of(*node);
    found->second.counts = counts_for_disruption(*node);
    disruption_dirty_ = true;
  } else if ((found->second.ready == Ready::kNone) != (ready == Ready::kNone) ||
             (c && c->last_heartbeat_time != found->second.heartbeat)) {
    found->second.probe = now;
  }
  Health& health = found->second;
  health.quiet = nullptr;
  if (c) health.heartbeat = c->last_heartbeat_time;
  catch_up(name, health, now);

  const bool overdue = is_overdue(*node, health, now);
  const bool becomes_unknown = overdue && ready != Ready::kUnknown;
  record(*node, health, becomes_unknown ? Ready::kUnknown : ready);
  set_due(name, health, overdue ? now + options_.monitor_period : health.probe + grace(ready));
  const Ready then = becomes_unknown ? Ready::kUnknown : ready;
  if (becomes_unknown || retry_.contains(name) || needs_taint_writes(*node, then)) {
    if (in_pass_.insert(name).second) ctx.queue().add(typed_key(kHealth, name.view()));
    return;
  }
  queue_for_taint(ctx, *node, then);
  if (then == Ready::kTrue) health.quiet = node;
}

// Accounts for the lease renewals since the node was looked at last: the first pass that could see
// the newest of them is when the sign of life was noticed.
void NodeLifecycleController::catch_up(const Str& name, Health& health, Time now) const {
  const auto lease = leases_.find(name);
  if (lease == leases_.end()) return;
  const Time renewed = lease->second.renewed_at(now);
  if (!health.lease_seen.is_zero() && renewed <= health.lease_seen) return;
  const bool first = health.lease_seen.is_zero();
  health.lease_seen = renewed;
  Time noticed = now;
  if (!first) {
    for (auto it = passes_.rbegin(); it != passes_.rend() && *it >= renewed; ++it) noticed = *it;
  }
  health.probe = std::max(health.probe, noticed);
}

// Kubernetes asks for strictly later, but its passes are always a little more than a period apart:
// the pass that falls on the end of the grace period is the one that finds it over.
bool NodeLifecycleController::is_overdue(const Node& node, const Health& health, Time now) const {
  return now >= health.probe + grace(ready_of(node));
}

void NodeLifecycleController::set_due(const Str& name, Health& health, Time due) {
  if (health.due == due) return;
  health.due = due;
  due_[due].push_back(name);
}

void NodeLifecycleController::record(const Node& node, Health& health, Ready ready) {
  const std::string zone = zone_of(node);
  const bool counts = counts_for_disruption(node);
  if (health.ready != ready || health.zone != zone || health.counts != counts) {
    disruption_dirty_ = true;
  }
  health.ready = ready;
  health.zone = zone;
  health.counts = counts;
  if (ready == Ready::kTrue) {
    not_ready_.erase(node.metadata.name);
  } else {
    not_ready_.insert(node.metadata.name);
  }
}

// Whether this pass must write NoExecute taints itself: a swap to the opposite one, or removal.
bool NodeLifecycleController::needs_taint_writes(const Node& node, Ready ready) const {
  const bool not_ready = has_taint(node, kTaintNotReady, kNoExecute);
  const bool unreachable = has_taint(node, kTaintUnreachable, kNoExecute);
  switch (ready) {
    case Ready::kTrue:
      return not_ready || unreachable;
    case Ready::kFalse:
      return unreachable;
    case Ready::kUnknown:
      return not_ready;
    case Ready::kNone:
      return false;
  }
  return false;
}

// Puts the node into its zone's queue, or takes it out again.
void NodeLifecycleController::queue_for_taint(ReconcileContext& ctx, const Node& node,
                                              Ready ready) {
  if (ready == Ready::kNone) return;
  const auto at = zones_.find(zone_of(node));
  if (at == zones_.end()) return;
  Zone& zone = at->second;
  const Str& name = node.metadata.name;
  const auto drop = [&] {
    zone.members.erase(name);
    std::erase(zone.queue, name);
  };
  if (ready == Ready::kTrue) {
    if (zone.members.contains(name)) drop();
    return;
  }
  const std::string_view key = ready == Ready::kFalse ? kTaintNotReady : kTaintUnreachable;
  if (!has_taint(node, key, kNoExecute)) drop();
  if (zone.members.insert(name).second) zone.queue.push_back(name);
  arm_taint_loop(ctx);
}

void NodeLifecycleController::finish_pass(ReconcileContext& ctx) {
  if (disruption_dirty_) {
    disruption_dirty_ = false;
    handle_disruption(ctx);
  }
  passing_ = false;
  ctx.control().set_timer(ctx.now() + options_.monitor_period, kMonitor);
}

void NodeLifecycleController::set_limiter(Zone& zone, int64_t nodes, ZoneState state,
                                          Time now) const {
  if (state == ZoneState::kPartial) {
    const bool large = nodes > options_.large_cluster_threshold;
    zone.limiter.set_rate(large ? options_.secondary_eviction_rate_milli : 0, now);
  } else {
    zone.limiter.set_rate(options_.eviction_rate_milli, now);
  }
}

// Compares the zones' health with that of the pass before and sets how fast nodes may be emptied.
void NodeLifecycleController::handle_disruption(ReconcileContext& ctx) {
  const Time now = ctx.now();
  struct Count {
    int64_t ready = 0;
    int64_t not_ready = 0;
  };
  std::map<std::string, Count> counts;
  for (const auto& [name, h] : health_) {
    if (!h.counts) continue;
    Count& c = counts[h.zone];
    ++(h.ready == Ready::kTrue ? c.ready : c.not_ready);
  }
  std::map<std::string, ZoneState> next;
  bool all_full_now = true;
  for (const auto& [zone, c] : counts) {
    ZoneState s = ZoneState::kNormal;
    if (c.ready == 0 && c.not_ready > 0) {
      s = ZoneState::kFull;
    } else if (c.not_ready > 2 &&
               c.not_ready * 100 >= options_.unhealthy_zone_percent * (c.ready + c.not_ready)) {
      s = ZoneState::kPartial;
    }
    all_full_now = all_full_now && s == ZoneState::kFull;
    next[zone] = s;
    zones_.try_emplace(zone, options_.eviction_rate_milli);
  }
  bool all_full_before = true;
  for (auto it = zones_.begin(); it != zones_.end();) {
    if (!counts.contains(it->first)) {
      it = zones_.erase(it);
      continue;
    }
    all_full_before = all_full_before && it->second.state == ZoneState::kFull;
    ++it;
  }
  if (all_full_now && all_full_before) return;
  if (all_full_now) {
    // Nobody answers any more: more likely the control plane is cut off than all nodes dead.
    for (const auto& [name, h] : health_) ctx.queue().add(typed_key(kReachable, name.view()));
    for (auto& [name, zone] : zones_) {
      zone.limiter.set_rate(0, now);
      zone.state = ZoneState::kFull;
      zone.members.clear();
      zone.queue.clear();
    }
    return;
  }
  if (all_full_before) {
    for (auto& [name, h] : health_) {
      h.probe = now;
      set_due(name, h, now + grace(h.ready));
    }
  }
  for (auto& [name, zone] : zones_) {
    const ZoneState state = next[name];
    if (zone.state == state && !all_full_before) continue;
    const Count& c = counts[name];
    set_limiter(zone, c.ready + c.not_ready, state, now);
    zone.state = state;
  }
  arm_taint_loop(ctx);
}

// --- NoExecute taints ---------------------------------------------------------------------------

void NodeLifecycleController::arm_taint_loop(ReconcileContext& ctx) {
  if (taint_loop_armed_) return;
  const bool waiting = std::any_of(zones_.begin(), zones_.end(), [](const auto& z) {
    return !z.second.queue.empty() && !z.second.limiter.never();
  });
  if (!waiting) return;
  // The loop beats from the start on; beats that would find nothing are left out.
  const int64_t beats = (ctx.now() - started_) / options_.taint_loop_period + 1;
  ctx.control().set_timer(started_ + options_.taint_loop_period * beats, kTaintLoop);
  taint_loop_armed_ = true;
}

void NodeLifecycleController::taint_loop(ReconcileContext& ctx) {
  for (auto& [name, zone] : zones_) {
    while (!zone.queue.empty() && zone.limiter.try_take(ctx.now())) {
      ctx.queue().add(typed_key(kEvict, zone.queue.front().view()));
      zone.queue.pop_front();
    }
  }
  arm_taint_loop(ctx);
}

// --- work with writes ---------------------------------------------------------------------------

Plan NodeLifecycleController::sync(ReconcileContext& ctx, const Key& key) {
  const char kind = key.view().front();
  const std::string_view rest = key.view().substr(2);
  api::Ref<Inputs> in(new Inputs());
  const client::Cache& pods = ctx.cache(api::Kind::Pod);
  if (kind == kPod) {
    const size_t slash = rest.find('/');
    const api::Ref<const Pod> pod =
        pods.get_ref<Pod>(rest.substr(0, slash), rest.substr(slash + 1));
    if (!pod) return Plan::done();
    in->node = ctx.cache(api::Kind::Node).get_ref<Node>("", pod->spec.node_name);
    const auto h = health_.find(pod->spec.node_name);
    if (!in->node || h == health_.end() || h->second.ready == Ready::kTrue ||
        h->second.ready == Ready::kNone) {
      return Plan::done();
    }
    in->pods.push_back(pod);
    return run(ctx, key, Script(ctx, std::move(in)));
  }
  in->node = ctx.cache(api::Kind::Node).get_ref<Node>("", rest);
  if (!in->node) {
    if (kind == kHealth && in_pass_.erase(Str(rest)) && in_pass_.empty()) finish_pass(ctx);
    return Plan::done();
  }
  if (kind == kHealth) {
    for (const api::ObjectRef& o : pods.by(client::IndexBy::kNodeName, rest)) {
      in->pods.push_back(api::cast<Pod>(o));
    }
    const auto h = health_.find(Str(rest));
    in->unknown = h != health_.end() && h->second.ready == Ready::kUnknown &&
                  ready_of(*in->node) != Ready::kUnknown &&
                  is_overdue(*in->node, h->second, ctx.now());
  }
  return run(ctx, key, Script(ctx, std::move(in)));
}

Plan NodeLifecycleController::run(ReconcileContext& ctx, const Key& key, Script script) {
  const Inputs& in = script.inputs<Inputs>();
  const char kind = key.view().front();
  Error e;
  bool done = true;
  switch (kind) {
    case kNodeTaints:
      e = node_taints(script);
      break;
    case kHealth:
      e = health(ctx, script);
      break;
    case kPod: {
      e = mark_pods_not_ready(script, in, &done);
      if (!e && !done) e = Error::failed("pods could not be marked as not ready");
      break;
    }
    case kEvict: {
      const Ready ready = ready_of(*in.node);
      if (ready == Ready::kFalse || ready == Ready::kUnknown) {
        const bool down = ready == Ready::kFalse;
        e = swap_taints(script, *in.node,
                        {make_taint(down ? kTaintNotReady : kTaintUnreachable, kNoExecute)},
                        {make_taint(down ? kTaintUnreachable : kTaintNotReady, kNoExecute)}, &done);
        const auto zone = zones_.find(zone_of(*in.node));
        if (!e && !done && zone != zones_.end()) {
          zone->second.queue.push_front(in.node->metadata.name);
          arm_taint_loop(ctx);
        }
      }
      break;
    }
    default:
      e = swap_taints(
          script, *in.node, {},
          {make_taint(kTaintUnreachable, kNoExecute), make_taint(kTaintNotReady, kNoExecute)},
          &done);
      break;
  }
  if (e.is_pending()) return script.next_plan();
  if (kind == kHealth) {
    in_pass_.erase(in.node->metadata.name);
    if (in_pass_.empty() && passing_) finish_pass(ctx);
    return Plan::done();
  }
  return e && kind == kPod ? Plan::retry(e.message()) : Plan::done();
}

// NoSchedule taints follow the conditions and spec.unschedulable; the beta labels of operating
// system and architecture follow the stable ones.
Error NodeLifecycleController::node_taints(Script& script) {
  const Node& node = *script.inputs<Inputs>().node;
  std::vector<api::Taint> wanted;
  for (const NodeCondition& c : node.status.conditions) {
    for (const ConditionTaint& t : kConditionTaints) {
      if (c.type == t.type && c.status == t.status)
        wanted.push_back(make_taint(t.key, kNoSchedule));
    }
  }
  if (node.spec.unschedulable) wanted.push_back(make_taint(kTaintUnschedulable, kNoSchedule));
  std::vector<api::Taint> present;
  for (const api::Taint& t : node.spec.taints) {
    const bool ours = t.key == kTaintUnschedulable ||
                      std::any_of(std::begin(kConditionTaints), std::end(kConditionTaints),
                                  [&t](const ConditionTaint& c) { return t.key == c.key; });
    if (ours && t.effect == kNoSchedule) present.push_back(t);
  }
  const auto missing_from = [](const std::vector<api::Taint>& a, const std::vector<api::Taint>& b) {
    std::vector<api::Taint> result;
    for (const api::Taint& t : a) {
      if (std::none_of(b.begin(), b.end(),
                       [&t](const api::Taint& o) { return same_taint(t, o); })) {
        result.push_back(t);
      }
    }
    return result;
  };
  bool done = true;
  if (Error e = swap_taints(script, node, missing_from(wanted, present),
                            missing_from(present, wanted), &done)) {
    return e;
  }

  api::Json labels = api::Json::object();
  for (const std::string_view name : {"os", "arch"}) {
    const Str* value = node.metadata.labels.find(fmt::format("kubernetes.io/{}", name));
    const std::string beta = fmt::format("beta.kubernetes.io/{}", name);
    if (value && node.metadata.labels.get(beta) != *value) labels.set(beta, *value);
  }
  if (labels.empty()) return {};
  Request patch = get_request(node);
  patch.verb = Verb::kPatch;
  patch.patch_type = client::PatchType::kStrategicMerge;
  api::Json metadata = api::Json::object();
  metadata.set("labels", std::move(labels));
  patch.patch = api::Json::object();
  patch.patch.set("metadata", std::move(metadata));
  const Outcome* ignored = nullptr;
  return script.call(std::move(patch), &ignored);
}

// One node of a pass that needs writes: conditions to Unknown, taints, pods.
Error NodeLifecycleController::health(ReconcileContext& ctx, Script& script) {
  const Inputs& in = script.inputs<Inputs>();
  const Node& node = *in.node;
  Ready ready = ready_of(node);
  bool turned = false;  // Ready went from True to something else in this pass
  if (in.unknown) {
    bool written = false;
    if (Error e = update_conditions(script, in, &written)) return e;
    if (!written) {
      // The next pass tries again.
      if (script.live()) {
        dirty_.insert(node.metadata.name);
        const auto h = health_.find(node.metadata.name);
        if (h != health_.end()) h->second.ready = ready;
      }
      return {};
    }
    turned = ready == Ready::kTrue;
    ready = Ready::kUnknown;
  }
  if (Error e = taint_based_eviction(ctx, script, node, ready)) return e;
  if (turned) {
    if (script.live()) {
      node_event(ctx, node.metadata.name, node.metadata.uid, "NodeNotReady",
                 fmt::format("Node {} status is now: NodeNotReady", node.metadata.name.view()));
    }
  }
  if (turned || (retry_.contains(node.metadata.name) && ready != Ready::kTrue)) {
    bool complete = true;
    if (Error e = mark_pods_not_ready(script, in, &complete)) return e;
    if (!complete) {
      retry_.insert(node.metadata.name);
      return {};
    }
  }
  retry_.erase(node.metadata.name);
  return {};
}

// The kubelet has not been heard of: everything it would know is unknown.
Error NodeLifecycleController::update_conditions(Script& script, const Inputs& in, bool* written) {
  NodeRef node = in.node;
  for (int i = 0; i < kStatusTries; ++i) {
    api::Ref<Node> body = api::clone(*node);
    const Time now = script.now().truncated_to_second();
    for (const std::string_view type : {condition::kReady, condition::kMemoryPressure,
                                        condition::kDiskPressure, condition::kPIDPressure}) {
      api::ListItems<NodeCondition>& conditions = body->status.conditions.edit();
      const auto has = std::find_if(conditions.begin(), conditions.end(),
                                    [type](const NodeCondition& c) { return c.type == type; });
      if (has == conditions.end()) {
        NodeCondition c;
        c.type = type;
        c.status = kUnknown;
        c.reason = "NodeStatusNeverUpdated";
        c.message = "Kubelet never posted node status.";
        c.last_heartbeat_time = node->metadata.creation_timestamp;
        c.last_transition_time = now;
        conditions.push_back(std::move(c));
      } else if (has->status != kUnknown) {
        has->status = kUnknown;
        has->reason = "NodeStatusUnknown";
        has->message = "Kubelet stopped posting node status.";
        has->last_transition_time = now;
      }
    }
    const Outcome* o = nullptr;
    if (Error e = script.call(update_status_request(body), &o)) return e;
    if (o->ok()) {
      *written = true;
      return {};
    }
    if (Error e = script.call(get_request(*node), &o)) return e;
    if (!o->ok()) return {};
    node = api::cast<Node>(o->object);
  }
  return {};
}

Error NodeLifecycleController::taint_based_eviction(ReconcileContext& ctx, Script& script,
                                                    const Node& node, Ready ready) {
  bool done = true;
  if (needs_taint_writes(node, ready)) {
    std::vector<api::Taint> add;
    std::vector<api::Taint> remove;
    if (ready != Ready::kFalse) remove.push_back(make_taint(kTaintNotReady, kNoExecute));
    if (ready != Ready::kUnknown) remove.push_back(make_taint(kTaintUnreachable, kNoExecute));
    if (ready == Ready::kFalse) add.push_back(make_taint(kTaintNotReady, kNoExecute));
    if (ready == Ready::kUnknown) add.push_back(make_taint(kTaintUnreachable, kNoExecute));
    if (ready == Ready::kTrue) {
      // Two removals, one after the other, as two calls of the real controller.
      for (const api::Taint& t :
           {make_taint(kTaintUnreachable, kNoExecute), make_taint(kTaintNotReady, kNoExecute)}) {
        if (Error e = swap_taints(script, node, {}, {t}, &done)) return e;
      }
    } else if (Error e = swap_taints(script, node, add, remove, &done)) {
      return e;
    }
    if (ready != Ready::kTrue) return {};
  }
  if (script.live()) queue_for_taint(ctx, node, ready);
  return {};
}

Error NodeLifecycleController::mark_pods_not_ready(Script& script, const Inputs& in,
                                                   bool* complete) {
  for (const api::Ref<const Pod>& pod : in.pods) {
    if (pod->spec.node_name != in.node->metadata.name) continue;
    if (!api::is_ready(*pod)) continue;
    api::Ref<Pod> body = api::clone(*pod);
    for (api::PodCondition& c : body->status.conditions.edit()) {
      if (c.type != api::pod_condition_type::kReady) continue;
      c.status = kFalse;
      c.last_transition_time = script.now().truncated_to_second();
    }
    const Outcome* o = nullptr;
    if (Error e = script.call(update_status_request(body), &o)) return e;
    if (o->not_found()) continue;
    if (!o->ok()) *complete = false;
    script.event(*body, kWarning, "NodeNotReady", "Node is not ready");
  }
  return {};
}

}  // namespace

std::unique_ptr<client::Reconciler> make_node_lifecycle_controller(NodeLifecycleOptions options) {
  return std::make_unique<NodeLifecycleController>(options);
}

}  // namespace mainspring::controllers

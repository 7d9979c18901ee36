#include "models/scheduler/scheduler.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <utility>

#include "models/api/codec.h"
#include "models/api/pod_helpers.h"
#include "models/scheduler/plugins/default_preemption.h"

namespace mainspring::scheduler {

namespace {
constexpr size_t kNoteLimit = 1024;  // bytes of an event's note (validation.NoteLengthLimit)
constexpr uint64_t kIdMask = (uint64_t{1} << 56) - 1;
constexpr uint64_t kVictimBits = 16;
constexpr uint64_t kVictimMask = (uint64_t{1} << kVictimBits) - 1;
constexpr uint64_t kDeleting = uint64_t{1} << (kVictimBits - 1);  // second request of a victim
constexpr uint64_t kClearing = kVictimMask;                       // a nomination being cleared
constexpr size_t kPreemptionWorkers = 16;  // parallelism of KubeSchedulerConfiguration

std::string truncated(std::string message) {
  if (message.size() <= kNoteLimit) return message;
  message.resize(kNoteLimit - 4);
  return message + " ...";
}

// A patch of the parts of a pod's status that are given, as util.PatchPodStatus makes it: what
// others wrote meanwhile stays.
client::Request status_patch(const api::Pod& pod, const api::PodCondition* condition,
                             const api::Str* nominated) {
  api::Json status = api::Json::object();
  if (condition) status.set("conditions", api::Json::array({api::encode_as(*condition)}));
  if (nominated) {
    status.set("nominatedNodeName", nominated->empty() ? api::Json() : api::Json(*nominated));
  }
  client::Request request;
  request.verb = client::Verb::kPatchStatusJson;
  request.patch_type = client::PatchType::kStrategicMerge;
  request.kind = api::Kind::Pod;
  request.ns = pod.metadata.namespace_;
  request.name = pod.metadata.name;
  request.patch = api::Json::object({{"status", status}});
  return request;
}

SchedulingQueue make_queue(const SchedulerOptions& o) {
  QueueOptions q;
  q.initial_backoff = o.pod_initial_backoff;
  q.max_backoff = o.pod_max_backoff;
  return SchedulingQueue(q);
}

bool visible(const PodRef& pod) { return pod && !api::is_terminal(*pod); }
}  // namespace

// Lends the queue the plugins for one call.
struct Scheduler::Host final : QueueHost {
  Host(Scheduler& s, client::ControlContext& c) : self(s), ctx(c) {}
  void pre_enqueue(QueuedPod& pod) override {
    const Profile& profile = self.profiles_[pod.profile];
    Status s = profile.run_pre_enqueue(ctx, *pod.pod, pod.gating_plugin);
    pod.gating_plugin = s.ok() ? kNoPlugin : s.plugin();
    if (s.ok()) return;
    pod.unschedulable_plugins.insert(s.plugin());
    if (self.scratch_.observer) self.scratch_.observer->held_back(*pod.pod, s);
  }
  uint32_t profiles() const override { return static_cast<uint32_t>(self.interests_.size()); }
  std::span<const Interest> interests(uint32_t profile) const override {
    return self.interests_[profile];
  }
  bool hint(const Interest& i, const QueuedPod& pod, const EventObjects& objects) const override {
    if (i.registration.hint == EventRegistration::kAlways) return true;
    for (size_t k = 0; k < kPointCount; ++k) {
      for (const Plugin* p : self.profiles_[pod.profile].at(Points{1} << k)) {
        if (p->id() != i.plugin) continue;
        return p->hint(i.registration.hint, ctx, self.cluster_, *pod.pod, objects);
      }
    }
    return true;
  }
  void woken(const QueuedPod& pod, ClusterEvent event, const EventObjects& objects) override {
    if (self.scratch_.observer) self.scratch_.observer->woken(*pod.pod, event, objects);
  }
  Scheduler& self;
  client::ControlContext& ctx;
};

Scheduler::Scheduler(SchedulerOptions options)
    : options_(std::move(options)), queue_(make_queue(options_)) {
  Registry registry;
  register_scheduler_plugins(registry);
  for (const auto register_more : options_.libraries) register_more(registry);
  for (const ProfileOptions& p : options_.profiles) {
    recorders_.emplace_back(p.scheduler_name, cookie(kEvents, profiles_.size()));
    profiles_.emplace_back(p.scheduler_name, registry, p.plugins, p.config, cluster_);
  }
  for (const Profile& p : profiles_) interests_.push_back(p.interests());
}

std::vector<client::WatchSpec> Scheduler::watches() const {
  using client::IndexBy;
  return {{api::Kind::Pod, {}},
          {api::Kind::Node, {}},
          {api::Kind::Namespace, {}},
          {api::Kind::Service, {IndexBy::kNamespace}},
          {api::Kind::ReplicationController, {}},
          {api::Kind::ReplicaSet, {}},
          {api::Kind::StatefulSet, {}},
          {api::Kind::PodDisruptionBudget, {}},
          {api::Kind::PersistentVolume, {}},
          {api::Kind::PersistentVolumeClaim, {}},
          {api::Kind::StorageClass, {}},
          {api::Kind::CSINode, {}},
          {api::Kind::CSIDriver, {}},
          {api::Kind::CSIStorageCapacity, {}},
          {api::Kind::VolumeAttachment, {}},
          {api::Kind::ResourceClaim, {}},
          {api::Kind::ResourceSlice, {}},
          {api::Kind::DeviceClass, {}}};
}

SchedulingQueue::Call Scheduler::call(client::ControlContext& ctx, Host& host) const {
  return {ctx.now(), host};
}

std::optional<uint32_t> Scheduler::profile_for(const api::Pod& pod) const {
  for (size_t i = 0; i < profiles_.size(); ++i) {
    if (pod.spec.scheduler_name == std::string_view(profiles_[i].scheduler_name())) {
      return static_cast<uint32_t>(i);
    }
  }
  return std::nullopt;
}

// ---- what happens in the cluster

void Scheduler::start(client::ControlContext& ctx) {
  queue_.start(ctx.now());
  for (const api::ObjectRef& o : ctx.cache(api::Kind::Node).list()) {
    cluster_.add_node(api::cast<api::Node>(o));
  }
  for (const api::ObjectRef& o : ctx.cache(api::Kind::Pod).list()) {
    const PodRef pod = api::cast<api::Pod>(o);
    if (visible(pod)) pod_added(ctx, pod);
  }
  pump(ctx);
  arm(ctx);
}

void Scheduler::on_watch(client::ControlContext& ctx, const client::WatchEvent& event) {
  if (event.object->kind == api::Kind::Node) {
    node_event(ctx, event);
  } else if (event.object->kind == api::Kind::Pod) {
    pod_event(ctx, api::cast<api::Pod>(event.old), api::cast<api::Pod>(event.object),
              event.type == client::WatchType::kDeleted);
  } else if (!object_event(ctx, event)) {
    return;
  }
  pump(ctx);
  arm(ctx);
}

void Scheduler::move_all(client::ControlContext& ctx, ClusterEvent event,
                         const EventObjects& objects, std::optional<int32_t> max_priority,
                         const api::Str& except) {
  Host host(*this, ctx);
  queue_.move_all(call(ctx, host), event, objects, max_priority, except);
}

// The kinds that plugins ask for by events alone. False for others.
bool Scheduler::object_event(client::ControlContext& ctx, const client::WatchEvent& event) {
  static constexpr std::pair<api::Kind, Resource> kResources[] = {
      {api::Kind::PersistentVolume, Resource::kPersistentVolume},
      {api::Kind::PersistentVolumeClaim, Resource::kPersistentVolumeClaim},
      {api::Kind::StorageClass, Resource::kStorageClass},
      {api::Kind::CSINode, Resource::kCsiNode},
      {api::Kind::CSIDriver, Resource::kCsiDriver},
      {api::Kind::CSIStorageCapacity, Resource::kCsiStorageCapacity},
      {api::Kind::VolumeAttachment, Resource::kVolumeAttachment},
      {api::Kind::ResourceClaim, Resource::kResourceClaim},
      {api::Kind::ResourceSlice, Resource::kResourceSlice},
      {api::Kind::DeviceClass, Resource::kDeviceClass}};
  for (const auto& [kind, resource] : kResources) {
    if (kind != event.object->kind) continue;
    for (const Profile& p : profiles_) p.follow(ctx, event);
    switch (event.type) {
      case client::WatchType::kAdded:
        move_all(ctx, {resource, kAdd}, {.new_object = event.object});
        break;
      case client::WatchType::kModified:
        move_all(ctx, {resource, kUpdate}, {.old_object = event.old, .new_object = event.object});
        break;
      case client::WatchType::kDeleted:
        move_all(ctx, {resource, kDelete}, {.old_object = event.object});
        break;
    }
    return true;
  }
  return false;
}

void Scheduler::pod_event(client::ControlContext& ctx, const PodRef& before, const PodRef& after,
                          bool deleted) {
  // The scheduler's informer does not see pods that have ended: to it they are deleted.
  const bool was = visible(before);
  const bool is = !deleted && visible(after);
  if (was && is && before->metadata.uid != after->metadata.uid) {
    pod_deleted(ctx, before);
    pod_added(ctx, after);
  } else if (was && is) {
    pod_updated(ctx, before, after);
  } else if (is) {
    pod_added(ctx, after);
  } else if (was) {
    pod_deleted(ctx, before);
  }
}

void Scheduler::pod_added(client::ControlContext& ctx, const PodRef& pod) {
  PodInfoRef info = cluster_.make_pod_info(pod);
  if (!pod->spec.node_name.empty()) {
    cluster_.add_pod(info);
    move_all(ctx, {Resource::kAssignedPod, kAdd}, {.new_pod = info});
    return;
  }
  const auto profile = profile_for(*pod);
  if (!profile || queue_.find(info->ns(), info->name()) || cluster_.is_assumed(info->uid())) return;
  Host host(*this, ctx);
  queue_.add(call(ctx, host), std::move(info), *profile);
}

void Scheduler::pod_updated(client::ControlContext& ctx, const PodRef& before,
                            const PodRef& after) {
  if (before->metadata.resource_version == after->metadata.resource_version &&
      !after->metadata.resource_version.empty()) {
    return;
  }
  const bool was_assigned = !before->spec.node_name.empty();
  PodInfoRef info = cluster_.make_pod_info(after);
  if (!after->spec.node_name.empty()) {
    if (!was_assigned) {
      queue_.remove(*info);
      cluster_.add_pod(info);
      move_all(ctx, {Resource::kAssignedPod, kAdd}, {.new_pod = info});
      return;
    }
    PodInfoRef old = cluster_.find_pod(info->uid());
    cluster_.update_pod(info);
    if (!old || !queue_.listens()) return;
    for (const ClusterEvent& e : pod_events(*old, *info)) {
      move_all(ctx, e, {.old_pod = old, .new_pod = info});
    }
    return;
  }
  const auto profile = profile_for(*after);
  if (!profile) return;
  if (cluster_.is_assumed(info->uid())) {
    if (info->terminating && !before->metadata.deletion_timestamp) {
      assumed_pod_deleted(ctx, info->uid());
    }
    return;
  }
  const PodInfoRef old = cluster_.make_pod_info(before);
  Host host(*this, ctx);
  queue_.update(call(ctx, host), old, info, *profile);
  const api::Str& nominated = before->status.nominated_node_name;
  if (!nominated.empty() && nominated != after->status.nominated_node_name) {
    // Its claim on the old node is gone: as if it had been deleted there.
    move_all(ctx, {Resource::kAssignedPod, kDelete}, {.old_pod = old}, old->priority);
  }
}

void Scheduler::pod_deleted(client::ControlContext& ctx, const PodRef& pod) {
  PodInfoRef info = cluster_.make_pod_info(pod);
  if (cluster_.is_assumed(info->uid()) && pod->spec.node_name.empty()) {
    queue_.remove(*info);
    return assumed_pod_deleted(ctx, info->uid());
  }
  const PodInfoRef cached = cluster_.find_pod(info->uid());
  if (cached) {
    queue_.remove(*info);
    cluster_.remove_pod(info->uid());
    move_all(ctx, {Resource::kAssignedPod, kDelete}, {.old_pod = cached});
    return;
  }
  if (!profile_for(*pod)) return;
  queue_.remove(*info);
  if (!pod->status.nominated_node_name.empty()) {
    move_all(ctx, {Resource::kAssignedPod, kDelete}, {.old_pod = info}, info->priority);
  }
}

void Scheduler::node_event(client::ControlContext& ctx, const client::WatchEvent& event) {
  NodeRef node = api::cast<api::Node>(event.object);
  switch (event.type) {
    case client::WatchType::kAdded:
      cluster_.add_node(node);
      move_all(ctx, {Resource::kNode, kAdd}, {.new_node = node});
      return;
    case client::WatchType::kModified: {
      NodeRef old = api::cast<api::Node>(event.old);
      cluster_.update_node(node);
      if (!old || !queue_.listens()) return;
      for (const ClusterEvent& e : node_events(*old, *node)) {
        move_all(ctx, e, {.old_node = old, .new_node = node});
      }
      return;
    }
    case client::WatchType::kDeleted:
      move_all(ctx, {Resource::kNode, kDelete}, {.old_node = node});
      cluster_.remove_node(node->metadata.name);
      return;
  }
}

// ---- the loop

void Scheduler::pump(client::ControlContext& ctx) {
  hear_permits(ctx);
  // One pod at a time; what a cycle causes comes back as calls of its own.
  while (!patching_ && !held_ && queue_.has_ready()) {
    if (busy_until_ && ctx.now() < busy_until_) return;
    Host host(*this, ctx);
    std::optional<QueuedPod> next = queue_.pop(call(ctx, host));
    if (!next) return;
    if (options_.cycle_time.ns() > 0) busy_until_ = ctx.now() + options_.cycle_time;
    schedule_one(ctx, std::move(*next));
    hear_permits(ctx);
  }
}

void Scheduler::arm(client::ControlContext& ctx) {
  std::optional<api::Time> at = queue_.next_wakeup();
  if (!patching_ && queue_.has_ready() && (!at || busy_until_ < *at)) at = busy_until_;
  if (!at) return;
  const api::Time when = std::max(*at, ctx.now());
  if (wake_ != 0) {
    if (wake_at_ <= when) return;
    ctx.cancel_timer(wake_);
  }
  wake_at_ = when;
  wake_ = ctx.set_timer(when, cookie(kWake, 0));
}

void Scheduler::on_timer(client::ControlContext& ctx, client::Cookie c) {
  const uint64_t id = c & kIdMask;
  switch (static_cast<Purpose>(c >> 56)) {
    case kPatience:
      permit_timed_out(ctx, id);
      break;
    case kStep:
      pre_bind(ctx, id, nullptr);
      break;
    default: {
      wake_ = 0;
      Host host(*this, ctx);
      queue_.on_time(call(ctx, host));
    }
  }
  pump(ctx);
  arm(ctx);
}

void Scheduler::on_outcome(client::ControlContext& ctx, client::Cookie c,
                           const client::Outcome& outcome) {
  const uint64_t id = c & kIdMask;
  switch (static_cast<Purpose>(c >> 56)) {
    case kEvents:
      recorders_[id].on_outcome(ctx, outcome);
      return;
    case kBindPod: {
      const auto it = bindings_.find(id);
      if (it == bindings_.end()) return;
      Binding b = std::move(it->second);
      bindings_.erase(it);
      bound(ctx, std::move(b), outcome);
      break;
    }
    case kStatus:
      if (id == 0) {
        patching_ = false;
      } else if (const auto room = rooms_.extract(id)) {
        tell_of_room(ctx, room.mapped(), true);
      }
      break;
    case kPreempt:
      preemption_outcome(ctx, id, outcome);
      break;
    case kNominate:
      // The node's name on the pod is only for others to see: a failure does not matter.
      await_permit(ctx, id);
      break;
    case kStep:
      pre_bind(ctx, id, &outcome);
      break;
    case kPatience:
    case kWake:
    case kNobody:
      return;
  }
  pump(ctx);
  arm(ctx);
}

// ---- a scheduling cycle

bool Scheduler::try_nominated(Cycle& cycle, Decision* d) {
  const api::Str& name = cycle.info().pod->status.nominated_node_name;
  if (name.empty()) return false;
  const NodeInfo* node = cluster_.find_node(name);
  if (!node) return false;
  Status s = cycle.profile.run_filters_with_nominated(cycle, *node);
  if (s.ok()) {
    d->feasible.push_back(node->id);
    return true;
  }
  if (!s.is_rejected()) return false;
  d->unschedulable_plugins.insert(s.plugin());
  d->statuses.list.emplace_back(node->id, std::move(s));
  return false;
}

// Whether what is remembered of nodes holds for the pod.
bool Scheduler::may_remember(const Cycle& cycle) const {
  const PodInfo& pod = cycle.info();
  return cycle.remember && cycle.profile.prepared_to_filter() && !pod.resized &&
         pod.pod->spec.node_name.empty() && pod.pod->spec.resource_claims.empty();
}

// The nodes that are promised to pods which the cycle's pod must leave room for.
void Scheduler::find_promised(const Cycle& cycle) {
  std::vector<size_t>& promised = scratch_.promised;
  promised.clear();
  queue_.nominator.for_each([&](const api::Str& name, std::span<const PodInfoRef> pods) {
    const bool counts = std::any_of(pods.begin(), pods.end(), [&](const PodInfoRef& p) {
      return p->priority >= cycle.info().priority && p->uid() != cycle.info().uid();
    });
    const NodeInfo* node = counts ? cluster_.find_node(name) : nullptr;
    if (node) promised.push_back(node->position);
  });
  std::sort(promised.begin(), promised.end());
}

namespace {
// The first node from `index` on that is not known to pass, `end` if there is none.
size_t end_of_passing(std::span<const NodeVerdicts::Filter> filter, size_t index, size_t end) {
  // Eight at a time: nearly all pass.
  constexpr uint64_t kEight = 0x0101010101010101 * NodeVerdicts::kPasses;
  static_assert(sizeof(NodeVerdicts::Filter) == 1);
  for (uint64_t word; index + 8 <= end; index += 8) {
    std::memcpy(&word, filter.data() + index, sizeof word);
    if (word != kEight) break;
  }
  while (index < end && filter[index] == NodeVerdicts::kPasses) ++index;
  return index;
}

// Whether each total is one, not what stands for one.
bool all_scored(std::span<const int64_t> totals) {
  const auto least = [](int64_t a, int64_t b) { return std::min(a, b); };
  return fold_in_pairs(totals, least) > NodeVerdicts::kRelative;
}
}  // namespace

void Scheduler::extend(std::vector<Stretch>& stretches, size_t first, size_t last) {
  if (!stretches.empty() && stretches.back().last == first) {
    stretches.back().last = last;
  } else {
    stretches.push_back({first, last});
  }
}

// Marks which nodes of the snapshot's list pass, from `first` on: the local filters by what is
// remembered of them, the others (scratch_.others) asked for all nodes at once.
void Scheduler::mark_passing(Cycle& cycle, NodeVerdicts::Entry& e, size_t first,
                             std::span<uint8_t> marks) {
  const NodeList nodes(cluster_, cluster_.order().subspan(first, marks.size()));
  for (size_t k = 0; k < marks.size(); ++k) {
    NodeVerdicts::Filter& local = e.filter[first + k];
    if (local == NodeVerdicts::kUnknown) {
      const std::vector<const Plugin*>& filters = cycle.state->filters;
      const bool ok = std::all_of(filters.begin(), filters.end(), [&](const Plugin* p) {
        return (p->local() & kFilter) == 0 || p->filter(cycle, nodes[k]).ok();
      });
      local = ok ? NodeVerdicts::kPasses : NodeVerdicts::kFails;
    }
    marks[k] = local == NodeVerdicts::kPasses ? 1 : 0;
  }
  for (const Plugin* p : scratch_.others) p->filter_all(cycle, nodes, marks);
  const std::vector<size_t>& promised = scratch_.promised;
  for (auto at = std::lower_bound(promised.begin(), promised.end(), first);
       at != promised.end() && *at < first + marks.size(); ++at) {
    const Status s = cycle.profile.run_filters_with_nominated(cycle, nodes[*at - first]);
    if (s.code() == Code::kError) cycle.state->erred = true;
    marks[*at - first] = s.ok() ? 1 : 0;
  }
}

// The walk of find_feasible() by remembered verdicts of the local filters. False, and what it found
// does not count, when no node passes or one errs: the plain walk then collects the reasons.
bool Scheduler::find_remembered(Cycle& cycle, size_t profile, size_t wanted, Decision* d) {
  NodeVerdicts::Entry& e = scratch_.verdicts.find(cluster_, profile, cycle.info());
  std::vector<const Plugin*>& others = scratch_.others;
  others.clear();
  for (const Plugin* p : cycle.state->filters) {
    if ((p->local() & kFilter) == 0) others.push_back(p);
  }
  const bool simple = others.empty();
  find_promised(cycle);
  // The first one from `index` on that is promised.
  const auto next_promised = [&promised = scratch_.promised](size_t index) {
    const auto at = std::lower_bound(promised.begin(), promised.end(), index);
    return at == promised.end() ? SIZE_MAX : *at;
  };
  const std::span<const uint32_t> list = cluster_.order();

  const size_t n = list.size();
  const size_t start = next_start_ % n;
  d->feasible.clear();
  scratch_.stretches.clear();
  size_t failed = 0;
  const auto take = [&](size_t first, size_t last) {
    const auto at = list.begin();
    d->feasible.insert(d->feasible.end(), at + static_cast<ptrdiff_t>(first),
                       at + static_cast<ptrdiff_t>(last));
    extend(scratch_.stretches, first, last);
  };
  // From `index` on to `end`. True when the walk is over: one more than wanted passes.
  std::array<uint8_t, 256> marks;
  const auto walk = [&](size_t index, size_t end) {
    while (index < end) {
      const size_t missing = wanted - d->feasible.size();
      if (simple) {
        const size_t first = index;
        index =
            end_of_passing(e.filter, first, std::min({end, first + missing, next_promised(first)}));
        if (index > first) {
          take(first, index);
          continue;
        }
      }
      const size_t count = simple ? 1 : std::min({end - index, missing + 1, marks.size()});
      mark_passing(cycle, e, index, std::span(marks).first(count));
      for (size_t k = 0; k < count;) {
        const size_t first = k;
        while (k < count && marks[k] == 0) ++k;
        failed += k - first;
        const size_t from = k;
        while (k < count && marks[k] != 0) ++k;
        const size_t passed = k - from;
        const size_t taken = std::min(passed, wanted - d->feasible.size());
        if (taken > 0) take(index + from, index + from + taken);
        if (passed > taken) return true;
      }
      index += count;
    }
    return false;
  };
  if (!walk(start, n)) walk(0, start);
  const size_t found = d->feasible.size();
  if (found == 0 || cycle.state->erred) return false;
  size_t processed = found + failed;
  if (!d->statuses.list.empty()) {
    // A nominated node was tried and rejected: it counts too, unless the walk came by it.
    const uint32_t nominated = d->statuses.list.front().first;
    const auto at = std::find(list.begin(), list.end(), nominated) - list.begin();
    if ((static_cast<size_t>(at) + n - start) % n >= processed) ++processed;
  }
  next_start_ = (next_start_ + processed) % n;
  scratch_.remembered = &e;
  return true;
}

// Totals from the remembered scores of local plugins and those of the others. False, and nothing
// counts, when scores of a local plugin must be weighed against each other.
bool Scheduler::score_remembered(Cycle& cycle, const NodeList& nodes, Decision* d) {
  NodeVerdicts::Entry& e = *scratch_.remembered;
  const Profile& profile = cycle.profile;
  std::vector<const Plugin*>& locals = scratch_.locals;
  std::vector<const Plugin*>& others = scratch_.others;
  locals.clear();
  others.clear();
  for (const Plugin* p : profile.at(kScore)) {
    if (cycle.state->skip_score.contains(p->id())) continue;
    if (!profile.prepared_to_score(*p)) return false;
    ((p->local() & kScore) != 0 ? locals : others).push_back(p);
  }
  const auto total = [&](const NodeInfo& node) {
    int64_t sum = 0;
    for (const Plugin* p : locals) {
      int64_t score = p->raw_score(cycle, node);
      if (const std::optional<int64_t> zero = p->normalized_zero(cycle)) {
        if (score != 0) return NodeVerdicts::kRelative;
        score = *zero;
      }
      // Out of range the cycle fails, in the plain path's words.
      if (score < 0 || score > kMaxNodeScore) return NodeVerdicts::kRelative;
      sum += score * profile.weight(p->id());
    }
    return sum;
  };
  std::vector<int64_t>& totals = d->totals;
  totals.clear();
  for (const Stretch& stretch : scratch_.stretches) {
    const size_t first = totals.size();
    totals.insert(totals.end(), e.total.begin() + static_cast<ptrdiff_t>(stretch.first),
                  e.total.begin() + static_cast<ptrdiff_t>(stretch.last));
    // In blocks: a cycle changes one node, so that most blocks have all their scores.
    constexpr size_t kBlock = 32;
    for (size_t i = first; i < totals.size(); i += kBlock) {
      const size_t end = std::min(i + kBlock, totals.size());
      if (all_scored(std::span(totals).subspan(i, end - i))) continue;
      for (size_t k = i; k < end; ++k) {
        if (totals[k] == NodeVerdicts::kUnscored) {
          totals[k] = e.total[stretch.first + (k - first)] = total(nodes[k]);
        }
        if (totals[k] == NodeVerdicts::kRelative) return false;
      }
    }
  }
  for (const Plugin* p : others) {
    // A failure is worded by the plain path.
    if (!profile.add_scores(cycle, *p, nodes, &scratch_.scores, &d->totals).ok()) return false;
  }
  return true;
}

// False when the cycle failed; d says how.
bool Scheduler::find_feasible(Cycle& cycle, size_t profile_index, Decision* d) {
  const Profile& profile = cycle.profile;
  std::optional<std::vector<api::Str>> names;
  Status s = profile.run_pre_filter(cycle, &names, &d->unschedulable_plugins);
  if (!s.ok()) {
    if (!s.is_rejected()) {
      d->message = fmt::format("running PreFilter plugin \"{}\": {}",
                               profile.plugin_name(s.plugin()), s.message());
      return false;
    }
    // The cycle ends here, and what restricted it before is forgotten.
    if (s.code() == Code::kUnschedulableAndUnresolvable) d->unschedulable_plugins.clear();
    d->unschedulable_plugins.insert(s.plugin());
    d->pre_filter_message = s.message();
    d->statuses.absent = std::move(s);
    return true;
  }
  if (try_nominated(cycle, d)) return true;

  std::span<const uint32_t> list = cluster_.order();
  if (names) {
    scratch_.restricted.clear();
    for (const api::Str& name : *names) {
      if (const NodeInfo* n = cluster_.find_node(name)) scratch_.restricted.push_back(n->id);
    }
    list = scratch_.restricted;
    std::vector<std::string_view> plugins;
    // Those that restrict the nodes, and the one that just rejected the nominated node: Kubernetes
    // keeps both in one set.
    for (PluginId id = 0; id < static_cast<PluginId>(kMaxPlugins); ++id) {
      if (d->unschedulable_plugins.contains(id)) plugins.push_back(profile.plugin_name(id));
    }
    std::sort(plugins.begin(), plugins.end());
    std::string reason = "node(s) didn't satisfy plugin(s) [";
    for (size_t i = 0; i < plugins.size(); ++i) {
      if (i) reason += ' ';
      reason += plugins[i];
    }
    d->statuses.absent = Status::unresolvable(reason + "]");
  }
  const size_t n = list.size();
  const int32_t percentage = options_.profiles[profile_index].percentage_of_nodes_to_score.value_or(
      options_.percentage_of_nodes_to_score);
  const size_t wanted = profile.has(kScore) ? nodes_to_find(n, percentage) : 1;
  const bool nominated = !queue_.nominator.empty();
  if (!names && may_remember(cycle) && find_remembered(cycle, profile_index, wanted, d)) {
    return true;
  }
  d->feasible.clear();
  const size_t tried = d->statuses.list.size();  // the nominated node, if any
  size_t index = n == 0 ? 0 : next_start_ % n;
  for (size_t i = 0; i < n; ++i, index = index + 1 == n ? 0 : index + 1) {
    const NodeInfo& node = cluster_.node(list[index]);
    Status v = nominated ? profile.run_filters_with_nominated(cycle, node)
                         : profile.run_filters(cycle, node);
    if (v.ok()) {
      // One more than wanted ends the walk, and is not looked at any further.
      if (d->feasible.size() >= wanted) break;
      d->feasible.push_back(node.id);
      continue;
    }
    if (!v.is_rejected()) {
      d->message = v.message();
      break;
    }
    (v.code() == Code::kPending ? d->pending_plugins : d->unschedulable_plugins).insert(v.plugin());
    if (tried > 0 && d->statuses.list.front().first == node.id) continue;
    d->statuses.list.emplace_back(node.id, std::move(v));
  }
  const size_t processed = d->feasible.size() + d->statuses.list.size();
  next_start_ = (next_start_ + processed) % cluster_.node_count();
  return d->message.empty();
}

const Decision& Scheduler::decide(client::ControlContext& ctx, size_t profile_index,
                                  const PodInfoRef& pod, std::vector<Profile::PluginScores>* detail,
                                  bool remember) {
  Decision& d = scratch_.decision;
  d.clear();
  cluster_.refresh();
  scratch_.state.reset();
  scratch_.preemptions.clear();
  scratch_.remembered = nullptr;
  if (cluster_.node_count() == 0) {
    d.kind = Decision::Kind::kNoNodes;
    d.message = "no nodes available to schedule pods";
    return d;
  }
  Profile& profile = profiles_[profile_index];
  Cycle cycle{ctx, cluster_,        queue_.nominator,      profile,
              pod, &scratch_.state, &scratch_.preemptions, remember && options_.remember_verdicts};
  if (!find_feasible(cycle, profile_index, &d)) return d;
  if (d.feasible.empty()) {
    d.kind = Decision::Kind::kRejected;
    return d;
  }
  d.kind = Decision::Kind::kNode;
  d.node = d.feasible.front();
  if (d.feasible.size() == 1) return d;
  if (!profile.has(kScore)) return d;
  const NodeList nodes(cluster_, d.feasible);
  Status s = profile.run_pre_score(cycle, nodes);
  const bool scored =
      s.ok() && !detail && scratch_.remembered && score_remembered(cycle, nodes, &d);
  if (s.ok() && !scored) s = profile.run_scores(cycle, nodes, &d.totals, detail);
  if (!s.ok()) {
    d.kind = Decision::Kind::kError;
    d.message = s.message();
    return d;
  }
  d.node = d.feasible[pick_host(d.totals)];
  follow_preference(&d);
  return d;
}

// Takes the preferred node of this decision if it scores as well as the one chosen.
void Scheduler::follow_preference(Decision* d) const {
  if (chosen_ >= options_.preferred_nodes.size()) return;
  const int64_t best = *std::max_element(d->totals.begin(), d->totals.end());
  for (size_t i = 0; i < d->feasible.size(); ++i) {
    if (d->totals[i] == best &&
        cluster_.node(d->feasible[i]).name == options_.preferred_nodes[chosen_]) {
      d->node = d->feasible[i];
    }
  }
}

// A pod that was taken from the queue and not put back keeps the node it was promised, but only its
// name is known there: it takes a place among the node's pods, and nothing else.
void Scheduler::forget_claims(const PodInfo& pod) {
  if (queue_.nominator.node_of(pod.uid()).empty()) return;
  api::Ref<api::Pod> bare = api::make<api::Pod>();
  bare->metadata.namespace_ = pod.ns();
  bare->metadata.name = pod.pod->metadata.name;
  bare->metadata.uid = pod.uid();
  queue_.nominator.replace(cluster_.make_pod_info(PodRef(bare)));
}

void Scheduler::schedule_one(client::ControlContext& ctx, QueuedPod queued) {
  const PodInfoRef pod = queued.pod;
  if (pod->terminating) {
    recorders_[queued.profile].event_v1(ctx, *pod->pod, "Warning", "FailedScheduling", "Scheduling",
                                        "skip schedule deleting pod: " + pod->key());
    forget_claims(*pod);
    return queue_.done(pod->uid());
  }
  if (cluster_.is_assumed(pod->uid())) return queue_.done(pod->uid());

  scratch_.observed.clear();
  using Detail = AttemptObserver::Detail;
  const Detail detail = scratch_.observer ? scratch_.observer->detail(*pod) : Detail::kDecision;
  const Decision& d =
      decide(ctx, queued.profile, pod, detail == Detail::kDecision ? nullptr : &scratch_.observed,
             detail != Detail::kReasons);
  if (scratch_.observer) scratch_.observer->decided(*pod, d, scratch_.observed);
  Profile& profile = profiles_[queued.profile];
  Cycle cycle{ctx, cluster_,        queue_.nominator,      profile,
              pod, &scratch_.state, &scratch_.preemptions, options_.remember_verdicts};
  switch (d.kind) {
    case Decision::Kind::kNode:
      ++chosen_;
      return bind(ctx, cycle, std::move(queued), d.node);
    case Decision::Kind::kNoNodes:
      // Said to be unschedulable, and retried as an error: no plugin rejected it.
      return fail(ctx, std::move(queued), {.rejected = true, .message = d.message});
    case Decision::Kind::kError:
      return fail(ctx, std::move(queued), {.rejected = false, .message = d.message});
    case Decision::Kind::kRejected:
      break;
  }
  Failure failure{.rejected = true, .message = {}, .nominating = Nominating::to({})};
  std::string preemption;
  if (profile.has(kPostFilter)) {
    failure.nominating = Nominating::keep();
    PreemptionSearch search;
    if (detail == Detail::kReasons) cycle.search = &search;
    preemption = profile.run_post_filter(cycle, d.statuses, &failure.nominating).message();
    if (cycle.search) scratch_.observer->searched(*pod, search);
  }
  failure.message = rejection_histogram(cluster_.node_count(), d.statuses, d.pre_filter_message);
  if (!preemption.empty()) failure.message += " " + preemption;
  queued.unschedulable_plugins = d.unschedulable_plugins;
  queued.pending_plugins = d.pending_plugins;
  const uint32_t profile_index = queued.profile;
  std::vector<Preemption> plans = std::move(scratch_.preemptions);
  scratch_.preemptions.clear();
  fail(ctx, std::move(queued), failure);
  if (scratch_.observer) {
    for (const Preemption& p : plans) scratch_.observer->preempting(p);
  }
  for (Preemption& p : plans) start_preemption(ctx, std::move(p), profile_index);
}

// ---- failure

void Scheduler::fail(client::ControlContext& ctx, QueuedPod queued, const Failure& failure) {
  const uint64_t id = failure.in_cycle ? 0 : ++next_id_;
  const bool patching = take_back(ctx, std::move(queued), failure, id);
  if (failure.in_cycle) patching_ = patching;
  if (!failure.room) return;
  if (patching) {
    rooms_.emplace(id, failure.room);
  } else {
    tell_of_room(ctx, failure.room, true);
  }
}

// The pod goes back to the queue, and its status says why. True if that is on its way to the API.
bool Scheduler::take_back(client::ControlContext& ctx, QueuedPod queued, const Failure& failure,
                          uint64_t id) {
  Host host(*this, ctx);
  const uint32_t profile = queued.profile;
  const PodInfoRef pod = queued.pod;
  const api::Pod& seen = *pod->pod;
  if (scratch_.observer) {
    scratch_.observer->failed(*pod, failure.rejected, failure.message, failure.nominating);
  }
  const PodRef newest = ctx.cache(api::Kind::Pod).get_ref<api::Pod>(pod->ns(), seen.metadata.name);
  const bool unbound = newest && newest->spec.node_name.empty() && visible(newest);
  const bool waiting = unbound && newest->metadata.uid == pod->uid();
  // Another pod has taken its name: nothing is said, for it would be said of that one.
  if (unbound && !waiting) {
    queue_.done(pod->uid());
    return false;
  }
  if (waiting) {
    queued.pod = cluster_.make_pod_info(newest);
    const PodInfoRef current = queued.pod;
    queue_.add_unschedulable(call(ctx, host), std::move(queued));
    queue_.nominator.set(current, failure.nominating.override_
                                      ? failure.nominating.node
                                      : newest->status.nominated_node_name);
  } else {
    queue_.done(pod->uid());
  }
  recorders_[profile].event_v1(ctx, seen, "Warning", "FailedScheduling", "Scheduling",
                               truncated(failure.message));

  api::PodCondition condition;
  condition.type = "PodScheduled";
  condition.status = "False";
  condition.reason = failure.rejected ? "Unschedulable" : "SchedulerError";
  condition.message = failure.message;
  condition.observed_generation = seen.metadata.generation;
  condition.last_transition_time = ctx.now().truncated_to_second();
  // Only what changed against the pod of the cycle is patched.
  api::PodStatus status = seen.status;
  const bool changed = api::set_pod_condition(status, condition);
  const api::Str* nominated = nullptr;
  if (failure.nominating.override_ && seen.status.nominated_node_name != failure.nominating.node) {
    nominated = &failure.nominating.node;
  }
  if (!changed && !nominated) return false;
  client::Request request = status_patch(
      seen, changed ? api::find_condition(status.conditions, condition.type) : nullptr, nominated);
  request.uid = pod->uid();
  ctx.submit(std::move(request), cookie(kStatus, id));
  return true;
}

// ---- preemption

// What Kubernetes does beside the cycle, in a goroutine of its own: one request after the other for
// the nominations, a few workers for the victims but the last, then the last one.
void Scheduler::start_preemption(client::ControlContext& ctx, Preemption plan, uint32_t profile) {
  const uint64_t job_id = ++next_id_;
  PreemptionJob job;
  job.profile = profile;
  // Pods of lower priority that are promised the node may not fit any more.
  for (const PodInfoRef& p : queue_.nominator.on(plan.node)) {
    if (p->priority < plan.preemptor->priority) job.promised.push_back(p);
  }
  job.plan = std::move(plan);
  preemptions_.emplace(job_id, std::move(job));
  advance_preemption(ctx, job_id);
}

// Takes back the next nomination; false if none is left.
bool Scheduler::clear_nomination(client::ControlContext& ctx, uint64_t job_id) {
  PreemptionJob& job = preemptions_.at(job_id);
  while (job.cleared < job.promised.size()) {
    // As the queue knew the pod: one that it only knows by its name has nothing to clear.
    const api::Pod& pod = *job.promised[job.cleared++]->pod;
    if (pod.status.nominated_node_name.empty()) continue;
    const api::Str none;
    job.outstanding = 1;
    ctx.submit(status_patch(pod, nullptr, &none),
               cookie(kPreempt, job_id << kVictimBits | kClearing));
    return true;
  }
  return false;
}

// How many victims a worker takes at a time (parallelize.chunkSizeFor).
size_t Scheduler::PreemptionJob::chunk() const {
  const size_t most = others() / kPreemptionWorkers + 1;
  size_t root = 1;
  while ((root + 1) * (root + 1) <= others()) ++root;
  return std::min(root, most);
}

size_t Scheduler::PreemptionJob::claim() { return std::exchange(unclaimed, unclaimed + chunk()); }

size_t Scheduler::PreemptionJob::after(size_t victim) {
  return (victim + 1) % chunk() != 0 ? victim + 1 : claim();
}

// Begins with the victims of a worker, from the given one on.
void Scheduler::work_on_victims(client::ControlContext& ctx, uint64_t job_id, size_t victim) {
  PreemptionJob& job = preemptions_.at(job_id);
  for (size_t i = victim; i < job.others() && !job.cancelled; i = job.after(i)) {
    if (!preempt_victim(ctx, job_id, i)) {
      ++job.outstanding;
      return;
    }
  }
}

// Goes on when no request is outstanding. The last victim is left alone if one could not be
// deleted.
void Scheduler::advance_preemption(client::ControlContext& ctx, uint64_t job_id) {
  PreemptionJob& job = preemptions_.at(job_id);
  if (job.outstanding > 0 || clear_nomination(ctx, job_id)) return;
  if (!job.started) {
    job.started = true;
    for (size_t w = 0; w < kPreemptionWorkers && job.unclaimed < job.others(); ++w) {
      work_on_victims(ctx, job_id, job.claim());
    }
    if (job.outstanding > 0) return;
  }
  auto* plugin =
      static_cast<DefaultPreemption*>(profiles_[job.profile].find(DefaultPreemption::kName));
  const api::Str& uid = job.plan.preemptor->uid();
  if (!job.last_started && !job.cancelled) {
    job.last_started = true;
    if (plugin) plugin->last_victim(uid, *job.plan.victims.back());
    if (!preempt_victim(ctx, job_id, job.others())) {
      job.outstanding = 1;
      return;
    }
  }
  if (plugin) plugin->finish(uid);
  if (job.failed) {
    Host host(*this, ctx);
    queue_.activate(call(ctx, host), job.plan.preemptor);
  }
  preemptions_.erase(job_id);
}

bool Scheduler::preempt_victim(client::ControlContext& ctx, uint64_t job_id, size_t victim) {
  PreemptionJob& job = preemptions_.at(job_id);
  const api::Pod& pod = *job.plan.victims[victim]->pod;
  const Plugin* plugin = profiles_[job.profile].find(DefaultPreemption::kName);
  if (reject_waiting(pod.metadata.uid, plugin ? plugin->id() : kNoPlugin, "preempted")) {
    preempted(ctx, job, victim);
    return true;
  }
  const std::string message = fmt::format("{}: preempting to accommodate a higher priority pod",
                                          job.plan.preemptor->pod->spec.scheduler_name.view());
  api::PodCondition condition;
  condition.type = "DisruptionTarget";
  condition.status = "True";
  condition.reason = "PreemptionByScheduler";
  condition.message = message;
  condition.observed_generation = pod.metadata.generation;
  condition.last_transition_time = ctx.now().truncated_to_second();
  api::PodStatus status = pod.status;
  if (!api::set_pod_condition(status, condition)) {
    delete_victim(ctx, job_id, victim);
    return false;
  }
  ctx.submit(status_patch(pod, api::find_condition(status.conditions, condition.type), nullptr),
             cookie(kPreempt, job_id << kVictimBits | victim));
  return false;
}

void Scheduler::preempted(client::ControlContext& ctx, const PreemptionJob& job, size_t victim) {
  recorders_[job.profile].event_v1(
      ctx, *job.plan.victims[victim]->pod, "Normal", "Preempted", "Preempting",
      fmt::format("Preempted by pod {} on node {}", job.plan.preemptor->uid().view(),
                  job.plan.node.view()));
}

void Scheduler::delete_victim(client::ControlContext& ctx, uint64_t job_id, size_t victim) {
  const api::Pod& pod = *preemptions_.at(job_id).plan.victims[victim]->pod;
  client::Request request;
  request.verb = client::Verb::kDelete;
  request.kind = api::Kind::Pod;
  request.ns = pod.metadata.namespace_;
  request.name = pod.metadata.name;
  ctx.submit(std::move(request), cookie(kPreempt, job_id << kVictimBits | kDeleting | victim));
}

void Scheduler::preemption_outcome(client::ControlContext& ctx, uint64_t id,
                                   const client::Outcome& outcome) {
  const uint64_t job_id = id >> kVictimBits;
  const auto it = preemptions_.find(job_id);
  if (it == preemptions_.end()) return;
  PreemptionJob& job = it->second;
  const uint64_t step = id & kVictimMask;
  if (step == kClearing) {
    job.failed = job.failed || !outcome.ok();
  } else {
    const size_t victim = step & ~kDeleting;
    const bool deleting = (step & kDeleting) != 0;
    if (outcome.ok() && !deleting && !job.cancelled) return delete_victim(ctx, job_id, victim);
    if (outcome.ok() && deleting) {
      preempted(ctx, job, victim);
    } else if (!outcome.ok() && !outcome.not_found()) {
      job.failed = job.cancelled = true;
    }
    if (!job.last_started) work_on_victims(ctx, job_id, job.after(victim));
  }
  --job.outstanding;
  advance_preemption(ctx, job_id);
}

std::unique_ptr<client::ControlLoop> make_scheduler(const SchedulerOptions& options) {
  return std::make_unique<Scheduler>(options);
}

}  // namespace mainspring::scheduler

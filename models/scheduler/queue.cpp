#include "models/scheduler/queue.h"

#include <algorithm>
#include <utility>

namespace mainspring::scheduler {

namespace {
constexpr ClusterEvent kWildcardEvent{Resource::kWildcard, kAll};
constexpr api::Duration kWindow = api::Duration::seconds(1);

// PrioritySort with the twin's tie-break: virtual timestamps may be equal.
bool priority_less(const QueuedPod& a, const QueuedPod& b) {
  if (a.pod->priority != b.pod->priority) return a.pod->priority > b.pod->priority;
  if (a.timestamp != b.timestamp) return a.timestamp < b.timestamp;
  return a.sequence < b.sequence;
}
}  // namespace

// ---- heaps

SchedulingQueue::Heap& SchedulingQueue::heap(Place place) {
  if (place == Place::kActive) return active_;
  return place == Place::kBackoff ? backoff_ : error_backoff_;
}

bool SchedulingQueue::less(Place place, uint32_t a, uint32_t b) const {
  const QueuedPod& x = slots_[a].pod;
  const QueuedPod& y = slots_[b].pod;
  if (place != Place::kActive) {
    const api::Time ex = x.backoff_expiration.value_or(api::Time());
    const api::Time ey = y.backoff_expiration.value_or(api::Time());
    if (ex != ey) return ex < ey;
    if (place == Place::kErrorBackoff) return false;
  }
  return priority_less(x, y);
}

void SchedulingQueue::swap(Heap& h, size_t i, size_t j) {
  std::swap(h.items[i], h.items[j]);
  slots_[h.items[i]].heap_index = static_cast<uint32_t>(i);
  slots_[h.items[j]].heap_index = static_cast<uint32_t>(j);
}

void SchedulingQueue::up(Place place, size_t j) {
  Heap& h = heap(place);
  while (j > 0) {
    const size_t i = (j - 1) / 2;
    if (!less(place, h.items[j], h.items[i])) break;
    swap(h, i, j);
    j = i;
  }
}

bool SchedulingQueue::down(Place place, size_t i0, size_t n) {
  Heap& h = heap(place);
  size_t i = i0;
  while (true) {
    size_t j = 2 * i + 1;
    if (j >= n) break;
    if (j + 1 < n && less(place, h.items[j + 1], h.items[j])) ++j;
    if (!less(place, h.items[j], h.items[i])) break;
    swap(h, i, j);
    i = j;
  }
  return i > i0;
}

void SchedulingQueue::push(Place place, uint32_t slot) {
  Heap& h = heap(place);
  slots_[slot].place = place;
  slots_[slot].heap_index = static_cast<uint32_t>(h.items.size());
  h.items.push_back(slot);
  up(place, h.items.size() - 1);
}

void SchedulingQueue::erase(Place place, uint32_t slot) {
  Heap& h = heap(place);
  const size_t i = slots_[slot].heap_index;
  const size_t n = h.items.size() - 1;
  if (i != n) {
    swap(h, i, n);
    if (!down(place, i, n)) up(place, i);
  }
  h.items.pop_back();
  slots_[slot].place = Place::kNone;
}

void SchedulingQueue::fix(Place place, uint32_t slot) {
  const size_t i = slots_[slot].heap_index;
  if (!down(place, i, heap(place).items.size())) up(place, i);
}

// ---- slots

std::optional<uint32_t> SchedulingQueue::find_slot(std::string_view ns,
                                                   std::string_view name) const {
  const uint32_t slot = index_.find(client::name_hash(ns, name), [&](uint32_t s) {
    return client::is_named(*slots_[s].pod.pod->pod, ns, name);
  });
  return slot == client::SlotTable::kNone ? std::nullopt : std::optional<uint32_t>(slot);
}

uint32_t SchedulingQueue::slot_of(QueuedPod pod) {
  uint32_t slot = 0;
  if (free_.empty()) {
    slot = static_cast<uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    slot = free_.back();
    free_.pop_back();
  }
  index_.insert(client::name_hash(*pod.pod->pod), slot);
  slots_[slot] = Slot();
  slots_[slot].pod = std::move(pod);
  return slot;
}

// Takes the pod out of whatever holds it; the slot stays.
void SchedulingQueue::detach(uint32_t slot) {
  Slot& s = slots_[slot];
  switch (s.place) {
    case Place::kNone:
      break;
    case Place::kActive:
    case Place::kBackoff:
    case Place::kErrorBackoff:
      erase(s.place, slot);
      break;
    case Place::kUnschedulable: {
      const auto group = pool_.find(s.pooled_for);
      group->second.erase({s.pooled, slot});
      if (group->second.empty()) pool_.erase(group);
      pool_by_age_.erase({s.pod.timestamp, slot});
      s.place = Place::kNone;
      break;
    }
  }
}

void SchedulingQueue::release(uint32_t slot) {
  detach(slot);
  index_.erase(client::name_hash(*slots_[slot].pod.pod->pod), slot);
  slots_[slot] = Slot();
  free_.push_back(slot);
}

void SchedulingQueue::to_pool(uint32_t slot) {
  detach(slot);
  Slot& s = slots_[slot];
  s.place = Place::kUnschedulable;
  s.pooled = ++sequence_;
  s.pooled_for = s.pod.unschedulable_plugins | s.pod.pending_plugins;
  pool_[s.pooled_for].insert({s.pooled, slot});
  if (!s.pod.gated()) pool_by_age_.insert({s.pod.timestamp, slot});
}

size_t SchedulingQueue::unschedulable() const {
  size_t pods = 0;
  for (const auto& [rejectors, group] : pool_) pods += group.size();
  return pods;
}

SchedulingQueue::Place SchedulingQueue::place(std::string_view ns, std::string_view name) const {
  const auto slot = find_slot(ns, name);
  return slot ? slots_[*slot].place : Place::kNone;
}

const QueuedPod* SchedulingQueue::find(std::string_view ns, std::string_view name) const {
  const auto slot = find_slot(ns, name);
  return slot ? &slots_[*slot].pod : nullptr;
}

// ---- backoff

api::Duration SchedulingQueue::backoff_duration(const QueuedPod& pod) const {
  const int32_t count =
      pod.consecutive_errors > 0 ? pod.consecutive_errors : pod.unschedulable_count;
  if (count == 0 || options_.max_backoff.ns() == 0) return {};
  api::Duration d = options_.initial_backoff;
  for (int32_t i = 1; i < count; ++i) {
    if (d > options_.max_backoff - d) return options_.max_backoff;
    d = d + d;
  }
  return std::min(d, options_.max_backoff);
}

api::Time SchedulingQueue::backoff_expiration(QueuedPod& pod) const {
  if (!pod.backoff_expiration) {
    const api::Duration d = backoff_duration(pod);
    pod.backoff_expiration = d.ns() == 0 ? api::Time() : (pod.timestamp + d).truncated_to_second();
  }
  return *pod.backoff_expiration;
}

bool SchedulingQueue::backing_off(uint32_t slot, api::Time now) {
  return backoff_expiration(slots_[slot].pod) >= now.truncated_to_second();
}

// ---- moves

bool SchedulingQueue::to_active(const Call& call, uint32_t slot, bool run_pre_enqueue,
                                bool nominate) {
  Slot& s = slots_[slot];
  if (run_pre_enqueue) {
    call.host.pre_enqueue(s.pod);
    if (s.pod.gated()) {
      to_pool(slot);
      return false;
    }
  }
  detach(slot);
  push(Place::kActive, slot);
  if (nominate) nominator.set(s.pod.pod, s.pod.pod->pod->status.nominated_node_name);
  return true;
}

SchedulingQueue::Place SchedulingQueue::requeue(const Call& call, uint32_t slot,
                                                Strategy strategy) {
  if (strategy == Strategy::kSkip) {
    to_pool(slot);
    return Place::kUnschedulable;
  }
  Slot& s = slots_[slot];
  if (strategy == Strategy::kAfterBackoff && backing_off(slot, call.now)) {
    call.host.pre_enqueue(s.pod);
    if (s.pod.gated()) {
      to_pool(slot);
      return Place::kUnschedulable;
    }
    detach(slot);
    const bool error = s.pod.unschedulable_plugins.empty() && s.pod.pending_plugins.empty();
    push(error ? Place::kErrorBackoff : Place::kBackoff, slot);
    return s.place;
  }
  to_active(call, slot, true);
  return slots_[slot].place;
}

SchedulingQueue::Strategy SchedulingQueue::worth_requeuing(const Call& call, const QueuedPod& pod,
                                                           ClusterEvent event,
                                                           const EventObjects& objects) const {
  const PluginSet rejectors = pod.unschedulable_plugins | pod.pending_plugins;
  if (rejectors.empty()) return Strategy::kAfterBackoff;
  if (event.wildcard()) {
    const bool other = objects.new_pod && objects.new_pod->uid() != pod.pod->uid();
    return other ? Strategy::kSkip : Strategy::kAfterBackoff;
  }
  Strategy result = Strategy::kSkip;
  for (const QueueHost::Interest& i : call.host.interests(pod.profile)) {
    if (!i.registration.event.matches(event) || !rejectors.contains(i.plugin)) continue;
    const bool pending = pod.pending_plugins.contains(i.plugin);
    if (result == Strategy::kAfterBackoff && !pending) continue;
    if (!call.host.hint(i, pod, objects)) continue;
    if (pending) return Strategy::kImmediately;
    result = Strategy::kAfterBackoff;
    if (pod.pending_plugins.empty()) return result;
  }
  return result;
}

SchedulingQueue::Strategy SchedulingQueue::offer(const Call& call, const QueuedPod& pod,
                                                 ClusterEvent event,
                                                 const EventObjects& objects) const {
  const Strategy strategy = worth_requeuing(call, pod, event, objects);
  if (strategy != Strategy::kSkip) call.host.woken(pod, event, objects);
  return strategy;
}

PluginSet SchedulingQueue::interested(const Call& call, ClusterEvent event) const {
  PluginSet out;
  for (uint32_t profile = 0; profile < call.host.profiles(); ++profile) {
    for (const QueueHost::Interest& i : call.host.interests(profile)) {
      if (i.registration.event.matches(event)) out.insert(i.plugin);
    }
  }
  return out;
}

bool SchedulingQueue::in_flight(const api::Str& uid) const {
  return std::any_of(in_flight_.begin(), in_flight_.end(),
                     [&](const InFlightPod& p) { return !p.done && p.uid == uid; });
}

void SchedulingQueue::record(ClusterEvent event, const EventObjects& objects) {
  if (!in_flight_.empty()) events_.push_back({event, objects});
}

// ---- the public calls

void SchedulingQueue::add(const Call& call, PodInfoRef pod, uint32_t profile) {
  if (const auto known = find_slot(*pod)) release(*known);
  QueuedPod q;
  q.pod = std::move(pod);
  q.profile = profile;
  q.timestamp = call.now;
  q.sequence = ++sequence_;
  to_active(call, slot_of(std::move(q)), true, true);
}

void SchedulingQueue::update(const Call& call, const PodInfoRef& before, PodInfoRef after,
                             uint32_t profile) {
  std::vector<ClusterEvent> events;
  if (before) events = pod_events(*before, *after);
  const EventObjects objects{.old_pod = before, .new_pod = after};
  if (in_flight(after->uid())) {
    for (const ClusterEvent& e : events) record(e, objects);
    return;
  }
  const auto found = find_slot(*after);
  if (!found) return add(call, std::move(after), profile);
  Slot& s = slots_[*found];
  const bool same_pod = s.pod.pod->uid() == after->uid();
  if (!same_pod) {  // deleted and created again under the same name
    release(*found);
    return add(call, std::move(after), profile);
  }
  s.pod.pod = after;
  const api::Str& nominated = after->pod->status.nominated_node_name;
  const bool silent =
      nominated.empty() && before && before->pod->status.nominated_node_name.empty();
  // An update that says nothing of a nomination keeps the one that is on its way to the API.
  nominator.set(after, silent ? nominator.node_of(after->uid()) : nominated);
  if (s.place != Place::kUnschedulable) {
    fix(s.place, *found);
    return;
  }
  for (const ClusterEvent& e : events) {
    const Strategy strategy = offer(call, s.pod, e, objects);
    if (strategy == Strategy::kSkip) continue;
    if (requeue(call, *found, strategy) != Place::kUnschedulable) return;
  }
}

void SchedulingQueue::remove(const PodInfo& pod) {
  nominator.remove(pod.uid());
  const auto found = find_slot(pod);
  if (found && slots_[*found].pod.pod->uid() == pod.uid()) release(*found);
}

std::optional<QueuedPod> SchedulingQueue::pop(const Call&) {
  uint32_t slot = 0;
  if (!active_.items.empty()) {
    slot = active_.items.front();
  } else if (options_.pop_from_backoff && !backoff_.items.empty()) {
    slot = backoff_.items.front();
  } else {
    return std::nullopt;
  }
  detach(slot);
  QueuedPod pod = slots_[slot].pod;
  release(slot);
  ++pod.attempts;
  pod.backoff_expiration.reset();
  pod.unschedulable_plugins.clear();
  pod.pending_plugins.clear();
  pod.gating_plugin = kNoPlugin;
  in_flight_.push_back({pod.pod->uid(), first_event_ + events_.size(), false});
  return pod;
}

void SchedulingQueue::done(const api::Str& uid) {
  for (InFlightPod& p : in_flight_) {
    if (!p.done && p.uid == uid) {
      p.done = true;
      break;
    }
  }
  while (!in_flight_.empty() && in_flight_.front().done) in_flight_.pop_front();
  const uint64_t keep =
      in_flight_.empty() ? first_event_ + events_.size() : in_flight_.front().first_event;
  while (first_event_ < keep) {
    events_.pop_front();
    ++first_event_;
  }
}

void SchedulingQueue::add_unschedulable(const Call& call, QueuedPod pod) {
  const api::Str uid = pod.pod->uid();
  if (find_slot(*pod.pod)) return done(uid);
  if (pod.unschedulable_plugins.empty() && pod.pending_plugins.empty()) {
    ++pod.consecutive_errors;
  } else {
    ++pod.unschedulable_count;
    pod.consecutive_errors = 0;
  }
  pod.timestamp = call.now;
  pod.sequence = ++sequence_;
  pod.backoff_expiration.reset();

  Strategy strategy = Strategy::kAfterBackoff;
  const auto flight = std::find_if(in_flight_.begin(), in_flight_.end(),
                                   [&](const auto& p) { return !p.done && p.uid == uid; });
  const bool rejected = !pod.unschedulable_plugins.empty() || !pod.pending_plugins.empty();
  if (rejected && flight != in_flight_.end()) {
    strategy = Strategy::kSkip;
    for (uint64_t i = flight->first_event; i < first_event_ + events_.size(); ++i) {
      const InFlightEvent& e = events_[static_cast<size_t>(i - first_event_)];
      const Strategy s = offer(call, pod, e.event, e.objects);
      if (s == Strategy::kSkip) continue;
      strategy = s;
      if (s == Strategy::kImmediately) break;
    }
  }
  requeue(call, slot_of(std::move(pod)), strategy);
  done(uid);
}

void SchedulingQueue::move_all(const Call& call, ClusterEvent event, const EventObjects& objects,
                               std::optional<int32_t> max_priority, const api::Str& except) {
  if (pool_.empty() && in_flight_.empty()) return;
  const PluginSet listeners = interested(call, event);
  if (!event.wildcard() && listeners.empty()) return;
  std::vector<std::pair<uint64_t, uint32_t>> waiting;
  for (const auto& [rejectors, pods] : pool_) {
    // Most pods were rejected by plugins that do not care.
    if (!event.wildcard() && !rejectors.empty() && !rejectors.meets(listeners)) continue;
    for (const auto& [order, slot] : pods) {
      const PodInfo& pod = *slots_[slot].pod.pod;
      if (max_priority && pod.priority > *max_priority) continue;
      if (!except.empty() && pod.uid() == except) continue;
      waiting.emplace_back(order, slot);
    }
  }
  std::sort(waiting.begin(), waiting.end());
  for (const auto& [order, slot] : waiting) {
    const QueuedPod& pod = slots_[slot].pod;
    if (pod.gated()) {
      bool registered = false;
      for (const QueueHost::Interest& i : call.host.interests(pod.profile)) {
        registered =
            registered || (i.plugin == pod.gating_plugin && i.registration.event.matches(event));
      }
      if (!registered) continue;
    }
    const Strategy strategy = offer(call, pod, event, objects);
    if (strategy != Strategy::kSkip) requeue(call, slot, strategy);
  }
  record(event, objects);
}

void SchedulingQueue::activate(const Call& call, const PodInfoRef& pod) {
  const auto found = find_slot(*pod);
  if (!found) {
    // In flight: its verdict, and nobody else's, will count the event.
    if (in_flight(pod->uid())) record(kWildcardEvent, {.new_pod = pod});
    return;
  }
  const Place place = slots_[*found].place;
  if (place == Place::kActive) return;
  // Pods in backoff have passed PreEnqueue already.
  to_active(call, *found, place == Place::kUnschedulable);
}

std::optional<api::Time> SchedulingQueue::next_wakeup() const {
  std::optional<api::Time> at;
  const auto sooner = [&](api::Time t) {
    if (!at || t < *at) at = t;
  };
  for (const Heap* h : {&backoff_, &error_backoff_}) {
    if (h->items.empty()) continue;
    // Over once the wall clock's second is later than the expiration's.
    const api::Time e = slots_[h->items.front()].pod.backoff_expiration.value_or(api::Time());
    sooner(e + kWindow);
  }
  if (!pool_by_age_.empty()) {
    const api::Duration age =
        pool_by_age_.begin()->first + options_.max_in_unschedulable - started_;
    const int64_t tick = std::max(age / options_.leftover_period + 1, leftover_ticks_ + 1);
    sooner(started_ + options_.leftover_period * tick);
  }
  return at;
}

void SchedulingQueue::on_time(const Call& call) {
  for (const Place place : {Place::kBackoff, Place::kErrorBackoff}) {
    while (!heap(place).items.empty() && !backing_off(heap(place).items.front(), call.now)) {
      to_active(call, heap(place).items.front(), false);
    }
  }
  const int64_t tick = (call.now - started_) / options_.leftover_period;
  if (tick <= leftover_ticks_) return;
  leftover_ticks_ = tick;
  const api::Time as_of = started_ + options_.leftover_period * tick;
  std::vector<uint32_t> old;
  for (const auto& [timestamp, slot] : pool_by_age_) {
    if (as_of - timestamp <= options_.max_in_unschedulable) break;
    old.push_back(slot);
  }
  for (const uint32_t slot : old) {
    const Strategy s = offer(call, slots_[slot].pod, kWildcardEvent, {});
    if (s != Strategy::kSkip) requeue(call, slot, s);
  }
  if (!old.empty()) record(kWildcardEvent, {});
}

}  // namespace mainspring::scheduler

// The scheduling queue: pods ready to be tried (activeQ), pods waiting out a backoff (backoffQ),
// and pods that wait for the cluster to change (the unschedulable pool, gated pods included).
//
// It holds no timers: the owner asks next_wakeup() and calls on_time(). Backoffs end on whole
// seconds of the wall clock; pods of equal priority leave in order of (time, sequence) of arrival.
// A value. Source: pkg/scheduler/backend/queue (v1.35).
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <vector>

#include "models/client/slot_table.h"
#include "models/scheduler/events.h"
#include "models/scheduler/nominator.h"
#include "models/scheduler/plugin.h"

namespace mainspring::scheduler {

struct QueueOptions {
  api::Duration initial_backoff = api::Duration::seconds(1);
  api::Duration max_backoff = api::Duration::seconds(10);
  api::Duration max_in_unschedulable = api::Duration::minutes(5);
  api::Duration leftover_period = api::Duration::seconds(30);
  bool pop_from_backoff = true;  // gate SchedulerPopFromBackoffQ
};

struct QueuedPod {
  PodInfoRef pod;
  uint32_t profile = 0;
  api::Time timestamp;  // of arrival, or of the last failed attempt
  uint64_t sequence = 0;
  int32_t attempts = 0;
  int32_t unschedulable_count = 0;
  int32_t consecutive_errors = 0;
  std::optional<api::Time> backoff_expiration;  // computed when first asked for
  PluginSet unschedulable_plugins;
  PluginSet pending_plugins;
  PluginId gating_plugin = kNoPlugin;

  bool gated() const { return gating_plugin != kNoPlugin; }
};

// The queue's view of the plugins: PreEnqueue and the hints. The scheduler implements it.
class QueueHost {
 public:
  virtual ~QueueHost() = default;
  // Runs the PreEnqueue plugins; sets gating_plugin and the rejecting plugins of the pod.
  virtual void pre_enqueue(QueuedPod& pod) = 0;
  struct Interest {
    PluginId plugin;
    EventRegistration registration;
  };
  virtual uint32_t profiles() const = 0;
  virtual std::span<const Interest> interests(uint32_t profile) const = 0;
  virtual bool hint(const Interest& interest, const QueuedPod& pod,
                    const EventObjects& objects) const = 0;
  // An event is about to let the pod try again.
  virtual void woken(const QueuedPod&, ClusterEvent, const EventObjects&) {}
};

class SchedulingQueue {
 public:
  enum class Place : uint8_t { kNone, kActive, kBackoff, kErrorBackoff, kUnschedulable };
  enum class Strategy : uint8_t { kSkip, kAfterBackoff, kImmediately };

  explicit SchedulingQueue(QueueOptions options = {}) : options_(options) {}

  // All calls take the time and the host, so that nothing of them is kept.
  struct Call {
    api::Time now;
    QueueHost& host;
  };

  void start(api::Time now) { started_ = now; }
  void add(const Call& call, PodInfoRef pod, uint32_t profile);
  // A change of a pod that is not bound; `before` may be null.
  void update(const Call& call, const PodInfoRef& before, PodInfoRef after, uint32_t profile);
  void remove(const PodInfo& pod);
  // The next pod to try; it is in flight until done() or add_unschedulable().
  std::optional<QueuedPod> pop(const Call& call);
  void done(const api::Str& uid);
  // Takes a pod back whose attempt failed.
  void add_unschedulable(const Call& call, QueuedPod pod);
  // Offers an event to the waiting pods, perhaps only to those of at most some priority, or to all
  // but one.
  void move_all(const Call& call, ClusterEvent event, const EventObjects& objects,
                std::optional<int32_t> max_priority = std::nullopt, const api::Str& except = {});
  // Lets a plugin's pod try again at once.
  void activate(const Call& call, const PodInfoRef& pod);

  std::optional<api::Time> next_wakeup() const;
  void on_time(const Call& call);

  bool has_ready() const {
    return !active_.items.empty() || (options_.pop_from_backoff && !backoff_.items.empty());
  }
  Place place(std::string_view ns, std::string_view name) const;
  size_t active() const { return active_.items.size(); }
  size_t backing_off() const { return backoff_.items.size() + error_backoff_.items.size(); }
  size_t unschedulable() const;
  // Whether an event can mean anything to it: pods wait for one, or are being decided on.
  bool listens() const { return !pool_.empty() || !in_flight_.empty(); }
  const QueuedPod* find(std::string_view ns, std::string_view name) const;
  const QueueOptions& options() const { return options_; }

  Nominator nominator;

  // How long a pod that failed waits at least; the expiration is on a whole second.
  api::Duration backoff_duration(const QueuedPod& pod) const;
  api::Time backoff_expiration(QueuedPod& pod) const;

 private:
  struct Slot {
    QueuedPod pod;
    Place place = Place::kNone;
    uint32_t heap_index = 0;
    uint64_t pooled = 0;   // order of arrival in the pool
    PluginSet pooled_for;  // the plugins that rejected it then
  };
  // Go's container/heap over slot numbers, so that ties fall as they do there.
  struct Heap {
    std::vector<uint32_t> items;
  };
  struct InFlightPod {
    api::Str uid;
    uint64_t first_event = 0;
    bool done = false;
  };
  struct InFlightEvent {
    ClusterEvent event;
    EventObjects objects;
  };

  bool less(Place heap, uint32_t a, uint32_t b) const;
  Heap& heap(Place place);
  void swap(Heap& h, size_t i, size_t j);
  void up(Place place, size_t i);
  bool down(Place place, size_t i, size_t n);
  void push(Place place, uint32_t slot);
  void erase(Place place, uint32_t slot);
  void fix(Place place, uint32_t slot);

  uint32_t slot_of(QueuedPod pod);
  std::optional<uint32_t> find_slot(std::string_view ns, std::string_view name) const;
  std::optional<uint32_t> find_slot(const PodInfo& pod) const {
    return find_slot(pod.ns(), pod.name());
  }
  void detach(uint32_t slot);
  void release(uint32_t slot);
  void to_pool(uint32_t slot);
  bool backing_off(uint32_t slot, api::Time now);
  bool to_active(const Call& call, uint32_t slot, bool run_pre_enqueue, bool nominate = false);
  Place requeue(const Call& call, uint32_t slot, Strategy strategy);
  Strategy worth_requeuing(const Call& call, const QueuedPod& pod, ClusterEvent event,
                           const EventObjects& objects) const;
  // The same, and the host hears of it if the pod is to try again.
  Strategy offer(const Call& call, const QueuedPod& pod, ClusterEvent event,
                 const EventObjects& objects) const;
  // The plugins of any profile that registered for an event.
  PluginSet interested(const Call& call, ClusterEvent event) const;
  bool in_flight(const api::Str& uid) const;
  void record(ClusterEvent event, const EventObjects& objects);

  QueueOptions options_;
  api::Time started_;
  uint64_t sequence_ = 0;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
  client::SlotTable index_;  // by name
  Heap active_;
  Heap backoff_;
  Heap error_backoff_;
  // By the plugins that rejected them, so that those whose plugins an event does not concern cost
  // nothing; of one such set by order of arrival.
  std::map<PluginSet, std::set<std::pair<uint64_t, uint32_t>>> pool_;
  std::set<std::pair<api::Time, uint32_t>> pool_by_age_;  // those that are not gated
  int64_t leftover_ticks_ = 0;                            // leftover flushes so far
  std::deque<InFlightPod> in_flight_;
  std::deque<InFlightEvent> events_;
  uint64_t first_event_ = 0;  // number of events_.front()
};

}  // namespace mainspring::scheduler

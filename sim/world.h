// The whole of one run as a value: clock, pending events, components, journal, seed.
//
// Copying a World forks the universe: the copy and the original run on independently, and
// identically until one of them is told something else. A World knows nothing of Kubernetes; it
// drives any set of components.
//
// One World runs on one thread. Worlds on different threads share only immutable data.
//
//   World world(seed);
//   const ComponentRef<Store> store = world.add<Store>(config);
//   world.start();                          // Component::start of each, in order of addition
//   world.run_until(SimTime() + Duration::hours(1));
//   World fork = world;                     // refs, event handles and lanes are valid in both
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "sim/check.h"
#include "sim/event.h"
#include "sim/event_queue.h"
#include "sim/journal.h"
#include "sim/random.h"
#include "sim/time.h"

namespace mainspring::sim {

class World;

// A part of the simulated system: owns state, receives events. All its state must be plain values
// or immutable shared objects, so that clone() makes an independent copy; it keeps ComponentRefs to
// others, never pointers.
class Component {
 public:
  virtual ~Component() = default;
  // For messages and the journal; a constant.
  virtual std::string_view name() const = 0;
  virtual std::unique_ptr<Component> clone() const = 0;
  // Called once, at the start of the run, in order of addition: schedules the first events.
  virtual void start(World&) {}
  virtual void handle(World& world, const Event& event) = 0;

  // Where to address events for this component. Valid once added to a World.
  ComponentId id() const { return id_; }

 protected:
  Component() = default;
  Component(const Component&) = default;
  Component& operator=(const Component&) = default;

 private:
  friend class World;
  ComponentId id_;
};

// Gives a component its clone(): class Store : public Cloneable<Store>.
template <class Derived>
class Cloneable : public Component {
 public:
  std::unique_ptr<Component> clone() const override {
    return std::make_unique<Derived>(static_cast<const Derived&>(*this));
  }
};

// Names a component of a World by its index, so that it holds in every fork.
template <class C>
class ComponentRef {
 public:
  constexpr ComponentRef() = default;
  constexpr explicit ComponentRef(ComponentId id) : id_(id) {}
  constexpr ComponentId id() const { return id_; }
  constexpr bool valid() const { return id_.valid(); }

 private:
  ComponentId id_;
};

class World {
 public:
  // Checks that the floating-point environment is the one that determinism needs: rounding to
  // nearest, denormals kept.
  explicit World(uint64_t seed);
  World(const World& other);
  World(World&&) noexcept = default;
  World& operator=(const World& other);
  World& operator=(World&&) noexcept = default;
  ~World() = default;

  // Setup ----------------------------------------------------------------------------------------

  // Constructs a component from the arguments and takes it in. Before start() only.
  template <class C, class... Args>
  ComponentRef<C> add(Args&&... args) {
    static_assert(std::is_base_of_v<Component, C>);
    return ComponentRef<C>(take(std::make_unique<C>(std::forward<Args>(args)...)));
  }
  // Calls Component::start of every component, in order of addition. Once.
  void start();

  // Components -----------------------------------------------------------------------------------

  template <class C>
  C& get(ComponentRef<C> ref) {
    return static_cast<C&>(component(ref.id()));
  }
  template <class C>
  const C& get(ComponentRef<C> ref) const {
    return static_cast<const C&>(component(ref.id()));
  }
  Component& component(ComponentId id) {
    MAINSPRING_CHECK(id.value < components_.size(), "no component {}", id.value);
    return *components_[id.value];
  }
  const Component& component(ComponentId id) const {
    MAINSPRING_CHECK(id.value < components_.size(), "no component {}", id.value);
    return *components_[id.value];
  }
  size_t component_count() const { return components_.size(); }

  // Time and events ------------------------------------------------------------------------------

  SimTime now() const { return now_; }
  uint64_t seed() const { return seed_; }

  // Schedules an event; the one being handled becomes its cause. Never in the past. Events at the
  // same time are handled in the order in which they were scheduled.
  EventId schedule(SimTime at, ComponentId to, EventKind kind, uint64_t a = 0, uint64_t b = 0,
                   uint32_t c = 0) {
    MAINSPRING_CHECK(at >= now_, "event for {} ns scheduled at {} ns", at.ns(), now_.ns());
    return queue_.schedule(at, current_.sequence, {to, kind, c, a, b});
  }
  EventId schedule(Duration after, ComponentId to, EventKind kind, uint64_t a = 0, uint64_t b = 0,
                   uint32_t c = 0) {
    return schedule(now_ + after, to, kind, a, b, c);
  }
  // For the constant delays of a model (lease renewal, probe period, resync): events of a lane cost
  // a fraction of the others and keep the same order.
  LaneId lane(Duration delay) { return queue_.lane(delay); }
  EventId schedule_on_lane(LaneId lane, ComponentId to, EventKind kind, uint64_t a = 0,
                           uint64_t b = 0, uint32_t c = 0) {
    return queue_.schedule_on_lane(lane, now_, current_.sequence, {to, kind, c, a, b});
  }
  // False if the event was executed or cancelled before.
  bool cancel(EventId id) { return queue_.cancel(id); }
  bool pending(EventId id) const { return queue_.pending(id); }

  // The event being handled; during setup and between runs its sequence is 0.
  const Event& current() const { return current_; }

  // Running --------------------------------------------------------------------------------------

  // Handles the next event. False if there is none.
  bool step();
  // Handles every event up to and including `end`, then sets the clock to `end`. Returns early,
  // with the clock at the last event, when a handler called request_stop().
  // Throws InvariantBroken, with event, virtual time and seed in its text.
  void run_until(SimTime end);
  // Until no event is left, or a handler asks to stop.
  void run();
  void request_stop() { stop_requested_ = true; }
  bool stop_requested() const { return stop_requested_; }
  void clear_stop() { stop_requested_ = false; }

  uint64_t events_executed() const { return events_executed_; }
  size_t events_pending() const { return queue_.size(); }
  // Time of the next event, SimTime::max() if there is none.
  SimTime next_event_time() { return queue_.next_time(); }
  // A rolling hash over (time, sequence, component, kind, a) of every event executed: two runs that
  // differ in one event differ here from then on.
  uint64_t execution_hash() const { return execution_hash_; }

  // Journal --------------------------------------------------------------------------------------

  Journal& journal() { return journal_; }
  const Journal& journal() const { return journal_; }
  // Appends a record of the event being handled, at the present time.
  void record(TextId type, TextId key, std::string_view payload) {
    journal_.append(now_, current_.sequence, current_.cause, type, key, payload);
  }
  void record(std::string_view type, std::string_view key, std::string_view payload) {
    journal_.append(now_, current_.sequence, current_.cause, type, key, payload);
  }

  // Randomness -----------------------------------------------------------------------------------

  // The named stream of this run, such as "kubelet.pull".
  Stream stream(std::string_view name) const { return Stream(seed_, name); }

 private:
  ComponentId take(std::unique_ptr<Component> component);
  bool step_until(SimTime end);
  [[noreturn]] void rethrow_with_context(InvariantBroken& broken) const;

  uint64_t seed_;
  SimTime now_;
  Event current_;
  uint64_t events_executed_ = 0;
  uint64_t execution_hash_ = 0;
  bool started_ = false;
  bool stop_requested_ = false;
  EventQueue queue_;
  Journal journal_;
  std::vector<std::unique_ptr<Component>> components_;
};

}  // namespace mainspring::sim

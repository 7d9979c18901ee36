// What the engine executes: plain data, never a closure, so that a queue of events can be copied,
// written to disk and shown. Events are totally ordered by (at, sequence); sequence is the order in
// which they were scheduled, unique in a run, starting at 1.
#pragma once

#include <compare>
#include <cstdint>
#include <type_traits>

#include "sim/time.h"

namespace mainspring::sim {

// The component of a World that handles an event: its index in order of addition.
struct ComponentId {
  uint16_t value = 0xffff;
  constexpr bool valid() const { return value != 0xffff; }
  friend constexpr auto operator<=>(ComponentId, ComponentId) = default;
};

// What kind of event it is, in the receiving component's own enumeration.
class EventKind {
 public:
  constexpr EventKind() = default;
  constexpr EventKind(uint16_t value) : value_(value) {}  // NOLINT: implicit on purpose
  template <class Enum>
  requires std::is_enum_v<Enum>
  constexpr EventKind(Enum value) : value_(static_cast<uint16_t>(value)) {}  // NOLINT
  constexpr operator uint16_t() const { return value_; }                     // NOLINT

 private:
  uint16_t value_ = 0;
};

struct Event {
  SimTime at;
  uint64_t sequence = 0;
  uint64_t cause = 0;  // sequence of the event whose handling scheduled this one; 0: the setup
  ComponentId component;
  uint16_t kind = 0;
  uint32_t c = 0;  // a, b and c mean what the component and the kind say
  uint64_t a = 0;
  uint64_t b = 0;
};
static_assert(sizeof(Event) == 48 && std::is_trivially_copyable_v<Event>);

// What the caller of schedule() says about an event besides its time.
struct EventPayload {
  ComponentId component;
  EventKind kind;
  uint32_t c = 0;
  uint64_t a = 0;
  uint64_t b = 0;
};

// Names one scheduled event, for cancelling it. Never reused within a run, so that a handle kept
// too long names nothing rather than another event. The default handle names nothing.
class EventId {
 public:
  constexpr EventId() = default;
  constexpr explicit EventId(uint64_t packed) : packed_(packed) {}
  constexpr bool valid() const { return packed_ != 0; }
  constexpr uint64_t packed() const { return packed_; }
  friend constexpr auto operator<=>(EventId, EventId) = default;

 private:
  uint64_t packed_ = 0;  // sequence (39 bits), slot or lane (24), whether it is a lane (1)
};

// A FIFO lane of the event queue: all events on it have the same delay.
struct LaneId {
  uint32_t value = 0xffffffff;
  constexpr bool valid() const { return value != 0xffffffff; }
  friend constexpr auto operator<=>(LaneId, LaneId) = default;
};

}  // namespace mainspring::sim

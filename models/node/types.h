// Names of the things on the machines: nodes, pods and containers, as small handles.
//
// A handle names one thing for as long as it is on its node and never another one afterwards
// (slots are reused, generations are not), so a handle that was kept too long is merely stale.
#pragma once

#include <compare>
#include <cstdint>

#include "models/api/value.h"
#include "sim/time.h"

namespace mainspring::node {

using NodeIndex = uint32_t;  // dense, in order of add_machine(), never reused
inline constexpr NodeIndex kNoNode = UINT32_MAX;

struct PodHandle {
  uint32_t slot = UINT32_MAX;
  uint32_t generation = 0;
  constexpr bool valid() const { return slot != UINT32_MAX; }
  friend constexpr auto operator<=>(PodHandle, PodHandle) = default;
};

// One container of one pod, through all its restarts.
struct ContainerHandle {
  uint32_t slot = UINT32_MAX;
  uint32_t generation = 0;
  constexpr bool valid() const { return slot != UINT32_MAX; }
  // For the payload of an event.
  constexpr uint64_t packed() const { return uint64_t{generation} << 32 | slot; }
  static constexpr ContainerHandle unpack(uint64_t v) {
    return {static_cast<uint32_t>(v), static_cast<uint32_t>(v >> 32)};
  }
  friend constexpr auto operator<=>(ContainerHandle, ContainerHandle) = default;
};

// Processor time is counted in whole millionths of a core, so that sums are exact.
struct MicroCores {
  int64_t value = 0;
  static constexpr MicroCores from_milli(int64_t milli) { return {milli * 1000}; }
  constexpr double cores() const { return static_cast<double>(value) * 1e-6; }
  friend constexpr auto operator<=>(MicroCores, MicroCores) = default;
  friend constexpr MicroCores operator+(MicroCores a, MicroCores b) { return {a.value + b.value}; }
  friend constexpr MicroCores operator-(MicroCores a, MicroCores b) { return {a.value - b.value}; }
  constexpr MicroCores& operator+=(MicroCores b) { return *this = *this + b; }
  constexpr MicroCores& operator-=(MicroCores b) { return *this = *this - b; }
};
inline constexpr MicroCores kOneCore{1'000'000};

// Uniform between base and base + spread; a spread of zero is a constant.
struct Delay {
  sim::Duration base;
  sim::Duration spread;
  // `bits`: 64 uniform random bits.
  constexpr sim::Duration at(uint64_t bits) const {
    if (spread <= sim::Duration()) return base;
    __extension__ using Wide = unsigned __int128;
    const Wide product = Wide{bits} * static_cast<uint64_t>(spread.ns());
    return base + sim::Duration::nanos(static_cast<int64_t>(product >> 64));
  }
};

}  // namespace mainspring::node

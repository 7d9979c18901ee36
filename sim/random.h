// Named random streams over a counter-based generator (Philox4x64-10, Salmon et al. 2011).
//
// A draw is a pure function of (seed, stream name, entity, draw index): nobody shares state, so an
// extra pod or another policy never shifts anybody else's draws. A stream is declared by a constant
// name, such as "kubelet.pull"; the entity is whatever the draw belongs to (hash64 of a pod's name,
// a node's index).
//
//   const Stream pull = world.stream("kubelet.pull");
//   const uint64_t bits = pull.at(hash64(pod_name), 0);     // one draw, by index
//   Rng rng = pull.rng(hash64(pod_name));                   // a cursor over draws 0, 1, 2, ...
//
// Rng and Stream are plain values. Both ways give the same draws.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "sim/hash.h"

namespace mainspring::sim {

namespace detail {
__extension__ using Uint128 = unsigned __int128;
}

// Philox4x64 with ten rounds: maps a 256-bit counter and a 128-bit key to 256 random bits.
constexpr std::array<uint64_t, 4> philox4x64(std::array<uint64_t, 4> counter,
                                             std::array<uint64_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const detail::Uint128 p0 = detail::Uint128{0xD2E7470EE14C6C93u} * counter[0];
    const detail::Uint128 p1 = detail::Uint128{0xCA5A826395121157u} * counter[2];
    counter = {static_cast<uint64_t>(p1 >> 64) ^ counter[1] ^ key[0], static_cast<uint64_t>(p1),
               static_cast<uint64_t>(p0 >> 64) ^ counter[3] ^ key[1], static_cast<uint64_t>(p0)};
    key[0] += 0x9E3779B97F4A7C15u;
    key[1] += 0xBB67AE8584CAA73Bu;
  }
  return counter;
}

// Philox4x32 with ten rounds.
constexpr std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter,
                                             std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53u} * counter[0];
    const uint64_t p1 = uint64_t{0xCD9E8D57u} * counter[2];
    counter = {static_cast<uint32_t>(p1 >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(p1),
               static_cast<uint32_t>(p0 >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(p0)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

// A uniform double in [0, 1) on the grid of 2^-53.
constexpr double unit_double(uint64_t bits) { return static_cast<double>(bits >> 11) * 0x1.0p-53; }

// A cursor over the draws of one entity of one stream.
class Rng {
 public:
  constexpr Rng(std::array<uint64_t, 2> key, uint64_t entity, uint64_t next_draw = 0)
      : key_(key), entity_(entity), next_(next_draw) {
    if (next_ % 4 != 0) refill();
  }

  // 64 uniform bits.
  constexpr uint64_t next() {
    if (next_ % 4 == 0) refill();
    return block_[next_++ % 4];
  }
  // Uniform in [0, 1).
  constexpr double uniform() { return unit_double(next()); }
  // Uniform in (0, 1): never 0, for logarithms.
  constexpr double uniform_open() { return (static_cast<double>(next() >> 12) + 0.5) * 0x1.0p-52; }
  // Uniform in [0, n), exactly, by rejection (Lemire 2019). n > 0.
  constexpr uint64_t below(uint64_t n) {
    detail::Uint128 product = detail::Uint128{next()} * n;
    if (static_cast<uint64_t>(product) < n) {
      const uint64_t threshold = (0 - n) % n;
      while (static_cast<uint64_t>(product) < threshold) {
        product = detail::Uint128{next()} * n;
      }
    }
    return static_cast<uint64_t>(product >> 64);
  }
  // Uniform in [low, high], both included. low <= high.
  constexpr int64_t between(int64_t low, int64_t high) {
    const uint64_t span = static_cast<uint64_t>(high) - static_cast<uint64_t>(low) + 1;
    const uint64_t offset = span == 0 ? next() : below(span);
    return static_cast<int64_t>(static_cast<uint64_t>(low) + offset);
  }
  // True in numerator of denominator cases, exactly. denominator > 0.
  constexpr bool chance(uint64_t numerator, uint64_t denominator) {
    return below(denominator) < numerator;
  }

  uint64_t entity() const { return entity_; }
  // Index of the next draw: with the stream and the entity, the whole state.
  uint64_t next_draw() const { return next_; }

 private:
  constexpr void refill() { block_ = philox4x64({next_ / 4, 0, 0, entity_}, key_); }

  std::array<uint64_t, 2> key_;
  uint64_t entity_;
  uint64_t next_;
  std::array<uint64_t, 4> block_{};
};

// One named source of randomness of a run: a key, without state.
class Stream {
 public:
  constexpr Stream(uint64_t seed, std::string_view name) : key_{seed, hash64(name)} {}

  // The draw with this index: 64 uniform bits. Equal to the same draw of rng(entity).
  constexpr uint64_t at(uint64_t entity, uint64_t draw) const {
    return philox4x64({draw / 4, 0, 0, entity}, key_)[draw % 4];
  }
  constexpr Rng rng(uint64_t entity, uint64_t first_draw = 0) const {
    return Rng(key_, entity, first_draw);
  }

 private:
  std::array<uint64_t, 2> key_;
};

}  // namespace mainspring::sim

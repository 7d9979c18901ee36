#include "sim/random.h"

#include <gtest/gtest.h>

#include <array>
#include <set>
#include <vector>

namespace mainspring::sim {
namespace {

using C32 = std::array<uint32_t, 4>;
using C64 = std::array<uint64_t, 4>;

// Vectors from Random123's tests/kat_vectors (philox4x32 10, philox4x64 10).
TEST(Philox, Random123KnownAnswers4x32) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}),
            (C32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (C32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (C32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, Random123KnownAnswers4x64) {
  constexpr uint64_t kOnes = ~uint64_t{0};
  EXPECT_EQ(philox4x64({0, 0, 0, 0}, {0, 0}),
            (C64{0x16554d9eca36314c, 0xdb20fe9d672d0fdc, 0xd7e772cee186176b, 0x7e68b68aec7ba23b}));
  EXPECT_EQ(philox4x64({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
            (C64{0x87b092c3013fe90b, 0x438c3c67be8d0224, 0x9cc7d7c69cd777b6, 0xa09caebf594f0ba0}));
  EXPECT_EQ(
      philox4x64({0x243f6a8885a308d3, 0x13198a2e03707344, 0xa4093822299f31d0, 0x082efa98ec4e6c89},
                 {0x452821e638d01377, 0xbe5466cf34e90c6c}),
      (C64{0xa528f45403e61d95, 0x38c72dbd566e9788, 0xa5a1610e72fd18b5, 0x57bd43b5e52b7fe6}));
}

// C++26's std::philox4x32 and philox4x64, default-constructed, must give these 10,000th values
// ([rand.predef]): seed 20111115 as the first word of the key, the counter of the
// first block of four is 0.
TEST(Philox, TenThousandthValuesOfCpp26) {
  C32 last32{};
  C64 last64{};
  for (uint32_t block = 0; block < 2500; ++block) {
    last32 = philox4x32({block, 0, 0, 0}, {20111115, 0});
    last64 = philox4x64({block, 0, 0, 0}, {20111115, 0});
  }
  EXPECT_EQ(last32[3], 1955073260u);
  EXPECT_EQ(last64[3], 3409172418970261260u);
}

TEST(Stream, CursorAndDirectAccessGiveTheSameDraws) {
  const Stream stream(42, "kubelet.pull");
  Rng rng = stream.rng(7);
  for (uint64_t draw = 0; draw < 23; ++draw) EXPECT_EQ(rng.next(), stream.at(7, draw)) << draw;
  Rng later = stream.rng(7, 6);
  EXPECT_EQ(later.next(), stream.at(7, 6));
  EXPECT_EQ(later.next_draw(), 7u);
}

TEST(Stream, SeedNameAndEntityEachChangeTheDraws) {
  std::set<uint64_t> draws;
  for (const uint64_t seed : {uint64_t{1}, uint64_t{2}}) {
    for (const char* name : {"kubelet.pull", "kubelet.start"}) {
      for (const uint64_t entity : {uint64_t{1}, uint64_t{2}})
        draws.insert(Stream(seed, name).at(entity, 0));
    }
  }
  EXPECT_EQ(draws.size(), 8u);
}

TEST(Rng, CopyContinuesFromTheSameDraw) {
  Rng rng = Stream(1, "x").rng(1);
  rng.next();
  Rng copy = rng;
  EXPECT_EQ(copy.next(), rng.next());
}

TEST(Rng, BelowIsInRangeAndEven) {
  Rng rng = Stream(3, "test.below").rng(0);
  std::vector<int> counts(6);
  for (int i = 0; i < 60'000; ++i) ++counts[rng.below(6)];
  // Binomial(60000, 1/6): mean 10000, standard deviation 91.3; five of them is 456.
  for (const int count : counts) EXPECT_NEAR(count, 10'000, 456);
  EXPECT_EQ(rng.below(1), 0u);
}

TEST(Rng, BetweenReachesBothEndsAndSpansTheWholeRange) {
  Rng rng = Stream(3, "test.between").rng(0);
  std::set<int64_t> seen;
  for (int i = 0; i < 200; ++i) seen.insert(rng.between(-2, 2));
  EXPECT_EQ(seen, (std::set<int64_t>{-2, -1, 0, 1, 2}));
  EXPECT_NO_THROW(rng.between(INT64_MIN, INT64_MAX));
}

TEST(Rng, ChanceIsARatioOfIntegers) {
  Rng rng = Stream(3, "test.chance").rng(0);
  int hits = 0;
  for (int i = 0; i < 100'000; ++i) hits += rng.chance(3, 100);
  // Binomial(100000, 0.03): mean 3000, standard deviation 53.9.
  EXPECT_NEAR(hits, 3000, 270);
  EXPECT_FALSE(rng.chance(0, 5));
  EXPECT_TRUE(rng.chance(5, 5));
}

TEST(Rng, UniformOpenIsNeverZeroOrOne) {
  EXPECT_GT(0.5 * 0x1.0p-52, 0.0);
  Rng rng = Stream(3, "test.open").rng(0);
  for (int i = 0; i < 10'000; ++i) {
    const double u = rng.uniform_open();
    ASSERT_GT(u, 0.0);
    ASSERT_LT(u, 1.0);
  }
}

// The draws of two streams of one run are fixed for ever; a change here changes every run.
TEST(Stream, GoldenDraws) {
  EXPECT_EQ(Stream(1, "traffic.arrivals").at(0, 0), Stream(1, "traffic.arrivals").rng(0).next());
  EXPECT_EQ(hash64(""), mix64(0xcbf29ce484222325u));
  // FNV-1a of "a" is 0xaf63dc4c8601ec8c.
  EXPECT_EQ(hash64("a"), mix64(0xaf63dc4c8601ec8cu));
}

}  // namespace
}  // namespace mainspring::sim

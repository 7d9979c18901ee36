// Random lives of clusters: draws, and two clusters that must have come to the same, request by
// request.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>

#include "tests/models/scheduler/cluster.h"

namespace mainspring::test {

// Numbers that a seed fixes.
class Draws {
 public:
  explicit Draws(uint64_t seed) : word_(seed * 2654435761 + 12345) {}

  uint64_t draw(uint64_t n) {
    word_ = word_ * 6364136223846793005ULL + 1442695040888963407ULL;
    return (word_ >> 33) % n;
  }
  bool one_in(uint64_t n) { return draw(n) == 0; }

 private:
  uint64_t word_;
};

// Every placement, message, preemption and nomination is in what was sent and recorded.
inline void expect_same_life(const Cluster& a, const Cluster& b) {
  ASSERT_EQ(a.ctx.sent.size(), b.ctx.sent.size());
  for (size_t i = 0; i < a.ctx.sent.size(); ++i) {
    const client::Request& x = a.ctx.sent[i].request;
    const client::Request& y = b.ctx.sent[i].request;
    ASSERT_EQ(x.verb, y.verb) << i;
    ASSERT_EQ(x.name, y.name) << i;
    ASSERT_EQ(x.target, y.target) << i;
    ASSERT_EQ(x.body == nullptr, y.body == nullptr) << i;
    if (!x.body) continue;
    ASSERT_TRUE(api::equal(*x.body, *y.body)) << i << " " << x.name.view();
  }
  EXPECT_EQ(a.events, b.events);
}

}  // namespace mainspring::test

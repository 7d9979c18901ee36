// Two clusters that must have come to the same, request by request.
#pragma once

#include <gtest/gtest.h>

#include "tests/models/scheduler/cluster.h"

namespace mainspring::test {

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

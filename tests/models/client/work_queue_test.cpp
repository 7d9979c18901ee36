#include "models/client/work_queue.h"

#include <gtest/gtest.h>

namespace mainspring::client {
namespace {

using api::Duration;
using api::Time;

Time at(int64_t ms) { return Time::from_unix_ns(1'000'000'000'000) + Duration::millis(ms); }

TEST(WorkQueue, HandsOutKeysInOrderOfFirstAddition) {
  WorkQueue q;
  q.add("b");
  q.add("a");
  q.add("b");
  EXPECT_EQ(*q.get(), "b");
  EXPECT_EQ(*q.get(), "a");
  EXPECT_FALSE(q.get());
}

TEST(WorkQueue, AKeyAddedWhileItIsProcessedComesBackWhenDone) {
  WorkQueue q;
  q.add("a");
  EXPECT_EQ(*q.get(), "a");
  q.add("a");
  EXPECT_FALSE(q.get()) << "never two workers on one key";
  q.done("a");
  EXPECT_EQ(*q.get(), "a");
  q.done("a");
  EXPECT_FALSE(q.get());
}

TEST(WorkQueue, KeepsTheEarliestDeadlineOfADelayedKey) {
  WorkQueue q;
  q.add_at("a", at(50), at(0));
  q.add_at("a", at(80), at(0));
  EXPECT_EQ(q.next_deadline(), at(50));
  q.add_at("a", at(20), at(0));
  EXPECT_EQ(q.next_deadline(), at(20));
  q.promote(at(19));
  EXPECT_TRUE(q.empty());
  q.promote(at(20));
  EXPECT_EQ(*q.get(), "a");
  EXPECT_FALSE(q.next_deadline());
}

TEST(WorkQueue, DelayedKeysDueTogetherComeInOrderOfAddition) {
  WorkQueue q;
  q.add_at("z", at(10), at(0));
  q.add_at("a", at(10), at(0));
  q.promote(at(10));
  EXPECT_EQ(*q.get(), "z");
  EXPECT_EQ(*q.get(), "a");
}

// 5 ms * 2^n, capped at 1000 s: 5, 10, 20, ... ; the bucket of 100 is not felt by one key.
TEST(WorkQueue, BacksOffExponentiallyPerKeyUntilForgotten) {
  WorkQueue q;
  Time now = at(0);
  int64_t expected = 5;
  for (int i = 0; i < 6; ++i, expected *= 2) {
    q.add_rate_limited("a", now);
    EXPECT_EQ(*q.next_deadline(), now + Duration::millis(expected));
    now = *q.next_deadline();
    q.promote(now);
    q.get();
    q.done("a");
  }
  EXPECT_EQ(q.requeues("a"), 6);
  q.forget("a");
  EXPECT_EQ(q.requeues("a"), 0);
  q.add_rate_limited("a", now);
  EXPECT_EQ(*q.next_deadline(), now + Duration::millis(5));
}

// 100 at once, then one every 100 ms over all keys.
TEST(WorkQueue, SharesABucketOfTenPerSecondBetweenKeys) {
  WorkQueue q;
  for (int i = 0; i < 101; ++i) q.add_rate_limited(std::to_string(i), at(0));
  q.promote(at(5));
  EXPECT_EQ(q.size(), 100u);
  q.promote(at(99));
  EXPECT_EQ(q.size(), 100u);
  q.promote(at(100));
  EXPECT_EQ(q.size(), 101u);
}

TEST(WorkQueue, AFixedLimiterWaitsTheSameTimeAlways) {
  WorkQueue q(RateLimits::fixed(Duration::seconds(15)));
  for (int i = 0; i < 3; ++i) {
    q.add_rate_limited("hpa", at(0));
    EXPECT_EQ(*q.next_deadline(), at(15'000));
  }
}

// 20 a second, burst 30: the 31st waits 50 ms, the 32nd 100 ms; after a second 20 are back.
TEST(TokenBucket, ServesABurstAndThenItsRate) {
  TokenBucket bucket(20'000, 30);
  for (int i = 0; i < 30; ++i) EXPECT_EQ(bucket.take(at(0)), at(0));
  EXPECT_EQ(bucket.take(at(0)), at(50));
  EXPECT_EQ(bucket.take(at(0)), at(100));
  for (int i = 0; i < 18; ++i) EXPECT_EQ(bucket.take(at(1000)), at(1000)) << i;
  EXPECT_EQ(bucket.take(at(1000)), at(1050));
}

TEST(TokenBucket, TryTakeRefusesAnEmptyBucketWithoutQueueing) {
  TokenBucket bucket(1'000, 2);
  EXPECT_TRUE(bucket.try_take(at(0)));
  EXPECT_TRUE(bucket.try_take(at(0)));
  EXPECT_FALSE(bucket.try_take(at(999)));
  EXPECT_TRUE(bucket.try_take(at(1000)));
}

TEST(TokenBucket, WithoutARateNobodyWaits) {
  TokenBucket bucket(0, 0);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(bucket.take(at(0)), at(0));
}

}  // namespace
}  // namespace mainspring::client

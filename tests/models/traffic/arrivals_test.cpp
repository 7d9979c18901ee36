#include "models/traffic/arrivals.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "models/traffic/bucket.h"

namespace mainspring::traffic {
namespace {

using sim::Duration;
using sim::SimTime;

SimTime at(double s) { return SimTime::from_ns(static_cast<int64_t>(s * 1e9)); }

ArrivalProcess process(RateShape shape, double until, bool regular = false) {
  return ArrivalProcess(std::move(shape), SimTime(), at(until), regular,
                        sim::Stream(1, "test").rng(1));
}

// Arrivals in [from, to).
int count(ArrivalProcess p, double from, double to) {
  int n = 0;
  for (SimTime t = p.first(SimTime()); t < at(to); t = p.next()) n += t >= at(from);
  return n;
}

TEST(Arrivals, RegularOnesAreAtEqualDistances) {
  ArrivalProcess p = process(RateShape::constant(4), 1.1, true);
  EXPECT_EQ(p.first(SimTime()), at(0));
  EXPECT_EQ(p.next(), at(0.25));
  EXPECT_EQ(p.next(), at(0.5));
  EXPECT_EQ(p.next(), at(0.75));
  EXPECT_EQ(p.next(), at(1));
  EXPECT_EQ(p.next(), SimTime::max());
}

TEST(Arrivals, PoissonHasItsMeanAndVariance) {
  // 10,000 counts of mean 10: the mean is within 4 sqrt(10 / 10000) = 0.13, the variance of counts
  // is near 10 (standard deviation of the estimate: about 0.145).
  ArrivalProcess p = process(RateShape::constant(10), 1e9);
  double sum = 0, squares = 0;
  SimTime t = p.first(SimTime());
  for (int second = 0; second < 10'000; ++second) {
    int n = 0;
    for (; t < at(second + 1); t = p.next()) ++n;
    sum += n;
    squares += n * n;
  }
  const double mean = sum / 10'000;
  EXPECT_NEAR(mean, 10, 0.13);
  EXPECT_NEAR(squares / 10'000 - mean * mean, 10, 0.6);
}

// Regular arrivals are the integral of the rate, exactly.
TEST(Arrivals, ShapesIntegrateToTheirAreas) {
  // 0 to 100 per second in 10 s, then down to 0 within 10 s.
  const RateShape ramp = RateShape::ramp({{at(0), 0}, {at(10), 100}, {at(20), 0}});
  EXPECT_NEAR(count(process(ramp, 100, true), 0, 10), 500, 1);
  EXPECT_NEAR(count(process(ramp, 100, true), 0, 5), 125, 1);
  EXPECT_NEAR(count(process(ramp, 100, true), 0, 100), 1000, 1);
  // 10 per second; from 100 s on up to 50 within 10 s, 60 s there, and down.
  const RateShape spike =
      RateShape::spike(10, 50, at(100), Duration::seconds(10), Duration::seconds(60));
  EXPECT_NEAR(count(process(spike, 300, true), 0, 100), 1000, 1);
  EXPECT_NEAR(count(process(spike, 300, true), 100, 110), 300, 1);
  EXPECT_NEAR(count(process(spike, 300, true), 110, 170), 3000, 1);
  EXPECT_NEAR(count(process(spike, 300, true), 170, 200), 300 + 200, 1);
  // Rows hold until the next one; the first is at 10 s.
  const RateShape trace = RateShape::trace({{at(10), 5}, {at(20), 0}, {at(30), 8}}, 2);
  EXPECT_EQ(count(process(trace, 100, true), 0, 10), 0);
  EXPECT_NEAR(count(process(trace, 100, true), 10, 20), 100, 1);
  EXPECT_EQ(count(process(trace, 100, true), 20.2, 30), 0);
  EXPECT_NEAR(count(process(trace, 100, true), 30, 40), 160, 1);
  // A sine between 2 and 10, at the top at hour 20: 6 per second over a day.
  const RateShape day = RateShape::diurnal(2, 10, Duration::hours(20), Duration::hours(24));
  EXPECT_NEAR(day.at(at(20 * 3600)), 10, 1e-9);
  EXPECT_NEAR(day.at(at(8 * 3600)), 2, 1e-9);
  EXPECT_NEAR(day.at(at(24 * 3600 + 14 * 3600)), 6, 1e-9);
  EXPECT_NEAR(count(process(day, 3 * 86'400, true), 86'400, 2 * 86'400), 6 * 86'400, 2);
}

TEST(Arrivals, RampedPoissonFollowsTheRate) {
  const RateShape ramp = RateShape::ramp({{at(0), 0}, {at(100), 200}});
  // 10,000 expected, of them 2,500 in the first half.
  EXPECT_NEAR(count(process(ramp, 1000), 0, 100), 10'000, 400);
  EXPECT_NEAR(count(process(ramp, 1000), 0, 50), 2500, 200);
}

TEST(Arrivals, FactorScalesFromNowOn) {
  ArrivalProcess p = process(RateShape::constant(10), 1e6, true);
  p.first(SimTime());            // at 0
  EXPECT_EQ(p.next(), at(0.1));  // the next one
  // Half of the distance is used up; the rest takes half as long at twice the rate.
  EXPECT_EQ(p.set_factor(at(0.05), 2, Duration()), at(0.075));
  EXPECT_EQ(p.next(), at(0.125));
  // 5 ms before the next one, at 20 per second: a tenth of a request is missing.
  EXPECT_EQ(p.set_factor(at(0.12), 0, Duration()), SimTime::max());
  EXPECT_NEAR(p.set_factor(at(10), 1, Duration()).to_seconds(), 10.01, 1e-8);
  EXPECT_NEAR(p.rate(at(11)), 10, 1e-12);
}

// From 1 to 3 within 10 s: 10/s * 2 on average * 10 s.
TEST(Arrivals, FactorClimbsInAStraightLine) {
  ArrivalProcess p = process(RateShape::constant(10), 1e6, true);
  p.first(SimTime());
  SimTime t = p.set_factor(SimTime(), 3, Duration::seconds(10));
  int n = 0;
  for (; t < at(10); t = p.next()) ++n;
  EXPECT_NEAR(n, 200, 1);
  for (; t < at(20); t = p.next()) ++n;
  EXPECT_NEAR(n, 500, 1);
}

// More load brings the same arrivals closer together.
TEST(Arrivals, RatesShareTheirDraws) {
  ArrivalProcess slow = process(RateShape::constant(10), 1e6);
  ArrivalProcess fast = process(RateShape::constant(20), 1e6);
  SimTime a = slow.first(SimTime()), b = fast.first(SimTime());
  for (int i = 0; i < 100; ++i) {
    EXPECT_NEAR(a.to_seconds(), 2 * b.to_seconds(), 1e-6);
    a = slow.next();
    b = fast.next();
  }
}

TEST(Options, ProblemsAreAllReported) {
  TrafficOptions o;
  ServiceOptions a, b;
  a.name = "a";
  b.name = "b";
  CallOptions to_b, to_a;
  to_b.service = "b";
  to_a.service = "a";
  to_a.probability = 2;
  a.calls = {to_b};
  b.calls = {to_a};
  b.concurrency = 0;
  o.services = {a, b};
  SourceOptions s;
  s.name = "users";
  o.sources = {s};
  const std::vector<Problem> problems = validate(o);
  const auto has = [&](const std::string& text) {
    for (const Problem& p : problems) {
      if (p.text == text) return true;
    }
    return false;
  };
  EXPECT_TRUE(has("service default/a: its calls lead back to it"));
  EXPECT_TRUE(has("service default/b: its calls lead back to it"));
  EXPECT_TRUE(has("service default/b: concurrency must be at least 1"));
  EXPECT_TRUE(has("service default/b: call to default/a: the probability is not from 0 to 1"));
  EXPECT_TRUE(has("traffic users: it names no service"));
  EXPECT_TRUE(has("traffic users: it has no rate"));
  EXPECT_EQ(problems.size(), 6u);
  EXPECT_EQ(problems.front().entry, "services[1]");
  EXPECT_EQ(problems.back().entry, "traffic[0]");
}

TEST(LatencyHistogram, QuantilesAreWithinTheirBound) {
  LatencyHistogram h;
  for (int64_t us = 1; us <= 100'000; ++us) h.add(Duration::micros(us));
  for (const double q : {0.01, 0.5, 0.9, 0.99, 0.999}) {
    EXPECT_NEAR(static_cast<double>(h.quantile(q).ns()), q * 1e8, q * 1e8 / 64) << q;
  }
  EXPECT_EQ(h.quantile(0), Duration::micros(1));
  EXPECT_EQ(h.quantile(1), Duration::millis(100));
  EXPECT_EQ(h.mean(), Duration::nanos(50'000'500));
  EXPECT_NEAR(static_cast<double>(h.count_at_most(Duration::millis(50))), 50'000, 800);
}

TEST(LatencyHistogram, SmallAndHugeValuesKeepTheirPlace) {
  LatencyHistogram h;
  for (const int64_t ns : {int64_t{0}, int64_t{1}, int64_t{31}, int64_t{32}, INT64_MAX / 4}) {
    LatencyHistogram one;
    one.add(Duration::nanos(ns));
    EXPECT_EQ(one.quantile(0.5).ns(), ns);
    h.merge(one);
  }
  EXPECT_EQ(h.count(), 5u);
  EXPECT_EQ(h.quantile(0.6).ns(), 31);
  EXPECT_EQ(h.buckets().size(), 5u);
}

TEST(Bucket, ComesBackAsItWasWritten) {
  Bucket b;
  b.begin = at(30);
  b.width = Duration::seconds(1);
  b.sent = 1000;
  b.ok = 700;
  b.failed = {1, 2, 300, 4, 5};
  b.retries = 17;
  b.in_flight = 12;
  for (int64_t i = 1; i < 700; ++i) b.latency.add(Duration::micros(i * i));
  const std::string payload = encode(b);
  Bucket back;
  ASSERT_TRUE(decode(payload, back));
  EXPECT_EQ(back, b);
  EXPECT_LT(payload.size(), 800u);
  // Cut anywhere it is not one.
  for (size_t n = 0; n < payload.size(); ++n) {
    EXPECT_FALSE(decode(std::string_view(payload).substr(0, n), back));
  }
  EXPECT_FALSE(decode(payload + "x", back));
  Bucket empty;
  ASSERT_TRUE(decode(encode(Bucket()), empty));
  EXPECT_EQ(empty, Bucket());
}

}  // namespace
}  // namespace mainspring::traffic

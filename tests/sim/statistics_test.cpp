#include "sim/statistics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "sim/check.h"
#include "sim/distributions.h"

namespace mainspring::sim {
namespace {

SimTime at(double seconds) { return SimTime::from_ns(static_cast<int64_t>(seconds * 1e9)); }

TEST(TimeSeries, StatisticsAreWeightedByTime) {
  TimeSeries replicas(3);
  replicas.set(at(10), 5);
  replicas.add(at(14), -4);
  // 10 s of 3, 4 s of 5, 6 s of 1: 30 + 20 + 6 = 56
  EXPECT_DOUBLE_EQ(replicas.integral(at(20)), 56);
  EXPECT_DOUBLE_EQ(replicas.mean(at(20)), 2.8);
  EXPECT_EQ(replicas.value(), 1);
  EXPECT_EQ(replicas.min(), 1);
  EXPECT_EQ(replicas.max(), 5);
  EXPECT_EQ(replicas.last_change(), at(14));
}

TEST(TimeSeries, OfNoTimeTheMeanIsTheValue) {
  const TimeSeries series(7, at(5));
  EXPECT_EQ(series.mean(at(5)), 7);
  EXPECT_EQ(series.integral(at(5)), 0);
}

TEST(TimeSeries, TimeMayNotGoBack) {
  TimeSeries series(0);
  series.set(at(2), 1);
  EXPECT_THROW(series.set(at(1), 2), InvariantBroken);
}

TEST(TimeSeries, HistoryHasMeanExtremesAndLastOfEachInterval) {
  TimeSeries series(2);
  series.set(at(0.5), 10);
  series.set(at(0.75), 0);
  series.set(at(2.5), 4);
  const std::vector<TimeSeries::Point> points = series.history(at(3.5));
  ASSERT_EQ(points.size(), 4u);
  // 0.5 s of 2, 0.25 s of 10, 0.25 s of 0
  EXPECT_DOUBLE_EQ(points[0].mean, 3.5);
  EXPECT_EQ(points[0].min, 0);
  EXPECT_EQ(points[0].max, 10);
  EXPECT_EQ(points[0].last, 0);
  EXPECT_EQ(points[1].mean, 0);
  EXPECT_EQ(points[1].max, 0);
  EXPECT_DOUBLE_EQ(points[2].mean, 2);
  EXPECT_EQ(points[2].max, 4);
  EXPECT_DOUBLE_EQ(points[3].mean, 4);  // of the half second that has passed
  EXPECT_EQ(points[3].begin, at(3));
}

TEST(TimeSeries, HistoryStaysBoundedAndKeepsTheIntegral) {
  TimeSeries series(0);
  Rng rng = Stream(1, "test.series").rng(0);
  SimTime now;
  for (int i = 0; i < 20'000; ++i) {
    now += Duration::nanos(rng.between(0, 10'000'000'000));
    series.set(now, static_cast<double>(rng.below(100)));
  }
  const std::vector<TimeSeries::Point> points = series.history(now);
  EXPECT_LE(points.size(), TimeSeries::kMaxPoints);
  EXPECT_GT(points.size(), TimeSeries::kMaxPoints / 4);
  double sum = 0, lowest = points[0].min, highest = points[0].max;
  for (const TimeSeries::Point& p : points) {
    // The resolution doubled by now may be coarser than the series' own.
    const SimTime end = &p == &points.back() ? now : (&p + 1)->begin;
    sum += p.mean * (end - p.begin).to_seconds();
    lowest = std::min(lowest, p.min);
    highest = std::max(highest, p.max);
  }
  EXPECT_NEAR(sum / series.integral(now), 1.0, 1e-9);
  EXPECT_EQ(lowest, series.min());
  EXPECT_EQ(highest, series.max());
}

TEST(TimeSeries, ALongJumpIsCheapAndCopiesAreIndependent) {
  TimeSeries series(1);
  series.set(at(0.1), 2);
  TimeSeries copy = series;
  series.set(SimTime::from_ns(int64_t{100} * 365 * 86'400 * 1'000'000'000), 3);
  EXPECT_LE(series.history(series.last_change()).size(), TimeSeries::kMaxPoints);
  EXPECT_EQ(copy.value(), 2);
}

TEST(RateSeries, CountsPerIntervalSurviveWidening) {
  RateSeries requests;
  Rng rng = Stream(1, "test.rate").rng(0);
  std::vector<int64_t> times;
  for (int i = 0; i < 5000; ++i) times.push_back(rng.between(0, 5'000'000'000'000));
  for (const int64_t t : times) requests.add(SimTime::from_ns(t), 2);
  EXPECT_EQ(requests.total(), 10'000u);
  EXPECT_LE(requests.counts().size(), RateSeries::kMaxPoints);
  EXPECT_EQ(requests.resolution(), Duration::seconds(8));  // 5000 s in at most 1024
  std::vector<uint64_t> expected(requests.counts().size());
  for (const int64_t t : times) expected[static_cast<size_t>(t / 8'000'000'000)] += 2;
  EXPECT_EQ(requests.counts(), expected);
}

std::vector<double> latencies(int n) {
  Rng rng = Stream(7, "test.latency").rng(0);
  const Distribution d = Distribution::lognormal(5e6, 1.5);
  std::vector<double> out;
  for (int i = 0; i < n; ++i) out.push_back(d.sample(rng));
  return out;
}

TEST(QuantileSketch, QuantilesAreWithinTheStatedError) {
  std::vector<double> xs = latencies(30'000);
  QuantileSketch sketch;
  for (const double x : xs) sketch.add(x);
  std::sort(xs.begin(), xs.end());
  for (const double q : {0.0, 0.001, 0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0}) {
    const size_t rank = static_cast<size_t>(std::max(1.0, std::ceil(q * 30'000)));
    const double truth = xs[rank - 1];
    EXPECT_NEAR(sketch.quantile(q) / truth, 1.0, QuantileSketch::kRelativeError) << q;
  }
  EXPECT_EQ(sketch.min(), xs.front());
  EXPECT_EQ(sketch.max(), xs.back());
  EXPECT_EQ(sketch.quantile(0), xs.front());
  EXPECT_EQ(sketch.quantile(1), xs.back());
}

TEST(QuantileSketch, ErrorHoldsOverTheWholeRangeOfMagnitudes) {
  for (double x = 1e-300; x < 1e300; x *= 1.37) {
    QuantileSketch sketch;
    sketch.add(x / 2);
    sketch.add(x, 2);
    sketch.add(x * 2);
    EXPECT_NEAR(sketch.quantile(0.5) / x, 1.0, QuantileSketch::kRelativeError) << x;
  }
}

TEST(QuantileSketch, MergingIsTheSameAsAddingInAnyOrder) {
  const std::vector<double> xs = latencies(9'000);
  QuantileSketch all, parts[3];
  for (size_t i = 0; i < xs.size(); ++i) {
    // Whole numbers, so that the sums are exact too.
    const double x = std::floor(xs[i]);
    all.add(x);
    parts[i * i % 3].add(x);
  }
  parts[2].add(0, 4);
  all.add(0, 4);
  QuantileSketch forward = parts[0], backward = parts[2];
  forward.merge(parts[1]);
  forward.merge(parts[2]);
  backward.merge(parts[1]);
  backward.merge(parts[0]);
  EXPECT_EQ(forward, all);
  EXPECT_EQ(backward, all);
  QuantileSketch empty;
  forward.merge(empty);
  EXPECT_EQ(forward, all);
  empty.merge(all);
  EXPECT_EQ(empty, all);
}

TEST(QuantileSketch, ZerosAndCounts) {
  QuantileSketch sketch;
  EXPECT_EQ(sketch.quantile(0.5), 0);
  EXPECT_EQ(sketch.mean(), 0);
  sketch.add(Duration());
  sketch.add(-5.0);
  sketch.add(Duration::millis(1));
  sketch.add(Duration::millis(3));
  EXPECT_EQ(sketch.count(), 4u);
  EXPECT_EQ(sketch.quantile(0.5), 0);
  EXPECT_EQ(sketch.count_at_most(-1), 0u);
  EXPECT_EQ(sketch.count_at_most(0), 2u);
  EXPECT_EQ(sketch.count_at_most(2e6), 3u);
  EXPECT_EQ(sketch.count_at_most(3e6), 4u);
  EXPECT_DOUBLE_EQ(sketch.mean(), 1e6);
  EXPECT_THROW(sketch.add(std::numeric_limits<double>::infinity()), InvariantBroken);
  EXPECT_THROW(sketch.add(std::numeric_limits<double>::quiet_NaN()), InvariantBroken);
}

TEST(Counter, AddsAndMerges) {
  Counter a, b;
  a.add();
  b.add(4);
  a.merge(b);
  EXPECT_EQ(a.value(), 5u);
}

}  // namespace
}  // namespace mainspring::sim

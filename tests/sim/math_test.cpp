#include "sim/math.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "sim/hash.h"
#include "sim/random.h"

namespace mainspring::sim {
namespace {

// Distance from the true value, in units of the last place of that value.
double ulps(double got, long double truth) {
  const double rounded = static_cast<double>(truth);
  if (got == rounded) return 0.0;
  const double ulp = std::nextafter(std::fabs(rounded), std::numeric_limits<double>::infinity()) -
                     std::fabs(rounded);
  return static_cast<double>(std::fabs(static_cast<long double>(got) - truth)) / ulp;
}

// A positive number with an exponent spread evenly over [low, high].
double spread(Rng& rng, int low, int high) {
  const double mantissa = 1.0 + rng.uniform();
  return std::ldexp(mantissa, static_cast<int>(rng.between(low, high)));
}

TEST(Math, LogIsWithinTwoUlps) {
  Rng rng = Stream(1, "test.log").rng(0);
  double worst = 0;
  for (int i = 0; i < 300'000; ++i) {
    const double x = i % 2 == 0 ? spread(rng, -1000, 1000) : 0.5 + rng.uniform() * 1.5;
    worst = std::max(worst, ulps(sim::log(x), std::log(static_cast<long double>(x))));
  }
  EXPECT_LE(worst, 2.0);
}

TEST(Math, ExpIsWithinTwoUlps) {
  Rng rng = Stream(1, "test.exp").rng(0);
  double worst = 0;
  for (int i = 0; i < 300'000; ++i) {
    const double x = i % 2 == 0 ? (rng.uniform() - 0.5) * 1400 : (rng.uniform() - 0.5) * 2;
    worst = std::max(worst, ulps(sim::exp(x), std::exp(static_cast<long double>(x))));
  }
  EXPECT_LE(worst, 2.0);
}

TEST(Math, Log1pAndExpm1AreAccurateNearZero) {
  Rng rng = Stream(1, "test.near").rng(0);
  double worst_log = 0, worst_exp = 0;
  for (int i = 0; i < 200'000; ++i) {
    const double x = (i % 2 == 0 ? 1 : -1) * spread(rng, -60, i % 2 == 0 ? 4 : -2);
    worst_log = std::max(worst_log, ulps(sim::log1p(x), std::log1p(static_cast<long double>(x))));
    worst_exp = std::max(worst_exp, ulps(sim::expm1(x), std::expm1(static_cast<long double>(x))));
  }
  EXPECT_LE(worst_log, 4.0);
  EXPECT_LE(worst_exp, 4.0);
}

TEST(Math, PowErrorGrowsOnlyWithTheLogarithmOfTheResult) {
  Rng rng = Stream(1, "test.pow").rng(0);
  for (int i = 0; i < 100'000; ++i) {
    const double x = spread(rng, -20, 20);
    const double y = (rng.uniform() - 0.5) * 20;
    const long double truth = std::pow(static_cast<long double>(x), static_cast<long double>(y));
    ASSERT_LE(ulps(sim::pow(x, y), truth), 4 + 2 * std::fabs(y * std::log(x))) << x << " " << y;
  }
}

TEST(Math, SpecialValues) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(sim::log(1.0), 0.0);
  EXPECT_EQ(sim::log(0.0), -kInfinity);
  EXPECT_EQ(sim::log(kInfinity), kInfinity);
  EXPECT_TRUE(std::isnan(sim::log(-1.0)));
  EXPECT_NEAR(sim::log(std::numeric_limits<double>::denorm_min()), -744.4400719213812, 1e-12);
  EXPECT_EQ(sim::exp(0.0), 1.0);
  EXPECT_EQ(sim::exp(1000.0), kInfinity);
  EXPECT_EQ(sim::exp(-kInfinity), 0.0);
  EXPECT_GT(sim::exp(-744.0), 0.0);
  EXPECT_TRUE(std::isnan(sim::exp(std::numeric_limits<double>::quiet_NaN())));
  EXPECT_EQ(sim::log1p(0.0), 0.0);
  EXPECT_EQ(sim::expm1(0.0), 0.0);
  EXPECT_EQ(sim::pow(2.0, 2.0), 4.0);
  EXPECT_EQ(sim::pow(0.0, 0.0), 1.0);
  EXPECT_EQ(sim::pow(0.0, 3.0), 0.0);
  EXPECT_EQ(sim::pow(9.0, 0.5), 3.0);
  EXPECT_TRUE(std::isnan(sim::pow(-1.0, 0.3)));
}

TEST(Math, LogGammaOfWholeNumbersIsTheLogOfTheFactorial) {
  long double factorial = 1;
  for (int n = 1; n <= 60; ++n) {
    EXPECT_NEAR(log_gamma(n), static_cast<double>(std::log(factorial)),
                1e-13 * std::max(1.0, static_cast<double>(std::log(factorial))))
        << n;
    factorial *= n;
  }
  EXPECT_NEAR(log_gamma(0.5), std::log(std::sqrt(3.14159265358979323846)), 1e-13);
}

TEST(Math, NormalQuantileInvertsTheNormalDistribution) {
  for (const double p : {1e-300, 1e-100, 1e-20, 1e-9, 1e-4, 0.01, 0.07, 0.075, 0.2, 0.4}) {
    const long double x = normal_quantile(p);
    const long double back = 0.5L * std::erfc(-x / std::sqrt(2.0L));
    // d log Phi / dx is about |x| + 1, so that x to 1e-14 relative gives p to this.
    const double bound = 1e-14 * static_cast<double>(x * x + 3);
    EXPECT_NEAR(static_cast<double>(back) / p, 1.0, bound) << p;
    if (p >= 0.01) {
      EXPECT_NEAR(normal_quantile(1 - p), -static_cast<double>(x), 1e-13) << p;
    }
  }
  EXPECT_EQ(normal_quantile(0.5), 0.0);
  EXPECT_NEAR(normal_quantile(0.975), 1.959963984540054, 1e-14);
  EXPECT_NEAR(normal_quantile(0.99), 2.3263478740408408, 1e-14);
}

TEST(Math, SinTurnsIsTheSineAndExactAtQuarters) {
  Rng rng = Stream(1, "test.sin").rng(0);
  for (int i = 0; i < 100'000; ++i) {
    const double t = (rng.uniform() - 0.5) * 20;
    const long double truth =
        std::sin(2 * 3.14159265358979323846264338327950288L * static_cast<long double>(t));
    ASSERT_NEAR(sin_turns(t), static_cast<double>(truth), 1e-15) << t;
  }
  EXPECT_EQ(sin_turns(0.0), 0.0);
  EXPECT_EQ(sin_turns(0.25), 1.0);
  EXPECT_EQ(sin_turns(7.5), 0.0);
  EXPECT_EQ(sin_turns(-0.25), -1.0);
}

// The bits themselves, over all functions: a compiler, flag or machine that changes one of them
// changes this number.
TEST(Math, GoldenBits) {
  Rng rng = Stream(1, "test.golden").rng(0);
  uint64_t hash = 0;
  for (int i = 0; i < 20'000; ++i) {
    const double x = spread(rng, -30, 8);
    const double u = rng.uniform_open();
    for (const double y : {sim::log(x), sim::exp(x), sim::exp(-x), sim::log1p(x), sim::expm1(x),
                           sim::pow(x, u), log_gamma(x), normal_quantile(u), sin_turns(u)}) {
      hash = hash_combine(hash, std::bit_cast<uint64_t>(y));
    }
  }
  EXPECT_EQ(hash, 2768075547797446020u);
}

}  // namespace
}  // namespace mainspring::sim

#include "sim/distributions.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

namespace mainspring::sim {
namespace {

constexpr int kSamples = 40'000;

std::vector<double> samples(const Distribution& d, int n = kSamples) {
  Rng rng = Stream(11, "test." + d.describe()).rng(0);
  std::vector<double> out;
  for (int i = 0; i < n; ++i) out.push_back(d.sample(rng));
  return out;
}

// The largest distance between the empirical and the true cumulative distribution function.
template <class Cdf>
double kolmogorov_smirnov(std::vector<double> xs, Cdf cdf) {
  std::sort(xs.begin(), xs.end());
  double worst = 0;
  const double n = static_cast<double>(xs.size());
  for (size_t i = 0; i < xs.size(); ++i) {
    const double f = cdf(xs[i]);
    worst = std::max({worst, f - static_cast<double>(i) / n, static_cast<double>(i + 1) / n - f});
  }
  return worst;
}

struct Case {
  const char* name;
  Distribution distribution;
  double mean, variance;
  double (*cdf)(double);  // null for discrete distributions
};

double phi(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }

const Case kCases[] = {
    {"Uniform", Distribution::uniform(2, 6), 4, 16.0 / 12, [](double x) { return (x - 2) / 4; }},
    {"Exponential", Distribution::exponential(3), 3, 9,
     [](double x) { return -std::expm1(-x / 3); }},
    {"Normal", Distribution::normal(10, 2), 10, 4, [](double x) { return phi((x - 10) / 2); }},
    // mean = m exp(s^2/2), variance = mean^2 (exp(s^2) - 1)
    {"Lognormal", Distribution::lognormal(5, 0.5), 5 * std::exp(0.125),
     25 * std::exp(0.25) * std::expm1(0.25), [](double x) { return phi(std::log(x / 5) / 0.5); }},
    // shape a = 5: mean = a/(a-1), variance = a/((a-1)^2 (a-2))
    {"Pareto", Distribution::pareto(1, 5), 1.25, 5.0 / 48,
     [](double x) { return 1 - std::pow(x, -5); }},
    // shape 2, scale 3: mean = 3 gamma(1.5), variance = 9 (1 - gamma(1.5)^2)
    {"Weibull", Distribution::weibull(3, 2), 3 * 0.886226925452758, 9 * (1 - 0.785398163397448),
     [](double x) { return -std::expm1(-x * x / 9); }},
    {"Quantiles", Distribution::quantiles({{0, 0}, {0.5, 1}, {1, 5}}), 0.25 + 1.5,
     // E x^2 = 0.5 (1/3) + 0.5 (25 + 5 + 1)/3
     0.5 / 3 + 0.5 * 31 / 3 - 1.75 * 1.75,
     [](double x) { return x < 1 ? x / 2 : 0.5 + (x - 1) / 8; }},
    {"PoissonSmall", Distribution::poisson(2.5), 2.5, 2.5, nullptr},
    {"PoissonLarge", Distribution::poisson(250), 250, 250, nullptr},
    {"Bernoulli", Distribution::bernoulli(3, 100), 0.03, 0.03 * 0.97, nullptr},
    {"Empirical", Distribution::empirical({1, 2, 2, 7}), 3, 58.0 / 4 - 9, nullptr},
    // n 3, s 1: weights 1, 1/2, 1/3; mean 3/(11/6), second moment 6/(11/6)
    {"Zipf", Distribution::zipf(3, 1), 18.0 / 11, 36.0 / 11 - 18.0 / 11 * 18 / 11, nullptr},
};

class Distributions : public ::testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(All, Distributions, ::testing::ValuesIn(kCases),
                         [](const auto& c) { return std::string(c.param.name); });

TEST_P(Distributions, MomentsAgreeWithTheory) {
  const Case& c = GetParam();
  const std::vector<double> xs = samples(c.distribution);
  double mean = 0;
  for (const double x : xs) mean += x / kSamples;
  double variance = 0, fourth = 0;
  for (const double x : xs) {
    variance += (x - mean) * (x - mean) / kSamples;
    fourth += std::pow(x - mean, 4) / kSamples;
  }
  // Four standard errors of each estimate; the seeds are fixed.
  EXPECT_NEAR(mean, c.mean, 4 * std::sqrt(c.variance / kSamples));
  EXPECT_NEAR(variance, c.variance,
              4 * std::sqrt(std::max(0.0, fourth - variance * variance) / kSamples) + 1e-3);
  EXPECT_NEAR(c.distribution.mean(), c.mean, 1e-12 * std::max(1.0, c.mean));
}

class ContinuousDistributions : public ::testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(All, ContinuousDistributions,
                         ::testing::ValuesIn(std::begin(kCases), std::begin(kCases) + 7),
                         [](const auto& c) { return std::string(c.param.name); });

TEST_P(ContinuousDistributions, KolmogorovSmirnov) {
  const Case& c = GetParam();
  ASSERT_NE(c.cdf, nullptr);
  // 1 % critical value of the statistic.
  EXPECT_LT(kolmogorov_smirnov(samples(c.distribution), c.cdf), 1.628 / std::sqrt(kSamples));
}

TEST_P(Distributions, DescriptionReadsBackAsTheSame) {
  const Distribution& d = GetParam().distribution;
  Distribution back;
  ASSERT_EQ(parse_distribution(d.describe(), back), "") << d.describe();
  EXPECT_TRUE(back == d) << d.describe() << " / " << back.describe();
  const Distribution in_ns = d.as_nanoseconds();
  if (d.kind == Distribution::Kind::kZipf || d.kind == Distribution::Kind::kBernoulli) return;
  ASSERT_EQ(parse_distribution(in_ns.describe(), back), "") << in_ns.describe();
  EXPECT_TRUE(back == in_ns) << in_ns.describe();
}

// Largest distance between observed and expected cumulative probability of a discrete distribution.
template <class Probability>
double discrete_distance(const std::vector<double>& xs, int low, int high, Probability p) {
  std::map<int, int> counts;
  for (const double x : xs) ++counts[static_cast<int>(x)];
  double worst = 0, observed = 0, expected = 0;
  for (int k = low; k <= high; ++k) {
    observed += static_cast<double>(counts[k]) / static_cast<double>(xs.size());
    expected += p(k);
    worst = std::max(worst, std::fabs(observed - expected));
  }
  return worst;
}

TEST(Poisson, ProbabilitiesOnBothSidesOfTheSwitchOfAlgorithm) {
  for (const double mean : {0.1, 3.0, 9.9, 10.1, 40.0, 1000.0}) {
    const auto p = [&](int k) {
      return std::exp(k * std::log(mean) - mean - std::lgamma(k + 1.0));
    };
    // The Kolmogorov-Smirnov bound is conservative for discrete distributions.
    EXPECT_LT(discrete_distance(samples(Distribution::poisson(mean)), 0, 2000, p),
              1.628 / std::sqrt(kSamples))
        << mean;
  }
  Rng rng = Stream(1, "x").rng(0);
  EXPECT_EQ(sample_poisson(rng, 0), 0u);
}

TEST(Zipf, ProbabilitiesForSeveralExponents) {
  for (const double s : {0.0, 0.5, 1.0, 1.1, 3.0}) {
    for (const int n : {1, 2, 1000}) {
      double weights = 0;
      for (int k = 1; k <= n; ++k) weights += std::pow(k, -s);
      const auto p = [&](int k) { return std::pow(k, -s) / weights; };
      EXPECT_LT(
          discrete_distance(samples(Distribution::zipf(static_cast<uint64_t>(n), s)), 1, n, p),
          1.628 / std::sqrt(kSamples))
          << s << " " << n;
    }
  }
}

TEST(Distribution, LognormalFromTwoQuantilesHasThem) {
  const Distribution d = Distribution::lognormal_quantile(5, 0.99, 40);
  std::vector<double> xs = samples(d);
  std::sort(xs.begin(), xs.end());
  EXPECT_NEAR(xs[kSamples / 2], 5, 0.1);
  EXPECT_NEAR(xs[kSamples * 99 / 100], 40, 2.5);
}

TEST(Distribution, InversionKeepsOrderWhenAParameterGrows) {
  // The same draw with a larger scale gives a larger sample: common random numbers.
  for (uint64_t entity = 0; entity < 1000; ++entity) {
    Rng a = Stream(1, "x").rng(entity), b = a;
    EXPECT_LT(Distribution::lognormal(5, 0.5).sample(a), Distribution::lognormal(6, 0.5).sample(b));
    EXPECT_EQ(a.next_draw(), 1u);
  }
}

TEST(Distribution, DurationsAreRoundedAndNeverNegative) {
  Rng rng = Stream(1, "x").rng(0);
  EXPECT_EQ(Distribution::constant(Duration::millis(5)).sample_duration(rng), Duration::millis(5));
  EXPECT_EQ(Distribution::constant(-3.0).sample_duration(rng), Duration());
  EXPECT_EQ(Distribution::constant(2.5).sample_duration(rng), Duration::nanos(3));
  EXPECT_GT(Distribution::constant(1e300).sample_duration(rng), Duration::hours(24 * 365));
  EXPECT_EQ(Distribution().sample_duration(rng), Duration());
}

TEST(Distribution, ParetoWithoutAMeanSaysSo) {
  EXPECT_EQ(Distribution::pareto(1, 0.9).mean(), std::numeric_limits<double>::infinity());
}

TEST(ParseDistribution, ReadsTheDocumentedForms) {
  const auto parse = [](const char* text) {
    Distribution d;
    EXPECT_EQ(parse_distribution(text, d), "") << text;
    return d;
  };
  EXPECT_TRUE(parse("5ms") == Distribution::constant(Duration::millis(5)));
  EXPECT_TRUE(parse("constant 1h30m") == Distribution::constant(Duration::minutes(90)));
  EXPECT_TRUE(parse("1.5s") == Distribution::constant(Duration::millis(1500)));
  EXPECT_TRUE(parse("42") == Distribution::constant(42.0));
  EXPECT_TRUE(parse("uniform 1ms 10ms") == Distribution::uniform(1e6, 1e7).as_nanoseconds());
  EXPECT_TRUE(parse("exponential mean 5us") == Distribution::exponential(5e3).as_nanoseconds());
  EXPECT_TRUE(parse("normal mean 5ms sd 1ms") == Distribution::normal(5e6, 1e6).as_nanoseconds());
  EXPECT_TRUE(parse("lognormal p50 5ms p99 40ms") ==
              Distribution::lognormal_quantile(5e6, 0.99, 4e7).as_nanoseconds());
  EXPECT_TRUE(parse("lognormal p50 5ms sigma 0.7") ==
              Distribution::lognormal(5e6, 0.7).as_nanoseconds());
  EXPECT_TRUE(parse("pareto min 1ms shape 1.5") == Distribution::pareto(1e6, 1.5).as_nanoseconds());
  EXPECT_TRUE(parse("weibull scale 5ms shape 2") == Distribution::weibull(5e6, 2).as_nanoseconds());
  EXPECT_TRUE(parse("poisson mean 3.5") == Distribution::poisson(3.5));
  EXPECT_TRUE(parse("zipf n 1000 s 1.1") == Distribution::zipf(1000, 1.1));
  EXPECT_TRUE(parse("empirical 1ms 2ms 2ms 7ms") ==
              Distribution::empirical({1e6, 2e6, 2e6, 7e6}).as_nanoseconds());
  EXPECT_TRUE(parse("quantiles p0 1ms p50 5ms p100 1s") ==
              Distribution::quantiles({{0, 1e6}, {0.5, 5e6}, {1, 1e9}}).as_nanoseconds());
  EXPECT_TRUE(parse("bernoulli 3/100") == Distribution::bernoulli(3, 100));
}

TEST(ParseDistribution, SaysWhatIsWrong) {
  const auto error = [](const char* text) {
    Distribution d = Distribution::constant(7.0);
    const std::string message = parse_distribution(text, d);
    EXPECT_TRUE(d == Distribution::constant(7.0)) << "changed by " << text;
    return message;
  };
  const std::pair<const char*, const char*> cases[] = {
      {"", "empty"},
      {"gaussian 5ms", "neither a duration, a number nor one of"},
      {"5 parsecs", "neither a duration"},
      {"constant", "the value is missing at the end"},
      {"constant 5parsecs", "neither a number nor a duration"},
      {"5ms 6ms", "neither a duration, a number nor one of"},
      {"constant 5ms 6ms", "\"6ms\" is too much"},
      {"uniform 10ms 1ms", "the lower end is above the upper end"},
      {"uniform 10ms 1", "durations and plain numbers are mixed"},
      {"lognormal p50 5ms p99 4ms", "p99 must not be less than p50"},
      {"lognormal p50 5ms p30 4ms", "after p50 comes sigma"},
      {"lognormal mean 5ms", "\"mean\" where p50 was expected"},
      {"pareto min 0 shape 1", "must be greater than 0"},
      {"zipf n 1.5 s 1", "n must be a whole number"},
      {"poisson mean 1e12", "mean"},
      {"bernoulli 1.5", "not a ratio"},
      {"bernoulli 3/2", "not a ratio"},
      {"quantiles p50 5ms p100 1s", "start with p0"},
      {"quantiles p0 5ms p100 1ms", "must rise"},
  };
  for (const auto& [text, part] : cases) {
    EXPECT_NE(error(text).find(part), std::string::npos) << text << ": " << error(text);
  }
}

}  // namespace
}  // namespace mainspring::sim

// Probability distributions as values, which scenarios describe in words, and the samplers behind
// them. The algorithms are fixed, their math is sim/math.h, their randomness an Rng: the same draws
// give the same samples on every machine.
//
// Continuous ones and Poisson below a mean of 10 take exactly one draw per sample, by inversion, so
// that a parameter changed in one scenario leaves the others' draws in place and moves each sample
// monotonically. Zipf and larger Poisson means reject and may take more.
//
// Written forms (parse_distribution). A quantity is a duration ("5ms", "1.5s", "1h30m") or a plain
// number; all quantities of one distribution are of one sort.
//   5ms                             always that
//   constant 5ms
//   uniform 1ms 10ms
//   exponential mean 5ms
//   normal mean 5ms sd 1ms
//   lognormal p50 5ms p99 40ms      (any of p75 p90 p95 p99 p99.9), or: lognormal p50 5ms sigma 0.7
//   pareto min 1ms shape 1.5
//   weibull scale 5ms shape 2
//   poisson mean 3.5
//   zipf n 1000 s 1.1               ranks 1..n, weight 1/rank^s
//   empirical 1ms 2ms 2ms 7ms       one of these, each as likely as it is listed
//   quantiles p0 1ms p50 5ms p100 1s   straight lines between the given points of the inverse CDF
//   bernoulli 3/100                 1 in three of a hundred cases, else 0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/random.h"
#include "sim/time.h"

namespace mainspring::sim {

struct Distribution {
  enum class Kind : uint8_t {
    kConstant,
    kUniform,
    kExponential,
    kNormal,
    kLognormal,
    kPareto,
    kWeibull,
    kPoisson,
    kZipf,
    kEmpirical,
    kQuantiles,
    kBernoulli,
  };
  // What the numbers are: plain, or nanoseconds.
  enum class Unit : uint8_t { kNumber, kNanoseconds };

  // Duration 0 unless said otherwise.
  Distribution() = default;

  static Distribution constant(double value);
  static Distribution constant(Duration value);
  // In [low, high).
  static Distribution uniform(double low, double high);
  static Distribution exponential(double mean);
  static Distribution normal(double mean, double standard_deviation);
  // The logarithm has median log(median) and standard deviation sigma.
  static Distribution lognormal(double median, double sigma);
  // From its median and another quantile, 0.5 < p < 1, value > median.
  static Distribution lognormal_quantile(double median, double p, double value);
  static Distribution pareto(double minimum, double shape);
  static Distribution weibull(double scale, double shape);
  static Distribution poisson(double mean);
  static Distribution zipf(uint64_t n, double exponent);
  static Distribution empirical(std::vector<double> values);
  // (probability, value) pairs, both rising, from probability 0 to 1.
  static Distribution quantiles(std::vector<std::pair<double, double>> points);
  static Distribution bernoulli(uint64_t numerator, uint64_t denominator);
  // The same, with its numbers read as nanoseconds.
  Distribution as_nanoseconds() const {
    Distribution d = *this;
    d.unit = Unit::kNanoseconds;
    return d;
  }

  double sample(Rng& rng) const;
  // The sample as a duration: to the nearest nanosecond, never negative (a normal may be), at most
  // 100 years. Of a plain number: that many nanoseconds.
  Duration sample_duration(Rng& rng) const;
  // The expected value; infinite for Pareto with shape <= 1. Takes O(n) for Zipf.
  double mean() const;
  // As parse_distribution reads it.
  std::string describe() const;

  friend bool operator==(const Distribution& a, const Distribution& b);

  Kind kind = Kind::kConstant;
  Unit unit = Unit::kNanoseconds;
  // By kind, in the order of the arguments of the functions above. Zipf keeps three precomputed
  // numbers behind its two.
  double p[5] = {};
  // Values of kEmpirical; of kQuantiles probabilities and values in turn. Immutable, shared.
  std::shared_ptr<const std::vector<double>> table;
};

// Reads the written form. Returns an empty string and sets `out`, or says what is wrong.
std::string parse_distribution(std::string_view text, Distribution& out);

// Samplers, for models that need them bare.
double sample_exponential(Rng& rng, double mean);
// Mean 0, standard deviation 1.
double sample_normal(Rng& rng);
uint64_t sample_poisson(Rng& rng, double mean);

}  // namespace mainspring::sim

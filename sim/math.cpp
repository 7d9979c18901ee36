#include "sim/math.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <limits>

namespace mainspring::sim {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
// ln 2 in two parts; the high one has 32 significant bits, so that k * kLn2High is exact.
constexpr double kLn2High = 0x1.62e42feep-1;
constexpr double kLn2Low = 0x1.a39ef35793c76p-33;

// 2 to the k, for k in [-1022, 1023].
double power_of_two(int k) { return std::bit_cast<double>(static_cast<uint64_t>(1023 + k) << 52); }

double times_power_of_two(double x, int k) {
  // In two steps, so that neither factor overflows when the product does not.
  const int half = k / 2;
  return x * power_of_two(half) * power_of_two(k - half);
}

}  // namespace

double log(double x) {
  if (!(x > 0.0)) return x == 0.0 ? -kInfinity : kNaN;
  if (x == kInfinity) return x;
  int k = 0;
  if (x < 0x1.0p-1022) {
    x *= 0x1.0p54;
    k = -54;
  }
  // x = 2^k m with m in [sqrt(1/2), sqrt(2)).
  const uint64_t bits = std::bit_cast<uint64_t>(x);
  constexpr uint64_t kSqrtHalf = 0x3fe6a09e667f3bcd;
  const uint64_t shifted = bits - kSqrtHalf;
  k += static_cast<int>(static_cast<int64_t>(shifted) >> 52);
  const double m = std::bit_cast<double>(
      bits - (static_cast<uint64_t>(static_cast<int64_t>(shifted) >> 52) << 52));
  // log m = 2 atanh s = 2s + s (2/3 s^2 + 2/5 s^4 + ...), s = f / (2 + f), |s| < 0.172, and
  // 2s = f - s f, in which f is exact.
  const double f = m - 1.0;
  const double s = f / (2.0 + f);
  const double z = s * s;
  double p = 2.0 / 23;
  for (const double coefficient : {2.0 / 21, 2.0 / 19, 2.0 / 17, 2.0 / 15, 2.0 / 13, 2.0 / 11,
                                   2.0 / 9, 2.0 / 7, 2.0 / 5, 2.0 / 3}) {
    p = p * z + coefficient;
  }
  p *= z;
  const double dk = k;
  return dk * kLn2High - ((s * (f - p) - dk * kLn2Low) - f);
}

double exp(double x) {
  if (x != x) return x;
  if (x > 709.79) return kInfinity;
  if (x < -745.2) return 0.0;
  // x = k ln 2 + r, |r| <= ln 2 / 2.
  const double dk = std::floor(x * 1.4426950408889634 + 0.5);
  const double high = x - dk * kLn2High;
  const double low = dk * kLn2Low;
  const double r = high - low;
  const double rest = (high - r) - low;  // what the subtraction lost
  double p = 1.0 / 6227020800;           // 1/13!
  for (const double coefficient :
       {1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320, 1.0 / 5040,
        1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 0.5}) {
    p = p * r + coefficient;
  }
  return times_power_of_two(1.0 + (r + (r * r * p + rest)), static_cast<int>(dk));
}

// Kahan's corrections: the rounding of 1 + x, or of exp(x), is divided out again.
double log1p(double x) {
  const double u = 1.0 + x;
  if (u == 1.0) return x;
  const double l = sim::log(u);
  return u == kInfinity ? l : l * (x / (u - 1.0));
}

double expm1(double x) {
  // Beyond this the subtraction loses nothing.
  if (x > 1.0 || x < -1.0) return sim::exp(x) - 1.0;
  const double u = sim::exp(x);
  if (u == 1.0) return x;
  return (u - 1.0) * (x / sim::log(u));
}

double pow(double x, double y) {
  if (y == 0.0 || x == 1.0) return 1.0;
  if (x == 0.0) return y > 0.0 ? 0.0 : kInfinity;
  if (y == 1.0) return x;
  if (y == 2.0) return x * x;
  if (y == 0.5) return std::sqrt(x);
  return sim::exp(y * sim::log(x));
}

double log_gamma(double x) {
  if (!(x > 0.0)) return x == 0.0 ? kInfinity : kNaN;
  if (x == 1.0 || x == 2.0) return 0.0;
  // Stirling's series above 15, reached by gamma(x + 1) = x gamma(x).
  double product = 1.0;
  while (x < 15.0) {
    product *= x;
    x += 1.0;
  }
  const double z = 1.0 / (x * x);
  // Bernoulli numbers: 1/12, -1/360, 1/1260, -1/1680, 1/1188, -691/360360, 1/156.
  double series = 1.0 / 156;
  for (const double coefficient :
       {-691.0 / 360360, 1.0 / 1188, -1.0 / 1680, 1.0 / 1260, -1.0 / 360, 1.0 / 12}) {
    series = series * z + coefficient;
  }
  constexpr double kHalfLogTwoPi = 0.91893853320467274178;
  return (x - 0.5) * sim::log(x) - x + kHalfLogTwoPi + series / x - sim::log(product);
}

double normal_quantile(double p) {
  if (!(p > 0.0 && p < 1.0)) return p == 0.0 ? -kInfinity : p == 1.0 ? kInfinity : kNaN;
  const auto ratio = [](double r, const double(&a)[8], const double(&b)[8]) {
    double top = a[7];
    double bottom = b[7];
    for (int i = 6; i >= 0; --i) {
      top = top * r + a[i];
      bottom = bottom * r + b[i];
    }
    return top / bottom;
  };
  static constexpr double kA[] = {3.3871328727963666080e0, 1.3314166789178437745e2,
                                  1.9715909503065514427e3, 1.3731693765509461125e4,
                                  4.5921953931549871457e4, 6.7265770927008700853e4,
                                  3.3430575583588128105e4, 2.5090809287301226727e3};
  static constexpr double kB[] = {1.0,
                                  4.2313330701600911252e1,
                                  6.8718700749205790830e2,
                                  5.3941960214247511077e3,
                                  2.1213794301586595867e4,
                                  3.9307895800092710610e4,
                                  2.8729085735721942674e4,
                                  5.2264952788528545610e3};
  static constexpr double kC[] = {1.42343711074968357734e0,  4.63033784615654529590e0,
                                  5.76949722146069140550e0,  3.64784832476320460504e0,
                                  1.27045825245236838258e0,  2.41780725177450611770e-1,
                                  2.27238449892691845833e-2, 7.74545014278341407640e-4};
  static constexpr double kD[] = {1.0,
                                  2.05319162663775882187e0,
                                  1.67638483018380384940e0,
                                  6.89767334985100004550e-1,
                                  1.48103976427480074590e-1,
                                  1.51986665636164571966e-2,
                                  5.47593808499534494600e-4,
                                  1.05075007164441684324e-9};
  static constexpr double kE[] = {6.65790464350110377720e0,  5.46378491116411436990e0,
                                  1.78482653991729133580e0,  2.96560571828504891230e-1,
                                  2.65321895265761230930e-2, 1.24266094738807843860e-3,
                                  2.71155556874348757815e-5, 2.01033439929228813265e-7};
  static constexpr double kF[] = {1.0,
                                  5.99832206555887937690e-1,
                                  1.36929880922735805310e-1,
                                  1.48753612908506148525e-2,
                                  7.86869131145613259100e-4,
                                  1.84631831751005468180e-5,
                                  1.42151175831644588870e-7,
                                  2.04426310338993978564e-15};
  const double q = p - 0.5;
  if (std::fabs(q) <= 0.425) return q * ratio(0.180625 - q * q, kA, kB);
  const double r = std::sqrt(-sim::log(q < 0.0 ? p : 1.0 - p));
  const double x = r <= 5.0 ? ratio(r - 1.6, kC, kD) : ratio(r - 5.0, kE, kF);
  return q < 0.0 ? -x : x;
}

double sin_turns(double t) {
  // To a quarter turn: t = n/4 + x, |x| <= 1/8, all exact.
  t -= std::floor(t);
  const double quarter = std::floor(t * 4.0 + 0.5);
  const double x = (t - quarter * 0.25) * 6.283185307179586;
  const double z = x * x;
  // Taylor series, nested: x - x^3 (1/3! - x^2 (1/5! - ...)) and likewise for the cosine.
  double sine = 1.0 / 355687428096000;  // 1/17!
  for (const double divisor :
       {1307674368000.0, 6227020800.0, 39916800.0, 362880.0, 5040.0, 120.0, 6.0}) {
    sine = 1.0 / divisor - z * sine;
  }
  sine = x - x * z * sine;
  double cosine = 1.0 / 20922789888000;  // 1/16!
  for (const double divisor : {87178291200.0, 479001600.0, 3628800.0, 40320.0, 720.0, 24.0, 2.0}) {
    cosine = 1.0 / divisor - z * cosine;
  }
  cosine = 1.0 - z * cosine;
  switch (static_cast<int>(quarter)) {
    case 1:
      return cosine;
    case 2:
      return -sine;
    case 3:
      return -cosine;
    default:
      return sine;
  }
}

}  // namespace mainspring::sim

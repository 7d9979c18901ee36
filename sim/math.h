// Transcendental functions with the same bits on every machine.
//
// libm's results differ between machines in the last bit, so nothing on the simulated path may call
// it. These use only + - * / and sqrt, which IEEE 754 fixes, in a fixed order; the build forbids
// fused multiply-add. Square root, floor and fabs of the standard library are exact and are used
// directly. Write sim::log(x), so that it cannot be mistaken for libm's.
//
// Accuracy, relative to the true value (held by the tests against libm in long double):
//   log, exp           2 ulp
//   log1p, expm1       4 ulp
//   pow                (4 + 2 |y log x|) ulp
//   log_gamma          1e-13, absolute where |result| < 1
//   normal_quantile    1e-14 for p in [1e-300, 1 - 2^-53]
//   sin_turns          1e-15 absolute
// Not claimed: correct rounding; results for denormal arguments beyond the bounds above.
#pragma once

namespace mainspring::sim {

// Natural logarithm. log(0) is -infinity, log(x < 0) NaN.
double log(double x);
// log(1 + x), accurate for small x.
double log1p(double x);
// e to the x.
double exp(double x);
// exp(x) - 1, accurate for small x.
double expm1(double x);
// x to the y, for x >= 0; NaN for x < 0.
double pow(double x, double y);
// log of the gamma function, for x > 0.
double log_gamma(double x);
// The x below which a standard normal variable lies with probability p: Wichura's algorithm AS 241.
double normal_quantile(double p);
// sin(2 pi t): the sine of an angle in turns, exact at multiples of a quarter turn.
double sin_turns(double t);

}  // namespace mainspring::sim

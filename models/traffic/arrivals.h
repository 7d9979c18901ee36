// When the requests of one source arrive: a rate over time (options.h), multiplied by a factor that
// faults change.
//
// Arrivals are the points at which the integral of the rate has grown by a further draw: an
// exponential one (an exact non-homogeneous Poisson process) or 1 (regular). So each arrival takes
// exactly one draw, by its number, and a higher rate moves the same arrivals closer together.
//
// Draws: stream "traffic.arrivals", entity hash64(name of the source), index of the arrival.
// Not modelled: users who wait for an answer before they send the next request (closed loops).
#pragma once

#include <cstdint>

#include "models/traffic/options.h"
#include "sim/random.h"

namespace mainspring::traffic {

class ArrivalProcess {
 public:
  ArrivalProcess() : rng_({0, 0}, 0) {}
  ArrivalProcess(RateShape shape, sim::SimTime from, sim::SimTime until, bool regular,
                 sim::Rng rng);

  // The first arrival not before `now`, and the one after the last; SimTime::max(): none (as long
  // as the factor stays).
  sim::SimTime first(sim::SimTime now);
  sim::SimTime next();
  // From `now` on, which is not after the arrival returned last, the rate goes to `factor` times
  // that of the shape, in a straight line over `ramp`. Returns the new time of that arrival.
  sim::SimTime set_factor(sim::SimTime now, double factor, sim::Duration ramp);

  double factor(sim::SimTime t) const;
  double rate(sim::SimTime t) const;  // requests per second
  uint64_t count() const { return count_; }

 private:
  struct Window;
  Window window(sim::SimTime t);
  sim::SimTime advance(sim::SimTime t, double need);

  RateShape shape_;
  sim::SimTime from_;
  sim::SimTime until_;
  bool regular_ = false;
  sim::Rng rng_;
  size_t segment_ = 0;  // hint: the segment of the shape used last
  sim::SimTime base_;   // `need_` is counted from here
  double need_ = 0;     // integral of the rate until the next arrival, in requests
  sim::SimTime next_ = sim::SimTime::max();
  uint64_t count_ = 0;  // arrivals drawn
  double from_factor_ = 1;
  double to_factor_ = 1;
  sim::SimTime ramp_begin_;
  sim::SimTime ramp_end_;
};

}  // namespace mainspring::traffic

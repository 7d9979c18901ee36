#include "models/traffic/arrivals.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "sim/math.h"

namespace mainspring::traffic {

using sim::Duration;
using sim::SimTime;

// A stretch of time in which the rate is a straight line.
struct ArrivalProcess::Window {
  SimTime end;  // SimTime::max(): it never changes again
  double from;  // rate at the beginning, per second
  double to;    // at the end; of an endless window, the same
};

ArrivalProcess::ArrivalProcess(RateShape shape, SimTime from, SimTime until, bool regular,
                               sim::Rng rng)
    : shape_(std::move(shape)), from_(from), until_(until), regular_(regular), rng_(rng) {}

double ArrivalProcess::factor(SimTime t) const {
  if (t >= ramp_end_) return to_factor_;
  if (t <= ramp_begin_) return from_factor_;
  return from_factor_ +
         (to_factor_ - from_factor_) * (static_cast<double>((t - ramp_begin_).ns()) /
                                        static_cast<double>((ramp_end_ - ramp_begin_).ns()));
}

double ArrivalProcess::rate(SimTime t) const {
  if (t < from_ || t >= until_) return 0;
  return shape_.at(t) * factor(t);
}

ArrivalProcess::Window ArrivalProcess::window(SimTime t) {
  const std::vector<RatePoint>& p = *shape_.points;
  // The segment of the shape, in its own time.
  const bool repeats = shape_.period > Duration();
  const Duration offset =
      repeats ? Duration::nanos(t.ns() / shape_.period.ns() * shape_.period.ns()) : Duration();
  const SimTime local = t - offset;
  const auto holds = [&](size_t s) {
    return s < p.size() && p[s].at <= local && (s + 1 == p.size() || local < p[s + 1].at);
  };
  if (!holds(segment_) && !holds(++segment_)) {
    const auto after = std::upper_bound(
        p.begin(), p.end(), local, [](SimTime x, const RatePoint& point) { return x < point.at; });
    if (after == p.begin()) {
      segment_ = 0;
      return {p.front().at + offset, 0, 0};
    }
    segment_ = static_cast<size_t>(after - p.begin()) - 1;
  }
  const RatePoint& a = p[segment_];
  Window w{SimTime::max(), a.rate, a.rate};
  if (segment_ + 1 < p.size()) {
    const RatePoint& b = p[segment_ + 1];
    const double length = static_cast<double>((b.at - a.at).ns());
    w.from = a.rate + (b.rate - a.rate) * (static_cast<double>((local - a.at).ns()) / length);
    w.to = b.rate;
    w.end = b.at + offset;
  } else if (repeats) {
    w.end = SimTime() + offset + shape_.period;
  }
  // While the factor is on its way, the product is taken as straight over a 64th of the way.
  const auto cut = [&](SimTime at) {
    if (at >= w.end) return;
    w.to = w.end == SimTime::max()
               ? w.from
               : w.from + (w.to - w.from) * (static_cast<double>((at - t).ns()) /
                                             static_cast<double>((w.end - t).ns()));
    w.end = at;
  };
  if (t < ramp_begin_) {
    cut(ramp_begin_);
  } else if (t < ramp_end_) {
    const Duration part = (ramp_end_ - ramp_begin_) / 64;
    cut(std::min(ramp_end_, t + std::max(part, Duration::nanos(1))));
  }
  w.from *= factor(t);
  w.to *= factor(w.end);
  return w;
}

// The time at which the integral of the rate from `t` on reaches `need`.
SimTime ArrivalProcess::advance(SimTime t, double need) {
  if (!shape_.points || shape_.points->empty()) return SimTime::max();
  while (t < until_) {
    const Window w = window(t);
    if (w.end == SimTime::max()) {
      if (!(w.from > 0)) return SimTime::max();
      const double wait = need / w.from * 1e9;
      if (!(wait < 9e18)) return SimTime::max();
      const SimTime at = t + Duration::nanos(static_cast<int64_t>(wait));
      return at < until_ ? at : SimTime::max();
    }
    const double length = static_cast<double>((w.end - t).ns()) * 1e-9;
    const double area = 0.5 * (w.from + w.to) * length;
    if (need <= area && area > 0) {
      const double slope = (w.to - w.from) / length;
      const double root = std::sqrt(std::max(w.from * w.from + 2 * slope * need, 0.0));
      const double wait = need > 0 ? std::min(2 * need / (w.from + root), length) * 1e9 : 0;
      const SimTime at = t + Duration::nanos(static_cast<int64_t>(wait));
      return at < until_ ? at : SimTime::max();
    }
    need -= area;
    t = w.end;
  }
  return SimTime::max();
}

SimTime ArrivalProcess::first(SimTime now) {
  base_ = std::max(now, from_);
  return next();
}

SimTime ArrivalProcess::next() {
  if (next_ != SimTime::max()) base_ = next_;
  // A regular source begins at once.
  need_ = !regular_ ? -sim::log(rng_.uniform_open()) : count_ == 0 ? 0.0 : 1.0;
  ++count_;
  next_ = advance(base_, need_);
  return next_;
}

SimTime ArrivalProcess::set_factor(SimTime now, double factor_now, Duration ramp) {
  // How much of the draw is used up by now.
  if (now > base_) {
    double used = 0;
    SimTime t = base_;
    while (t < now && shape_.points && !shape_.points->empty()) {
      const Window w = window(t);
      const SimTime end = std::min(w.end, now);
      const double length = static_cast<double>((end - t).ns()) * 1e-9;
      double to = w.to;
      if (end < w.end && w.end != SimTime::max()) {
        to = w.from + (w.to - w.from) * (static_cast<double>((end - t).ns()) /
                                         static_cast<double>((w.end - t).ns()));
      }
      used += 0.5 * (w.from + to) * length;
      t = end;
    }
    need_ = std::max(need_ - used, 0.0);
    base_ = now;
  }
  from_factor_ = factor(now);
  to_factor_ = factor_now;
  ramp_begin_ = now;
  ramp_end_ = now + ramp;
  next_ = advance(base_, need_);
  return next_;
}

}  // namespace mainspring::traffic

#include "models/traffic/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "sim/math.h"

namespace mainspring::traffic {

using sim::Duration;
using sim::SimTime;

namespace {

RateShape of(std::vector<RatePoint> points) {
  return {std::make_shared<const std::vector<RatePoint>>(std::move(points)), {}};
}

bool probability(double p) { return p >= 0 && p <= 1; }

// `say` takes what is wrong.
template <class Say>
void check_shape(const SourceOptions& s, const Say& say) {
  if (!s.shape.points || s.shape.points->empty()) return say("it has no rate");
  SimTime last = SimTime::from_ns(INT64_MIN);
  for (const RatePoint& p : *s.shape.points) {
    if (!(p.rate >= 0 && p.rate <= 1e9)) {
      say(fmt::format("a rate of {} per second is not from 0 to 1e9", p.rate));
    }
    if (p.at < last) say("the times of its rates go back");
    last = p.at;
  }
}

}  // namespace

RateShape RateShape::constant(double rate) { return of({{SimTime::from_ns(INT64_MIN / 4), rate}}); }

RateShape RateShape::ramp(std::vector<RatePoint> points) { return of(std::move(points)); }

RateShape RateShape::spike(double base, double peak, SimTime begin, Duration ramp, Duration hold) {
  return of({{SimTime::from_ns(INT64_MIN / 4), base},
             {begin, base},
             {begin + ramp, peak},
             {begin + ramp + hold, peak},
             {begin + ramp + hold + ramp, base}});
}

RateShape RateShape::diurnal(double low, double high, Duration top, Duration period) {
  constexpr int64_t kLines = 96;
  std::vector<RatePoint> points;
  for (int64_t i = 0; i <= kLines; ++i) {
    const Duration at = Duration::nanos(static_cast<int64_t>(
        static_cast<double>(period.ns()) * static_cast<double>(i) / static_cast<double>(kLines)));
    const double turns = static_cast<double>((at - top).ns()) / static_cast<double>(period.ns());
    // A cosine of the time since the top.
    const double height = 0.5 + 0.5 * sim::sin_turns(turns + 0.25);
    points.push_back({SimTime() + at, low + (high - low) * height});
  }
  RateShape shape = of(std::move(points));
  shape.period = period;
  return shape;
}

RateShape RateShape::trace(const std::vector<RatePoint>& rows, double scale) {
  std::vector<RatePoint> points;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (i > 0) points.push_back({rows[i].at, rows[i - 1].rate * scale});
    points.push_back({rows[i].at, rows[i].rate * scale});
  }
  return of(std::move(points));
}

double RateShape::at(SimTime t) const {
  if (!points || points->empty()) return 0;
  const std::vector<RatePoint>& p = *points;
  if (period > Duration()) {
    int64_t phase = t.ns() % period.ns();
    if (phase < 0) phase += period.ns();
    t = SimTime::from_ns(phase);
  }
  const auto after = std::upper_bound(
      p.begin(), p.end(), t, [](SimTime x, const RatePoint& point) { return x < point.at; });
  if (after == p.begin()) return 0;
  const RatePoint& a = *(after - 1);
  if (after == p.end()) return a.rate;
  const RatePoint& b = *after;
  return a.rate + (b.rate - a.rate) * (static_cast<double>((t - a.at).ns()) /
                                       static_cast<double>((b.at - a.at).ns()));
}

std::vector<Problem> validate(const TrafficOptions& options) {
  std::vector<Problem> problems;
  const auto general = [&](std::string text) { problems.push_back({"", std::move(text)}); };
  if (options.bucket <= Duration()) general("the statistics' bucket must be above 0s");
  const NetworkLatency& n = options.network;
  for (const Duration d : {n.same_node, n.same_zone, n.cross_zone, n.external}) {
    if (d < Duration()) general("a network latency is negative");
  }
  using Name = std::pair<std::string_view, std::string_view>;
  std::map<Name, std::vector<Name>> calls;
  std::map<Name, std::string> entries;
  for (size_t i = 0; i < options.services.size(); ++i) {
    const ServiceOptions& s = options.services[i];
    const std::string name = fmt::format("service {}/{}", s.ns.view(), s.name.view());
    const std::string entry = fmt::format("services[{}]", i);
    const auto say = [&](std::string_view what) {
      problems.push_back({entry, fmt::format("{}: {}", name, what)});
    };
    if (s.name.empty()) say("it has no name");
    if (calls.contains({s.ns, s.name})) say("it is listed twice");
    entries.try_emplace({s.ns, s.name}, entry);
    std::vector<Name>& callees = calls[{s.ns, s.name}];
    if (s.concurrency < 1) say("concurrency must be at least 1");
    if (s.queue < 0) say("the queue cannot be shorter than 0");
    if (!probability(s.error_rate)) say("the error rate is not from 0 to 1");
    for (const CallOptions& c : s.calls) {
      callees.emplace_back(c.ns, c.service);
      const std::string call = fmt::format("call to {}/{}", c.ns.view(), c.service.view());
      if (c.service.empty()) say("a call names no service");
      if (!probability(c.probability)) say(call + ": the probability is not from 0 to 1");
      if (c.timeout <= Duration()) say(call + ": the timeout must be above 0s");
      if (c.retries < 0 || c.retries > 10) say(call + ": retries are not from 0 to 10");
      if (c.stage < 0 || c.stage > 63) say(call + ": the stage is not from 0 to 63");
    }
  }
  // Calls in a circle would never end: whoever reaches itself.
  for (const auto& [start, direct] : calls) {
    std::set<Name> seen;
    std::vector<Name> open = direct;
    while (!open.empty()) {
      const Name at = open.back();
      open.pop_back();
      if (!seen.insert(at).second) continue;
      const auto found = calls.find(at);
      if (found != calls.end()) open.insert(open.end(), found->second.begin(), found->second.end());
    }
    if (seen.contains(start)) {
      problems.push_back({entries[start], fmt::format("service {}/{}: its calls lead back to it",
                                                      start.first, start.second)});
    }
  }
  std::set<std::string_view> sources;
  for (size_t i = 0; i < options.sources.size(); ++i) {
    const SourceOptions& s = options.sources[i];
    const auto say = [&](std::string_view what) {
      problems.push_back(
          {fmt::format("traffic[{}]", i), fmt::format("traffic {}: {}", s.name.view(), what)});
    };
    if (s.name.empty()) say("it has no name");
    if (!sources.insert(s.name).second) say("it is listed twice");
    if (s.service.empty()) say("it names no service");
    if (s.timeout <= Duration()) say("the timeout must be above 0s");
    if (s.until <= s.from) say("it ends before it begins");
    check_shape(s, say);
  }
  return problems;
}

}  // namespace mainspring::traffic

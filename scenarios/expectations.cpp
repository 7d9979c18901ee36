#include "scenarios/expectations.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "models/api/text.h"
#include "scenarios/analysis.h"
#include "scenarios/units.h"

namespace mainspring::scenarios {

namespace {

std::string span(double seconds) {
  return format_duration(sim::Duration::nanos(nearest_integer(seconds * 1e9)));
}

struct Window {
  double from = 0;
  double until = 0;
  bool whole = true;

  bool has(double t) const { return t >= from && t < until; }
  std::string text() const {
    return whole ? "over the whole run" : fmt::format("from {} to {}", span(from), span(until));
  }
};

ExpectationResult not_evaluated(ExpectationResult r, std::string why) {
  r.outcome = Outcome::kNotEvaluated;
  r.explanation = std::move(why);
  return r;
}

ExpectationResult judged(ExpectationResult r, double measured, bool good) {
  r.measured = measured;
  r.outcome = good ? Outcome::kPassed : Outcome::kFailed;
  if (good) r.t_seconds.reset();
  return r;
}

std::optional<double> seconds_in(std::string_view text) {
  const std::optional<sim::Duration> d = parse_duration(text);
  if (!d) return std::nullopt;
  return seconds_of(*d);
}

// "p99.9" as 0.999.
std::optional<double> parse_percentile(std::string_view text) {
  if (!text.starts_with('p')) return std::nullopt;
  const std::optional<double> percent = parse_number(text.substr(1));
  if (!percent || *percent > 100) return std::nullopt;
  return *percent / 100;
}

class Evaluator {
 public:
  Evaluator(const spec::ScenarioFile& scenario, const Facts& facts,
            const std::vector<Series>& series)
      : scenario_(scenario), facts_(facts), series_(series) {}

  ExpectationResult evaluate(const spec::Expectation& e) const {
    ExpectationResult r;
    if (e.availability) {
      r = availability(*e.availability);
    } else if (e.latency) {
      r = latency(*e.latency);
    } else if (e.pods_pending) {
      r = pending(*e.pods_pending);
    } else if (e.recovery) {
      r = recovery(*e.recovery);
    } else if (e.cost) {
      r = cost(*e.cost);
    } else if (e.flapping) {
      r = flapping(*e.flapping);
    } else if (e.series) {
      r = of_series(*e.series);
    } else {
      r.name = "nothing";
      r = not_evaluated(r, "it says nothing that could be measured");
    }
    if (!e.name.empty()) r.name = e.name.str();
    return r;
  }

 private:
  // Nothing, with the reason, if the run did not get there.
  std::optional<Window> window(std::string_view from, std::string_view until,
                               std::string& why) const {
    Window w{0, std::nextafter(facts_.end, std::numeric_limits<double>::infinity()),
             from.empty() && until.empty()};
    if (!from.empty()) w.from = seconds_in(from).value_or(0);
    if (!until.empty()) w.until = std::min(w.until, seconds_in(until).value_or(w.until));
    if (w.from < w.until) return w;
    why = fmt::format("the run ended at {}, before the window begins", span(facts_.end));
    return std::nullopt;
  }

  // The service's intervals within the window; none, with the reason, if it got no requests.
  std::vector<const RequestBucket*> buckets(std::string_view service, const Window& w,
                                            std::string& why) const {
    std::vector<const RequestBucket*> out;
    const ServiceFacts* s = facts_.service(label_in(scenario_, service));
    if (s) {
      for (const RequestBucket& b : s->buckets) {
        if (w.has(b.begin)) out.push_back(&b);
      }
    }
    if (out.empty()) why = fmt::format("no requests to service {} {}", service, w.text());
    return out;
  }

  ExpectationResult availability(const spec::AvailabilityExpectation& e) const {
    ExpectationResult r;
    r.name = fmt::format("availability of {}", e.service.view());
    r.op = ">=";
    r.unit = "%";
    const std::optional<int64_t> bound = parse_probability(e.at_least);
    if (!bound) return not_evaluated(r, fmt::format("{} is no share", e.at_least.view()));
    r.bound = static_cast<double>(*bound) / 1e7;
    std::string why;
    const std::optional<Window> w = window(e.from, e.until, why);
    if (!w) return not_evaluated(r, why);
    uint64_t ok = 0;
    uint64_t failed = 0;
    for (const RequestBucket* b : buckets(e.service, *w, why)) {
      ok += b->ok;
      failed += b->failed;
      const double all = static_cast<double>(b->ok + b->failed);
      if (!r.t_seconds && static_cast<double>(b->ok) * 100 < r.bound * all) r.t_seconds = b->begin;
    }
    if (ok + failed == 0) {
      return not_evaluated(r, why.empty() ? "no request ended in the window" : why);
    }
    const double all = static_cast<double>(ok + failed);
    r.explanation = fmt::format("{} of {} requests failed, {}", failed, ok + failed, w->text());
    return judged(r, 100 * static_cast<double>(ok) / all,
                  static_cast<double>(ok) * 100 >= r.bound * all);
  }

  ExpectationResult latency(const spec::LatencyExpectation& e) const {
    ExpectationResult r;
    r.name = fmt::format("{} latency of {}", e.percentile.view(), e.service.view());
    r.op = "<=";
    r.unit = "ms";
    const std::optional<double> q = parse_percentile(e.percentile);
    const std::optional<sim::Duration> bound = parse_duration(e.at_most);
    if (!q) return not_evaluated(r, fmt::format("{} is no percentile", e.percentile.view()));
    if (!bound) return not_evaluated(r, fmt::format("{} is no duration", e.at_most.view()));
    r.bound = static_cast<double>(bound->ns()) / 1e6;
    std::string why;
    const std::optional<Window> w = window(e.from, e.until, why);
    if (!w) return not_evaluated(r, why);
    traffic::LatencyHistogram all;
    size_t over = 0;
    size_t intervals = 0;
    for (const RequestBucket* b : buckets(e.service, *w, why)) {
      traffic::LatencyHistogram h;
      std::string_view bytes = b->latency;
      if (!h.take_from(bytes) || h.count() == 0) continue;
      ++intervals;
      if (h.quantile(*q) > *bound) {
        ++over;
        if (!r.t_seconds) r.t_seconds = b->begin;
      }
      all.merge(h);
    }
    if (all.count() == 0) return not_evaluated(r, why.empty() ? "no request was answered" : why);
    r.explanation = fmt::format("of {} answers {}; {} of {} intervals are over the bound",
                                all.count(), w->text(), over, intervals);
    const sim::Duration measured = all.quantile(*q);
    return judged(r, static_cast<double>(measured.ns()) / 1e6, measured <= *bound);
  }

  ExpectationResult pending(const spec::PendingExpectation& e) const {
    ExpectationResult r;
    r.name = fmt::format("pods pending longer than {}", e.longer_than.view());
    r.op = "<=";
    r.unit = "pods";
    r.bound = e.at_most_pods;
    const std::optional<double> bound = seconds_in(e.longer_than);
    if (!bound) return not_evaluated(r, fmt::format("{} is no duration", e.longer_than.view()));
    if (facts_.pods.empty()) return not_evaluated(r, "the run had no pods");
    std::vector<double> violations;
    double longest = 0;
    size_t who = 0;
    for (size_t i = 0; i < facts_.pods.size(); ++i) {
      const PodFacts& p = facts_.pods[i];
      const double waited = p.left_pending.value_or(facts_.end) - p.created;
      if (waited > *bound) violations.push_back(p.created + *bound);
      if (waited > longest) {
        longest = waited;
        who = i;
      }
    }
    std::sort(violations.begin(), violations.end());
    const size_t allowed = static_cast<size_t>(std::max(0, e.at_most_pods));
    if (violations.size() > allowed) r.t_seconds = violations[allowed];
    r.explanation =
        fmt::format("the longest was {} for {}", facts_.pod_lanes[who].name, span(longest));
    if (!facts_.pods[who].unschedulable.empty()) {
      r.explanation += ": " + facts_.pods[who].unschedulable;
    }
    return judged(r, static_cast<double>(violations.size()), violations.size() <= allowed);
  }

  ExpectationResult recovery(const spec::RecoveryExpectation& e) const {
    ExpectationResult r;
    const FaultFacts* fault = nullptr;
    for (const FaultFacts& f : facts_.faults) {
      if (e.after.empty() || f.name == e.after) fault = &f;
    }
    const std::string after = !e.after.empty() ? e.after.str() : fault ? fault->name : "a fault";
    r.name = fmt::format("recovery after {}", after);
    r.op = "<=";
    r.unit = "s";
    const std::optional<double> bound = seconds_in(e.within);
    if (!bound) return not_evaluated(r, fmt::format("{} is no duration", e.within.view()));
    r.bound = *bound;
    if (!fault) {
      return not_evaluated(
          r, e.after.empty() ? "the run had no fault" : fmt::format("no fault {} happened", after));
    }
    const WorkloadFacts* scope = nullptr;
    if (!e.workload.empty()) {
      scope = facts_.workload(label_in(scenario_, e.workload));
      if (!scope) {
        return not_evaluated(r, fmt::format("there is no workload {}", e.workload.view()));
      }
    }
    const Recovery got =
        recovery_after(facts_, scope, fault->begin, std::numeric_limits<double>::infinity());
    if (!got.lost_at) {
      r.explanation = fmt::format("no ready replica was lost within {} of the fault",
                                  span(std::min(kLossWindow, facts_.end - fault->begin)));
      return judged(r, 0, true);
    }
    r.t_seconds = fault->begin + *bound;
    if (!got.healed) {
      r.outcome = Outcome::kFailed;
      r.explanation = fmt::format("not within the run; at the end: {}", got.missing);
      r.t_seconds = std::min(*r.t_seconds, facts_.end);
      return r;
    }
    r.explanation = fmt::format("from the fault at {} until all replicas were ready again at {}",
                                span(fault->begin), span(*got.healed));
    const double measured = *got.healed - fault->begin;
    return judged(r, measured, measured <= *bound);
  }

  ExpectationResult cost(const spec::CostExpectation& e) const {
    ExpectationResult r;
    r.name = "cost";
    r.op = "<=";
    r.unit = "USD";
    const std::optional<double> bound = parse_number(e.at_most);
    if (!bound) return not_evaluated(r, fmt::format("{} is no number", e.at_most.view()));
    r.bound = *bound;
    const StepLine& line = facts_.cost_usd;
    if (line.t.empty()) return not_evaluated(r, "no cost was recorded");
    for (size_t i = 0; i < line.t.size() && !r.t_seconds; ++i) {
      if (line.v[i] > *bound) r.t_seconds = line.t[i];
    }
    r.explanation = "machines by the second, at the prices of the scenario";
    return judged(r, line.last(), line.last() <= *bound);
  }

  ExpectationResult flapping(const spec::FlappingExpectation& e) const {
    ExpectationResult r;
    r.name = e.workload.empty() ? "flapping" : fmt::format("flapping of {}", e.workload.view());
    r.op = "<=";
    r.unit = "changes";
    r.bound = e.at_most_changes;
    const std::string label = e.workload.empty() ? "" : label_in(scenario_, e.workload);
    const WorkloadFacts* worst = nullptr;
    std::vector<double> most;
    for (const WorkloadFacts& w : facts_.workloads) {
      if (e.workload.empty() ? w.autoscaler.empty() : w.label != label) continue;
      std::vector<double> turns = turns_of(w.desired);
      if (!worst || turns.size() > most.size()) {
        worst = &w;
        most = std::move(turns);
      }
    }
    if (!worst) {
      return not_evaluated(r, e.workload.empty()
                                  ? "nothing is autoscaled"
                                  : fmt::format("there is no workload {}", e.workload.view()));
    }
    const size_t allowed = static_cast<size_t>(std::max(0, e.at_most_changes));
    if (most.size() > allowed) r.t_seconds = most[allowed];
    r.explanation = fmt::format("changes of direction of the size of {}", worst->label);
    return judged(r, static_cast<double>(most.size()), most.size() <= allowed);
  }

  // When the size turned from growing to shrinking, or back. Its beginning and its end, at size 0,
  // are no changes.
  static std::vector<double> turns_of(const StepLine& line) {
    std::vector<double> turns;
    int direction = 0;
    for (size_t i = 1; i < line.v.size(); ++i) {
      if (line.v[i] == 0 || line.v[i - 1] == 0) continue;
      const int now = line.v[i] > line.v[i - 1] ? 1 : -1;
      if (direction != 0 && now != direction) turns.push_back(line.t[i]);
      direction = now;
    }
    return turns;
  }

  // --- any series -------------------------------------------------------------------------------

  struct Aggregated {
    double min = std::numeric_limits<double>::infinity();
    double max = -std::numeric_limits<double>::infinity();
    double integral = 0;
    double seconds = 0;
    double last = 0;
    bool any = false;
  };

  // Every value holds until the next point.
  template <class Violates>
  static Aggregated aggregate(const Series& s, const Window& w, double end, Violates violates,
                              std::optional<double>& first) {
    Aggregated a;
    for (size_t i = 0; i < s.value.size(); ++i) {
      const double until = i + 1 < s.value.size() ? s.t_seconds[i + 1] : end;
      const double from = std::max(s.t_seconds[i], w.from);
      const double to = std::min(until, w.until);
      const bool instant = s.t_seconds[i] == until && w.has(s.t_seconds[i]);
      if ((from >= to && !instant) || std::isnan(s.value[i])) continue;
      a.any = true;
      a.last = s.value[i];
      a.min = std::min(a.min, s.value[i]);
      a.max = std::max(a.max, s.value[i]);
      a.integral += s.value[i] * std::max(0.0, to - from);
      a.seconds += std::max(0.0, to - from);
      if (!first && violates(s.value[i])) first = from;
    }
    return a;
  }

  static bool holds(std::string_view is, double measured, double bound) {
    if (is == "AtLeast") return measured >= bound;
    if (is == "AtMost") return measured <= bound;
    if (is == "Above") return measured > bound;
    if (is == "Below") return measured < bound;
    return std::fabs(measured - bound) <= 1e-9 * std::max(std::fabs(measured), std::fabs(bound));
  }

  std::vector<const Series*> matching(const spec::SeriesExpectation& e) const {
    std::vector<const Series*> out;
    for (const Series& s : series_) {
      bool fits = s.metric == e.metric.view();
      for (const auto& [key, value] : e.labels) {
        const auto at = s.labels.find(key.str());
        fits = fits && at != s.labels.end() && at->second == value.view();
      }
      if (fits) out.push_back(&s);
    }
    return out;
  }

  ExpectationResult of_series(const spec::SeriesExpectation& e) const {
    ExpectationResult r;
    const std::string_view how =
        e.aggregate.empty() ? std::string_view("Last") : e.aggregate.view();
    const std::string lower = api::to_lower(how);
    r.name = fmt::format("{} of {}", lower, e.metric.view());
    r.op = e.is == "AtLeast"  ? ">="
           : e.is == "AtMost" ? "<="
           : e.is == "Above"  ? ">"
           : e.is == "Below"  ? "<"
                              : "==";
    const std::optional<double> bound = parse_number(e.value);
    if (!bound) return not_evaluated(r, fmt::format("{} is no number", e.value.view()));
    r.bound = *bound;
    const std::vector<const Series*> found = matching(e);
    if (found.empty()) return not_evaluated(r, "no such series was recorded; " + known());
    if (found.size() > 1) {
      return not_evaluated(r, fmt::format("{} series match: give the labels of one, such as {}",
                                          found.size(), labels_text(*found[0])));
    }
    std::string why;
    const std::optional<Window> w = window(e.from, e.until, why);
    if (!w) return not_evaluated(r, why);
    const auto violates = [&](double v) { return !holds(e.is, v, *bound); };
    std::optional<double> first;
    const Aggregated a = aggregate(*found[0], *w, facts_.end, violates, first);
    if (!a.any) return not_evaluated(r, "the series has no value " + w->text());
    r.unit = found[0]->unit;
    double measured = a.last;
    if (how == "Min") measured = a.min;
    if (how == "Max") measured = a.max;
    if (how == "Mean") measured = a.seconds > 0 ? a.integral / a.seconds : a.last;
    if (how == "Sum") {
      measured = a.integral;
      r.unit = r.unit == "/s" ? "" : r.unit + " s";
    }
    if (how != "Sum") r.t_seconds = first;
    r.explanation = fmt::format("{} of {} {}", lower, labels_text(*found[0]), w->text());
    return judged(r, measured, holds(e.is, measured, *bound));
  }

  static std::string labels_text(const Series& s) {
    std::string out = s.metric;
    char before = '{';
    for (const auto& [key, value] : s.labels) {
      out += fmt::format("{}{}={}", before, key, value);
      before = ',';
    }
    return s.labels.empty() ? out : out + '}';
  }

  std::string known() const {
    std::vector<std::string> names;
    for (const Series& s : series_) names.push_back(s.metric);
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    return names.empty() ? "nothing was" : fmt::format("there are {}", fmt::join(names, ", "));
  }

  const spec::ScenarioFile& scenario_;
  const Facts& facts_;
  const std::vector<Series>& series_;
};

}  // namespace

std::vector<ExpectationResult> evaluate_expectations(const spec::ScenarioFile& scenario,
                                                     const Facts& facts,
                                                     const std::vector<Series>& series) {
  const Evaluator evaluator(scenario, facts, series);
  std::vector<ExpectationResult> out;
  for (const spec::Expectation& e : scenario.expectations) out.push_back(evaluator.evaluate(e));
  return out;
}

}  // namespace mainspring::scenarios

#include "scenarios/analysis_story.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "scenarios/analysis.h"
#include "scenarios/units.h"

namespace mainspring::scenarios {

std::string mark_id(std::string_view list, size_t position) {
  return fmt::format("{}:{}", list, position);
}

std::string span_text(double seconds) {
  const double step = seconds >= 10 ? 1 : seconds >= 1 ? 0.1 : 0.001;  // as exact as is of use
  const double rounded = std::floor(seconds / step + 0.5) * step;
  return format_duration(sim::Duration::nanos(nearest_integer(rounded * 1e9)));
}

std::string ms_text(double ms) {
  if (ms >= 1000) return fmt::format("{:.2f} s", ms / 1000);
  return ms >= 10 ? fmt::format("{:.0f} ms", ms) : fmt::format("{:.1f} ms", ms);
}

std::string share_text(uint64_t part, uint64_t whole) {
  if (whole == 0 || part >= whole) return part == 0 ? "0 %" : "100 %";
  const double share = 100 * static_cast<double>(part) / static_cast<double>(whole);
  if (share >= 99) return fmt::format("{:.1f} %", std::floor(share * 10) / 10);
  if (share >= 10) return fmt::format("{:.0f} %", share);
  return share < 0.01 ? "less than 0.01 %" : fmt::format("{:.2g} %", share);
}

std::string count_text(uint64_t n, std::string_view noun) {
  return fmt::format("{} {}{}", n, noun, n == 1 ? "" : "s");
}

RequestSum sum_requests(const Facts& facts, const ServiceFacts* service, double from,
                        double until) {
  RequestSum sum;
  bool any = false;
  for (const ServiceFacts& s : facts.services) {
    if (service ? &s != service : !s.users) continue;
    for (const RequestBucket& b : s.buckets) {
      if (b.begin < from || b.begin >= until) continue;
      sum.ok += b.ok;
      sum.failed += b.failed;
      if (b.failed == 0) continue;
      for (size_t i = 0; i < b.why.size(); ++i) sum.why[i] += b.why[i];
      sum.first_failure = any ? std::min(sum.first_failure, b.begin) : b.begin;
      sum.last_failure = std::max(sum.last_failure, b.end());
      any = true;
    }
  }
  return sum;
}

double percentile_ms(const ServiceFacts& service, double q, double from, double until) {
  traffic::LatencyHistogram all;
  for (const RequestBucket& b : service.buckets) {
    if (b.begin < from || b.begin >= until) continue;
    traffic::LatencyHistogram h;
    std::string_view bytes = b.latency;
    if (h.take_from(bytes)) all.merge(h);
  }
  if (all.count() == 0) return std::numeric_limits<double>::quiet_NaN();
  return static_cast<double>(all.quantile(q).ns()) / 1e6;
}

namespace {

double seconds_or(std::string_view text, double otherwise) {
  const std::optional<sim::Duration> d = parse_duration(text);
  return d ? seconds_of(*d) : otherwise;
}

std::string factor_text(double factor) {
  return std::fabs(factor - std::round(factor)) < 0.05 ? fmt::format("×{:.0f}", factor)
                                                       : fmt::format("×{:.1f}", factor);
}

}  // namespace

std::vector<Load> loads_of(const LoadedScenario& scenario, const Facts& facts) {
  std::vector<Load> out;
  for (const spec::TrafficSpec& t : scenario.spec.traffic) {
    if (t.shape != "Spike") continue;
    const double base = parse_number(t.rate).value_or(0);
    const double peak = parse_number(t.peak).value_or(0);
    Load load;
    load.begin = seconds_or(t.peak_at, 0);
    load.end = load.begin + 2 * seconds_or(t.ramp_up, 0) + seconds_or(t.peak_for, 0);
    if (load.begin >= facts.end) continue;
    load.service = label_in(scenario.spec, t.service);
    load.title = "traffic " + (base > 0 ? factor_text(peak / base) : fmt::format("{}/s", peak));
    load.mark = mark_id("load", out.size());
    out.push_back(std::move(load));
  }
  for (size_t i = 0; i < facts.faults.size(); ++i) {
    const FaultFacts& f = facts.faults[i];
    if (f.kind != FaultKind::kTraffic) continue;
    out.push_back({f.begin, f.end.value_or(facts.end), "", f.what, mark_id("fault", i)});
  }
  return out;
}

namespace {

class Storyteller {
 public:
  Storyteller(const LoadedScenario& scenario, const Facts& facts, const ServiceFacts* focus)
      : f_(facts), focus_(focus), loads_(loads_of(scenario, facts)) {}

  std::vector<StoryEntry> tell() {
    start();
    for (size_t i = 0; i < f_.faults.size(); ++i) {
      if (f_.faults[i].kind == FaultKind::kMachines) machines(i);
      if (f_.faults[i].kind == FaultKind::kContainers) containers(i);
      if (f_.faults[i].kind == FaultKind::kOther) other_fault(i);
    }
    minimums();
    for (const Load& load : loads_) rise(load);
    scalings();
    for (const Rollout& r : f_.rollouts) rollout(r);
    for (size_t i = 0; i < f_.actions.size(); ++i) {
      if (f_.actions[i].failed()) {
        failed_action(i);
      } else if (f_.actions[i].line.starts_with("drain ")) {
        drain(i);
      }
    }
    preemptions();
    troubles();
    failures();
    std::stable_sort(story_.begin(), story_.end(),
                     [](const auto& a, const auto& b) { return a.t_seconds < b.t_seconds; });
    return std::move(story_);
  }

 private:
  StoryEntry& add(double t, double end, Severity severity, std::string text) {
    StoryEntry e;
    e.t_seconds = t;
    e.end_seconds = std::min(end, f_.end);
    e.severity = severity;
    e.text = std::move(text);
    story_.push_back(std::move(e));
    return story_.back();
  }
  static Reason because(std::string text, std::optional<double> t = {}, std::string mark = {},
                        std::string object = {}) {
    return {std::move(text), t, std::move(mark), std::move(object)};
  }
  // Requests that fail within a span that an entry explains need no entry of their own.
  void explained(double from, double until) { explained_.emplace_back(from, until); }

  std::string failed_text(const RequestSum& sum) const {
    if (sum.failed == 0) return sum.ok > 0 ? "no request failed" : "";
    return fmt::format("{} failed ({}), the last until {}", count_text(sum.failed, "request"),
                       share_text(sum.failed, sum.ok + sum.failed), span_text(sum.last_failure));
  }
  static std::string kinds_text(const RequestSum& sum) {
    std::string out;
    for (size_t i = 0; i < sum.why.size(); ++i) {
      if (sum.why[i] == 0) continue;
      out += fmt::format("{}{} {}", out.empty() ? "" : ", ", sum.why[i],
                         traffic::to_string(static_cast<traffic::Failure>(i)));
    }
    return out;
  }

  // --- the beginning ----------------------------------------------------------------------------

  void start() {
    if (f_.workloads.empty() || f_.pods.empty()) return;
    const double begin = f_.pods.front().created;
    const std::optional<double> ready = all_ready_from(f_, nullptr, begin);
    size_t n = 0;
    for (const WorkloadFacts& w : f_.workloads) n += w.kind != "DaemonSet";
    if (n == 0) return;
    explained(0, ready.value_or(f_.end) + 5);
    if (!ready) {
      add(begin, f_.end, Severity::kBad,
          fmt::format("Of {} not all replicas were ready at any time of the run.",
                      count_text(n, "workload")));
      return;
    }
    StoryEntry& e = add(begin, *ready, Severity::kGood,
                        fmt::format("{} came up: all replicas were ready for the first time at {}.",
                                    count_text(n, "workload"), span_text(*ready)));
    size_t last = SIZE_MAX;
    for (size_t i = 0; i < f_.pods.size(); ++i) {
      const PodFacts& p = f_.pods[i];
      if (!p.ready || *p.ready > *ready) continue;
      if (last == SIZE_MAX || *p.ready > *f_.pods[last].ready) last = i;
    }
    if (last == SIZE_MAX) return;
    const PodFacts& p = f_.pods[last];
    const double bound = p.bound.value_or(p.created);
    e.because.push_back(because(
        fmt::format("the last was {}: {} until it had a node, {} to pull its image, start and pass "
                    "its probe",
                    f_.pod_lanes[last].name, span_text(bound - p.created),
                    span_text(*p.ready - bound)),
        *p.ready, {},
        fmt::format("pod/{}/{}", f_.pod_lanes[last].namespace_, f_.pod_lanes[last].name)));
    const std::string mark = action_before(begin, "apply");
    if (!mark.empty()) e.because.push_back(because("kubectl apply", begin, mark));
  }

  // The mark of the last kubectl command with this verb that began at most a minute before.
  std::string action_before(double t, std::string_view verb) const {
    for (size_t i = f_.actions.size(); i-- > 0;) {
      const ActionFacts& a = f_.actions[i];
      if (a.begin > t || t - a.begin > 60) continue;
      if (verb.empty() || a.line.starts_with(verb)) return mark_id("action", i);
    }
    return {};
  }

  // --- machines ---------------------------------------------------------------------------------

  struct Loss {
    std::set<size_t> workloads;
    size_t pods = 0;
    std::optional<double> evicted;  // the first
    size_t evictions = 0;
  };
  Loss loss_on(const std::set<std::string>& nodes, double t, double until) const {
    Loss loss;
    for (size_t i = 0; i < f_.pods.size(); ++i) {
      const PodFacts& p = f_.pods[i];
      const bool lives = p.ready && *p.ready <= t && (!p.terminating || *p.terminating > t) &&
                         (!p.gone || *p.gone > t);
      if (!lives || !nodes.contains(f_.pod_lanes[i].node)) continue;
      ++loss.pods;
      if (p.workload != SIZE_MAX) loss.workloads.insert(p.workload);
      if (!p.terminating || *p.terminating >= until) continue;
      ++loss.evictions;
      if (!loss.evicted || *p.terminating < *loss.evicted) loss.evicted = p.terminating;
    }
    return loss;
  }

  struct Replacements {
    size_t pods = 0;
    std::optional<double> first_created, last_bound, last_ready;
  };
  Replacements replacements(const std::set<size_t>& workloads, double from, double until) const {
    Replacements r;
    for (const PodFacts& p : f_.pods) {
      if (p.created < from || p.created > until || !workloads.contains(p.workload)) continue;
      ++r.pods;
      if (!r.first_created) r.first_created = p.created;
      if (p.bound && (!r.last_bound || *p.bound > *r.last_bound)) r.last_bound = p.bound;
      if (p.ready && (!r.last_ready || *p.ready > *r.last_ready)) r.last_ready = p.ready;
    }
    return r;
  }

  double next_fault_after(size_t i) const {
    for (size_t j = i + 1; j < f_.faults.size(); ++j) {
      if (f_.faults[j].kind != FaultKind::kTraffic) return f_.faults[j].begin;
    }
    return f_.end;
  }

  void machines(size_t number) {
    const FaultFacts& fault = f_.faults[number];
    const std::string mark = mark_id("fault", number);
    const double t = fault.begin;
    const double limit = next_fault_after(number);
    const std::set<std::string> nodes(fault.nodes.begin(), fault.nodes.end());
    std::optional<double> noticed;
    for (const NodeChange& c : f_.node_changes) {
      if (!noticed && !c.ready && c.t >= t && c.t < limit && nodes.contains(c.node)) noticed = c.t;
    }
    const Loss loss = loss_on(nodes, t, limit);
    const Recovery recovery = recovery_after(f_, nullptr, t, limit);
    const double end = recovery.healed.value_or(recovery.lost_at ? f_.end : t + 60);
    const RequestSum sum = sum_requests(f_, nullptr, t, end + 1);
    explained(t, end + 5);

    std::string text = fault.what;
    if (loss.pods > 0) {
      text += fmt::format(" {} of {} ran there.", count_text(loss.pods, "ready pod"),
                          count_text(loss.workloads.size(), "workload"));
    }
    const std::string failed = failed_text(sum);
    if (!failed.empty()) text += fmt::format(" Until all was well again, {}.", failed);
    if (recovery.healed) {
      text += fmt::format(" All replicas were ready again {} after the fault.",
                          span_text(*recovery.healed - t));
    } else if (recovery.lost_at) {
      text +=
          fmt::format(" At the end of the run replicas were still missing: {}.", recovery.missing);
    } else {
      text += " No replica was lost.";
    }
    const bool bad = sum.failed * 1000 > sum.ok + sum.failed;
    const Severity severity = recovery.lost_at && (!recovery.healed || bad) ? Severity::kBad
                              : sum.failed > 0 || recovery.lost_at          ? Severity::kWarning
                                                                            : Severity::kGood;
    StoryEntry& e = add(t, end, severity, std::move(text));
    if (recovery.lost_at) {
      const Replacements r = replacements(loss.workloads, t, end);
      replaced(e, r, end);
      if (loss.evicted) {
        e.because.push_back(because(
            fmt::format("{} deleted from {} on, {} after the fault: the nodes' NoExecute taint and "
                        "the pods' tolerationSeconds decide when",
                        count_text(loss.evictions, "pod"), span_text(*loss.evicted),
                        span_text(*loss.evicted - t)),
            *loss.evicted, incident_mark("taint-eviction", t, end)));
      }
    }
    endpoints(e, nodes, t, std::min(limit, end + 1));
    if (noticed) {
      e.because.push_back(
          because(fmt::format("the control plane marked the nodes unreachable {} after the fault: "
                              "it waits for missed heartbeats first",
                              span_text(*noticed - t)),
                  *noticed, incident_mark("node/", t, limit)));
    }
    e.because.push_back(because(fault.what, t, mark));
  }

  void replaced(StoryEntry& e, const Replacements& r, double end) const {
    if (r.pods == 0 || !r.first_created) {
      e.because.push_back(
          because("no replacements were made: the pods came back with their nodes", end));
      return;
    }
    if (r.last_ready) {
      e.because.push_back(because(fmt::format("the last replacement was ready at {}",
                                              span_text(std::min(end, *r.last_ready))),
                                  std::min(end, *r.last_ready)));
    }
    e.because.push_back(because(
        fmt::format(
            "{} made from {} on{}", count_text(r.pods, "replacement"), span_text(*r.first_created),
            r.last_bound ? fmt::format(", the last bound to a node at {}", span_text(*r.last_bound))
                         : ", none of which found a node"),
        *r.first_created));
  }

  void endpoints(StoryEntry& e, const std::set<std::string>& nodes, double t, double until) const {
    size_t n = 0;
    std::optional<double> first;
    std::set<std::string> services;
    for (const EndpointLoss& loss : f_.endpoint_losses) {
      if (loss.t < t || loss.t >= until || !nodes.contains(loss.node)) continue;
      ++n;
      if (!first) first = loss.t;
      services.insert(loss.service);
    }
    if (n == 0) return;
    e.because.push_back(because(
        fmt::format("{} of {} removed from {} on; until then requests went to pods that were dead",
                    count_text(n, "endpoint"), count_text(services.size(), "service"),
                    span_text(*first)),
        *first));
  }

  std::string incident_mark(std::string_view prefix, double from, double until) const {
    for (size_t i = 0; i < f_.incidents.size(); ++i) {
      const Incident& in = f_.incidents[i];
      if (in.group.starts_with(prefix) && in.t >= from && in.t <= until) {
        return mark_id("incident", i);
      }
    }
    return {};
  }

  void containers(size_t number) {
    const FaultFacts& fault = f_.faults[number];
    const double t = fault.begin;
    const Recovery recovery = recovery_after(f_, nullptr, t, next_fault_after(number));
    const double end = recovery.healed.value_or(recovery.lost_at ? f_.end : t + 10);
    const RequestSum sum = sum_requests(f_, nullptr, t, end + 1);
    explained(t, end + 5);
    std::string text = fault.what;
    if (recovery.healed) {
      text +=
          fmt::format(" All replicas were ready again after {}.", span_text(*recovery.healed - t));
    } else if (recovery.lost_at) {
      text += fmt::format(" Not all replicas were ready again: {}.", recovery.missing);
    }
    const std::string failed = failed_text(sum);
    if (!failed.empty()) text += fmt::format(" In that time {}.", failed);
    StoryEntry& e = add(t, end,
                        recovery.lost_at && !recovery.healed ? Severity::kBad
                        : sum.failed > 0                     ? Severity::kWarning
                                                             : Severity::kGood,
                        std::move(text));
    e.because.push_back(because(fault.what, t, mark_id("fault", number)));
  }

  void other_fault(size_t number) {
    const FaultFacts& fault = f_.faults[number];
    const double end = fault.end.value_or(f_.end);
    const RequestSum sum = sum_requests(f_, nullptr, fault.begin, end + 1);
    const std::string failed = failed_text(sum);
    explained(fault.begin, end + 5);
    StoryEntry& e =
        add(fault.begin, end, sum.failed > 0 ? Severity::kWarning : Severity::kInfo,
            fault.what + (failed.empty() ? "" : fmt::format(" While it lasted, {}.", failed)));
    e.because.push_back(because(fault.what, fault.begin, mark_id("fault", number)));
  }

  // --- load and autoscaling ---------------------------------------------------------------------

  // Requests per second in the busiest ten seconds.
  // The rate at the top of a load: the median of those ten seconds that have at least half of the
  // most. Requests count when they end, so that a backlog makes a peak that no user sent.
  static double top_rate(const ServiceFacts& s, double from, double until) {
    std::map<double, double> rates;
    for (const RequestBucket& b : s.buckets) {
      if (b.begin < from || b.begin >= until) continue;
      rates[std::floor(b.begin / 10)] +=
          static_cast<double>(b.ok + b.failed) / std::max(10.0, b.width);
    }
    std::vector<double> sorted;
    sorted.reserve(rates.size());
    for (const auto& [bin, rate] : rates) sorted.push_back(rate);
    std::sort(sorted.begin(), sorted.end());
    if (sorted.empty()) return 0;
    const auto top = std::lower_bound(sorted.begin(), sorted.end(), sorted.back() / 2);
    return *(top + (sorted.end() - top) / 2);
  }

  // The begin of the first three stretches of ten seconds from `from` on, one after another, whose
  // p99 is within the bound.
  static std::optional<double> back_under(const ServiceFacts& s, double from, double until,
                                          double bound_ms) {
    int good = 0;
    const auto first = static_cast<int64_t>(std::floor(from / 10)) + 1;
    for (int64_t tens = first; static_cast<double>(tens) * 10 < until; ++tens) {
      const double t = static_cast<double>(tens) * 10;
      const double p99 = percentile_ms(s, 0.99, t, std::min(until, t + 10));
      if (std::isnan(p99)) continue;
      good = p99 <= bound_ms ? good + 1 : 0;
      if (good == 3) return t - 20;
    }
    return std::nullopt;
  }

  // Changes of size of one workload by its autoscaler, one after another in one direction.
  struct Scaling {
    size_t workload = 0;
    size_t first = 0, last = 0;  // of Facts::rescales
    size_t steps = 0;
  };
  std::vector<Scaling> scalings_in(double from, double until, bool unused_only) {
    std::vector<Scaling> out;
    for (size_t i = 0; i < f_.rescales.size(); ++i) {
      const Rescale& r = f_.rescales[i];
      if (r.t < from || r.t >= until || (unused_only && told_.contains(i))) continue;
      Scaling* mine = nullptr;
      for (Scaling& s : out) {
        const Rescale& last = f_.rescales[s.last];
        const bool same_way = (last.to > last.from) == (r.to > r.from);
        if (s.workload == r.workload && same_way && r.t - last.t <= 600) mine = &s;
      }
      if (!mine) {
        out.push_back({r.workload, i, i, 0});
        mine = &out.back();
      }
      mine->last = i;
      ++mine->steps;
    }
    return out;
  }

  std::string scaling_text(const Scaling& s) const {
    const Rescale& first = f_.rescales[s.first];
    const Rescale& last = f_.rescales[s.last];
    const std::string when = s.steps == 1 ? fmt::format("at {}", span_text(first.t))
                                          : fmt::format("in {} steps from {} to {}", s.steps,
                                                        span_text(first.t), span_text(last.t));
    return fmt::format("{} from {} to {} {}", f_.workloads[s.workload].label, first.from, last.to,
                       when);
  }
  void scaling_reason(StoryEntry& e, const Scaling& s) {
    const Rescale& r = f_.rescales[s.first];
    std::string text = "the autoscaler scaled " + scaling_text(s);
    if (!r.metric.empty() || !r.reason.empty()) {
      text += ": " + (r.metric.empty() ? r.reason : r.metric);
    }
    e.because.push_back(because(std::move(text), r.t, mark_id("rescale", s.first)));
    for (size_t i = s.first; i <= s.last; ++i) {
      if (f_.rescales[i].workload == s.workload) told_.insert(i);
    }
  }

  // The first fault of another kind after `t`; null if there is none before `until`.
  const FaultFacts* disturbance(double t, double until, size_t& number) const {
    for (size_t i = 0; i < f_.faults.size(); ++i) {
      const FaultFacts& f = f_.faults[i];
      if (f.kind == FaultKind::kTraffic || f.begin < t || f.begin >= until) continue;
      number = i;
      return &f;
    }
    return nullptr;
  }

  // What the load did to the latency until `until`; `bad` if it did not come back before that.
  std::string latency_text(const ServiceFacts& s, const Load& load, double until, bool& slower,
                           bool& bad) const {
    const double before = percentile_ms(s, 0.99, std::max(0.0, load.begin - 60), load.begin);
    const RequestBucket* worst = nullptr;
    for (const RequestBucket& b : s.buckets) {
      if (b.begin < load.begin || b.begin >= until || std::isnan(b.p99_ms)) continue;
      if (!worst || b.p99_ms > worst->p99_ms) worst = &b;
    }
    if (!worst) return "";
    slower = !std::isnan(before) && worst->p99_ms > 2 * before;
    if (!slower) return fmt::format(" p99 latency stayed at {} or less.", ms_text(worst->p99_ms));
    const std::string text = fmt::format(" p99 latency went from {} to {} at {}", ms_text(before),
                                         ms_text(worst->p99_ms), span_text(worst->begin));
    const std::optional<double> back = back_under(s, worst->begin, until, 2 * before);
    bad = !back;
    return back ? fmt::format("{} and was back under {} at {}.", text, ms_text(2 * before),
                              span_text(*back))
                : fmt::format("{} and was not back under {} until {}.", text, ms_text(2 * before),
                              span_text(until));
  }

  void rise(const Load& load) {
    const ServiceFacts* s = load.service.empty() ? focus_ : f_.service(load.service);
    if (!s || s->buckets.empty()) return;
    size_t number = 0;
    const FaultFacts* other = disturbance(load.begin, load.end, number);
    const double until = other ? other->begin : load.end;
    const double calm_from = std::max(0.0, load.begin - 60);
    const RequestSum calm = sum_requests(f_, s, calm_from, load.begin);
    const double rate_before =
        static_cast<double>(calm.ok + calm.failed) / std::max(1.0, load.begin - calm_from);
    const RequestSum sum = sum_requests(f_, s, load.begin, until);
    explained(load.begin, load.end + 30);
    bool slower = false;
    bool bad = sum.failed * 100 > sum.ok + sum.failed;
    std::string text = fmt::format("Traffic to {} rose from {:.0f} to {:.0f} requests/s.", s->label,
                                   rate_before, top_rate(*s, load.begin, load.end));
    text += latency_text(*s, load, until, slower, bad);
    const std::string failed = failed_text(sum);
    if (!failed.empty()) {
      text += fmt::format(" {} {}.", other ? "Before the next fault" : "Meanwhile", failed);
    }
    StoryEntry& e = add(load.begin, load.end,
                        bad                        ? Severity::kBad
                        : slower || sum.failed > 0 ? Severity::kWarning
                                                   : Severity::kGood,
                        std::move(text));
    const std::vector<Scaling> scaled = scalings_in(load.begin, load.end, false);
    for (const Scaling& one : scaled) {
      const Rescale& last = f_.rescales[one.last];
      if (last.to < last.from) continue;
      scaling_reason(e, one);
      if (last.to == f_.workloads[one.workload].max_replicas) {
        e.because.push_back(because(fmt::format("{} stopped growing at its maxReplicas of {}",
                                                f_.workloads[one.workload].label, last.to),
                                    last.t, mark_id("rescale", one.last)));
      }
    }
    if (scaled.empty()) {
      e.because.push_back(because("no autoscaler changed a size meanwhile", load.begin));
    }
    e.because.push_back(because(load.title, load.begin, load.mark));
  }

  // Autoscalers first bring sizes into their bounds; that is one entry for all of them.
  void minimums() {
    std::vector<size_t> raised;
    for (size_t i = 0; i < f_.rescales.size(); ++i) {
      if (f_.rescales[i].reason != "Current number of replicas below Spec.MinReplicas") continue;
      raised.push_back(i);
      told_.insert(i);
    }
    if (raised.empty()) return;
    const Rescale& first = f_.rescales[raised.front()];
    const Rescale& last = f_.rescales[raised.back()];
    StoryEntry& e = add(first.t, last.t, Severity::kInfo,
                        fmt::format("The autoscalers raised {} to their minReplicas.",
                                    count_text(raised.size(), "workload")));
    for (const size_t i : raised) {
      const Rescale& r = f_.rescales[i];
      e.because.push_back(
          because(fmt::format("{} from {} to {}", f_.workloads[r.workload].label, r.from, r.to),
                  r.t, mark_id("rescale", i)));
    }
  }

  void scalings() {
    for (const Scaling& s : scalings_in(0, f_.end + 1, true)) {
      const Rescale& first = f_.rescales[s.first];
      const Rescale& last = f_.rescales[s.last];
      StoryEntry& e = add(first.t, last.t, Severity::kInfo,
                          fmt::format("The autoscaler scaled {}.", scaling_text(s)));
      const std::string why = first.metric.empty() ? first.reason : first.metric;
      if (!why.empty()) e.because.push_back(because(why, first.t, mark_id("rescale", s.first)));
      for (const Load& load : loads_) {
        if (first.t < load.end || first.t > load.end + 900 || last.to > last.from) continue;
        e.because.push_back(because("the load was over", load.end, load.mark));
      }
    }
  }

  // --- kubectl ----------------------------------------------------------------------------------

  static double lowest(const StepLine& line, double from, double until) {
    double low = line.at(from);
    for (size_t i = 0; i < line.t.size(); ++i) {
      if (line.t[i] > from && line.t[i] <= until) low = std::min(low, line.v[i]);
    }
    return low;
  }

  void rollout(const Rollout& r) {
    const WorkloadFacts& w = f_.workloads[r.workload];
    const double end = r.end.value_or(f_.end);
    const RequestSum sum = sum_requests(f_, nullptr, r.begin, end + 1);
    explained(r.begin, end + 5);
    size_t made = 0;
    for (const PodFacts& p : f_.pods) {
      made += p.workload == r.workload && p.created >= r.begin && p.created <= end;
    }
    std::string text =
        r.end
            ? fmt::format(
                  "The rolling update of {} took {}: {} made, never fewer than {:.0f} "
                  "of {:.0f} ready.",
                  w.label, span_text(end - r.begin), count_text(made, "pod"),
                  lowest(w.ready, r.begin, end), w.desired.at(r.begin))
            : fmt::format("The rolling update of {} was not done at the end of the run.", w.label);
    const std::string failed = failed_text(sum);
    if (!failed.empty()) text += fmt::format(" Meanwhile {}.", failed);
    StoryEntry& e = add(r.begin, end,
                        !r.end           ? Severity::kBad
                        : sum.failed > 0 ? Severity::kWarning
                                         : Severity::kGood,
                        std::move(text));
    const std::string kinds = kinds_text(sum);
    if (!kinds.empty()) e.because.push_back(because("of the failures: " + kinds, {}));
    const std::string mark = action_before(r.begin, "");
    if (!mark.empty()) {
      e.because.push_back(because("the pod template was changed by kubectl", r.begin, mark));
    }
  }

  // A line for every object that was refused, as one sentence.
  static std::string errors_text(std::string_view output) {
    constexpr size_t kMaxShown = 10;
    std::string text;
    size_t lines = 0;
    while (!output.empty()) {
      const size_t end = std::min(output.find('\n'), output.size());
      std::string_view said = output.substr(0, end);
      output.remove_prefix(std::min(end + 1, output.size()));
      if (said.starts_with("error: ")) said.remove_prefix(7);
      if (said.ends_with('.')) said.remove_suffix(1);
      if (lines++ < kMaxShown) text += fmt::format("{}{}", text.empty() ? "" : "; ", said);
    }
    if (lines > kMaxShown) text += fmt::format("; and {} more", lines - kMaxShown);
    return text;
  }

  void failed_action(size_t number) {
    const ActionFacts& a = f_.actions[number];
    StoryEntry& e = add(a.begin, a.end.value_or(a.begin), Severity::kBad,
                        fmt::format("kubectl {} failed: {}.", a.line, errors_text(a.output)));
    e.because.push_back(because("kubectl " + a.line, a.begin, mark_id("action", number)));
  }

  void drain(size_t number) {
    const ActionFacts& a = f_.actions[number];
    const double end = a.end.value_or(f_.end);
    std::string node = a.line.substr(6);
    node = node.substr(0, node.find(' '));
    size_t evicted = 0;
    for (size_t i = 0; i < f_.pods.size(); ++i) {
      const std::optional<double>& t = f_.pods[i].terminating;
      evicted += f_.pod_lanes[i].node == node && t && *t >= a.begin && *t <= end;
    }
    const RequestSum sum = sum_requests(f_, nullptr, a.begin, end + 1);
    explained(a.begin, end + 5);
    const std::string failed = failed_text(sum);
    StoryEntry& e = add(
        a.begin, end, sum.failed > 0 || !a.end ? Severity::kWarning : Severity::kGood,
        fmt::format("Node {} was drained: {} evicted in {}{}.{}", node, count_text(evicted, "pod"),
                    span_text(end - a.begin), a.end ? "" : " and not all of them",
                    failed.empty() ? "" : fmt::format(" Meanwhile {}.", failed)));
    e.because.push_back(because("kubectl " + a.line, a.begin, mark_id("action", number)));
  }

  // --- trouble ----------------------------------------------------------------------------------

  void troubles() {
    std::set<std::string> told;
    for (size_t i = 0; i < f_.incidents.size(); ++i) {
      const Incident& in = f_.incidents[i];
      const std::string kind = in.group.substr(0, in.group.find('/'));
      const std::string who = in.group.substr(std::min(in.group.size(), kind.size() + 1));
      if (kind == "node" || kind == "taint-eviction" || kind == "preempted") continue;
      if (!told.insert(in.group).second) continue;
      int count = 0;
      double last = in.last;
      for (const Incident& other : f_.incidents) {
        if (other.group != in.group) continue;
        count += other.count;
        last = std::max(last, other.last);
      }
      const uint64_t n = static_cast<uint64_t>(count);
      std::string text;
      if (kind == "oom") {
        text = fmt::format("{} was killed for want of memory, {}.", who, count_text(n, "time"));
      } else if (kind == "crash-loop") {
        text = fmt::format("{} kept crashing: its containers waited in CrashLoopBackOff {}.", who,
                           count_text(n, "time"));
      } else if (kind == "failed-create") {
        text = fmt::format("{}: refused {}.", in.title, count_text(n, "time"));
      } else if (kind == "evicted") {
        text = fmt::format("{} of {} evicted by the kubelet.", count_text(n, "pod"), who);
      } else {
        text =
            fmt::format("{} of {} waited longer than 15s for a node.", count_text(n, "pod"), who);
      }
      StoryEntry& e = add(in.t, last, kind == "unschedulable" ? Severity::kWarning : Severity::kBad,
                          std::move(text));
      if (!in.detail.empty()) {
        e.because.push_back(because(in.detail, in.t, mark_id("incident", i), in.object));
      }
      cause_of_trouble(e, kind, who, in.t);
    }
  }

  // Who made way for whom: an entry for each pair of workloads.
  void preemptions() {
    std::set<std::pair<std::string, std::string>> told;
    for (const Preemption& p : f_.preemptions) {
      if (!told.emplace(p.victim, p.preemptor).second) continue;
      uint64_t n = 0;
      double last = p.t;
      for (const Preemption& other : f_.preemptions) {
        if (other.victim != p.victim || other.preemptor != p.preemptor) continue;
        ++n;
        last = std::max(last, other.t);
      }
      StoryEntry& e =
          add(p.t, last, Severity::kWarning,
              fmt::format("{} preempted {} of {}: its priority is {}, theirs {}.", p.preemptor,
                          count_text(n, "pod"), p.victim, p.preemptor_priority, p.victim_priority));
      for (size_t i = 0; i < f_.incidents.size(); ++i) {
        const Incident& in = f_.incidents[i];
        if (in.group != preemption_group(p)) continue;
        e.because.push_back(because(in.detail, in.t, mark_id("incident", i), in.object));
        break;
      }
      cause_of_trouble(e, "preempted", p.preemptor, p.t);
    }
  }
  static std::string preemption_group(const Preemption& p) {
    return fmt::format("preempted/{} by {}", p.victim, p.preemptor);
  }

  void cause_of_trouble(StoryEntry& e, std::string_view kind, const std::string& who,
                        double t) const {
    if (kind == "crash-loop") {
      const std::string oom = incident_mark("oom/" + who, 0, t);
      if (!oom.empty()) e.because.push_back(because("it is OOM-killed", {}, oom));
    }
    if (kind == "unschedulable" && preempted_before(e, who, t)) return;
    for (size_t i = f_.faults.size(); i-- > 0;) {
      const FaultFacts& f = f_.faults[i];
      if (f.begin > t || t - f.begin > 600) continue;
      e.because.push_back(because(f.what, f.begin, mark_id("fault", i)));
      return;
    }
    for (size_t i = f_.rescales.size(); i-- > 0;) {
      const Rescale& r = f_.rescales[i];
      if (r.t > t || t - r.t > 60 || f_.workloads[r.workload].label != who) continue;
      e.because.push_back(
          because(fmt::format("the autoscaler scaled {} from {} to {}", who, r.from, r.to), r.t,
                  mark_id("rescale", i)));
      return;
    }
    const std::string mark = action_before(t, "");
    if (!mark.empty()) e.because.push_back(because("kubectl shortly before", {}, mark));
  }

  // Replacements of preempted pods are made at once.
  bool preempted_before(StoryEntry& e, const std::string& who, double t) const {
    for (size_t i = f_.preemptions.size(); i-- > 0;) {
      const Preemption& p = f_.preemptions[i];
      if (p.victim != who || p.t > t || t - p.t > 60) continue;
      e.because.push_back(because(fmt::format("{} had preempted pods of {}", p.preemptor, who), p.t,
                                  incident_mark(preemption_group(p), 0, f_.end)));
      return true;
    }
    return false;
  }

  // Failing stretches that no entry so far explains.
  void failures() {
    for (const ServiceFacts& s : f_.services) {
      if (!s.users) continue;
      double begin = -1;
      double end = -1;
      const auto flush = [&] {
        if (begin >= 0) failing(s, begin, end);
        begin = -1;
      };
      for (const RequestBucket& b : s.buckets) {
        if (b.failed == 0 || is_explained(b.begin)) continue;
        if (begin >= 0 && b.begin - end > 30) flush();
        if (begin < 0) begin = b.begin;
        end = b.end();
      }
      flush();
    }
  }
  bool is_explained(double t) const {
    return std::any_of(explained_.begin(), explained_.end(),
                       [&](const auto& span) { return t >= span.first && t < span.second; });
  }
  void failing(const ServiceFacts& s, double begin, double end) {
    const RequestSum sum = sum_requests(f_, &s, begin, end);
    const uint64_t all = sum.ok + sum.failed;
    StoryEntry& e = add(begin, end, sum.failed * 100 > all ? Severity::kBad : Severity::kWarning,
                        fmt::format("{} of {} to {} failed between {} and {}: {}.", sum.failed,
                                    count_text(all, "request"), s.label, span_text(begin),
                                    span_text(end), kinds_text(sum)));
    for (size_t i = f_.rescales.size(); i-- > 0;) {
      const Rescale& r = f_.rescales[i];
      if (r.t > end || begin - r.t > 30 || r.to > r.from) continue;
      e.because.push_back(because(
          fmt::format("the autoscaler scaled {} from {} to {}: pods that end get requests until "
                      "every node has dropped their endpoints",
                      f_.workloads[r.workload].label, r.from, r.to),
          r.t, mark_id("rescale", i)));
      return;
    }
    for (size_t i = f_.incidents.size(); i-- > 0;) {
      const Incident& in = f_.incidents[i];
      if (in.t > end || begin - in.last > 60) continue;
      e.because.push_back(because(in.title, in.t, mark_id("incident", i), in.object));
      return;
    }
    const std::string mark = action_before(begin, "");
    e.because.push_back(mark.empty()
                            ? because("the journal holds nothing else of note near this time")
                            : because("kubectl shortly before", {}, mark));
  }

  const Facts& f_;
  const ServiceFacts* focus_;
  std::vector<Load> loads_;
  std::vector<StoryEntry> story_;
  std::vector<std::pair<double, double>> explained_;
  std::set<size_t> told_;  // rescales that an entry tells of
};

}  // namespace

std::vector<StoryEntry> tell_story(const LoadedScenario& scenario, const Facts& facts,
                                   const ServiceFacts* focus) {
  return Storyteller(scenario, facts, focus).tell();
}

}  // namespace mainspring::scenarios

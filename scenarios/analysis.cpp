#include "scenarios/analysis.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <set>

#include "models/api/types/core.h"
#include "scenarios/analysis_story.h"
#include "scenarios/expectations.h"
#include "scenarios/tables.h"
#include "scenarios/units.h"

namespace mainspring::scenarios {

std::string label_in(const spec::ScenarioFile& scenario, std::string_view name) {
  const size_t slash = name.find('/');
  if (slash == std::string_view::npos) return label_of(scenario.namespace_, name);
  return label_of(name.substr(0, slash), name.substr(slash + 1));
}

namespace {

constexpr double kNoValue = std::numeric_limits<double>::quiet_NaN();

Series make(std::string_view name, std::string_view unit, Labels labels, SeriesKind kind) {
  Series s;
  s.metric = name;
  s.unit = unit;
  s.labels = std::move(labels);
  s.kind = kind;
  return s;
}

Series of_line(std::string_view name, std::string_view unit, Labels labels, const StepLine& line,
               SeriesKind kind = SeriesKind::kStep) {
  Series s = make(name, unit, std::move(labels), kind);
  s.t_seconds = line.t;
  s.value = line.v;
  return s;
}

void point(Series& s, double t, double value) {
  s.t_seconds.push_back(t);
  s.value.push_back(value);
}

// Nothing is recorded of intervals without requests: their rate is 0, their latency no value.
void service_series(const ServiceFacts& service, double end, std::vector<Series>& out) {
  const Labels labels{{"service", service.label}};
  constexpr SeriesKind kSampled = SeriesKind::kSampled;
  std::array<Series, 5> all{make(metric::kRequestsOk, "/s", labels, kSampled),
                            make(metric::kRequestsFailed, "/s", labels, kSampled),
                            make(metric::kLatencyP50, "ms", labels, kSampled),
                            make(metric::kLatencyP90, "ms", labels, kSampled),
                            make(metric::kLatencyP99, "ms", labels, kSampled)};
  const auto points = [&](double t, const std::array<double, 5>& values) {
    for (size_t i = 0; i < all.size(); ++i) point(all[i], t, values[i]);
  };
  const std::array<double, 5> nothing{0, 0, kNoValue, kNoValue, kNoValue};
  double at = 0;
  const auto quiet_until = [&](double t, double width) {
    if (t - at < 1e-6) return;
    points(at, nothing);
    if (t - at > width * 1.5) points(t - width, nothing);
  };
  double width = 1;
  for (const RequestBucket& b : service.buckets) {
    width = std::max(b.width, 1e-9);
    quiet_until(b.begin, width);
    points(b.begin, {static_cast<double>(b.ok) / width, static_cast<double>(b.failed) / width,
                     b.p50_ms, b.p90_ms, b.p99_ms});
    at = b.end();
  }
  quiet_until(end, width);
  for (Series& s : all) out.push_back(std::move(s));
}

}  // namespace

std::vector<Series> make_series(const Facts& f) {
  std::vector<Series> out;
  for (const ServiceFacts& s : f.services) service_series(s, f.end, out);
  for (const WorkloadFacts& w : f.workloads) {
    const Labels labels{{"workload", w.label}};
    out.push_back(of_line(metric::kReplicasDesired, "pods", labels, w.desired));
    out.push_back(of_line(metric::kReplicasReady, "pods", labels, w.ready));
  }
  for (const auto& [phase, line] : f.pods_by_phase) {
    out.push_back(of_line(metric::kPodsByPhase, "pods", {{"phase", phase}}, line));
  }
  for (const auto& [zone, line] : f.nodes_ready) {
    out.push_back(of_line(metric::kNodesReady, "nodes", {{"zone", zone}}, line));
  }
  for (const auto& [zone, line] : f.nodes_not_ready) {
    out.push_back(of_line(metric::kNodesNotReady, "nodes", {{"zone", zone}}, line));
  }
  out.push_back(of_line(metric::kCpuUsed, "cores", {}, f.cpu_used_cores, SeriesKind::kSampled));
  out.push_back(of_line(metric::kCpuRequested, "cores", {}, f.cpu_requested_cores));
  out.push_back(of_line(metric::kCpuAllocatable, "cores", {}, f.cpu_allocatable_cores));
  out.push_back(of_line("memory_used", "GiB", {}, f.memory_used_gib, SeriesKind::kSampled));
  out.push_back(of_line(metric::kCostRate, "USD/h", {}, f.cost_rate_usd_h));
  out.push_back(of_line(metric::kCostTotal, "USD", {}, f.cost_usd, SeriesKind::kSampled));
  std::erase_if(out, [](const Series& s) { return s.value.empty(); });
  return out;
}

namespace {

std::string without_stop(std::string text) {
  if (text.ends_with('.')) text.pop_back();
  return text;
}

std::string shortened(std::string_view text, size_t length) {
  if (text.size() <= length) return std::string(text);
  while (length > 0 && (static_cast<unsigned char>(text[length]) & 0xc0) == 0x80) --length;
  return std::string(text.substr(0, length)) + "…";
}

class Analyst {
 public:
  Analyst(const LoadedScenario& scenario, const AnalysisOptions& options, AnalysisResult& result)
      : scenario_(scenario),
        options_(options),
        f_(result.facts),
        r_(result.report),
        series_(result.series) {}

  void run() {
    meta();
    focus();
    series_ = make_series(f_);
    for (Series s : series_) {
      downsample(s);
      r_.series.push_back(std::move(s));
    }
    r_.expectations = evaluate_expectations(scenario_.spec, f_, series_);
    marks();
    r_.story = tell_story(scenario_, f_, focus_);
    number_marks();
    lanes();
    numbers();
    hints();
    tables();
    notes();
  }

 private:
  void meta() {
    ReportMeta& m = r_.meta;
    m.scenario = scenario_.spec.metadata.name.str();
    m.description = scenario_.spec.metadata.description.str();
    m.file = scenario_.file;
    m.version = options_.version;
    m.digest = f_.digest;
    m.reproduce = options_.reproduce;
    m.seed = options_.seed;
    m.horizon_seconds = seconds_of(scenario_.horizon);
    m.ended_seconds = f_.end;
    m.epoch_unix_seconds = f_.epoch.unix_seconds();
    m.events = options_.events;
    m.interrupted = options_.interrupted;
    m.wall_seconds = options_.wall_seconds;
  }

  // The first service of the scenario's traffic, or else the one with the most requests.
  void focus() {
    for (const spec::TrafficSpec& t : scenario_.spec.traffic) {
      focus_ = f_.service(label_in(scenario_.spec, t.service));
      if (focus_) break;
    }
    uint64_t most = 0;
    for (const ServiceFacts& s : f_.services) {
      if (focus_ && focus_->users) break;
      uint64_t n = 0;
      for (const RequestBucket& b : s.buckets) n += b.ok + b.failed;
      if (n > most) focus_ = &s;
      most = std::max(most, n);
    }
    if (focus_) r_.focus_service = focus_->label;
  }

  // --- marks ------------------------------------------------------------------------------------

  Mark& mark(std::string id, double t, MarkKind kind, std::string title) {
    Mark m;
    m.id = std::move(id);
    m.t_seconds = t;
    m.kind = kind;
    m.title = std::move(title);
    r_.marks.push_back(std::move(m));
    return r_.marks.back();
  }

  void marks() {
    for (size_t i = 0; i < f_.faults.size(); ++i) {
      const FaultFacts& fault = f_.faults[i];
      Mark& m = mark(mark_id("fault", i), fault.begin, MarkKind::kFault,
                     shortened(without_stop(fault.what), 60));
      m.end_seconds = fault.end;
      if (!fault.nodes.empty()) m.detail = fmt::format("{}", fmt::join(fault.nodes, ", "));
      if (fault.end) {
        mark(mark_id("recovery", i), *fault.end, MarkKind::kRecovery,
             shortened(without_stop(fault.what_ended), 60));
      }
    }
    for (const Load& load : loads_of(scenario_, f_)) {
      if (!load.mark.starts_with("load")) continue;
      Mark& m = mark(load.mark, load.begin, MarkKind::kFault, load.title);
      m.end_seconds = std::min(load.end, f_.end);
      m.detail = fmt::format("to {}", load.service);
    }
    for (size_t i = 0; i < f_.actions.size(); ++i) {
      const ActionFacts& a = f_.actions[i];
      Mark& m = mark(mark_id("action", i), a.begin, MarkKind::kAction,
                     shortened("kubectl " + a.line, 60));
      if (a.end && *a.end - a.begin > 1) m.end_seconds = a.end;
      m.detail = output_text(a.output);
    }
    for (size_t i = 0; i < f_.rescales.size(); ++i) {
      const Rescale& s = f_.rescales[i];
      const WorkloadFacts& w = f_.workloads[s.workload];
      Mark& m = mark(mark_id("rescale", i), s.t, MarkKind::kScale,
                     fmt::format("{} {} → {}", w.label, s.from, s.to));
      m.detail = s.metric.empty() ? s.reason : s.metric;
      m.object = fmt::format("horizontalpodautoscaler/{}/{}", w.ns, w.autoscaler);
    }
    for (size_t i = 0; i < f_.incidents.size(); ++i) {
      const Incident& in = f_.incidents[i];
      Mark& m = mark(mark_id("incident", i), in.t, MarkKind::kIncident, title_of(in));
      if (in.last > in.t) m.end_seconds = in.last;
      m.detail = in.detail;
      m.object = in.object;
    }
    healed_marks();
    for (size_t i = 0; i < r_.expectations.size(); ++i) {
      const ExpectationResult& e = r_.expectations[i];
      if (!e.t_seconds || e.outcome != Outcome::kFailed) continue;
      Mark& m = mark(mark_id("expectation", i), *e.t_seconds, MarkKind::kIncident,
                     "expectation violated: " + e.name);
      m.detail = e.explanation;
    }
  }

  // Of nodes and their pods each is another one; of a workload it may be the same pod again.
  static std::string title_of(const Incident& in) {
    if (in.group.starts_with("node/") || in.group == "taint-eviction") {
      return fmt::format("{} {}", in.count, in.title);
    }
    return in.count > 1 ? fmt::format("{} ({} times)", in.title, in.count) : in.title;
  }

  void healed_marks() {
    for (size_t i = 0; i < f_.faults.size(); ++i) {
      if (f_.faults[i].kind == FaultKind::kTraffic) continue;
      const Recovery r = recovery_after(f_, nullptr, f_.faults[i].begin, f_.end);
      if (!r.healed) continue;
      Mark& m =
          mark(mark_id("healed", i), *r.healed, MarkKind::kRecovery, "all replicas ready again");
      m.detail = fmt::format("{} after: {}", span_text(*r.healed - f_.faults[i].begin),
                             without_stop(f_.faults[i].what));
    }
  }

  // The first line, and how many more there are.
  static std::string output_text(const std::string& output) {
    const size_t line = output.find('\n');
    const long more = std::count(output.begin(), output.end(), '\n') - 1;
    std::string text = output.substr(0, line);
    if (more > 0) text += fmt::format(" (and {} more lines)", more);
    return text;
  }

  // "m1", "m2", ... in order of time, also in the story's links.
  void number_marks() {
    std::stable_sort(r_.marks.begin(), r_.marks.end(),
                     [](const Mark& a, const Mark& b) { return a.t_seconds < b.t_seconds; });
    std::map<std::string, std::string> names;
    for (size_t i = 0; i < r_.marks.size(); ++i) {
      const std::string name = fmt::format("m{}", i + 1);
      names[r_.marks[i].id] = name;
      r_.marks[i].id = name;
    }
    for (StoryEntry& e : r_.story) {
      for (Reason& reason : e.because) {
        const auto at = names.find(reason.mark);
        reason.mark = at == names.end() ? std::string() : at->second;
      }
    }
  }

  // --- lanes ------------------------------------------------------------------------------------

  static bool troubled(const PodLane& lane) {
    if (lane.restarts > 0) return true;
    return std::any_of(lane.segments.begin(), lane.segments.end(), [](const PodSegment& s) {
      return s.state == PodState::kNotReady || s.state == PodState::kCrashLoop ||
             s.state == PodState::kFailed;
    });
  }

  void lanes() {
    r_.nodes = f_.nodes;
    std::stable_sort(r_.nodes.begin(), r_.nodes.end(), [](const NodeLane& a, const NodeLane& b) {
      return std::tie(a.zone, a.name) < std::tie(b.zone, b.name);
    });
    std::vector<const PodLane*> chosen;
    for (const bool want : {true, false}) {
      for (const PodLane& lane : f_.pod_lanes) {
        if (chosen.size() < kMaxPodLanes && troubled(lane) == want) chosen.push_back(&lane);
      }
    }
    for (const PodLane* lane : chosen) r_.pods.push_back(*lane);
    const auto start = [](const PodLane& p) {
      return p.segments.empty() ? 0 : p.segments.front().start_seconds;
    };
    std::stable_sort(r_.pods.begin(), r_.pods.end(), [&](const PodLane& a, const PodLane& b) {
      const double from = start(a);
      const double other = start(b);
      return std::tie(a.workload, from, a.name) < std::tie(b.workload, other, b.name);
    });
  }

  // --- figures ----------------------------------------------------------------------------------

  void numbers() {
    answered();
    worst_minute();
    healing();
    if (!f_.cost_usd.t.empty() && f_.cost_usd.last() > 0) {
      r_.numbers.push_back({"cost", f_.cost_usd.last(), "USD",
                            fmt::format("{:.2f} USD/h at the end", f_.cost_rate_usd_h.last()),
                            Severity::kInfo});
    }
    double most = 0;
    for (const double v : f_.cpu_requested_cores.v) most = std::max(most, v);
    size_t running = 0;
    for (const PodFacts& p : f_.pods) running += !p.gone;
    r_.numbers.push_back({"pods at the end", static_cast<double>(running), "pods",
                          fmt::format("{} in all over the run; at most {:.1f} cores requested",
                                      f_.pods.size(), most),
                          Severity::kInfo});
  }

  void answered() {
    if (!focus_) return;
    const RequestSum sum = sum_requests(f_, any_users() ? nullptr : focus_, 0, f_.end + 1);
    const uint64_t all = sum.ok + sum.failed;
    if (all == 0) return;
    KeyNumber n;
    n.label = "requests answered";
    n.value = 100 * static_cast<double>(sum.ok) / static_cast<double>(all);
    n.unit = "%";
    n.detail = sum.failed == 0
                   ? fmt::format("all {}", all)
                   : fmt::format("{} of {} failed, all between {} and {}", sum.failed, all,
                                 span_text(sum.first_failure), span_text(sum.last_failure));
    n.tone = sum.failed == 0            ? Severity::kGood
             : sum.failed * 1000 <= all ? Severity::kInfo
             : sum.failed * 100 <= all  ? Severity::kWarning
                                        : Severity::kBad;
    r_.numbers.push_back(std::move(n));
  }
  bool any_users() const {
    return std::any_of(f_.services.begin(), f_.services.end(),
                       [](const ServiceFacts& s) { return s.users; });
  }

  void worst_minute() {
    if (!focus_) return;
    double worst = -1;
    double worst_at = 0;
    double best = -1;
    const size_t minutes = static_cast<size_t>(f_.end / 60) + 1;
    std::vector<traffic::LatencyHistogram> by_minute(minutes > 10'000 ? 0 : minutes);
    for (const RequestBucket& b : focus_->buckets) {
      const size_t i = static_cast<size_t>(b.begin / 60);
      traffic::LatencyHistogram h;
      std::string_view bytes = b.latency;
      if (i < by_minute.size() && h.take_from(bytes)) by_minute[i].merge(h);
    }
    for (size_t i = 0; i < by_minute.size(); ++i) {
      if (by_minute[i].count() < 20) continue;
      const double p99 = static_cast<double>(by_minute[i].quantile(0.99).ns()) / 1e6;
      if (p99 > worst) worst_at = static_cast<double>(i) * 60;
      worst = std::max(worst, p99);
      best = best < 0 ? p99 : std::min(best, p99);
    }
    if (worst < 0) return;
    r_.numbers.push_back(
        {fmt::format("p99 latency of {}, worst minute", focus_->label), worst, "ms",
         fmt::format("from {}; {} in the quietest minute", span_text(worst_at), ms_text(best)),
         worst > 5 * best ? Severity::kWarning : Severity::kInfo});
  }

  void healing() {
    for (size_t i = f_.faults.size(); i-- > 0;) {
      const FaultFacts& fault = f_.faults[i];
      if (fault.kind == FaultKind::kTraffic) continue;
      const Recovery r = recovery_after(f_, nullptr, fault.begin, f_.end);
      const double took = r.healed ? *r.healed - fault.begin : r.lost_at ? f_.end - fault.begin : 0;
      r_.numbers.push_back({"time to heal after the fault", took, "s",
                            r.healed    ? "until all replicas were ready again"
                            : r.lost_at ? "and not healed at the end: " + r.missing
                                        : std::string("no replica was lost"),
                            r.lost_at && !r.healed ? Severity::kBad : Severity::kGood});
      return;
    }
    if (f_.pods.empty()) return;
    const double begin = f_.pods.front().created;
    const std::optional<double> ready = all_ready_from(f_, nullptr, begin);
    if (!ready) return;
    r_.numbers.push_back({"time until all replicas were ready", *ready - begin, "s",
                          "from the first pod on", Severity::kInfo});
  }

  void hints() {
    const bool full = std::any_of(f_.pods.begin(), f_.pods.end(),
                                  [](const PodFacts& p) { return p.waited_for_room; });
    if (full) {
      std::string command;
      if (!scenario_.spec.cluster.node_pools.empty()) {
        const int32_t count = scenario_.spec.cluster.node_pools[0].count.value_or(0);
        command = fmt::format("mainspring run {} --set cluster.nodePools[0].count={}",
                              scenario_.file, count + 1);
      }
      r_.hints.push_back({"Pods waited for room: see what one more node changes", command});
    }
    for (const WorkloadFacts& w : f_.workloads) {
      if (w.autoscaler.empty() || w.max_replicas == 0 || w.desired.v.empty()) continue;
      const double most = *std::max_element(w.desired.v.begin(), w.desired.v.end());
      if (most < w.max_replicas) continue;
      r_.hints.push_back({fmt::format("The autoscaler of {} reached its maxReplicas of {}: raise "
                                      "it if the load may grow",
                                      w.label, w.max_replicas),
                          ""});
    }
    if (!f_.faults.empty()) {
      const double middle = std::min(f_.end, f_.faults.back().begin + 60);
      r_.hints.push_back({"See the cluster a minute after the last fault",
                          fmt::format("mainspring get pods --at {}", span_text(middle))});
    }
    r_.hints.push_back(
        {"Try another draw of all that is random",
         fmt::format("mainspring run {} --seed {}", scenario_.file, options_.seed + 1)});
  }

  // --- the state at the end ---------------------------------------------------------------------

  void tables() {
    struct Wanted {
      std::string_view resource;
      std::string_view kind;
      bool namespaced;
    };
    constexpr std::array<Wanted, 8> kWanted{{{"deployments", "Deployment", true},
                                             {"statefulsets", "StatefulSet", true},
                                             {"daemonsets", "DaemonSet", true},
                                             {"jobs", "Job", true},
                                             {"hpa", "HorizontalPodAutoscaler", true},
                                             {"nodes", "Node", false},
                                             {"pods", "Pod", true},
                                             {"services", "Service", true}}};
    constexpr size_t kMaxRows = 200;
    const api::Time now = f_.epoch + api::Duration::nanos(nearest_integer(f_.end * 1e9));
    for (const Wanted& w : kWanted) {
      std::vector<api::ObjectRef> objects = f_.final_state.list(w.kind);
      if (objects.empty()) continue;
      if (objects.size() > kMaxRows) {
        r_.notes.push_back(fmt::format("The table of {} shows the first {} of {}.", w.resource,
                                       kMaxRows, objects.size()));
        objects.resize(kMaxRows);
      }
      const bool many = w.namespaced &&
                        objects.front()->metadata.namespace_ != objects.back()->metadata.namespace_;
      ReportTable table = object_table(w.kind, objects, now, {.namespaces = many});
      table.title = fmt::format("kubectl get {}{}", w.resource, many ? " -A" : "");
      r_.tables.push_back(std::move(table));
    }
  }

  void notes() {
    if (f_.pod_lanes.size() > kMaxPodLanes) {
      r_.notes.push_back(fmt::format("{} of {} pods are shown, those with trouble first.",
                                     kMaxPodLanes, f_.pod_lanes.size()));
    }
    if (!f_.error.empty()) r_.notes.push_back("The journal could not be read whole: " + f_.error);
    for (const std::string& note : f_.notes) r_.notes.push_back(note);
    for (const std::string& note : scenario_.notes) r_.notes.push_back(note);
  }

  const LoadedScenario& scenario_;
  const AnalysisOptions& options_;
  const Facts& f_;
  RunReport& r_;
  std::vector<Series>& series_;
  const ServiceFacts* focus_ = nullptr;
};

}  // namespace

AnalysisResult analyse(const LoadedScenario& scenario, sim::JournalReader journal,
                       const AnalysisOptions& options) {
  std::set<std::string> users;
  for (const spec::TrafficSpec& t : scenario.spec.traffic) {
    users.insert(label_in(scenario.spec, t.service));
  }
  AnalysisResult result;
  result.facts = collect_facts(std::move(journal), users, options.ended_seconds);
  Analyst(scenario, options, result).run();
  return result;
}

}  // namespace mainspring::scenarios

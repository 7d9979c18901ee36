// A made-up but plausible run of Online Boutique: a tenfold spike, then a zone outage at the peak.
// What the writers are developed against and looked at with.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "scenarios/report/run_report.h"

namespace mainspring::scenarios {

class DemoReport {
 public:
  static RunReport make() { return DemoReport().build(); }

 private:
  static constexpr double kEnd = 1800;
  static constexpr double kSpikeStart = 300, kSpikeEnd = 1260;
  static constexpr double kOutageStart = 720, kOutageEnd = 1020;

  struct Workload {
    const char* name;
    double share;  // requests per request of a user
    int low, high;
    double p50_ms;
  };

  double noise() {
    state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
    return static_cast<double>(state_ >> 40) / 16777216.0 - 0.5;
  }

  double load(double t) {
    if (t < kSpikeStart || t > kSpikeEnd + 60) return 60;
    if (t < kSpikeStart + 120) return 60 + (t - kSpikeStart) / 120 * 540;
    if (t > kSpikeEnd) return 600 - (t - kSpikeEnd) / 60 * 540;
    return 600;
  }

  RunReport build() {
    RunReport r;
    r.meta = {.scenario = "boutique-black-friday",
              .description =
                  "Online Boutique on three zones: traffic rises tenfold in two minutes, "
                  "and a zone goes dark at the peak.",
              .file = "scenarios/library/boutique-black-friday.yaml",
              .version = "0.1.0",
              .digest = "8c1f03e2a94bd0176f2be5c8d3a04b91",
              .reproduce = "mainspring run scenarios/library/boutique-black-friday.yaml --seed 42",
              .seed = 42,
              .horizon_seconds = kEnd,
              .ended_seconds = kEnd,
              .epoch_unix_seconds = 1'764'320'400,
              .events = 9'412'307,
              .wall_seconds = 4.13};
    r.focus_service = "frontend";
    r.numbers = {
        {"requests answered", 99.871, "%",
         "764 of 592,410 failed, 731 of them between 12m00s and 12m46s", Severity::kWarning},
        {"p99 latency of frontend, worst minute", 1840, "ms",
         "at 6m10s, before the autoscaler caught up; 118 ms in a quiet minute", Severity::kBad},
        {"time to heal after the outage", 128, "s",
         "until every deployment had its desired replicas ready again", Severity::kGood}};
    r.expectations = {{"availability of frontend",
                       Outcome::kPassed,
                       99.871,
                       ">=",
                       99.5,
                       "%",
                       "answered without error, over the whole run",
                       {}},
                      {"p99 latency of frontend", Outcome::kFailed, 1840, "<=", 1000, "ms",
                       "worst of all one-minute windows; 3 of 30 windows are over the bound", 340},
                      {"recovery after zone outage",
                       Outcome::kPassed,
                       128,
                       "<=",
                       300,
                       "s",
                       "from the outage until all replicas are ready",
                       {}},
                      {"pods pending longer than 60 s", Outcome::kPassed, 0, "<=", 5, "", "", {}},
                      {"cost",
                       Outcome::kPassed,
                       1.37,
                       "<=",
                       2,
                       "USD",
                       "nodes by the second, on-demand prices",
                       {}},
                      {"queue of payments drained",
                       Outcome::kNotEvaluated,
                       {},
                       "==",
                       0,
                       "",
                       "no series of this name was recorded",
                       {}}};

    const std::array<Workload, 12> workloads{{{"frontend", 1, 3, 12, 21},
                                              {"productcatalogservice", 6.2, 2, 8, 2.1},
                                              {"currencyservice", 7.1, 2, 10, 1.4},
                                              {"recommendationservice", 0.8, 1, 5, 8},
                                              {"cartservice", 1.2, 1, 4, 3.5},
                                              {"adservice", 0.7, 1, 3, 4},
                                              {"checkoutservice", 0.06, 1, 2, 38},
                                              {"shippingservice", 0.3, 1, 2, 2.6},
                                              {"emailservice", 0.05, 1, 1, 5},
                                              {"paymentservice", 0.05, 1, 1, 3},
                                              {"redis-cart", 1.2, 1, 1, 0.4},
                                              {"loadgenerator", 0, 1, 1, 0}}};
    add_nodes(r);
    for (const Workload& w : workloads) add_workload(r, w);
    add_cluster(r);
    add_words(r);
    return r;
  }

  void add_nodes(RunReport& r) {
    const std::array<const char*, 3> zones{"europe-west1-b", "europe-west1-c", "europe-west1-d"};
    int n = 0;
    for (const char* zone : zones) {
      const bool dark = std::string(zone) == "europe-west1-c";
      for (int i = 0; i < 4; ++i, ++n) {
        NodeLane lane{.name = fmt::format("gke-boutique-default-pool-{:08x}-{:04x}",
                                          0x5ac31f77 + n * 7919, 0x1a2b + n * 977),
                      .zone = zone,
                      .pool = "default-pool",
                      .instance_type = "e2-standard-4",
                      .segments = {}};
        if (dark) {
          lane.segments = {{0, kOutageStart + 40, NodeState::kReady},
                           {kOutageStart + 40, kOutageStart + 45, NodeState::kNotReady},
                           {kOutageStart + 45, kOutageEnd + 22, NodeState::kUnreachable},
                           {kOutageEnd + 22, kEnd, NodeState::kReady}};
        } else if (i == 3) {
          lane.segments = {{kOutageStart + 60, kOutageStart + 150, NodeState::kBooting},
                           {kOutageStart + 150, 1560, NodeState::kReady},
                           {1560, 1590, NodeState::kCordoned},
                           {1590, 1600, NodeState::kGone}};
        } else {
          lane.segments = {{0, kEnd, NodeState::kReady}};
        }
        r.nodes.push_back(lane);
      }
    }
  }

  void add_series(RunReport& r, std::string_view metric, const char* unit, Labels labels,
                  SeriesKind kind, std::vector<double> t, std::vector<double> v) {
    Series s{std::string(metric), unit, std::move(labels), kind, std::move(t), std::move(v)};
    downsample(s);
    r.series.push_back(std::move(s));
  }

  void add_workload(RunReport& r, const Workload& w) {
    if (w.share > 0) add_traffic(r, w);

    // The autoscaler follows the load in steps; the outage takes a third of what is ready.
    std::vector<double> t{0}, desired{static_cast<double>(w.low)};
    std::vector<double> rt{0, 4, 9}, ready{0, w.low * 0.5, static_cast<double>(w.low)};
    int now = w.low;
    double at = kSpikeStart + 45;
    while (now < w.high) {
      now = std::min(w.high, now * 2);
      t.push_back(at);
      desired.push_back(now);
      rt.push_back(at + 14 + 6 * (noise() + 0.5));
      ready.push_back(now);
      at += 60;
    }
    const int lost = (now + 2) / 3;
    if (now > 1 || noise() > 0) {
      rt.insert(rt.end(), {kOutageStart + 40, kOutageStart + 60, kOutageStart + 128});
      ready.insert(ready.end(), {static_cast<double>(now - lost),
                                 static_cast<double>(now - lost / 2), static_cast<double>(now)});
    }
    if (w.high > w.low) {
      t.push_back(kSpikeEnd + 300);
      desired.push_back(w.low);
      rt.push_back(kSpikeEnd + 306);
      ready.push_back(w.low);
    }
    add_series(r, metric::kReplicasDesired, "pods", {{"workload", w.name}}, SeriesKind::kStep, t,
               desired);
    add_series(r, metric::kReplicasReady, "pods", {{"workload", w.name}}, SeriesKind::kStep, rt,
               ready);
    add_pods(r, w, now, lost);
  }

  void add_traffic(RunReport& r, const Workload& w) {
    std::vector<double> t, ok, failed, p50, p90, p99;
    for (double s = 0; s < kEnd; s += 5) {
      t.push_back(s);
      const double rate = load(s) * w.share * (1 + 0.08 * noise());
      const bool outage = s >= kOutageStart && s < kOutageStart + 46;
      const bool late = s >= kSpikeStart + 20 && s < kSpikeStart + 130;
      const double bad = rate * (outage ? 0.03 + 0.02 * noise() : late ? 0.002 : 0);
      ok.push_back(rate - bad);
      failed.push_back(bad);
      const double slow = late ? 1 + 14 * std::max(0.0, 1 - std::fabs(s - 370) / 70) : 1;
      const double lost = outage ? 3.5 : 1;
      p50.push_back(w.p50_ms * (1 + 0.1 * noise()) * std::sqrt(slow));
      p90.push_back(w.p50_ms * 2.2 * (1 + 0.15 * noise()) * slow * lost);
      p99.push_back(w.p50_ms * 5 * (1 + 0.25 * noise()) * slow * lost * lost * 0.9);
    }
    const Labels l{{"service", w.name}};
    add_series(r, metric::kRequestsOk, "/s", l, SeriesKind::kSampled, t, ok);
    add_series(r, metric::kRequestsFailed, "/s", l, SeriesKind::kSampled, t, failed);
    add_series(r, metric::kLatencyP50, "ms", l, SeriesKind::kSampled, t, p50);
    add_series(r, metric::kLatencyP90, "ms", l, SeriesKind::kSampled, t, p90);
    add_series(r, metric::kLatencyP99, "ms", l, SeriesKind::kSampled, t, p99);
  }

  void add_pods(RunReport& r, const Workload& w, int peak, int lost) {
    const auto pod = [&](int i, double start, double end, bool dies) {
      const size_t node = static_cast<size_t>(i * 5 + w.low) % 11;
      const size_t safe = dies ? 4 + static_cast<size_t>(i) % 4 : (node / 4 == 1 ? 8 : node);
      PodLane p{.namespace_ = "default",
                .name = fmt::format("{}-{:x}-{:05x}", w.name, 0x6f9c4d7b + w.low,
                                    pods_++ * 65537 % 0xfffff),
                .workload = w.name,
                .node = r.nodes[safe].name,
                .zone = r.nodes[safe].zone,
                .segments = {}};
      const double bound = start + 0.2 + (start > kOutageStart ? 3 : 0);
      const double up = bound + 7 + 8 * (noise() + 0.5);
      p.segments.push_back(
          {start, bound, PodState::kPending, start > 0 ? "" : "waiting for the scheduler"});
      p.segments.push_back({bound, up, PodState::kStarting, "ContainerCreating"});
      if (dies) {
        p.segments.push_back({up, kOutageStart + 40, PodState::kReady, ""});
        p.segments.push_back(
            {kOutageStart + 40, kOutageStart + 45, PodState::kNotReady, "NodeNotReady"});
        p.segments.push_back(
            {kOutageStart + 45, kOutageEnd + 25, PodState::kTerminating, "TaintManagerEviction"});
      } else if (std::string(w.name) == "recommendationservice" && i == 0) {
        p.segments.push_back({up, 402, PodState::kReady, ""});
        p.segments.push_back({402, 404, PodState::kNotReady, "OOMKilled"});
        p.segments.push_back({404, 414, PodState::kCrashLoop, "CrashLoopBackOff"});
        p.segments.push_back({414, 421, PodState::kStarting, ""});
        p.segments.push_back({421, end, PodState::kReady, ""});
        p.restarts = 1;
      } else {
        p.segments.push_back({up, end, PodState::kReady, ""});
        if (end < kEnd)
          p.segments.push_back({end, end + 31, PodState::kTerminating, "scaled down"});
      }
      r.pods.push_back(p);
    };
    for (int i = 0; i < peak; ++i) {
      const bool dies = i >= peak - lost && peak > 1;
      const double start = i < w.low ? 0 : kSpikeStart + 45 + 60 * (i / std::max(1, w.low) - 1);
      pod(i, start, i < w.low || dies ? kEnd : kSpikeEnd + 300, dies);
      if (dies) pod(i, kOutageStart + 45, i < w.low ? kEnd : kSpikeEnd + 300, false);
    }
  }

  void add_cluster(RunReport& r) {
    std::vector<double> t, used, requested, allocatable, rate, total;
    double usd = 0;
    for (double s = 0; s < kEnd; s += 5) {
      t.push_back(s);
      used.push_back(3 + load(s) / 600 * 24 * (1 + 0.05 * noise()));
      requested.push_back(s < kSpikeStart + 45 ? 9 : s < kSpikeEnd + 300 ? 31 : 9);
      const int nodes = s < kOutageStart      ? 10
                        : s < 870             ? 6
                        : s < kOutageEnd + 22 ? 8
                        : s < 1590            ? 12
                                              : 10;
      allocatable.push_back(nodes * 3.92);
      rate.push_back(nodes * 0.268);
      usd += rate.back() * 5 / 3600;
      total.push_back(usd);
    }
    add_series(r, metric::kCpuUsed, "cores", {}, SeriesKind::kSampled, t, used);
    add_series(r, metric::kCpuRequested, "cores", {}, SeriesKind::kStep, t, requested);
    add_series(r, metric::kCpuAllocatable, "cores", {}, SeriesKind::kStep, t, allocatable);
    add_series(r, metric::kCostRate, "USD/h", {}, SeriesKind::kStep, t, rate);
    add_series(r, metric::kCostTotal, "USD", {}, SeriesKind::kSampled, t, total);
    std::vector<double> running, pending;
    for (const double s : t) {
      int run = 0, wait = 0;
      for (const PodLane& p : r.pods) {
        for (const PodSegment& g : p.segments) {
          if (s < g.start_seconds || s >= g.end_seconds) continue;
          (g.state == PodState::kPending || g.state == PodState::kStarting ? wait : run) += 1;
        }
      }
      running.push_back(run);
      pending.push_back(wait);
    }
    add_series(r, metric::kPodsByPhase, "pods", {{"phase", "Running"}}, SeriesKind::kStep, t,
               running);
    add_series(r, metric::kPodsByPhase, "pods", {{"phase", "Pending"}}, SeriesKind::kStep, t,
               pending);
    for (const char* zone : {"europe-west1-b", "europe-west1-c", "europe-west1-d"}) {
      const bool dark = std::string(zone) == "europe-west1-c";
      add_series(r, metric::kNodesReady, "nodes", {{"zone", zone}}, SeriesKind::kStep,
                 {0, kOutageStart + 40, kOutageEnd + 22},
                 {dark ? 4.0 : 3.0, dark ? 0.0 : 3.0, dark ? 4.0 : 3.0});
    }
  }

  void add_words(RunReport& r) {
    r.marks = {
        {"m1", 0, {}, MarkKind::kAction, "kubectl apply", "12 Deployments, 12 Services", ""},
        {"m2", kSpikeStart, kSpikeEnd, MarkKind::kFault, "traffic ×10",
         "60 to 600 requests/s within two minutes", "service/default/frontend"},
        {"m3",
         345,
         {},
         MarkKind::kScale,
         "frontend 3 → 6",
         "CPU at 188 % of the request, target 70 %",
         "horizontalpodautoscaler/default/frontend"},
        {"m4",
         402,
         {},
         MarkKind::kIncident,
         "recommendationservice OOM-killed",
         "used 450Mi, limit 450Mi",
         "pod/default/recommendationservice"},
        {"m5",
         405,
         {},
         MarkKind::kScale,
         "frontend 6 → 12",
         "",
         "horizontalpodautoscaler/default/frontend"},
        {"m6", kOutageStart, kOutageEnd, MarkKind::kFault, "zone europe-west1-c down",
         "4 nodes lose power and network", "zone/europe-west1-c"},
        {"m7",
         kOutageStart + 40,
         {},
         MarkKind::kIncident,
         "4 nodes NotReady",
         "no lease for 40 s",
         ""},
        {"m8", kOutageStart + 60, {}, MarkKind::kScale, "2 nodes ordered", "", ""},
        {"m9", kOutageStart + 128, {}, MarkKind::kRecovery, "all replicas ready", "", ""},
        {"m10",
         kOutageEnd,
         {},
         MarkKind::kRecovery,
         "zone europe-west1-c back",
         "",
         "zone/europe-west1-c"},
        {"m11",
         kSpikeEnd + 300,
         {},
         MarkKind::kScale,
         "frontend 12 → 3",
         "after five quiet minutes",
         "horizontalpodautoscaler/default/frontend"},
    };
    r.story = {
        {9,
         {},
         Severity::kGood,
         "All 12 deployments are ready nine seconds after kubectl apply.",
         {{"12 Deployments were applied", {}, "m1", ""}}},
        {310,
         440,
         Severity::kBad,
         "Latency of frontend rises: p99 reaches 1,840 ms at 6m10s, and 33 requests time out.",
         {{"three frontend pods at their CPU limit queue requests, up to 41 each", 340, "",
           "deployment/default/frontend"},
          {"the autoscaler acts on a 15-second sync and new pods take 14 s to be ready",
           {},
           "m3",
           ""},
          {"traffic rose tenfold in two minutes", {}, "m2", ""}}},
        {402,
         {},
         Severity::kWarning,
         "A container of recommendationservice is OOM-killed and restarts after 10 s of back-off.",
         {{"its memory reached the limit of 450Mi with 64 requests in flight", {}, "m4", ""}}},
        {440,
         {},
         Severity::kGood,
         "Latency is back under 150 ms with 12 frontend pods.",
         {{"the autoscaler doubled frontend twice", {}, "m5", ""}}},
        {kOutageStart,
         850,
         Severity::kBad,
         "Zone europe-west1-c goes dark: 731 requests fail in 46 seconds, one in twenty-five.",
         {{"kube-proxy kept sending to 19 pods that no longer answered, until their nodes were "
           "marked NotReady",
           760, "m7", ""},
          {"the node lifecycle controller waits 40 s without a lease before it acts", {}, "", ""},
          {"the zone lost power", {}, "m6", ""}}},
        {850,
         {},
         Severity::kGood,
         "Every deployment has its desired replicas ready again, 128 s after the outage.",
         {{"evicted pods were recreated in the other zones, 7 of them after new nodes had booted",
           {},
           "m8",
           ""}}},
        {kSpikeEnd + 300,
         {},
         Severity::kInfo,
         "The cluster scales back to where it began.",
         {{"the scale-down stabilisation window of 300 s passed", {}, "m11", ""}}},
    };
    r.hints = {
        {"p99 failed for lack of head room at the start of the spike; try more replicas before it",
         "mainspring run scenarios/library/boutique-black-friday.yaml --set "
         "spec.autoscaling.frontend.minReplicas=6"},
        {"See the cluster in the middle of the outage", "mainspring get pods --at 13m"}};
    r.tables.push_back({"kubectl get deployments",
                        {"NAMESPACE", "NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"},
                        {}});
    for (const char* name : {"adservice", "cartservice", "checkoutservice", "currencyservice",
                             "emailservice", "frontend"}) {
      r.tables[0].rows.push_back({"default", name, "1/1", "1", "1", "30m"});
    }
    r.tables.push_back(
        {"kubectl get nodes", {"NAME", "STATUS", "ROLES", "AGE", "VERSION", "ZONE"}, {}});
    for (const NodeLane& n : r.nodes)
      r.tables[1].rows.push_back({n.name, "Ready", "<none>", "30m", "v1.35.0", n.zone});
    r.notes = {
        "Times are virtual. Prices are on-demand list prices of the scenario's instance types."};
  }

  uint64_t state_ = 7;
  int pods_ = 1;
};

}  // namespace mainspring::scenarios

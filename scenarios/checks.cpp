#include "scenarios/checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <set>

#include "models/api/time_text.h"
#include "scenarios/trace_file.h"
#include "scenarios/units.h"
#include "sim/distributions.h"

namespace mainspring::scenarios {

namespace fs = std::filesystem;
using api::Diagnostic;
using api::Json;

void Checker::duration(std::string_view field, std::string_view text) {
  parsed(field, text, "a duration such as 90s or 1h30m",
         [](std::string_view t) { return parse_duration(t).has_value(); });
}
void Checker::probability(std::string_view field, std::string_view text) {
  parsed(field, text, "a probability such as 30%, 3/10 or 0.3",
         [](std::string_view t) { return parse_probability(t).has_value(); });
}
void Checker::number(std::string_view field, std::string_view text) {
  parsed(field, text, "a number of at least 0",
         [](std::string_view t) { return parse_number(t).has_value(); });
}
void Checker::distribution(std::string_view field, std::string_view text) {
  sim::Distribution d;
  const std::string problem = sim::parse_distribution(text, d);
  if (!problem.empty()) bad(field, problem);
}

void Checker::given(std::string_view field) {
  if (!tree_->contains(field)) bad(field, "Required value");
}

void Checker::known(std::string_view field, std::string_view name, std::string_view what,
                    const std::vector<std::string_view>& names) {
  if (name.empty() || std::find(names.begin(), names.end(), name) != names.end()) return;
  Diagnostic d;
  d.message = fmt::format("{} \"{}\"", what, name);
  d.suggestion = api::nearest(name, names);
  add(std::move(d), field);
}

void Checker::bad(std::string_view field, std::string message) {
  Diagnostic d;
  d.message = std::move(message);
  add(std::move(d), field);
}

void Checker::doubtful(std::string_view field, std::string message) {
  Diagnostic d;
  d.severity = Diagnostic::Severity::kWarning;
  d.message = std::move(message);
  add(std::move(d), field);
}

void Checker::mismatch(std::string_view field, std::string_view expected, std::string_view found) {
  Diagnostic d;
  d.expected = expected;
  d.found = fmt::format("\"{}\"", found);
  add(std::move(d), field);
}

void Checker::add(Diagnostic d, std::string_view field) {
  const Json* value = field.empty() ? nullptr : tree_->find(field);
  d.at = value ? value->position() : tree_->position();
  const bool both = !path_.empty() && !field.empty();
  d.path = fmt::format("{} {}{}{}", prefix_, path_, both ? "." : "", field);
  diagnostics_.add(std::move(d));
}

std::string indexed(std::string_view list, size_t i) { return fmt::format("{}[{}]", list, i); }

namespace {

// A mapping that is one of several kinds, told by the field it has.
void exactly_one(const Json& tree, std::initializer_list<std::string_view> fields, Checker& check) {
  const auto found = std::count_if(fields.begin(), fields.end(),
                                   [&](std::string_view f) { return tree.contains(f); });
  if (found == 1) return;
  check.bad("", fmt::format("expected exactly one of {}, got {}", fmt::join(fields, ", "), found));
}

// What is to happen after the end does not happen.
void within_horizon(const spec::ScenarioFile& s, std::string_view field, std::string_view text,
                    Checker& check) {
  const auto at = parse_duration(text);
  const auto end = parse_duration(s.horizon);
  if (at && end && *at >= *end) {
    check.doubtful(field, fmt::format("never happens: the run ends at {}", s.horizon.view()));
  }
}

void check_cluster(const spec::ScenarioFile& s, const Json& tree, Checker& check) {
  const Json& cluster = tree["cluster"];
  std::set<std::string> names;
  size_t i = 0;
  for (const spec::NodePoolSpec& pool : s.cluster.node_pools) {
    check.at(cluster["nodePools"][i], "cluster." + indexed("nodePools", i));
    ++i;
    check.distribution("bootTime", pool.boot_time);
    check.number("pricePerHour", pool.price_per_hour);
    if (!names.insert(pool.name.str()).second) check.bad("name", "another pool has this name");
    const auto positive = [&](std::string_view field, const api::Quantity& q) {
      if (q.value() < 0) check.bad(field, "must be greater than 0");
    };
    positive("cpu", pool.cpu);
    positive("memory", pool.memory);
    positive("disk", pool.disk);
  }
  check.at(cluster, "cluster");
  if (s.cluster.node_pools.empty()) check.bad("nodePools", "expected at least one pool of nodes");
  check.parsed("registryBandwidth", s.cluster.registry_bandwidth,
               "bytes per second such as 100MB/s",
               [](std::string_view t) { return parse_bandwidth(t).has_value(); });
  if (s.cluster.control_plane) {
    const spec::ControlPlaneSpec& c = *s.cluster.control_plane;
    check.at(cluster["controlPlane"], "cluster.controlPlane");
    check.duration("requestLatency", c.request_latency);
    check.duration("watchLatency", c.watch_latency);
    check.duration("latencyJitter", c.latency_jitter);
    check.duration("nodeMonitorGracePeriod", c.node_monitor_grace_period);
    check.duration("podEvictionTimeout", c.pod_eviction_timeout);
    check.duration("hpaSyncPeriod", c.hpa_sync_period);
    check.duration("hpaDownscaleStabilization", c.hpa_downscale_stabilization);
  }
}

void check_behaviors(const spec::ScenarioFile& s, const Json& tree, Checker& check) {
  size_t i = 0;
  for (const spec::AppSpec& app : s.apps) {
    check.at(tree["apps"][i], indexed("apps", i));
    ++i;
    check.distribution("startup", app.startup);
    check.distribution("warmup", app.warmup);
    check.distribution("crashAfter", app.crash_after);
    check.distribution("shutdown", app.shutdown);
    if (!app.run_for.empty()) check.distribution("runFor", app.run_for);
    check.probability("crashProbability", app.crash_probability);
  }
  i = 0;
  for (const spec::ServiceBehavior& service : s.services) {
    const std::string path = indexed("services", i);
    const Json& own = tree["services"][i];
    ++i;
    check.at(own, path);
    check.distribution("cpu", service.cpu);
    check.distribution("latency", service.latency);
    check.probability("errorRate", service.error_rate);
    size_t k = 0;
    for (const spec::CallSpec& call : service.calls) {
      check.at(own["calls"][k], path + "." + indexed("calls", k));
      ++k;
      check.probability("probability", call.probability);
      check.duration("timeout", call.timeout);
    }
  }
}

void check_trace(const spec::TrafficSpec& t, const fs::path& folder, Checker& check) {
  if (t.file.empty()) {
    check.bad("file", "expected a CSV file");
    return;
  }
  const std::string path = (folder / t.file.str()).string();
  std::string text, error;
  std::vector<traffic::RatePoint> rows;
  if (!read_file(path, text)) {
    check.bad("file", fmt::format("{} cannot be read", path));
  } else if (!parse_rate_trace(text, t.column.str(), rows, error)) {
    check.bad("file", fmt::format("{}: {}", path, error));
  }
}

void check_traffic(const spec::ScenarioFile& s, const Json& tree, const fs::path& folder,
                   Checker& check) {
  size_t i = 0;
  for (const spec::TrafficSpec& t : s.traffic) {
    const std::string path = indexed("traffic", i);
    const Json& own = tree["traffic"][i];
    ++i;
    check.at(own, path);
    check.duration("timeout", t.timeout);
    check.number("rate", t.rate);
    check.number("peak", t.peak);
    check.number("scale", t.scale);
    check.duration("from", t.from);
    check.duration("until", t.until);
    check.duration("peakAt", t.peak_at);
    check.duration("peakFor", t.peak_for);
    check.duration("rampUp", t.ramp_up);
    check.duration("period", t.period);
    const bool by_rate = t.shape != "Ramp" && t.shape != "Trace";
    if (by_rate && t.rate.empty()) check.bad("rate", "expected requests per second");
    if (t.shape == "Ramp" && t.points.size() < 2)
      check.bad("points", "expected at least two points");
    if (t.shape == "Trace") check_trace(t, folder, check);
    if ((t.shape == "Spike" || t.shape == "Diurnal") && t.peak.empty()) {
      check.bad("peak", "expected requests per second");
    }
    size_t k = 0;
    for (const spec::ShapePoint& point : t.points) {
      check.at(own["points"][k], path + "." + indexed("points", k));
      ++k;
      check.duration("at", point.at);
      check.number("rate", point.rate);
    }
  }
}

void check_faults(const spec::ScenarioFile& s, const Json& tree, Checker& check) {
  std::set<std::string> zone_set, node_set;
  std::vector<std::string_view> pools;
  for (const spec::NodePoolSpec& pool : s.cluster.node_pools) {
    pools.push_back(pool.name);
    for (const api::Str& z : pool.zones) zone_set.insert(z.str());
    for (int i = 1; i <= pool.count.value_or(0); ++i)
      node_set.insert(fmt::format("{}-{}", pool.name.view(), i));
  }
  if (zone_set.empty()) zone_set.insert("zone-a");
  const std::vector<std::string_view> zones(zone_set.begin(), zone_set.end());
  const std::vector<std::string_view> nodes(node_set.begin(), node_set.end());
  const auto known_zone = [&](const api::Str& zone) {
    check.known("zone", zone, "no pool has machines in zone", zones);
  };
  std::vector<std::string_view> sources;
  for (const spec::TrafficSpec& t : s.traffic) sources.push_back(t.name);
  size_t i = 0;
  for (const spec::FaultEntry& f : s.faults) {
    const std::string path = indexed("faults", i);
    const Json& own = tree["faults"][i];
    ++i;
    check.at(own, path);
    check.duration("at", f.at);
    within_horizon(s, "at", f.at, check);
    exactly_one(own, {"containerCrash", "nodeCrash", "zoneOutage", "trafficSpike"}, check);
    if (f.container_crash) {
      check.at(own["containerCrash"], path + ".containerCrash");
      check.given("target");
    }
    if (f.node_crash) {
      check.at(own["nodeCrash"], path + ".nodeCrash");
      check.duration("duration", f.node_crash->duration);
      known_zone(f.node_crash->zone);
      check.known("pool", f.node_crash->pool, "no pool is named", pools);
      check.known("node", f.node_crash->node, "no machine is named", nodes);
    }
    if (f.zone_outage) {
      check.at(own["zoneOutage"], path + ".zoneOutage");
      check.duration("duration", f.zone_outage->duration);
      known_zone(f.zone_outage->zone);
    }
    if (f.traffic_spike) {
      check.at(own["trafficSpike"], path + ".trafficSpike");
      check.number("factor", f.traffic_spike->factor);
      check.duration("duration", f.traffic_spike->duration);
      check.duration("rampUp", f.traffic_spike->ramp_up);
      check.known("traffic", f.traffic_spike->traffic, "no traffic entry is named", sources);
    }
  }
}

void check_expectations(const spec::ScenarioFile& s, const Json& tree, Checker& check) {
  std::vector<std::string_view> faults;
  for (const spec::FaultEntry& f : s.faults) faults.push_back(f.name);
  size_t i = 0;
  for (const spec::Expectation& e : s.expectations) {
    const std::string path = indexed("expectations", i);
    const Json& own = tree["expectations"][i];
    ++i;
    const auto window = [&](const api::Str& from, const api::Str& until) {
      check.duration("from", from);
      check.duration("until", until);
    };
    check.at(own, path);
    exactly_one(
        own, {"availability", "latency", "podsPending", "recovery", "cost", "flapping", "series"},
        check);
    if (e.availability) {
      check.at(own["availability"], path + ".availability");
      check.probability("atLeast", e.availability->at_least);
      window(e.availability->from, e.availability->until);
    }
    if (e.latency) {
      check.at(own["latency"], path + ".latency");
      check.duration("atMost", e.latency->at_most);
      window(e.latency->from, e.latency->until);
      check.parsed("percentile", e.latency->percentile, "p50, p90, p95, p99 or p99.9",
                   [](std::string_view t) {
                     return t == "p50" || t == "p90" || t == "p95" || t == "p99" || t == "p99.9";
                   });
    }
    if (e.pods_pending) {
      check.at(own["podsPending"], path + ".podsPending");
      check.duration("longerThan", e.pods_pending->longer_than);
    }
    if (e.recovery) {
      check.at(own["recovery"], path + ".recovery");
      check.duration("within", e.recovery->within);
      check.known("after", e.recovery->after, "no fault is named", faults);
    }
    if (e.cost) {
      check.at(own["cost"], path + ".cost");
      check.number("atMost", e.cost->at_most);
    }
    if (e.flapping) {
      check.at(own["flapping"], path + ".flapping");
      check.given("atMostChanges");
    }
    if (e.series) {
      check.at(own["series"], path + ".series");
      check.number("value", e.series->value);
      window(e.series->from, e.series->until);
    }
  }
}

void check_timeline(const spec::ScenarioFile& s, const Json& tree, Checker& check) {
  size_t i = 0;
  for (const spec::TimelineStep& step : s.timeline) {
    check.at(tree["timeline"][i], indexed("timeline", i));
    ++i;
    check.duration("at", step.at);
    within_horizon(s, "at", step.at, check);
  }
}

// The names that objects of a scenario have, with and without their namespace.
class Names {
 public:
  explicit Names(std::string_view default_ns) : default_ns_(default_ns) {}

  void add(std::string_view ns, std::string_view name) {
    if (ns.empty()) ns = default_ns_;
    if (ns == default_ns_) all_.emplace(name);
    all_.insert(fmt::format("{}/{}", ns, name));
  }
  std::vector<std::string_view> list() const { return {all_.begin(), all_.end()}; }

 private:
  std::string default_ns_;
  std::set<std::string, std::less<>> all_;
};

bool is_workload(api::Kind kind) {
  switch (kind) {
    case api::Kind::Deployment:
    case api::Kind::StatefulSet:
    case api::Kind::DaemonSet:
    case api::Kind::ReplicaSet:
    case api::Kind::Job:
    case api::Kind::CronJob:
    case api::Kind::Pod:
      return true;
    default:
      return false;
  }
}

void check_services(const spec::ScenarioFile& s, const Json& tree,
                    const std::vector<std::string_view>& names, Checker& check) {
  constexpr std::string_view kWhat = "no manifest has a Service";
  size_t i = 0;
  for (const spec::ServiceBehavior& b : s.services) {
    const Json& own = tree["services"][i];
    const std::string path = indexed("services", i);
    ++i;
    check.at(own, path);
    check.known("service", b.service, kWhat, names);
    size_t k = 0;
    for (const spec::CallSpec& call : b.calls) {
      check.at(own["calls"][k], path + '.' + indexed("calls", k));
      ++k;
      check.known("service", call.service, kWhat, names);
    }
  }
  i = 0;
  for (const spec::TrafficSpec& t : s.traffic) {
    check.at(tree["traffic"][i], indexed("traffic", i));
    ++i;
    check.known("service", t.service, kWhat, names);
  }
  i = 0;
  for (const spec::Expectation& e : s.expectations) {
    const Json& own = tree["expectations"][i];
    const std::string path = indexed("expectations", i);
    ++i;
    if (e.availability) {
      check.at(own["availability"], path + ".availability");
      check.known("service", e.availability->service, kWhat, names);
    }
    if (e.latency) {
      check.at(own["latency"], path + ".latency");
      check.known("service", e.latency->service, kWhat, names);
    }
  }
}

void check_workloads(const spec::ScenarioFile& s, const Json& tree,
                     const std::vector<std::string_view>& names,
                     const std::vector<std::string_view>& bare, Checker& check) {
  constexpr std::string_view kWhat = "no manifest has a workload";
  size_t i = 0;
  for (const spec::AppSpec& app : s.apps) {
    check.at(tree["apps"][i]["match"], indexed("apps", i) + ".match");
    ++i;
    check.known("workload", app.match.workload, kWhat, bare);
  }
  i = 0;
  for (const spec::FaultEntry& f : s.faults) {
    const std::string path = indexed("faults", i);
    const Json& target = tree["faults"][i]["containerCrash"]["target"];
    ++i;
    if (!f.container_crash) continue;
    check.at(target, path + ".containerCrash.target");
    check.known("workload", f.container_crash->target.workload, kWhat, bare);
  }
  i = 0;
  for (const spec::Expectation& e : s.expectations) {
    const Json& own = tree["expectations"][i];
    const std::string path = indexed("expectations", i);
    ++i;
    if (e.recovery) {
      check.at(own["recovery"], path + ".recovery");
      check.known("workload", e.recovery->workload, kWhat, names);
    }
    if (e.flapping) {
      check.at(own["flapping"], path + ".flapping");
      check.known("workload", e.flapping->workload, kWhat, names);
    }
  }
}

}  // namespace

void check_scenario(const spec::ScenarioFile& s, const Json& tree, const fs::path& folder,
                    Checker& check) {
  check.at(tree, "");
  check.duration("horizon", s.horizon);
  check.parsed("epoch", s.epoch, "a time such as 2026-01-05T09:00:00Z",
               [](std::string_view t) { return api::parse_time(t).has_value(); });
  check_cluster(s, tree, check);
  check_behaviors(s, tree, check);
  check_traffic(s, tree, folder, check);
  check_faults(s, tree, check);
  check_timeline(s, tree, check);
  check_expectations(s, tree, check);
}

void check_names(const LoadedScenario& scenario, const std::vector<api::ObjectRef>& made_later,
                 const Json& tree, Checker& check) {
  const spec::ScenarioFile& s = scenario.spec;
  Names services(s.namespace_), workloads(s.namespace_);
  std::set<std::string, std::less<>> bare;
  const auto take = [&](const api::ObjectRef& o) {
    const api::ObjectMeta& m = o->metadata;
    if (o->kind == api::Kind::Service) services.add(m.namespace_, m.name);
    if (is_workload(o->kind)) {
      workloads.add(m.namespace_, m.name);
      bare.insert(m.name.str());
    }
  };
  for (const api::ObjectRef& o : scenario.objects) take(o);
  for (const api::ObjectRef& o : made_later) take(o);
  for (const TimelineEntry& entry : scenario.timeline) {  // kubectl create deployment NAME
    if (entry.command.verb != "create" || entry.command.words.size() < 2) continue;
    workloads.add(entry.command.ns, entry.command.words[1]);
    bare.insert(entry.command.words[1]);
  }
  check_services(s, tree, services.list(), check);
  check_workloads(s, tree, workloads.list(), {bare.begin(), bare.end()}, check);
}

}  // namespace mainspring::scenarios

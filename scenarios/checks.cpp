#include "scenarios/checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <set>

#include "models/api/time_text.h"
#include "models/api/validation.h"
#include "models/scheduler/resources.h"
#include "scenarios/trace_file.h"
#include "scenarios/units.h"
#include "sim/distributions.h"

namespace mainspring::scenarios {

namespace fs = std::filesystem;
using api::Diagnostic;
using api::Json;

void Checker::duration(std::string_view field, std::string_view text) {
  parsed(field, text,
         is_too_long(text) ? "at most 2562047h (292 years)" : "a duration such as 90s or 1h30m",
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
  // What is missing or of the wrong type has been said to be.
  if (!field.empty() && diagnostics_.has_error_within(d.path)) return;
  diagnostics_.add(std::move(d));
}

std::string indexed(std::string_view list, size_t i) { return fmt::format("{}[{}]", list, i); }

namespace {

// A mapping of the scenario file and its path; the file as a whole has none.
struct Place {
  const Json& tree;
  std::string path = {};

  Place operator[](std::string_view field) const { return {tree[field], below(field)}; }
  Place item(std::string_view list, size_t i) const {
    return {tree[list][i], below(indexed(list, i))};
  }

 private:
  std::string below(std::string_view step) const {
    return path.empty() ? std::string(step) : fmt::format("{}.{}", path, step);
  }
};

// Calls f(value, place) for every value of a list of the scenario; the next checks are about it.
template <class Values, class F>
void each(const Values& values, const Place& place, std::string_view list, Checker& check, F f) {
  size_t i = 0;
  for (const auto& value : values) {
    const Place own = place.item(list, i++);
    check.at(own.tree, own.path);
    f(value, own);
  }
}

// If a part is given, the next checks are about it: f(part).
template <class T, class F>
void part(const T& value, const Place& place, std::string_view field, Checker& check, F f) {
  if (!value) return;
  const Place own = place[field];
  check.at(own.tree, own.path);
  f(*value);
}

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

// What becomes a label of nodes.
void check_label(std::string_view field, std::string_view value, std::string_view example,
                 Checker& check) {
  if (value.empty() || !api::check_label_value(value).empty()) {
    check.mismatch(field, fmt::format("a label's value such as {}", example), value);
  }
}

// A machine that no device plugin or kubelet could report is no machine. Source:
// pkg/apis/core/helper IsExtendedResourceName, validation.go ValidateResourceQuantityValue.
void check_devices(const spec::NodePoolSpec& pool, const Place& devices, Checker& check) {
  for (const auto& [name, amount] : pool.devices) {
    const Place own = devices[name];
    check.at(own.tree, own.path);
    if (!scheduler::is_extended_resource(name) || !api::check_qualified_name(name).empty()) {
      check.mismatch("", "the name of an extended resource such as nvidia.com/gpu", name);
    } else if (amount.sign() < 0 || amount.milli_value() % 1000 != 0) {
      check.mismatch("", "a whole number of at least 0", amount.to_string());
    }
  }
}

// The names of a pool's machines, its labels and taints: what Node objects may have.
void check_node_names(const spec::NodePoolSpec& pool, const Place& own, Checker& check) {
  const std::string last = fmt::format("{}-{}", pool.name.view(), pool.count.value_or(0));
  if (!pool.name.empty() &&
      (!api::check_dns_subdomain(last).empty() || !api::check_label_value(last).empty())) {
    check.mismatch("name", "the start of machines' names such as general: a-z, 0-9, '-' and '.'",
                   pool.name);
  }
  check_label("region", pool.region, "region-1", check);
  check_label("instanceType", pool.instance_type, "standard-4", check);
  for (size_t i = 0; i < pool.zones.size(); ++i) {
    const Place zone = own.item("zones", i);
    check.at(zone.tree, zone.path);
    check_label("", pool.zones[i], "zone-a", check);
  }
  for (const auto& [name, value] : pool.labels) {
    const Place label = own["labels"][name];
    check.at(label.tree, label.path);
    if (!api::check_qualified_name(name).empty()) {
      check.mismatch("", "a label's name such as example.com/tier", name);
    } else if (!api::check_label_value(value).empty()) {
      check.mismatch("", "a label's value such as web-1", value);
    }
  }
  std::set<std::pair<std::string_view, std::string_view>> taints;
  for (size_t i = 0; i < pool.taints.size(); ++i) {
    const Place taint = own.item("taints", i);
    check.at(taint.tree, taint.path);
    if (!taints.insert({pool.taints[i].key, pool.taints[i].effect}).second) {
      check.bad("", "taints must be unique by key and effect pair");
    }
  }
  check_devices(pool, own["devices"], check);
}

void check_cluster(const spec::ScenarioFile& s, const Json& tree, Checker& check) {
  const Place cluster = Place{tree}["cluster"];
  std::set<std::string> names;
  each(s.cluster.node_pools, cluster, "nodePools", check,
       [&](const spec::NodePoolSpec& pool, const Place& own) {
         check.distribution("bootTime", pool.boot_time);
         check.number("pricePerHour", pool.price_per_hour);
         if (!names.insert(pool.name.str()).second) check.bad("name", "another pool has this name");
         const auto positive = [&](std::string_view field, const api::Quantity& q) {
           if (own.tree.contains(field) && q.value() <= 0)
             check.bad(field, "must be greater than 0");
         };
         positive("cpu", pool.cpu);
         positive("memory", pool.memory);
         positive("disk", pool.disk);
         check_node_names(pool, own, check);
       });
  each(s.cluster.namespaces, cluster, "namespaces", check, [&](const api::Str& name, const Place&) {
    const std::string_view why = api::check_dns_label(name);
    if (!why.empty()) check.bad("", std::string(why));
  });
  check.at(cluster.tree, cluster.path);
  if (s.cluster.node_pools.empty()) check.bad("nodePools", "expected at least one pool of nodes");
  check.parsed("registryBandwidth", s.cluster.registry_bandwidth,
               "bytes per second such as 100MB/s",
               [](std::string_view t) { return parse_bandwidth(t).has_value(); });
  part(s.cluster.control_plane, cluster, "controlPlane", check,
       [&](const spec::ControlPlaneSpec& c) {
         check.duration("requestLatency", c.request_latency);
         check.duration("watchLatency", c.watch_latency);
         check.duration("latencyJitter", c.latency_jitter);
         check.duration("nodeMonitorGracePeriod", c.node_monitor_grace_period);
         check.duration("podEvictionTimeout", c.pod_eviction_timeout);
         check.duration("hpaSyncPeriod", c.hpa_sync_period);
         check.duration("hpaDownscaleStabilization", c.hpa_downscale_stabilization);
       });
}

void check_behaviors(const spec::ScenarioFile& s, const Json& tree, Checker& check) {
  each(s.apps, {tree}, "apps", check, [&](const spec::AppSpec& app, const Place&) {
    check.distribution("startup", app.startup);
    check.distribution("warmup", app.warmup);
    check.distribution("crashAfter", app.crash_after);
    check.distribution("shutdown", app.shutdown);
    if (!app.run_for.empty()) check.distribution("runFor", app.run_for);
    check.probability("crashProbability", app.crash_probability);
  });
  each(s.services, {tree}, "services", check,
       [&](const spec::ServiceBehavior& service, const Place& own) {
         check.distribution("cpu", service.cpu);
         check.distribution("latency", service.latency);
         check.probability("errorRate", service.error_rate);
         each(service.calls, own, "calls", check, [&](const spec::CallSpec& call, const Place&) {
           check.probability("probability", call.probability);
           check.duration("timeout", call.timeout);
         });
       });
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
  each(s.traffic, {tree}, "traffic", check, [&](const spec::TrafficSpec& t, const Place& own) {
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
    each(t.points, own, "points", check, [&](const spec::ShapePoint& point, const Place&) {
      check.duration("at", point.at);
      check.number("rate", point.rate);
    });
  });
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
  each(s.faults, {tree}, "faults", check, [&](const spec::FaultEntry& f, const Place& own) {
    check.duration("at", f.at);
    within_horizon(s, "at", f.at, check);
    exactly_one(own.tree, {"containerCrash", "nodeCrash", "zoneOutage", "trafficSpike"}, check);
    part(f.container_crash, own, "containerCrash", check,
         [&](const auto&) { check.given("target"); });
    part(f.node_crash, own, "nodeCrash", check, [&](const auto& crash) {
      check.duration("duration", crash.duration);
      known_zone(crash.zone);
      check.known("pool", crash.pool, "no pool is named", pools);
      check.known("node", crash.node, "no machine is named", nodes);
    });
    part(f.zone_outage, own, "zoneOutage", check, [&](const auto& outage) {
      check.duration("duration", outage.duration);
      known_zone(outage.zone);
    });
    part(f.traffic_spike, own, "trafficSpike", check, [&](const auto& spike) {
      check.number("factor", spike.factor);
      check.duration("duration", spike.duration);
      check.duration("rampUp", spike.ramp_up);
      check.known("traffic", spike.traffic, "no traffic entry is named", sources);
    });
  });
}

void check_expectations(const spec::ScenarioFile& s, const Json& tree, Checker& check) {
  std::vector<std::string_view> faults;
  for (const spec::FaultEntry& f : s.faults) faults.push_back(f.name);
  const auto window = [&](const auto& e) {
    check.duration("from", e.from);
    check.duration("until", e.until);
  };
  const auto expectation = [&](const spec::Expectation& e, const Place& own) {
    exactly_one(
        own.tree,
        {"availability", "latency", "podsPending", "recovery", "cost", "flapping", "series"},
        check);
    part(e.availability, own, "availability", check, [&](const auto& x) {
      check.probability("atLeast", x.at_least);
      window(x);
    });
    part(e.latency, own, "latency", check, [&](const auto& x) {
      check.duration("atMost", x.at_most);
      window(x);
      check.parsed("percentile", x.percentile, "p50, p90, p95, p99 or p99.9",
                   [](std::string_view t) {
                     return t == "p50" || t == "p90" || t == "p95" || t == "p99" || t == "p99.9";
                   });
    });
    part(e.pods_pending, own, "podsPending", check,
         [&](const auto& x) { check.duration("longerThan", x.longer_than); });
    part(e.recovery, own, "recovery", check, [&](const auto& x) {
      check.duration("within", x.within);
      check.known("after", x.after, "no fault is named", faults);
    });
    part(e.cost, own, "cost", check, [&](const auto& x) { check.number("atMost", x.at_most); });
    part(e.flapping, own, "flapping", check, [&](const auto&) { check.given("atMostChanges"); });
    part(e.series, own, "series", check, [&](const auto& x) {
      check.number("value", x.value);
      window(x);
    });
  };
  each(s.expectations, {tree}, "expectations", check, expectation);
}

void check_timeline(const spec::ScenarioFile& s, const Json& tree, Checker& check) {
  each(s.timeline, {tree}, "timeline", check, [&](const spec::TimelineStep& step, const Place&) {
    check.duration("at", step.at);
    within_horizon(s, "at", step.at, check);
  });
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
  const auto known = [&](std::string_view service) {
    check.known("service", service, "no manifest has a Service", names);
  };
  each(s.services, {tree}, "services", check,
       [&](const spec::ServiceBehavior& b, const Place& own) {
         known(b.service);
         each(b.calls, own, "calls", check,
              [&](const spec::CallSpec& call, const Place&) { known(call.service); });
       });
  each(s.traffic, {tree}, "traffic", check,
       [&](const spec::TrafficSpec& t, const Place&) { known(t.service); });
  each(s.expectations, {tree}, "expectations", check,
       [&](const spec::Expectation& e, const Place& own) {
         const auto service = [&](const auto& x) { known(x.service); };
         part(e.availability, own, "availability", check, service);
         part(e.latency, own, "latency", check, service);
       });
}

void check_workloads(const spec::ScenarioFile& s, const Json& tree,
                     const std::vector<std::string_view>& names,
                     const std::vector<std::string_view>& bare, Checker& check) {
  const auto known = [&](std::string_view workload, const std::vector<std::string_view>& all) {
    check.known("workload", workload, "no manifest has a workload", all);
  };
  each(s.apps, {tree}, "apps", check, [&](const spec::AppSpec& app, const Place& own) {
    const Place match = own["match"];
    check.at(match.tree, match.path);
    known(app.match.workload, bare);
  });
  each(s.faults, {tree}, "faults", check, [&](const spec::FaultEntry& f, const Place& own) {
    if (!f.container_crash) return;
    const Place target = own["containerCrash"]["target"];
    check.at(target.tree, target.path);
    known(f.container_crash->target.workload, bare);
  });
  each(s.expectations, {tree}, "expectations", check,
       [&](const spec::Expectation& e, const Place& own) {
         const auto workload = [&](const auto& x) { known(x.workload, names); };
         part(e.recovery, own, "recovery", check, workload);
         part(e.flapping, own, "flapping", check, workload);
       });
}

}  // namespace

void check_scenario(const spec::ScenarioFile& s, const Json& tree, const fs::path& folder,
                    Checker& check) {
  check.at(tree, "");
  // Dates are nanoseconds since 1970 in 64 bits: this leaves room after any likely epoch.
  constexpr sim::Duration kLongest = sim::Duration::hours(876'000);
  if (is_too_long(s.horizon) || parse_duration(s.horizon) > kLongest) {
    check.mismatch("horizon", "at most 876000h (100 years)", s.horizon);
  } else {
    check.duration("horizon", s.horizon);
  }
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

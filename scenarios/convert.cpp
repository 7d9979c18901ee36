#include "scenarios/convert.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "models/api/types/core.h"
#include "scenarios/trace_file.h"
#include "scenarios/units.h"

namespace mainspring::scenarios {

namespace {

// "web" or "shop/web": namespace and name.
std::pair<api::Str, api::Str> qualified(const LoadedScenario& s, std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return {s.spec.namespace_, api::Str(text)};
  return {api::Str(text.substr(0, slash)), api::Str(text.substr(slash + 1))};
}

sim::Distribution distribution(std::string_view text) {
  sim::Distribution d;
  sim::parse_distribution(text, d);
  return d;
}

double number(std::string_view text, double otherwise = 0) {
  return text.empty() ? otherwise : parse_number(text).value_or(otherwise);
}

double share(std::string_view text) {
  return static_cast<double>(parse_probability(text).value_or(0)) * 1e-9;
}

sim::SimTime instant(std::string_view text) { return sim::SimTime() + duration_or_zero(text); }

int64_t milli_or(const api::Quantity& q, int64_t otherwise) {
  return q.is_zero() ? otherwise : q.milli_value();
}
int64_t value_or(const api::Quantity& q, int64_t otherwise) {
  return q.is_zero() ? otherwise : q.value();
}

node::AppRule convert_app(const LoadedScenario& s, const spec::AppSpec& app) {
  api::Ref<node::AppBehavior> b(new node::AppBehavior());
  b->startup = distribution(app.startup);
  b->warmup = distribution(app.warmup);
  b->idle_cpu = node::MicroCores::from_milli(milli_or(app.idle_cpu, 1));
  b->startup_cpu = node::MicroCores::from_milli(milli_or(app.startup_cpu, 200));
  b->base_memory = value_or(app.base_memory, b->base_memory);
  b->memory_per_request = value_or(app.memory_per_request, b->memory_per_request);
  b->leak_per_second = value_or(app.memory_leak_per_second, 0);
  if (!app.run_for.empty()) b->run_for = distribution(app.run_for);
  b->exit_code = app.exit_code;
  b->crash_per_mille = static_cast<int32_t>(nearest_integer(share(app.crash_probability) * 1000));
  b->crash_after = distribution(app.crash_after);
  b->crash_code = app.crash_code.value_or(1);
  b->shutdown = distribution(app.shutdown);
  b->ignores_sigterm = app.ignores_sigterm;
  node::AppRule rule;
  rule.ns = app.match.namespace_.empty() ? s.spec.namespace_ : app.match.namespace_;
  rule.workload = app.match.workload;
  rule.container = app.match.container;
  rule.behavior = b;
  return rule;
}

traffic::RateShape convert_shape(const LoadedScenario& s, const spec::TrafficSpec& t) {
  const double rate = number(t.rate);
  if (t.shape == "Ramp") {
    std::vector<traffic::RatePoint> points;
    for (const spec::ShapePoint& p : t.points) points.push_back({instant(p.at), number(p.rate)});
    return traffic::RateShape::ramp(std::move(points));
  }
  if (t.shape == "Spike") {
    return traffic::RateShape::spike(rate, number(t.peak), instant(t.peak_at),
                                     duration_or_zero(t.ramp_up), duration_or_zero(t.peak_for));
  }
  if (t.shape == "Diurnal") {
    return traffic::RateShape::diurnal(rate, number(t.peak), duration_or_zero(t.peak_at),
                                       duration_or_zero(t.period));
  }
  if (t.shape == "Trace") {
    return traffic::RateShape::trace(read_rate_trace(s, t), number(t.scale, 1));
  }
  return traffic::RateShape::constant(rate);
}

}  // namespace

sim::Duration duration_or_zero(std::string_view text) {
  return parse_duration(text).value_or(sim::Duration());
}

node::NodeFleet::Options convert_fleet(const LoadedScenario& s,
                                       sim::ComponentRef<apiserver::ApiServer> server) {
  node::NodeFleet::Options options;
  options.server = server;
  options.config.download_bytes_per_second =
      parse_bandwidth(s.spec.cluster.registry_bandwidth)
          .value_or(options.config.download_bytes_per_second);
  for (const spec::AppSpec& app : s.spec.apps) options.apps.add(convert_app(s, app));
  for (const spec::ImageSpec& image : s.spec.cluster.images) {
    options.images.set_image({image.name, value_or(image.size, 0), image.missing});
  }
  for (const spec::RegistrySpec& registry : s.spec.cluster.registries) {
    options.images.set_registry({registry.host, registry.private_, registry.username, false});
  }
  return options;
}

cloud::Cloud::Options convert_cloud(const LoadedScenario& s,
                                    sim::ComponentRef<apiserver::ApiServer> server,
                                    sim::ComponentRef<node::NodeFleet> fleet) {
  cloud::Cloud::Options options;
  options.server = server;
  options.fleet = fleet;
  for (const spec::NodePoolSpec& p : s.spec.cluster.node_pools) {
    cloud::NodePool pool;
    pool.name = p.name;
    pool.type.name = p.instance_type;
    pool.type.cpu_milli = milli_or(p.cpu, pool.type.cpu_milli);
    pool.type.memory_bytes = value_or(p.memory, pool.type.memory_bytes);
    pool.type.disk_bytes = value_or(p.disk, pool.type.disk_bytes);
    pool.type.max_pods = p.max_pods.value_or(pool.type.max_pods);
    pool.type.devices = p.devices;
    pool.type.price_per_hour_micros = nearest_integer(number(p.price_per_hour) * 1e6);
    pool.region = p.region;
    if (!p.zones.empty()) pool.zones.assign(p.zones.begin(), p.zones.end());
    pool.initial = p.count.value_or(0);
    pool.boot = distribution(p.boot_time);
    pool.labels = p.labels;
    pool.taints = p.taints;
    options.pools.push_back(std::move(pool));
  }
  return options;
}

namespace {

// A second Service for the same pods (a LoadBalancer beside a ClusterIP, with the same selector)
// behaves as the one that the scenario describes, unless it is described itself.
void add_twins(const LoadedScenario& s, std::vector<traffic::ServiceOptions>& services) {
  struct Known {
    api::Str ns;
    api::Str name;
    const api::StrMap* selector;
  };
  std::vector<Known> known;
  for (const api::ObjectRef& object : s.objects) {
    const auto* service = api::try_as<api::Service>(*object);
    if (!service || service->spec.selector.empty()) continue;
    const api::Str& ns = object->metadata.namespace_;
    known.push_back(
        {ns.empty() ? s.spec.namespace_ : ns, object->metadata.name, &service->spec.selector});
  }
  const auto described = [&](const Known& k) {
    return std::find_if(services.begin(), services.end(),
                        [&](const auto& o) { return o.ns == k.ns && o.name == k.name; });
  };
  for (const Known& twin : known) {
    if (described(twin) != services.end()) continue;
    for (const Known& other : known) {
      if (other.ns != twin.ns || !(*other.selector == *twin.selector)) continue;
      const auto found = described(other);
      if (found == services.end()) continue;
      traffic::ServiceOptions copy = *found;
      copy.name = twin.name;
      services.push_back(std::move(copy));
      break;
    }
  }
}

}  // namespace

traffic::TrafficOptions convert_traffic(const LoadedScenario& s) {
  traffic::TrafficOptions options;
  options.proxy.balancing = s.spec.cluster.service_proxy == "RoundRobin"
                                ? traffic::Balancing::kRoundRobin
                                : traffic::Balancing::kRandom;
  for (const spec::ServiceBehavior& b : s.spec.services) {
    traffic::ServiceOptions service;
    std::tie(service.ns, service.name) = qualified(s, b.service);
    service.cpu = distribution(b.cpu);
    service.latency = distribution(b.latency);
    service.concurrency = b.concurrency.value_or(service.concurrency);
    service.queue = b.queue.value_or(service.queue);
    service.error_rate = share(b.error_rate);
    for (const spec::CallSpec& c : b.calls) {
      traffic::CallOptions call;
      std::tie(call.ns, call.service) = qualified(s, c.service);
      call.probability = share(c.probability);
      call.stage = c.stage;
      call.timeout = duration_or_zero(c.timeout);
      call.retries = c.retries;
      service.calls.push_back(std::move(call));
    }
    options.services.push_back(std::move(service));
  }
  add_twins(s, options.services);
  for (const spec::TrafficSpec& t : s.spec.traffic) {
    traffic::SourceOptions source;
    source.name = t.name.empty() ? t.service : t.name;
    std::tie(source.ns, source.service) = qualified(s, t.service);
    source.timeout = duration_or_zero(t.timeout);
    source.shape = convert_shape(s, t);
    source.from = instant(t.from);
    if (!t.until.empty()) source.until = instant(t.until);
    source.regular = t.regular || t.shape == "Constant";
    options.sources.push_back(std::move(source));
  }
  return options;
}

std::vector<faults::FaultSpec> convert_faults(const LoadedScenario& s) {
  std::vector<faults::FaultSpec> out;
  for (const spec::FaultEntry& f : s.spec.faults) {
    faults::FaultSpec fault;
    fault.name = f.name;
    fault.at = instant(f.at);
    if (f.container_crash) {
      const spec::PodTarget& t = f.container_crash->target;
      fault.kind = "container_crash";
      fault.target.ns = t.namespace_;
      fault.target.workload = t.workload;
      fault.target.pod = t.pod;
      fault.target.container = t.container;
      fault.target.count = t.count.value_or(1);
      fault.exit_code = f.container_crash->exit_code.value_or(1);
    } else if (f.node_crash) {
      fault.kind = "node_crash";
      fault.target.node = f.node_crash->node;
      fault.target.pool = f.node_crash->pool;
      fault.target.zone = f.node_crash->zone;
      fault.target.count = f.node_crash->count.value_or(1);
      fault.duration = duration_or_zero(f.node_crash->duration);
    } else if (f.zone_outage) {
      fault.kind = "zone_outage";
      fault.target.zone = f.zone_outage->zone;
      fault.duration = duration_or_zero(f.zone_outage->duration);
    } else if (f.traffic_spike) {
      fault.kind = "traffic_spike";
      fault.factor_per_mille = nearest_integer(number(f.traffic_spike->factor) * 1000);
      fault.duration = duration_or_zero(f.traffic_spike->duration);
      fault.ramp = duration_or_zero(f.traffic_spike->ramp_up);
      fault.target.traffic = f.traffic_spike->traffic;
    } else {
      continue;
    }
    out.push_back(std::move(fault));
  }
  return out;
}

controllers::Options convert_controllers(const LoadedScenario& s) {
  controllers::Options options;
  if (!s.spec.cluster.control_plane) return options;
  options.node_lifecycle.monitor_grace_period =
      duration_or_zero(s.spec.cluster.control_plane->node_monitor_grace_period);
  return options;
}

autoscaling::Options convert_autoscaling(const LoadedScenario& s) {
  autoscaling::Options options;
  if (!s.spec.cluster.control_plane) return options;
  options.horizontal.sync_period = duration_or_zero(s.spec.cluster.control_plane->hpa_sync_period);
  options.horizontal.downscale_stabilization =
      duration_or_zero(s.spec.cluster.control_plane->hpa_downscale_stabilization);
  return options;
}

}  // namespace mainspring::scenarios

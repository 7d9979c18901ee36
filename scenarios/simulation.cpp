#include "scenarios/simulation.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "models/api/defaulting.h"
#include "models/autoscaling/registry.h"
#include "models/cloud/cloud.h"
#include "models/controllers/registry.h"
#include "models/faults/fault.h"
#include "models/node/node_fleet.h"
#include "models/scheduler/scheduler.h"
#include "models/traffic/request_engine.h"
#include "scenarios/convert.h"
#include "scenarios/kubectl/kubectl_loop.h"
#include "scenarios/samples.h"
#include "scenarios/units.h"
#include "sim/hash.h"

namespace mainspring::scenarios {

namespace {

// Writes "sample.cluster" records.
class Sampler final : public sim::Cloneable<Sampler> {
 public:
  Sampler(sim::ComponentRef<node::NodeFleet> fleet, sim::ComponentRef<cloud::Cloud> cloud)
      : fleet_(fleet), cloud_(cloud) {}
  std::string_view name() const override { return "sampler"; }
  void start(sim::World& world) override {
    world.schedule(sim::Duration(), id(), sim::EventKind(uint16_t{0}));
  }
  void handle(sim::World& world, const sim::Event&) override {
    const node::NodeFleet& fleet = world.get(fleet_);
    ClusterSample sample;
    for (node::NodeIndex n = 0; n < fleet.machine_count(); ++n) {
      if (fleet.state(n) != node::MachineState::kUp) continue;
      sample.cpu_used_milli += fleet.node_cpu_used(n).value / 1000;
      sample.cpu_capacity_milli += fleet.spec(n).cpu_milli;
      sample.memory_used_bytes += fleet.node_memory_used(world, n);
    }
    const cloud::Cloud& cloud = world.get(cloud_);
    sample.cost_micro_usd = cloud.cost_micros(world.now());
    for (cloud::PoolIndex p = 0; p < cloud.pool_count(); ++p) {
      sample.cost_rate_micro_usd_h +=
          cloud.machine_count(p) * cloud.pool(p).type.price_per_hour_micros;
    }
    if (!(sample == last_) || world.now() == sim::SimTime()) {
      world.record("sample.cluster", "", encode_sample(sample));
      last_ = sample;
    }
    world.schedule(kSamplePeriod, id(), sim::EventKind(uint16_t{0}));
  }

 private:
  sim::ComponentRef<node::NodeFleet> fleet_;
  sim::ComponentRef<cloud::Cloud> cloud_;
  ClusterSample last_;
};

apiserver::ApiServer::Options server_options(const LoadedScenario& scenario) {
  apiserver::ApiServer::Options options;
  options.epoch_unix_ns = scenario.epoch_unix_ns;
  if (!scenario.spec.cluster.control_plane) return options;
  const spec::ControlPlaneSpec& c = *scenario.spec.cluster.control_plane;
  options.latency.request = duration_or_zero(c.request_latency);
  options.latency.response = duration_or_zero(c.request_latency);
  options.latency.watch = duration_or_zero(c.watch_latency);
  options.latency.jitter = duration_or_zero(c.latency_jitter);
  options.latency.spread = std::min(options.latency.spread, options.latency.jitter);
  return options;
}

// Objects as the API server will take them: namespaces first, then quotas, which count all that
// comes, then what others refer to.
int creation_rank(api::Kind kind) {
  switch (kind) {
    case api::Kind::Namespace:
      return 0;
    case api::Kind::ResourceQuota:
      return 1;
    case api::Kind::PriorityClass:
    case api::Kind::StorageClass:
    case api::Kind::CSIDriver:
    case api::Kind::ServiceAccount:
    case api::Kind::ConfigMap:
    case api::Kind::Secret:
    case api::Kind::LimitRange:
      return 2;
    default:
      return 3;
  }
}

// A quota admits nothing before its controller has told its status; here it has.
void tell_quota(sim::World& world, apiserver::ApiServer& server, const api::Object& created) {
  const auto& quota = api::as<api::ResourceQuota>(created);
  api::Ref<api::ResourceQuota> told = api::clone(quota);
  told->status.hard = quota.spec.hard;
  for (const auto& [name, hard] : quota.spec.hard) {
    told->status.used.set(name, api::Quantity::of("0"));
  }
  client::Request request;
  request.verb = client::Verb::kUpdateStatus;
  request.kind = quota.kind;
  request.ns = quota.metadata.namespace_;
  request.name = quota.metadata.name;
  request.body = told;
  server.execute(world, request);
}

void create_namespaces(sim::World& world, apiserver::ApiServer& server,
                       const LoadedScenario& scenario) {
  for (const api::Str& name : scenario.spec.cluster.namespaces) {
    api::Ref<api::Namespace> made = api::make<api::Namespace>();
    made->metadata.name = name;
    client::Request request;
    request.verb = client::Verb::kCreate;
    request.kind = made->kind;
    request.body = made;
    server.execute(world, request);  // one that is there already stays
  }
}

// The manifests' objects exist from the start of the run: they were applied at that moment.
std::vector<StartRefusal> create_objects(sim::World& world, apiserver::ApiServer& server,
                                         const LoadedScenario& scenario) {
  std::vector<size_t> order(scenario.objects.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return creation_rank(scenario.objects[a]->kind) < creation_rank(scenario.objects[b]->kind);
  });
  const auto namespace_of = [&](const api::Object& o) {
    return o.metadata.namespace_.empty() ? scenario.spec.namespace_ : o.metadata.namespace_;
  };
  const auto find = [&](const api::Object& o) {
    const bool placed = api::kind_info(o).namespaced;
    return server.store().find(o.kind, placed ? namespace_of(o).view() : "", o.metadata.name);
  };
  create_namespaces(world, server, scenario);
  std::vector<bool> of_the_cluster;
  of_the_cluster.reserve(scenario.objects.size());
  for (const api::ObjectRef& o : scenario.objects) of_the_cluster.push_back(find(*o) != nullptr);
  std::vector<StartRefusal> refused;
  for (const size_t i : order) {
    const api::Object& object = *scenario.objects[i];
    // A file for a program, such as a KubeSchedulerConfiguration, is nothing for the API server.
    const bool nameless = object.metadata.name.empty() && object.metadata.generate_name.empty();
    if (object.kind == api::Kind::Unstructured && nameless) continue;
    client::Request request;
    request.verb = client::Verb::kCreate;
    request.kind = object.kind;
    request.ns = namespace_of(object);
    api::Ref<api::Object> body = api::clone(object);
    body->metadata.resource_version = api::Str();
    request.body = body;
    const client::Outcome outcome = server.execute(world, request);
    if (outcome.ok()) {
      if (object.kind == api::Kind::ResourceQuota) tell_quota(world, server, *outcome.object);
      continue;
    }
    world.record("model.note",
                 fmt::format("{}/{}", api::kind_name_of(object), object.metadata.name.view()),
                 fmt::format("The API server refused it: {}", outcome.message.view()));
    // The store has one name for all kinds that are only kept.
    const api::ObjectRef* there = outcome.already_exists() ? find(object) : nullptr;
    if (there && api::kind_name_of(**there) != api::kind_name_of(object)) continue;
    refused.push_back({i, outcome.message.str(), outcome.not_found(), of_the_cluster[i]});
  }
  return refused;
}

}  // namespace

std::vector<StartRefusal> refused_at_start(const LoadedScenario& scenario) {
  sim::World world(1);
  world.journal().set_storage(sim::JournalStorage::kDigestOnly);
  const auto server = world.add<apiserver::ApiServer>(server_options(scenario));
  world.start();
  return create_objects(world, world.get(server), scenario);
}

Simulation::Simulation(const LoadedScenario& scenario, const RunOptions& options)
    : world_(options.seed.value_or(static_cast<uint64_t>(scenario.spec.seed.value_or(1)))),
      seed_(options.seed.value_or(static_cast<uint64_t>(scenario.spec.seed.value_or(1)))),
      end_(sim::SimTime() + scenario.horizon) {
  if (!options.keep_journal) world_.journal().set_storage(sim::JournalStorage::kDigestOnly);
  server_ = world_.add<apiserver::ApiServer>(server_options(scenario));
  fleet_ = world_.add<node::NodeFleet>(convert_fleet(scenario, server_));
  const auto cloud = world_.add<cloud::Cloud>(convert_cloud(scenario, server_, fleet_));
  const traffic::Traffic traffic =
      traffic::add_traffic(world_, server_, fleet_, convert_traffic(scenario));
  engine_ = traffic.engine;
  world_.add<faults::FaultInjector>(
      faults::FaultInjector::Options{fleet_, cloud, traffic.engine, convert_faults(scenario)});
  world_.add<Sampler>(fleet_, cloud);

  controllers_ = world_.add<apiserver::ControlHost>("kube-controller-manager", server_);
  world_.get(controllers_).set_metrics(fleet_.id());
  std::vector<std::unique_ptr<client::ControlLoop>> loops;
  controllers::register_controllers(loops, convert_controllers(scenario));
  autoscaling::register_autoscalers(loops, convert_autoscaling(scenario));
  for (std::unique_ptr<client::ControlLoop>& loop : loops) {
    world_.get(controllers_).add(std::move(loop));
  }
  scheduler_ = world_.add<apiserver::ControlHost>("kube-scheduler", server_);
  world_.get(scheduler_).add(scheduler::make_scheduler(scenario.scheduler));

  std::vector<KubectlStep> steps;
  for (const TimelineEntry& entry : scenario.timeline) {
    steps.push_back(
        {world_.get(server_).wall(sim::SimTime() + entry.at), entry.command, entry.background});
  }
  kubectl_ = world_.add<apiserver::ControlHost>("kubectl", server_);
  world_.get(kubectl_).add(std::make_unique<KubectlLoop>(std::move(steps)));

  world_.get(cloud).create_initial(world_);
  world_.start();
  create_objects(world_, world_.get(server_), scenario);
}

scheduler::Scheduler& Simulation::scheduler() {
  return dynamic_cast<scheduler::Scheduler&>(*world_.get(scheduler_).find("kube-scheduler"));
}

bool Simulation::run_until(sim::SimTime until) {
  world_.run_until(std::min(until, end_));
  if (world_.now() < end_) return false;
  if (!flushed_) world_.get(engine_).flush(world_);
  flushed_ = true;
  return true;
}

}  // namespace mainspring::scenarios

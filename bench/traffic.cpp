// Requests through a graph of three tiers on machines with pods, everything included: arrivals,
// kube-proxy, network, CPU shares, timeouts, statistics and their records.
//
// ThreeTiers/N: N pods a tier on N/2 machines of 16 cores in three zones; front calls middle calls
// back, one call each; 0.2, 0.3 and 0.2 ms of processor time (exponential); half of the cores are
// busy. The time is that of one user's request, which is three requests to services.
// ThreeTiersThrottled: the same, pods held by CPU limits at 80 % of them.
//
//   build/bin/bench_traffic --benchmark_repetitions=5 --benchmark_report_aggregates_only=true
#include <benchmark/benchmark.h>

#include <string>
#include <string_view>

#include "models/api/codec.h"
#include "models/api/diagnostics.h"
#include "models/api/types/discovery.h"
#include "models/api/yaml.h"
#include "models/node/node_fleet.h"
#include "models/traffic/request_engine.h"

namespace mainspring::traffic {
namespace {

using sim::Duration;
using sim::SimTime;

constexpr std::string_view kTiers[] = {"front", "middle", "back"};

struct Shop {
  Shop(int pods, double rate, const std::string& resources) : world(1) {
    world.journal().set_storage(sim::JournalStorage::kDigestOnly);
    api = world.add<apiserver::ApiServer>(apiserver::ApiServer::Options());
    node::NodeFleet::Options nodes;
    nodes.server = api;
    fleet = world.add<node::NodeFleet>(std::move(nodes));
    TrafficOptions o;
    const double mean[] = {0.2e6, 0.3e6, 0.2e6};
    for (int tier = 0; tier < 3; ++tier) {
      ServiceOptions s;
      s.name = kTiers[tier];
      s.cpu = sim::Distribution::exponential(mean[tier]).as_nanoseconds();
      s.queue = 100'000;
      if (tier < 2) {
        CallOptions c;
        c.service = kTiers[tier + 1];
        s.calls = {c};
      }
      o.services.push_back(s);
    }
    SourceOptions users;
    users.name = "users";
    users.service = "front";
    users.shape = RateShape::constant(rate);
    users.from = SimTime() + Duration::seconds(30);
    o.sources = {users};
    traffic = add_traffic(world, api, fleet, std::move(o));
    const int machines = (pods + 1) / 2;
    for (int i = 0; i < machines; ++i) {
      node::MachineSpec spec;
      spec.name = "n-" + std::to_string(i);
      spec.zone = "zone-" + std::to_string(i % 3);
      spec.cpu_milli = 16'000;
      spec.memory_bytes = 64LL << 30;
      world.get(fleet).add_machine(world, spec, Duration());
    }
    world.start();
    for (const std::string_view tier : kTiers) {
      create("apiVersion: v1\nkind: Service\nmetadata: {name: " + std::string(tier) +
             ", namespace: default}\nspec: {ports: [{port: 80}]}\n");
      for (int i = 0; i < pods; ++i) {
        create("apiVersion: v1\nkind: Pod\nmetadata: {name: " + pod(tier, i) +
               ", namespace: default}\nspec:\n  nodeName: n-" + std::to_string(i % machines) +
               "\n  containers: [{name: c, image: app, resources: " + resources + "}]\n");
      }
    }
    world.run_until(SimTime() + Duration::seconds(25));
    for (const std::string_view tier : kTiers) publish(tier, pods);
    world.run_until(SimTime() + Duration::seconds(32));
  }
  static std::string pod(std::string_view tier, int i) {
    return std::string(tier) + "-" + std::to_string(i);
  }
  void create(api::ObjectRef body) {
    client::Request r;
    r.verb = client::Verb::kCreate;
    r.kind = body->kind;
    r.ns = "default";
    r.body = std::move(body);
    const client::Outcome out = world.get(api).execute(world, r);
    MAINSPRING_CHECK(out.ok(), "{}", out.message.view());
  }
  void create(const std::string& yaml) {
    api::Diagnostics problems;
    for (const api::Json& document : api::read_documents(yaml, 0, &problems)) {
      create(api::decode(document, problems));
    }
  }
  void publish(std::string_view tier, int pods) {
    for (int first = 0; first < pods; first += 100) {
      api::Ref<api::EndpointSlice> slice(new api::EndpointSlice);
      slice->metadata.namespace_ = "default";
      slice->metadata.name = pod(tier, first);
      slice->metadata.labels.set("kubernetes.io/service-name", tier);
      slice->address_type = "IPv4";
      slice->ports.edit().emplace_back().port = 80;
      for (int i = first; i < pods && i < first + 100; ++i) {
        const api::Pod* p = world.get(api).get<api::Pod>("default", pod(tier, i));
        MAINSPRING_CHECK(p && !p->status.pod_ip.empty(), "pod {} {} does not run", tier, i);
        api::Endpoint e;
        e.addresses.push_back(p->status.pod_ip);
        e.conditions.ready = true;
        e.node_name = p->spec.node_name;
        slice->endpoints.push_back(e);
      }
      create(slice);
    }
  }

  sim::World world;
  sim::ComponentRef<apiserver::ApiServer> api;
  sim::ComponentRef<node::NodeFleet> fleet;
  Traffic traffic;
};

void run(benchmark::State& state, double load, const std::string& resources) {
  const auto pods = static_cast<int>(state.range(0));
  // 0.7 ms of processor time a request; machines of 16 cores, one for two pods a tier.
  Shop shop(pods, load * pods / 0.7e-3, resources);
  const RequestEngine& engine = shop.world.get(shop.traffic.engine);
  const auto ended = [&] {
    const Bucket b = engine.totals("source/users").value();
    return static_cast<int64_t>(b.ok + b.failed_total());
  };
  const uint64_t events = shop.world.events_executed();
  const int64_t before = ended();
  // About this many requests an iteration, so that asking the clock costs nothing.
  const Duration slice = Duration::nanos(static_cast<int64_t>(1000 / (load * pods / 0.7e-3) * 1e9));
  for (auto _ : state) shop.world.run_until(shop.world.now() + slice);
  const int64_t requests = ended() - before;
  state.SetItemsProcessed(requests);
  state.counters["events_per_request"] =
      static_cast<double>(shop.world.events_executed() - events) / static_cast<double>(requests);
  state.counters["events"] = benchmark::Counter(
      static_cast<double>(shop.world.events_executed() - events), benchmark::Counter::kIsRate);
  const Bucket total = engine.totals("source/users").value();
  state.counters["ok"] = static_cast<double>(total.ok) / static_cast<double>(total.sent);
  state.counters["p50_ms"] = static_cast<double>(total.latency.quantile(0.5).ns()) * 1e-6;
  state.counters["in_flight"] = static_cast<double>(engine.requests_alive());
}

// Each pod of a tier uses up to 1.3 cores of the machine's 16 with half of them busy.
void ThreeTiers(benchmark::State& state) { run(state, 4, "{}"); }
BENCHMARK(ThreeTiers)->Arg(4)->Arg(30)->Arg(300);

// The middle tier's 0.3 ms at 0.8 / 0.3 per ms is 80 % of its limit of one core.
void ThreeTiersThrottled(benchmark::State& state) {
  run(state, 0.8 * 0.7 / 0.3, "{limits: {cpu: '1'}}");
}
BENCHMARK(ThreeTiersThrottled)->Arg(4)->Arg(30);

}  // namespace
}  // namespace mainspring::traffic

// Runs one scenario of the recorded timelines in Mainspring and prints its timeline in the form of
// the recordings: timeline_runner SCENARIO.json SEED ZERO [NODE...] > timeline.jsonl
//
// ZERO is the wall clock, in milliseconds since 1970, when the scenario's clock is at zero.
// The nodes are those that the recorded scheduler bound pods to, in order: v1.34 breaks ties at
// random, so the simulated one follows it where that node is among the best, and only there.
#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "fake_kubelet.h"
#include "models/api/codec.h"
#include "models/api/diagnostics.h"
#include "models/api/yaml.h"
#include "models/apiserver/api_server.h"
#include "models/apiserver/control_host.h"
#include "models/autoscaling/registry.h"
#include "models/controllers/registry.h"
#include "models/scheduler/scheduler.h"
#include "scenarios/kubectl/kubectl_loop.h"

namespace mainspring::conformance {

namespace {
using api::Json;

constexpr api::Kind kRecorded[] = {api::Kind::Pod,
                                   api::Kind::Node,
                                   api::Kind::Event,
                                   api::Kind::Service,
                                   api::Kind::ReplicaSet,
                                   api::Kind::Deployment,
                                   api::Kind::StatefulSet,
                                   api::Kind::DaemonSet,
                                   api::Kind::Job,
                                   api::Kind::CronJob,
                                   api::Kind::EndpointSlice,
                                   api::Kind::PodDisruptionBudget,
                                   api::Kind::PersistentVolumeClaim,
                                   api::Kind::HorizontalPodAutoscaler,
                                   api::Kind::ResourceQuota,
                                   api::Kind::Namespace};

// Prints what its watches deliver, and stops and starts nodes at their times.
class Recorder final : public sim::Cloneable<Recorder> {
 public:
  Recorder(sim::ComponentRef<apiserver::ApiServer> server, sim::ComponentRef<FakeKubelet> kubelet,
           sim::Duration settle)
      : server_(server), kubelet_(kubelet), settle_(settle) {}
  std::string_view name() const override { return "recorder"; }

  void add_node_step(sim::Duration at, std::string node, bool stop) {
    steps_.push_back(NodeStep{at, std::move(node), stop});
  }

  void start(sim::World& world) override {
    apiserver::ApiServer& server = world.get(server_);
    const apiserver::ClientId client = server.connect("recorder", {0, 0}, {id(), kChange});
    for (const api::Kind kind : kRecorded) server.watch(client, kind, {id(), kChange});
    for (size_t i = 0; i < steps_.size(); ++i) {
      world.schedule(sim::SimTime() + settle_ + steps_[i].at, id(), kNodeStep, i);
    }
  }

  void handle(sim::World& world, const sim::Event& event) override {
    if (event.kind == kNodeStep) {
      const NodeStep& step = steps_[event.a];
      FakeKubelet& kubelet = world.get(kubelet_);
      step.stop ? kubelet.stop_node(step.node) : kubelet.start_node(step.node);
      return;
    }
    const client::WatchEvent change = world.get(server_).take_change(event.b);
    const sim::Duration t = world.now().since_start() - settle_;
    if (t < sim::Duration()) return;
    static constexpr const char* kTypes[] = {"ADDED", "MODIFIED", "DELETED"};
    Json line = Json::object();
    line.set("kind", Json(api::kind_info(*change.object).name));
    line.set("object", api::encode(*change.object));
    line.set("t", Json(static_cast<double>(t.ns() / 100'000) / 10'000.0));
    line.set("type", Json(kTypes[static_cast<size_t>(change.type)]));
    fmt::print("{}\n", api::to_json(line));
  }

 private:
  enum Kind : uint16_t { kChange, kNodeStep };
  struct NodeStep {
    sim::Duration at;
    std::string node;
    bool stop;
  };
  sim::ComponentRef<apiserver::ApiServer> server_;
  sim::ComponentRef<FakeKubelet> kubelet_;
  sim::Duration settle_;
  std::vector<NodeStep> steps_;
};

sim::Duration seconds(const Json& value) {
  return sim::Duration::nanos(static_cast<int64_t>(value.as_double() * 1e9));
}

int run(const std::string& path, uint64_t seed, int64_t zero_ms, std::vector<std::string> chosen) {
  std::ifstream file(path);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  bool ok = false;
  const Json scenario = api::parse_json(text, &ok);
  if (!ok) {
    fmt::print(stderr, "{}: not a scenario\n", path);
    return 3;
  }
  FakeNodes nodes;
  nodes.nodes = static_cast<int>(scenario["nodes"].as_int(6));
  nodes.zones = static_cast<int>(scenario["zones"].as_int(3));
  if (scenario.contains("cpu")) nodes.cpu = scenario["cpu"].as_str().str();
  ScriptedMetrics metrics;
  for (const Json& point : scenario["metrics"]["demand_m"].items()) {
    metrics.demand_milli.emplace_back(seconds(point[0]), point[1].as_int());
  }
  metrics.cap_milli = scenario["metrics"]["cap_m"].as_int(1000);

  sim::World world(seed);
  apiserver::ApiServer::Options options;
  options.epoch_unix_ns = zero_ms * 1'000'000 - nodes.settle.ns();
  options.admission.service_account = false;  // as recorded
  options.service_cidr = "10.0.0.0/16";
  const auto server = world.add<apiserver::ApiServer>(options);
  const auto kubelet = world.add<FakeKubelet>(server, nodes, metrics);
  const auto recorder = world.add<Recorder>(server, kubelet, nodes.settle);

  std::vector<scenarios::KubectlStep> steps;
  for (const Json& step : scenario["steps"].items()) {
    const sim::Duration at = seconds(step["at"]);
    if (step.contains("stop_node") || step.contains("start_node")) {
      const bool stop = step.contains("stop_node");
      world.get(recorder).add_node_step(at, step[stop ? "stop_node" : "start_node"].as_str().str(),
                                        stop);
      continue;
    }
    std::string error;
    auto command = scenarios::parse_kubectl(step["kubectl"].as_view(), error);
    if (!command) {
      fmt::print(stderr, "{}: {}\n", path, error);
      return 3;
    }
    if (step.contains("stdin")) command->documents.push_back(step["stdin"]);
    const api::Time start = world.get(server).wall(sim::SimTime() + nodes.settle + at);
    steps.push_back({start, *command, step["background"].as_bool()});
  }
  const auto kcm = world.add<apiserver::ControlHost>("kube-controller-manager", server);
  world.get(kcm).set_metrics(kubelet.id());
  // The recorded cluster's node monitor passed 0.1 s after every fifth second of the clock.
  world.get(kcm).set_start_delay(sim::Duration::millis(3100));
  std::vector<std::unique_ptr<client::ControlLoop>> loops;
  controllers::register_controllers(loops, {});
  autoscaling::register_autoscalers(loops, {});
  for (auto& loop : loops) world.get(kcm).add(std::move(loop));
  const auto scheduler = world.add<apiserver::ControlHost>("kube-scheduler", server);
  scheduler::SchedulerOptions scheduling;
  scheduling.preferred_nodes = std::move(chosen);
  world.get(scheduler).add(scheduler::make_scheduler(scheduling));
  const auto kubectl = world.add<apiserver::ControlHost>("kubectl", server);
  world.get(kubectl).add(std::make_unique<scenarios::KubectlLoop>(std::move(steps)));

  world.start();
  world.run_until(sim::SimTime() + nodes.settle + seconds(scenario["seconds"]));
  return 0;
}
}  // namespace

}  // namespace mainspring::conformance

namespace {
template <class T>
bool parse(const char* text, T& value) {
  const char* const end = text + std::strlen(text);
  return std::from_chars(text, end, value).ptr == end;
}
}  // namespace

int main(int argc, char** argv) {
  uint64_t seed = 0;
  int64_t zero_ms = 0;
  if (argc < 4 || !parse(argv[2], seed) || !parse(argv[3], zero_ms)) {
    fmt::print(stderr, "usage: timeline_runner SCENARIO.json SEED ZERO [NODE...]\n");
    return 2;
  }
  return mainspring::conformance::run(argv[1], seed, zero_ms,
                                      std::vector<std::string>(argv + 4, argv + argc));
}

#include "models/faults/fault.h"

#include <algorithm>

#include "tests/models/node/cluster.h"

namespace mainspring::faults {
namespace {

using node::Cluster;
using node::MachineState;
using node::NodeIndex;
using node::pod_yaml;
using sim::Duration;
using sim::SimTime;

SimTime at(int64_t s) { return SimTime() + Duration::seconds(s); }

std::vector<std::string> sentences(const sim::World& world) {
  std::vector<std::string> out;
  sim::JournalReader reader(world.journal());
  sim::JournalRecord record;
  while (reader.next(record)) {
    if (record.type.starts_with("fault.")) out.emplace_back(record.payload);
  }
  return out;
}

struct Play : Cluster {
  explicit Play(std::vector<FaultSpec> faults) {
    FaultInjector::Options options;
    options.fleet = fleet;
    traffic::TrafficOptions traffic;
    for (const auto& [name, rate] : {std::pair{"users", 2.0}, std::pair{"robots", 3.0}}) {
      traffic::SourceOptions source;
      source.name = name;
      source.service = "web";
      source.shape = traffic::RateShape::constant(rate);
      traffic.sources.push_back(source);
    }
    engine = traffic::add_traffic(world, api, fleet, traffic).engine;
    options.traffic = engine;
    options.faults = std::move(faults);
    world.add<FaultInjector>(std::move(options));
    for (int i = 1; i <= 4; ++i) {
      node::MachineSpec spec;
      spec.name = "n-" + std::to_string(i);
      spec.zone = i % 2 ? "a" : "b";
      nodes().add_machine(world, spec, Duration());
    }
    start();
    for (int i = 1; i <= 4; ++i) {
      apply(pod_yaml("p" + std::to_string(i), "", "", "n-" + std::to_string(i)));
    }
  }
  sim::ComponentRef<traffic::RequestEngine> engine;
  int up() {
    int n = 0;
    for (NodeIndex i = 0; i < 4; ++i) n += nodes().state(i) == MachineState::kUp;
    return n;
  }
};

FaultSpec fault(std::string_view kind, int64_t s, Duration duration = {}) {
  FaultSpec f;
  f.kind = kind;
  f.name = "test";
  f.at = at(s);
  f.duration = duration;
  return f;
}

TEST(Faults, CrashOneContainer) {
  FaultSpec f = fault("container_crash", 30);
  f.target.pod = "p2";
  f.exit_code = 42;
  Play w({f});
  w.run_to(40);
  EXPECT_EQ(w.nodes().restarts(w.container("p2")), 1);
  EXPECT_EQ(w.nodes().restarts(w.container("p1")), 0);
  EXPECT_EQ(w.pod("p2")->status.container_statuses[0].last_state.terminated->exit_code, 42);
  EXPECT_EQ(sentences(w.world),
            (std::vector<std::string>{"The process in pod p2 crashed with exit code 42."}));
}

TEST(Faults, CrashTwoNodesAtRandomAndBringThemBack) {
  FaultSpec f = fault("node_crash", 30, Duration::seconds(100));
  f.target.count = 2;
  Play w({f});
  w.run_to(31);
  EXPECT_EQ(w.up(), 2);
  w.run_to(129);
  EXPECT_EQ(w.up(), 2);
  w.run_to(195);  // power at 130, and 45 to 60 s to boot
  EXPECT_EQ(w.up(), 4);
  EXPECT_EQ(sentences(w.world).size(), 2u);
}

TEST(Faults, TakeAZoneOutAndBringItBack) {
  FaultSpec f = fault("zone_outage", 30, Duration::seconds(60));
  f.target.zone = "b";
  Play w({f});
  w.run_to(31);
  EXPECT_EQ(w.nodes().state(0), MachineState::kUp);
  EXPECT_EQ(w.nodes().state(1), MachineState::kDown);
  EXPECT_EQ(w.nodes().state(3), MachineState::kDown);
  EXPECT_FALSE(w.nodes().running(w.container("p2")));
  w.run_to(220);
  EXPECT_EQ(w.up(), 4);
  EXPECT_TRUE(w.nodes().running(w.container("p2")));
  EXPECT_EQ(sentences(w.world),
            (std::vector<std::string>{"Zone b went down with 2 nodes.",
                                      "Zone b has power again; its 2 nodes boot."}));
}

TEST(Faults, MultiplyOneSourceOfTraffic) {
  FaultSpec f = fault("traffic_spike", 30, Duration::seconds(60));
  f.factor_per_mille = 10'000;
  f.target.traffic = "users";
  Play w({f});
  traffic::RequestEngine& engine = w.world.get(w.engine);
  const auto rate = [&](traffic::SourceIndex s) { return engine.rate(s, w.world.now()); };
  w.run_to(29);
  EXPECT_EQ(rate(0), 2);
  w.run_to(31);
  EXPECT_EQ(rate(0), 20);
  EXPECT_EQ(rate(1), 3);
  w.run_to(91);
  EXPECT_EQ(rate(0), 2);
  EXPECT_EQ(sentences(w.world), (std::vector<std::string>{"Traffic of users is multiplied by 10.0.",
                                                          "Traffic of users is back to normal."}));
}

TEST(Faults, FailReadinessForAWhile) {
  FaultSpec f = fault("probe_failure", 60, Duration::seconds(60));
  f.target.pod = "probed";
  Play w({f});
  w.apply(pod_yaml("probed", "    readinessProbe: {tcpSocket: {port: 80}}\n"));
  w.run_to(59);
  EXPECT_EQ(w.condition("probed", "Ready"), "True");
  w.run_to(95);  // three failures, 10 s apart
  EXPECT_EQ(w.condition("probed", "Ready"), "False");
  EXPECT_EQ(w.nodes().restarts(w.container("probed")), 0);
  w.run_to(135);
  EXPECT_EQ(w.condition("probed", "Ready"), "True");
}

TEST(Faults, CheckTheirEntries) {
  EXPECT_EQ(find_fault_type("zone_outage")->check(fault("zone_outage", 1)), "zone is required");
  EXPECT_EQ(find_fault_type("traffic_spike")->check(fault("traffic_spike", 1)),
            "duration is required");
  EXPECT_EQ(find_fault_type("earthquake"), nullptr);
  const auto& all = fault_types();
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end(),
                             [](const auto& a, const auto& b) { return a.kind < b.kind; }));
}

}  // namespace
}  // namespace mainspring::faults

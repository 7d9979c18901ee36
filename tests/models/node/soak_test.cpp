// Many things at once, at random: nothing may break, forks and computed beats must agree, and what
// is counted incrementally must equal what a count from scratch gives.
#include <random>

#include "tests/models/node/cluster.h"

namespace mainspring::node {
namespace {

NodeFleet::Options lively(bool eager) {
  NodeFleet::Options o;
  o.config.simulate_every_beat = eager;
  o.images.set_image({"gone:1", 0, true});
  AppBehavior leaky;
  leaky.leak_per_second = 4 << 20;
  o.apps.add({"", "leaky", "", behavior(leaky)});
  AppBehavior crashing;
  crashing.crash_per_mille = 700;
  o.apps.add({"", "crashing", "", behavior(crashing)});
  AppBehavior stubborn;
  stubborn.ignores_sigterm = true;
  stubborn.liveness_fails_after = Duration::seconds(40);
  o.apps.add({"", "stubborn", "", behavior(stubborn)});
  AppBehavior job;
  job.run_for = uniform_seconds(5, 50);
  o.apps.add({"", "job", "", behavior(job)});
  return o;
}

std::string random_pod(std::mt19937_64& random, int number) {
  const auto pick = [&](uint64_t n) { return random() % n; };
  static constexpr const char* kWorkloads[] = {"leaky", "crashing", "stubborn", "job", "plain"};
  const std::string workload = kWorkloads[pick(5)];
  std::string y =
      "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p" + std::to_string(number) +
      "\n  ownerReferences: [{apiVersion: apps/v1, kind: StatefulSet, name: " + workload +
      ", uid: u, controller: true}]\nspec:\n  nodeName: n-" + std::to_string(1 + pick(3)) +
      "\n  terminationGracePeriodSeconds: " + std::to_string(pick(12)) + "\n";
  if (pick(3) == 0) y += "  restartPolicy: " + std::string(pick(2) ? "Never" : "OnFailure") + "\n";
  if (pick(4) == 0) y += "  activeDeadlineSeconds: 60\n";
  if (pick(3) == 0) {
    y += "  initContainers:\n  - {name: i, image: a:1}\n";
    if (pick(2)) y += "  - {name: s, image: a:1, restartPolicy: Always}\n";
  }
  y += "  containers:\n  - name: c\n    image: " + std::string(pick(10) ? "a:1" : "gone:1") + "\n";
  y += "    resources: {requests: {cpu: " + std::to_string(50 + pick(300)) +
       "m}, limits: {memory: 200Mi}}\n";
  if (pick(2)) {
    y += "    livenessProbe: {tcpSocket: {port: 1}, periodSeconds: " + std::to_string(1 + pick(9)) +
         "}\n";
  }
  if (pick(2)) {
    y +=
        "    readinessProbe: {tcpSocket: {port: 1}, periodSeconds: " + std::to_string(1 + pick(9)) +
        ", successThreshold: " + std::to_string(1 + pick(2)) + "}\n";
  }
  if (pick(3) == 0) y += "    startupProbe: {tcpSocket: {port: 1}, periodSeconds: 2}\n";
  if (pick(3) == 0) y += "    lifecycle: {preStop: {sleep: {seconds: 3}}}\n";
  if (pick(3) == 0) y += "  - {name: d, image: b:1}\n";
  return y;
}

// One random act; the same for the same state of `random`.
void act(Cluster& k, std::mt19937_64& random, int& made) {
  const auto pick = [&](uint64_t n) { return random() % n; };
  NodeFleet& nodes = k.nodes();
  const auto any = [&] { return "p" + std::to_string(pick(static_cast<uint64_t>(made) + 1)); };
  const uint64_t what = pick(20);
  if (what < 6) {
    k.apply(random_pod(random, made++));
  } else if (what < 9) {
    k.remove(any());
  } else if (what == 9) {
    k.remove(any(), 0);
  } else if (what == 10) {
    nodes.crash(k.world, static_cast<NodeIndex>(pick(3)), "soak");
  } else if (what == 11) {
    nodes.recover(k.world, static_cast<NodeIndex>(pick(3)), Duration::seconds(5));
  } else if (what == 12) {
    nodes.crash_container(k.world, k.container(any()), 9);
  } else if (what == 13) {
    const uint64_t how = pick(3);
    nodes.force_probe(k.world, k.container(any()), static_cast<ProbeKind>(pick(3)),
                      how == 2 ? std::nullopt : std::optional<bool>(how == 1));
  } else if (what < 17) {
    nodes.set_demand(k.world, k.container(any()),
                     MicroCores::from_milli(static_cast<int64_t>(pick(4000))));
  } else {
    nodes.set_in_flight(k.world, k.container(any()), static_cast<int64_t>(pick(700)));
  }
}

void check(Cluster& k) {
  NodeFleet& nodes = k.nodes();
  for (NodeIndex n = 0; n < nodes.machine_count(); ++n) {
    ASSERT_LE(nodes.node_cpu_used(n), MicroCores::from_milli(nodes.spec(n).cpu_milli));
    int64_t memory = 0;
    for (const PodHandle p : nodes.pods()) {
      if (nodes.node_of(p) != n) continue;
      for (const ContainerHandle c : nodes.containers(p)) {
        memory += nodes.memory(k.world, c);
        if (nodes.running(c)) {
          ASSERT_EQ(nodes.state(n), MachineState::kUp);
        } else {
          ASSERT_EQ(nodes.memory(k.world, c), 0);
          ASSERT_EQ(nodes.rate(c), MicroCores{});
        }
      }
    }
    ASSERT_EQ(nodes.node_memory_used(k.world, n), memory);
  }
  for (const PodHandle p : nodes.pods()) {
    const std::string_view ip = nodes.object(p).status.pod_ip;
    if (ip.empty()) continue;
    const PodHandle found = nodes.pod_at(ip);
    ASSERT_TRUE(!found.valid() || nodes.alive(found));
  }
}

std::vector<std::string> records(const sim::World& world) {
  std::vector<std::string> out;
  sim::JournalReader reader(world.journal());
  sim::JournalRecord r;
  while (reader.next(r)) {
    out.push_back(std::to_string(r.at.ns()) + " " + std::string(r.type) + " " + std::string(r.key) +
                  " " + std::string(r.payload));
  }
  return out;
}

void soak(Cluster& k, uint64_t seed, int acts) {
  for (int n = 1; n <= 3; ++n) k.add_node("n-" + std::to_string(n), 2000, 3LL << 30);
  k.start();
  std::mt19937_64 random(seed);
  int made = 0;
  for (int i = 0; i < acts; ++i) {
    k.run_for(Duration::millis(static_cast<int64_t>(random() % 6000)));
    act(k, random, made);
    if (::testing::Test::HasFatalFailure()) return;
    check(k);
    if (::testing::Test::HasFatalFailure()) return;
  }
}

class Soak : public ::testing::TestWithParam<uint64_t> {};

TEST_P(Soak, KeepsItsBooksAndAgreesWithSimulatedBeats) {
  Cluster lazy(lively(false));
  soak(lazy, GetParam(), 400);
  if (HasFatalFailure()) return;
  Cluster eager(lively(true));
  soak(eager, GetParam(), 400);
  const std::vector<std::string> a = records(lazy.world);
  const std::vector<std::string> b = records(eager.world);
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) ASSERT_EQ(a[i], b[i]) << i;
  EXPECT_EQ(a.size(), b.size());
  sim::World fork = lazy.world;
  lazy.run_for(Duration::minutes(10));
  fork.run_until(lazy.world.now());
  EXPECT_EQ(fork.journal().digest_hex(), lazy.world.journal().digest_hex());
}

INSTANTIATE_TEST_SUITE_P(Seeds, Soak, ::testing::Range<uint64_t>(1, 7));

TEST(SoakEnd, EverythingGoesWhenEverythingIsDeleted) {
  Cluster k(lively(false));
  soak(k, 99, 200);
  for (NodeIndex n = 0; n < 3; ++n) k.nodes().recover(k.world, n, Duration::seconds(1));
  k.run_for(Duration::seconds(60));
  std::vector<std::string> names;
  for (const api::ObjectRef& o : k.server().store().list(api::Kind::Pod)) {
    names.push_back(o->metadata.name.str());
  }
  for (const std::string& name : names) k.remove(name);
  k.run_for(Duration::minutes(2));
  EXPECT_EQ(k.server().store().size(api::Kind::Pod), 0u);
  EXPECT_TRUE(k.nodes().pods().empty());
  for (NodeIndex n = 0; n < 3; ++n) {
    EXPECT_EQ(k.nodes().pods_on(n), 0u);
    EXPECT_EQ(k.nodes().node_memory_used(k.world, n), 0);
    EXPECT_EQ(k.nodes().node_cpu_used(n), MicroCores{});
  }
}

}  // namespace
}  // namespace mainspring::node

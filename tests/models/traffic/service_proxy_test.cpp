#include "models/traffic/service_proxy.h"

#include <set>

#include "tests/models/traffic/town.h"

namespace mainspring::traffic {
namespace {

// A town without users that follows service "web": 20 nodes, the pods on the first.
struct Proxies : Town {
  explicit Proxies(TrafficOptions o = options(), std::string_view spec = "") : Town(std::move(o)) {
    for (int i = 0; i < 20; ++i) add_node("n-" + std::to_string(i));
    world.start();
    service("web", spec);
    for (const std::string name : {"a", "b", "c"}) pod(name, "n-0");
    run_to(20);
    web = proxy().service("default", "web");
  }
  static TrafficOptions options() {
    TrafficOptions o;
    o.services = {behavior("web", constant_ms(1))};
    return o;
  }
  // How many endpoints each node uses.
  size_t seen(node::NodeIndex n) { return proxy().endpoints(world, n, web)->size(); }
  size_t nodes_that_see(size_t endpoints_count) {
    size_t n = 0;
    for (node::NodeIndex i = 0; i < 20; ++i) n += seen(i) == endpoints_count;
    return n;
  }
  ServiceIndex web = 0;
};

// A change after a quiet time is programmed as soon as it is known: watch 2 to 3 ms, the node's
// own lag up to 10 ms, writing the rules 30 to 70 ms.
TEST(ServiceProxy, FirstChangeComesAtOnceNodeByNode) {
  Proxies t;
  t.endpoints("web", {"a", "b"});
  t.run_to(20.031);
  EXPECT_EQ(t.nodes_that_see(0), 20u);
  t.run_to(20.05);
  EXPECT_GT(t.nodes_that_see(2), 0u);
  EXPECT_GT(t.nodes_that_see(0), 0u);
  t.run_to(20.084);
  EXPECT_EQ(t.nodes_that_see(2), 20u);
}

// A change right after another waits until the last run is a second old.
TEST(ServiceProxy, NextChangeWaitsForTheSecondToPass) {
  Proxies t;
  t.endpoints("web", {"a", "b"});
  t.run_to(20.2);
  EXPECT_EQ(t.nodes_that_see(2), 20u);
  t.endpoints("web", {"a"});
  t.run_to(20.5);
  t.endpoints("web", {"a", "b", "c"});
  t.run_to(21.06);
  EXPECT_EQ(t.nodes_that_see(2), 20u);
  // Both changes in one run: nobody ever uses one endpoint.
  for (double s = 21.06; s < 21.3; s += 0.005) {
    t.run_to(s);
    EXPECT_EQ(t.nodes_that_see(1), 0u);
  }
  EXPECT_EQ(t.nodes_that_see(3), 20u);
}

// What a node uses does not depend on when somebody asked it.
TEST(ServiceProxy, AskingChangesNothing) {
  Proxies asked, quiet;
  for (Proxies* t : {&asked, &quiet}) {
    for (int i = 0; i < 12; ++i) {
      t->run_to(21 + i * 0.3);
      t->endpoints("web",
                   i % 2 == 0 ? std::vector<std::string>{"a"} : std::vector<std::string>{"a", "b"});
      if (t == &asked) t->nodes_that_see(1);
    }
    t->run_to(24.9);
  }
  for (node::NodeIndex n = 0; n < 20; ++n) EXPECT_EQ(asked.seen(n), quiet.seen(n)) << n;
}

TEST(ServiceProxy, DrainingEndpointsCountOnlyWhenNoneIsReady) {
  Proxies t;
  t.endpoints("web", {"a"}, {"b"});
  t.run_to(25);
  EXPECT_EQ(t.seen(3), 1u);
  t.endpoints("web", {}, {"b", "c"});
  t.run_to(30);
  EXPECT_EQ(t.seen(3), 2u);
  t.endpoints("web", {});
  t.run_to(35);
  EXPECT_EQ(t.seen(3), 0u);
  EXPECT_EQ(t.proxy().pick(t.world, 3, t.web, 42, 1), nullptr);
}

TEST(ServiceProxy, NodesThatWereNotAskedForLongHaveEverything) {
  Proxies t;
  t.endpoints("web", {"a"});
  EXPECT_EQ(t.seen(0), 0u);
  for (int i = 0; i < 50; ++i) {
    t.run_to(30 + i * 5);
    t.endpoints("web", i % 2 == 0 ? std::vector<std::string>{"a", "b"}
                                  : std::vector<std::string>{"a", "b", "c"});
  }
  t.run_to(300);
  EXPECT_EQ(t.nodes_that_see(3), 20u);
}

TEST(ServiceProxy, RemovedEndpointStillGetsRequestsForAWhile) {
  TrafficOptions o = Proxies::options();
  o.sources = {users("web", 1000, 30, 31)};
  o.sources[0].regular = true;
  Proxies t(o);
  t.endpoints("web", {"a", "b"});
  t.run_to(30.5);
  t.endpoints("web", {"a"});
  t.run_to(40);
  // b got half of 500, and half of those within 32 to 83 ms (each node at its own time).
  const auto b = static_cast<double>(t.engine().load(t.container("b")).served);
  EXPECT_GT(b, 250 + 16 - 3 * 12);
  EXPECT_LT(b, 250 + 42 + 3 * 12);
  EXPECT_EQ(t.source().ok, t.source().sent);
}

TEST(ServiceProxy, RoundRobinGoesInTurn) {
  TrafficOptions o = Proxies::options();
  o.proxy.balancing = Balancing::kRoundRobin;
  Proxies t(o);
  t.endpoints("web", {"a", "b", "c"});
  t.run_to(25);
  std::vector<uint32_t> slots;
  for (int i = 0; i < 6; ++i) {
    slots.push_back(t.proxy().pick(t.world, 5, t.web, 99, 1)->container.slot);
  }
  EXPECT_EQ(std::set<uint32_t>(slots.begin(), slots.begin() + 3).size(), 3u);
  EXPECT_TRUE(std::equal(slots.begin(), slots.begin() + 3, slots.begin() + 3));
}

TEST(ServiceProxy, AffinityKeepsAClientAtItsEndpoint) {
  Proxies t(Proxies::options(), "  sessionAffinity: ClientIP\n");
  t.endpoints("web", {"a", "b", "c"});
  t.run_to(25);
  std::set<uint32_t> used;
  std::vector<uint32_t> chosen;
  for (uint64_t client = 0; client < 30; ++client) {
    chosen.push_back(t.proxy().pick(t.world, 5, t.web, client * 7, client)->container.slot);
    EXPECT_EQ(t.proxy().pick(t.world, 9, t.web, 1, client)->container.slot, chosen.back());
    used.insert(chosen.back());
  }
  EXPECT_EQ(used.size(), 3u);
  // Without c only its clients move.
  const uint32_t c = t.container("c").slot;
  t.endpoints("web", {"a", "b"});
  t.run_to(30);
  for (uint64_t client = 0; client < 30; ++client) {
    const uint32_t now = t.proxy().pick(t.world, 5, t.web, 1, client)->container.slot;
    EXPECT_TRUE(now == chosen[client] || chosen[client] == c);
  }
}

TEST(ServiceProxy, LoadBalancerNoticesADeadNodeLater) {
  Proxies t(Proxies::options(), "  type: LoadBalancer\n");
  const auto entered = [&](node::NodeIndex n) {
    for (uint64_t i = 0; i < 20; ++i) {
      if (t.proxy().entry_node(t.web, i * (UINT64_MAX / 20)) == n) return true;
    }
    return false;
  };
  EXPECT_TRUE(entered(7));
  t.fleet().crash(t.world, 7, "test");
  t.run_to(34);
  EXPECT_TRUE(entered(7));
  t.run_to(36);
  EXPECT_FALSE(entered(7));
}

}  // namespace
}  // namespace mainspring::traffic

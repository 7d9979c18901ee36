#include "models/cloud/cloud.h"

#include <gtest/gtest.h>

namespace mainspring::cloud {
namespace {

using node::MachineState;
using sim::Duration;
using sim::SimTime;

struct World {
  explicit World(std::vector<NodePool> pools) : world(3) {
    api = world.add<apiserver::ApiServer>(apiserver::ApiServer::Options{});
    node::NodeFleet::Options options;
    options.server = api;
    fleet = world.add<node::NodeFleet>(std::move(options));
    cloud = world.add<Cloud>(Cloud::Options{api, fleet, std::move(pools), true});
    world.get(cloud).create_initial(world);
    world.start();
  }
  Cloud& c() { return world.get(cloud); }
  node::NodeFleet& f() { return world.get(fleet); }
  const api::Node* node(std::string_view name) { return world.get(api).get<api::Node>({}, name); }
  sim::World world;
  sim::ComponentRef<apiserver::ApiServer> api;
  sim::ComponentRef<node::NodeFleet> fleet;
  sim::ComponentRef<Cloud> cloud;
};

NodePool pool(int32_t initial) {
  NodePool p;
  p.name = "main";
  p.initial = initial;
  p.zones = {"a", "b", "c"};
  p.type.price_per_hour_micros = 200'000;  // 20 cents
  return p;
}

TEST(Cloud, DealsTheFirstMachinesToTheZones) {
  World w({pool(4)});
  w.world.run_until(SimTime() + Duration::seconds(1));
  EXPECT_EQ(w.f().spec(0).zone, "a");
  EXPECT_EQ(w.f().spec(1).zone, "b");
  EXPECT_EQ(w.f().spec(2).zone, "c");
  EXPECT_EQ(w.f().spec(3).zone, "a");
  ASSERT_TRUE(w.node("main-4"));
  EXPECT_EQ(*w.node("main-4")->metadata.labels.find("topology.kubernetes.io/zone"), "a");
  EXPECT_EQ(*w.node("main-4")->metadata.labels.find("node.kubernetes.io/instance-type"),
            "standard-4");
}

TEST(Cloud, BootsAMachineWhereFewestAre) {
  World w({pool(4)});
  w.world.run_until(SimTime() + Duration::seconds(1));
  const node::NodeIndex n = w.c().create_machine(w.world, 0);
  EXPECT_EQ(w.f().spec(n).zone, "b");
  w.world.run_until(SimTime() + Duration::seconds(40));
  EXPECT_FALSE(w.node("main-5"));
  EXPECT_EQ(w.f().state(n), MachineState::kBooting);
  w.world.run_until(SimTime() + Duration::seconds(72));
  ASSERT_TRUE(w.node("main-5"));
  const auto ready = [&] {
    for (const api::NodeCondition& c : w.node("main-5")->status.conditions) {
      if (c.type == "Ready") return c.status == "True";
    }
    return false;
  };
  EXPECT_FALSE(w.world.now() < SimTime() + Duration::seconds(60) && ready());
  w.world.run_until(SimTime() + Duration::seconds(90));
  EXPECT_TRUE(ready());
}

TEST(Cloud, BillsMachinesFromOrderToReturn) {
  World w({pool(2)});
  w.world.run_until(SimTime() + Duration::hours(1));
  EXPECT_EQ(w.c().cost_micros(w.world.now()), 400'000);
  const node::NodeIndex n = w.c().create_machine(w.world, 0);
  w.world.run_until(SimTime() + Duration::hours(2));
  EXPECT_EQ(w.c().cost_micros(w.world.now()), 400'000 + 600'000);
  w.c().delete_machine(w.world, n);
  w.world.run_until(SimTime() + Duration::hours(3));
  EXPECT_EQ(w.f().state(n), MachineState::kGone);
  const int64_t cost = w.c().cost_micros(w.world.now());
  EXPECT_GT(cost, 1'400'000);
  EXPECT_LT(cost, 1'400'000 + 200'000 * 91 / 3600);  // it took up to 90 s to go
  EXPECT_EQ(w.c().machine_count(0), 2);
}

TEST(Cloud, DeletesTheNodeOfAMachineThatIsGoneOnceItIsNotReady) {
  World w({pool(1)});
  w.world.run_until(SimTime() + Duration::seconds(1));
  w.c().delete_machine(w.world, 0);
  w.world.run_until(SimTime() + Duration::minutes(3));
  ASSERT_TRUE(w.node("main-1"));  // nobody has marked it yet
  client::Request r;
  r.verb = client::Verb::kUpdateStatus;
  r.kind = api::Kind::Node;
  r.name = "main-1";
  api::Ref<api::Node> body = api::clone(*w.node("main-1"));
  for (api::NodeCondition& c : body->status.conditions.edit()) c.status = "Unknown";
  r.body = body;
  ASSERT_TRUE(w.world.get(w.api).execute(w.world, r).ok());
  w.world.run_until(w.world.now() + Duration::seconds(6));
  EXPECT_FALSE(w.node("main-1"));
}

TEST(Cloud, HasNoMachinesForAZoneThatIsDown) {
  World w({pool(3)});
  w.c().set_zone_down("a", true);
  EXPECT_EQ(w.c().create_machine(w.world, 0, "a"), node::kNoNode);
  EXPECT_EQ(w.f().spec(w.c().create_machine(w.world, 0)).zone, "b");
  w.c().set_zone_down("a", false);
  EXPECT_NE(w.c().create_machine(w.world, 0, "a"), node::kNoNode);
}

}  // namespace
}  // namespace mainspring::cloud

#include "models/traffic/request_engine.h"

#include <cmath>
#include <map>

#include "sim/journal.h"
#include "tests/models/traffic/town.h"

namespace mainspring::traffic {
namespace {

// `n` regular requests of users, one every 100 ms from 30 s on, for service "web".
SourceOptions ten_a_second(int n) {
  SourceOptions s = users("web", 10, 30, 30 + n * 0.1 - 0.05);
  s.regular = true;
  return s;
}

TEST(Requests, LatencyIsNetworkThereAndBackAndProcessorTime) {
  TrafficOptions o;
  o.services = {behavior("web", constant_ms(3))};
  o.services[0].latency = constant_ms(4);
  o.sources = {ten_a_second(20)};
  Town town(o);
  // Of type ClusterIP: users are clients on a node; the only node has the pod.
  settle_web(town, 1);
  town.run_to(40);
  EXPECT_EQ(town.source().ok, 20u);
  // 2 x 50 us + 3 ms + 4 ms
  EXPECT_EQ(town.source().latency.min(), Duration::micros(7100));
  EXPECT_EQ(town.source().latency.max(), Duration::micros(7100));
}

TEST(Requests, UsersOutsideAreFurtherAway) {
  TrafficOptions o;
  o.services = {behavior("web", constant_ms(3))};
  o.sources = {ten_a_second(20)};
  Town town(o);
  settle_web(town, 1, "{}", "  type: LoadBalancer\n");
  town.run_to(40);
  // 2 x (1 ms + 50 us) + 3 ms
  EXPECT_EQ(town.source().latency.max(), Duration::micros(5100));
}

TEST(Requests, ServiceWithoutEndpointsRefuses) {
  TrafficOptions o;
  o.services = {behavior("web", constant_ms(3))};
  o.sources = {ten_a_second(20)};
  Town town(o);
  town.add_node("n-1");
  town.world.start();
  town.service("web");
  town.run_to(40);
  EXPECT_EQ(town.source().sent, 20u);
  EXPECT_EQ(failed(town.source(), Failure::kRefused), 20u);
}

TEST(Requests, MissingServiceRefuses) {
  TrafficOptions o;
  o.sources = {ten_a_second(5)};
  Town town(o);
  town.add_node("n-1");
  town.world.start();
  town.run_to(40);
  EXPECT_EQ(failed(town.source(), Failure::kRefused), 5u);
}

TEST(Requests, ErrorRateIsTheShareOfErrors) {
  TrafficOptions o;
  o.services = {behavior("web", constant_ms(1))};
  o.services[0].error_rate = 0.1;
  o.sources = {users("web", 1000, 30, 40)};
  Town town(o);
  settle_web(town, 1);
  town.run_to(45);
  const Bucket b = town.source();
  // 10,000 draws of 10 %: standard deviation 30.
  EXPECT_NEAR(static_cast<double>(failed(b, Failure::kError)), 0.1 * static_cast<double>(b.sent),
              90);
  EXPECT_EQ(b.ok + failed(b, Failure::kError), b.sent);
}

// One worker of 1 s, room for two in the queue: of five requests within half a second the first
// runs, two wait, two are turned away.
TEST(Requests, FullQueueTurnsAway) {
  TrafficOptions o;
  o.services = {behavior("web", constant_ms(1000))};
  o.services[0].concurrency = 1;
  o.services[0].queue = 2;
  o.sources = {ten_a_second(5)};
  Town town(o);
  settle_web(town, 1);
  town.run_to(30.45);
  EXPECT_EQ(town.engine().load(town.container("web-0")).queued, 2);
  EXPECT_EQ(failed(town.source(), Failure::kOverload), 2u);
  town.run_to(40);
  EXPECT_EQ(town.source().ok, 3u);
}

// Stage 0: a and b side by side, 20 and 30 ms; stage 1: c, 5 ms. Then 2 ms of its own before:
// 2 + max(20, 30) + 5 = 37 ms and 0.1 ms of network for each of the three steps.
TEST(Requests, CallsOfAStageRunSideBySide) {
  TrafficOptions o;
  o.services = {behavior("web", constant_ms(2)), behavior("a", constant_ms(20)),
                behavior("b", constant_ms(30)), behavior("c", constant_ms(5))};
  o.services[0].calls = {call("c", 1), call("a"), call("b")};
  o.sources = {ten_a_second(10)};
  Town town(o);
  town.add_node("n-1");
  town.world.start();
  for (const std::string name : {"web", "a", "b", "c"}) {
    town.service(name);
    town.pod(name + "-0", "n-1");
  }
  town.run_to(20);
  for (const std::string name : {"web", "a", "b", "c"}) town.endpoints(name, {name + "-0"});
  town.run_to(40);
  EXPECT_EQ(town.source().ok, 10u);
  EXPECT_EQ(town.source().latency.max(), Duration::micros(37'300));
  EXPECT_EQ(town.total("service/default/b").ok, 10u);
}

// web calls slow (300 ms) with a timeout of 100 ms and two retries: each request makes three
// attempts, all time out, and web answers with an error after 300 ms. The attempts run to their
// end all the same: each burns 300 ms.
TEST(Requests, TimeoutsAndRetriesAddUp) {
  TrafficOptions o;
  o.network = no_network();
  o.services = {behavior("web", constant_ms(0)), behavior("slow", constant_ms(300))};
  o.services[0].calls = {call("slow")};
  o.services[0].calls[0].timeout = Duration::millis(100);
  o.services[0].calls[0].retries = 2;
  o.sources = {ten_a_second(10)};
  Town town(o);
  settle_web(town, 1);
  town.service("slow");
  town.pod("slow-0", "n-1");
  town.run_to(28);
  town.endpoints("slow", {"slow-0"});
  const auto used = [&] {
    return town.fleet().cpu_used(town.world, town.container("slow-0")).to_seconds();
  };
  town.run_to(29.99);
  const double before = used();
  town.run_to(40);
  const Bucket slow = town.total("service/default/slow");
  EXPECT_EQ(slow.sent, 30u);
  EXPECT_EQ(slow.retries, 20u);
  EXPECT_EQ(failed(slow, Failure::kTimeout), 30u);
  EXPECT_EQ(slow.in_flight, 0u);
  EXPECT_EQ(failed(town.source(), Failure::kError), 10u);
  EXPECT_NEAR(used() - before, 30 * 0.3, 0.001);
  EXPECT_EQ(town.engine().requests_alive(), 0u);
}

TEST(Requests, UsersGiveUpAfterTheirTimeout) {
  TrafficOptions o;
  o.services = {behavior("web", constant_ms(400))};
  o.sources = {ten_a_second(10)};
  o.sources[0].timeout = Duration::millis(300);
  Town town(o);
  settle_web(town, 1);
  town.run_to(30.29);
  EXPECT_EQ(town.source().in_flight, 3u);
  town.run_to(30.35);
  EXPECT_EQ(failed(town.source(), Failure::kTimeout), 1u);
  town.run_to(40);
  EXPECT_EQ(failed(town.source(), Failure::kTimeout), 10u);
  EXPECT_EQ(town.engine().load(town.container("web-0")).served, 10u);
}

// A container that ends resets what it works on and what waits in its queue; a retry that meets
// the restarting container is refused.
TEST(Requests, EndOfAContainerResetsItsRequests) {
  TrafficOptions o;
  o.services = {behavior("web", constant_ms(1000))};
  o.services[0].concurrency = 2;
  o.sources = {ten_a_second(10)};
  Town town(o);
  settle_web(town, 1);
  town.run_to(30.45);
  EXPECT_EQ(town.engine().load(town.container("web-0")).in_flight, 5);
  town.fleet().crash_container(town.world, town.container("web-0"), 1);
  town.run_to(30.46);
  EXPECT_EQ(failed(town.source(), Failure::kReset), 5u);
  town.run_to(40);
  EXPECT_EQ(failed(town.source(), Failure::kReset), 5u);
  EXPECT_EQ(failed(town.source(), Failure::kRefused), 5u);
  EXPECT_EQ(town.engine().requests_alive(), 0u);
}

// When the machine dies nobody sends resets: callers wait for their timeouts.
TEST(Requests, EndOfAMachineLeavesCallersWaiting) {
  TrafficOptions o;
  o.services = {behavior("front", constant_ms(0)), behavior("web", constant_ms(200))};
  o.services[0].calls = {call("web")};
  o.services[0].calls[0].timeout = Duration::seconds(2);
  o.sources = {ten_a_second(10)};
  o.sources[0].service = "front";
  o.sources[0].from = at_seconds(60);
  o.sources[0].until = at_seconds(60.95);
  Town town(o);
  town.add_node("n-2");
  settle_web(town, 1);
  town.service("front");
  town.pod("front-0", "n-2");
  town.run_to(50);
  town.endpoints("front", {"front-0"});
  town.run_to(60.55);
  const uint64_t before = town.source().ok;
  town.fleet().crash(town.world, 1, "test");
  town.run_to(61.9);
  EXPECT_EQ(town.source().ok, before);
  EXPECT_EQ(town.source().in_flight, 10 - before);
  town.run_to(70);
  EXPECT_EQ(failed(town.total("service/default/web"), Failure::kTimeout), 10 - before);
  EXPECT_EQ(failed(town.source(), Failure::kError), 10 - before);
  EXPECT_EQ(town.engine().requests_alive(), 0u);
}

TEST(Requests, DeletedPodServesUntilItEnds) {
  node::AppBehavior app;
  TrafficOptions o;
  o.services = {behavior("web", constant_ms(5))};
  o.sources = {users("web", 100, 30, 40)};
  Town town(o, 7, app);
  settle_web(town, 2);
  town.run_to(32);
  town.remove_pod("web-0");
  town.run_to(32.05);
  town.endpoints("web", {"web-1"});
  town.run_to(45);
  const Bucket b = town.source();
  // It ends within 0.3 s; until the node has the new endpoints, half of the users meet it.
  const uint64_t lost = failed(b, Failure::kReset) + failed(b, Failure::kRefused);
  EXPECT_EQ(b.ok + lost, b.sent);
  EXPECT_LT(lost, 20u);
}

// Equal pods get equal shares: 30,000 requests for 10 pods, standard deviation of each share
// sqrt(30000 * 0.1 * 0.9) = 52.
TEST(Requests, PodsGetEqualShares) {
  for (const Balancing balancing : {Balancing::kRandom, Balancing::kRoundRobin}) {
    TrafficOptions o;
    o.proxy.balancing = balancing;
    o.services = {behavior("web", constant_ms(1))};
    o.sources = {users("web", 1000, 30, 60)};
    Town town(o);
    settle_web(town, 10);
    town.run_to(65);
    const double share = static_cast<double>(town.source().sent) / 10;
    for (int i = 0; i < 10; ++i) {
      const auto served = static_cast<double>(
          town.engine().load(town.container("web-" + std::to_string(i))).served);
      EXPECT_NEAR(served, share, balancing == Balancing::kRandom ? 200 : 1);
    }
  }
}

TEST(Requests, SpikeMultipliesTheRate) {
  TrafficOptions o;
  o.services = {behavior("web", constant_ms(1))};
  o.sources = {users("web", 100, 30, 1000)};
  Town town(o);
  settle_web(town, 1);
  town.run_to(40);
  const uint64_t first = town.source().sent;
  EXPECT_NEAR(static_cast<double>(first), 1000, 4 * 32);
  const SourceIndex s = town.engine().find_source("users").value();
  town.engine().set_factor(town.world, s, 10, Duration());
  town.run_to(50);
  const uint64_t second = town.source().sent;
  EXPECT_NEAR(static_cast<double>(second - first), 10'000, 400);
  town.engine().set_factor(town.world, s, 0, Duration());
  town.run_to(60);
  EXPECT_EQ(town.source().sent, second);
  town.engine().set_factor(town.world, s, 1, Duration());
  town.run_to(70);
  EXPECT_NEAR(static_cast<double>(town.source().sent - second), 1000, 4 * 32);
}

// A web of services with everything in it, for the tests below.
TrafficOptions busy() {
  TrafficOptions o;
  o.services = {behavior("front", exponential_ms(2)), behavior("web", exponential_ms(5))};
  o.services[0].latency = exponential_ms(1);
  o.services[0].error_rate = 0.01;
  o.services[0].calls = {call("web"), call("web", 1)};
  o.services[0].calls[0].timeout = Duration::millis(40);
  o.services[0].calls[0].retries = 1;
  o.services[0].calls[1].probability = 0.5;
  o.services[1].concurrency = 4;
  o.services[1].queue = 8;
  o.sources = {users("front", 300, 30, 60)};
  o.sources[0].timeout = Duration::millis(200);
  return o;
}

void settle_busy(Town& town) {
  settle_web(town, 3, "{limits: {cpu: 700m}}");
  town.service("front");
  town.pod("front-0", "n-1");
  town.pod("front-1", "n-1");
  town.run_to(28);
  town.endpoints("front", {"front-0", "front-1"});
}

TEST(Requests, NothingIsLostOrCountedTwice) {
  Town town(busy());
  settle_busy(town);
  town.run_to(35);
  town.fleet().crash_container(town.world, town.container("web-1"), 1);
  town.run_to(45);
  town.fleet().crash_container(town.world, town.container("front-0"), 1);
  town.run_to(50);
  town.engine().check_conservation();
  EXPECT_GT(town.engine().requests_alive(), 0u);
  town.run_to(70);
  town.engine().check_conservation();
  EXPECT_EQ(town.engine().requests_alive(), 0u);
  const Bucket b = town.source();
  EXPECT_EQ(b.sent, b.ok + b.failed_total());
  EXPECT_GT(failed(b, Failure::kTimeout), 0u);
  EXPECT_GT(failed(b, Failure::kError), 0u);
  EXPECT_GT(failed(b, Failure::kReset), 0u);
  EXPECT_GT(failed(town.total("service/default/web"), Failure::kOverload), 0u);
  EXPECT_GT(town.total("service/default/web").retries, 0u);
}

TEST(Requests, ForksGoTheSameWay) {
  Town town(busy());
  settle_busy(town);
  town.run_to(45);
  sim::World fork = town.world;
  town.world.run_until(at_seconds(70));
  fork.run_until(at_seconds(70));
  EXPECT_EQ(fork.execution_hash(), town.world.execution_hash());
  EXPECT_EQ(fork.journal().digest_hex(), town.world.journal().digest_hex());
  EXPECT_EQ(fork.get(town.traffic.engine).totals("source/users"),
            town.engine().totals("source/users"));
}

TEST(Requests, AForkWithASpikeLeavesTheOriginalAlone) {
  Town a(busy()), b(busy());
  settle_busy(a);
  settle_busy(b);
  a.run_to(45);
  b.run_to(45);
  sim::World fork = a.world;
  fork.get(a.traffic.engine).set_factor(fork, 0, 5, Duration());
  fork.run_until(at_seconds(50));
  a.run_to(60);
  b.run_to(60);
  EXPECT_EQ(a.world.journal().digest_hex(), b.world.journal().digest_hex());
  EXPECT_GT(fork.get(a.traffic.engine).totals("source/users")->sent, a.source().sent);
}

TEST(Buckets, JournalHasOneRecordForEachBucketInWhichAnythingHappened) {
  Town town(busy());
  settle_busy(town);
  town.run_to(100);
  std::map<std::string, Bucket> sums;
  std::map<std::string, int> records;
  sim::JournalReader reader(town.world.journal());
  sim::JournalRecord record;
  while (reader.next(record)) {
    if (record.type != kBucketRecord) continue;
    Bucket b;
    ASSERT_TRUE(decode(record.payload, b));
    EXPECT_EQ(b.width, Duration::seconds(1));
    EXPECT_EQ(b.begin.ns() % 1'000'000'000, 0);
    EXPECT_EQ(record.at, b.begin + b.width);
    sums[std::string(record.key)].merge(b);
    ++records[std::string(record.key)];
  }
  ASSERT_EQ(sums.size(), 3u);
  for (const auto& [key, sum] : sums) EXPECT_EQ(sum, town.total(key)) << key;
  // From 30 s to 60 s, and what is left over then.
  EXPECT_GE(records["source/users"], 30);
  EXPECT_LE(records["source/users"], 32);
}

TEST(Requests, MemoryOfRequestsIsToldToTheMachine) {
  TrafficOptions o;
  o.services = {behavior("web", constant_ms(10'000))};
  o.services[0].concurrency = 1000;
  o.sources = {users("web", 100, 30, 31)};
  o.sources[0].timeout = Duration::minutes(10);
  Town town(o);
  settle_web(town, 1);
  const int64_t before = town.fleet().memory(town.world, town.container("web-0"));
  town.run_to(31.5);
  const auto n = static_cast<int64_t>(town.source().in_flight);
  EXPECT_GT(n, 50);
  // 256 KiB each, told in steps of 1 MiB.
  const int64_t more = town.fleet().memory(town.world, town.container("web-0")) - before;
  EXPECT_GE(more, n * (256 << 10));
  EXPECT_LT(more, n * (256 << 10) + (1 << 20));
}

}  // namespace
}  // namespace mainspring::traffic

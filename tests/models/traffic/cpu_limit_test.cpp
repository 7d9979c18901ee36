// Requests in pods with a CPU limit: tables by hand. The quota's periods of 100 ms are counted from
// the start of the process; times below are in milliseconds from the beginning of a period.
#include "tests/models/traffic/town.h"

namespace mainspring::traffic {
namespace {

// When the process of web-0 starts in a town with these resources.
SimTime process_start(std::string_view resources) {
  Town town(TrafficOptions{});
  town.add_node("n-1");
  town.world.start();
  town.service("web");
  town.pod("web-0", "n-1", resources);
  while (!town.fleet().running(town.container("web-0"))) EXPECT_TRUE(town.world.step());
  return town.world.now();
}

struct Burst {
  std::string limit = "200m";
  double work_ms = 1;
  int requests = 1;
  int64_t first_ms = 0;    // when the first arrives
  double interval_ms = 1;  // between them
  int users = 1;           // send at the same time
  int concurrency = 64;
};

struct Outcome {
  std::vector<double> latencies_ms;  // of the answers, in their order
  Duration throttled;
  int64_t periods = 0;
};

Outcome run(const Burst& burst) {
  const std::string resources = "{limits: {cpu: " + burst.limit + "}}";
  const SimTime begin = process_start(resources) + Duration::seconds(40);
  TrafficOptions o;
  o.network = no_network();
  o.services = {behavior("web", constant_ms(burst.work_ms))};
  o.services[0].concurrency = burst.concurrency;
  const double rate = 1000 / burst.interval_ms;
  for (int i = 0; i < burst.users; ++i) {
    SourceOptions s = users("web", rate, 0, 0);
    s.name = "users-" + std::to_string(i);
    s.regular = true;
    s.timeout = Duration::hours(1);
    const auto interval = Duration::nanos(static_cast<int64_t>(burst.interval_ms * 1e6));
    s.from = begin + Duration::millis(burst.first_ms);
    s.until = s.from + interval * burst.requests - interval / 2;
    o.sources.push_back(s);
  }
  Town town(std::move(o));
  settle_web(town, 1, resources);
  const node::ContainerHandle c = town.container("web-0");
  const node::NodeFleet& fleet = town.fleet();
  town.world.run_until(begin - Duration::millis(1));
  // The start of the process may have been held back.
  const Duration throttled = fleet.throttled(town.world, c);
  const int64_t periods = fleet.throttled_periods(town.world, c);
  Outcome out;
  std::vector<uint64_t> ok(static_cast<size_t>(burst.users), 0);
  std::vector<Duration> sum(static_cast<size_t>(burst.users));
  while (town.world.now() < begin + Duration::seconds(5) && town.world.step()) {
    for (size_t i = 0; i < ok.size(); ++i) {
      const Bucket b = town.total("source/users-" + std::to_string(i));
      for (; ok[i] < b.ok; ++ok[i]) {
        const Duration total = b.latency.mean() * static_cast<int64_t>(b.ok);
        out.latencies_ms.push_back((total - sum[i]).to_seconds() * 1e3);
        sum[i] = total;
      }
    }
  }
  out.throttled = fleet.throttled(town.world, c) - throttled;
  out.periods = fleet.throttled_periods(town.world, c) - periods;
  return out;
}

void expect_latencies(const Outcome& out, const std::vector<double>& expected) {
  ASSERT_EQ(out.latencies_ms.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(out.latencies_ms[i], expected[i], 0.001) << i;
  }
}

TEST(CpuLimit, ALoneRequestWithinTheQuotaRunsAtFullSpeed) {
  for (const std::string limit : {"10m", "200m", "'4'"}) {
    const Outcome out = run({.limit = limit, .work_ms = 1, .first_ms = 30});
    expect_latencies(out, {1});
    EXPECT_EQ(out.periods, 0);
  }
}

TEST(CpuLimit, ALoneRequestBeyondTheQuotaStandsStill) {
  // 30 to 50, 100 to 120, 200 to 205.
  const Outcome out = run({.limit = "200m", .work_ms = 45, .first_ms = 30});
  expect_latencies(out, {175});
  EXPECT_EQ(out.throttled, Duration::millis(50 + 80));
  EXPECT_EQ(out.periods, 2);
  // 90 to 120: the quotas of two periods without a stop.
  expect_latencies(run({.limit = "200m", .work_ms = 30, .first_ms = 90}), {30});
}

TEST(CpuLimit, BackToBackRequestsShareTheQuotaOfAPeriod) {
  // Arrivals at 0, 8, 16, 24, 32, 40; they end at 8, 16, 104, 112, 120, 208.
  const Outcome out =
      run({.limit = "200m", .work_ms = 8, .requests = 6, .interval_ms = 8, .concurrency = 1});
  expect_latencies(out, {8, 8, 88, 88, 88, 168});
}

TEST(CpuLimit, TwoRequestsAtOnceUnderALimitOfOneCoreRunHalfOfTheTime) {
  // 0 to 50, 100 to 150, 200 to 225 on two cores.
  const Outcome out = run({.limit = "'1'", .work_ms = 125, .users = 2});
  expect_latencies(out, {225, 225});
  EXPECT_EQ(out.throttled, Duration::millis(100));
}

TEST(CpuLimit, OfferedMoreThanTheLimitAPodServesExactlyTheLimit) {
  TrafficOptions o;
  o.network = no_network();
  o.services = {behavior("web", constant_ms(1))};
  o.services[0].queue = 1'000'000;
  o.services[0].concurrency = 8;
  o.sources = {users("web", 500, 30, 60)};
  o.sources[0].timeout = Duration::hours(1);
  Town town(std::move(o));
  settle_web(town, 1, "{limits: {cpu: 200m}}");
  const auto used = [&] { return town.fleet().cpu_used(town.world, town.container("web-0")); };
  town.run_to(40);
  const uint64_t ok = town.source().ok;
  const Duration before = used();
  town.run_to(50);
  EXPECT_EQ(used() - before, Duration::seconds(2));
  // 20 ms a period on 8 cores: the last ones under way end with the next period.
  EXPECT_NEAR(static_cast<double>(town.source().ok - ok), 2000, 8);
}

// Load well below the limit, in requests that are short beside the quota, is not slowed down.
TEST(CpuLimit, ShortRequestsAtHalfOfTheLimitTakeTheirProcessorTime) {
  TrafficOptions o;
  o.network = no_network();
  o.services = {behavior("web", exponential_ms(1))};
  o.sources = {users("web", 250, 30, 60)};
  Town town(std::move(o));
  settle_web(town, 1, "{limits: {cpu: 500m}}");
  town.run_to(70);
  EXPECT_NEAR(mean_ms(town.source()), 1, 0.05);
}

TEST(CpuLimit, AForkWithinAStopGoesTheSameWay) {
  TrafficOptions o;
  o.services = {behavior("web", exponential_ms(5))};
  o.sources = {users("web", 100, 30, 60)};
  Town town(std::move(o));
  settle_web(town, 1, "{limits: {cpu: 400m}}");
  town.run_to(40);
  const auto stopped = [&] {
    const node::ContainerHandle c = town.container("web-0");
    return town.engine().load(c).running > 0 && town.fleet().rate(c) == node::MicroCores{};
  };
  while (!stopped()) ASSERT_TRUE(town.world.step());
  town.world.run_until(town.world.now() + Duration::millis(1));
  ASSERT_TRUE(stopped());
  sim::World fork = town.world;
  town.run_to(70);
  fork.run_until(at_seconds(70));
  EXPECT_EQ(fork.execution_hash(), town.world.execution_hash());
  EXPECT_EQ(fork.journal().digest_hex(), town.world.journal().digest_hex());
}

}  // namespace
}  // namespace mainspring::traffic

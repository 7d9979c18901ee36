// Pods against queueing theory. Network latency is zero, so that what users wait for is waiting and
// service alone. Traffic starts at 30 s, when the pods are long ready.
#include <cmath>

#include "tests/models/traffic/town.h"

namespace mainspring::traffic {
namespace {

// Users at `rate` of one pod, as many as make about `requests`.
Bucket run(ServiceOptions service, double rate, double requests, int64_t node_milli = 64'000) {
  TrafficOptions o;
  o.network = no_network();
  service.queue = 1'000'000;
  o.services = {std::move(service)};
  o.sources = {users("web", rate, 30, 30 + requests / rate)};
  o.sources[0].timeout = Duration::hours(1);
  Town town(std::move(o));
  settle_web(town, 1, "{}", "", node_milli);
  town.run_to(30 + requests / rate + 60);
  const Bucket b = town.source();
  EXPECT_NEAR(static_cast<double>(b.sent), requests, 4 * std::sqrt(requests));
  EXPECT_EQ(b.ok, b.sent);
  return b;
}

// The asymptotic standard deviation of the mean of n waiting times in M/M/1 is
// sqrt(rho (2 + 5 rho - 4 rho^2 + rho^3) / n) / (mu (1 - rho)^2) (Whitt 1989): with rho 0.7, mu
// 1/ms and n 300,000, 0.033 ms. The bounds are three of them: 99.7 %.
TEST(Queueing, OneWorkerIsMM1) {
  ServiceOptions s = behavior("web", exponential_ms(1));
  s.concurrency = 1;
  const Bucket b = run(s, 700, 300'000);
  // 1 / (mu - lambda) = 1 / 0.3 = 3.333 ms
  EXPECT_NEAR(mean_ms(b), 3.333, 0.10);
  // Sojourn times are exponential: the median is ln 2 of the mean, p99 is ln 100.
  EXPECT_NEAR(static_cast<double>(b.latency.quantile(0.5).ns()) * 1e-6, 3.333 * 0.6931, 0.12);
  EXPECT_NEAR(static_cast<double>(b.latency.quantile(0.99).ns()) * 1e-6, 3.333 * 4.6052, 0.9);
}

TEST(Queueing, ConstantServiceTimeIsMD1) {
  ServiceOptions s = behavior("web", constant_ms(1));
  s.concurrency = 1;
  // Service 1 ms, waiting rho / (2 mu (1 - rho)) = 0.7 / 0.6 = 1.1667 ms. Less variable than M/M/1.
  EXPECT_NEAR(mean_ms(run(s, 700, 300'000)), 2.1667, 0.05);
}

TEST(Queueing, WorkersOnTheirOwnCoresAreMMc) {
  ServiceOptions s = behavior("web", exponential_ms(1));
  s.concurrency = 4;
  const double a = 2.8;  // offered load, in cores
  // Erlang C: the chance to wait.
  double sum = 0, term = 1;
  for (int k = 0; k < 4; ++k) {
    sum += term;
    term *= a / (k + 1);
  }
  const double last = term * 4 / (4 - a);
  const double wait = last / (sum + last) / (4 - a);
  EXPECT_NEAR(wait, 0.3572, 0.001);
  EXPECT_NEAR(mean_ms(run(s, 2800, 400'000)), 1 + wait, 0.03);
}

// On one core, requests that run side by side share it: processor sharing, whose mean sojourn time
// 1 / (mu - lambda) does not depend on the distribution of the service time.
TEST(Queueing, OneCoreIsProcessorSharing) {
  ServiceOptions s = behavior("web", exponential_ms(1));
  s.concurrency = 1'000'000;
  EXPECT_NEAR(mean_ms(run(s, 700, 300'000, 1000)), 3.333, 0.10);
  s.cpu = constant_ms(1);
  EXPECT_NEAR(mean_ms(run(s, 700, 300'000, 1000)), 3.333, 0.10);
}

// Two pods on a machine of one core, one with three times the other's request: they get shares of
// 3 to 1 while both want the whole core.
TEST(Queueing, PodsShareAMachineByTheirRequests) {
  TrafficOptions o;
  o.network = no_network();
  o.services = {behavior("big", constant_ms(10)), behavior("small", constant_ms(10))};
  for (const std::string_view name : {"big", "small"}) {
    SourceOptions s = users(name, 300, 30, 60);
    s.name = name;
    s.timeout = Duration::hours(1);
    o.sources.push_back(s);
  }
  for (ServiceOptions& s : o.services) {
    s.queue = 1'000'000;
    s.concurrency = 4;  // little is half done at the end
  }
  Town town(std::move(o));
  town.add_node("n-1", 1000);
  town.world.start();
  town.service("big");
  town.service("small");
  town.pod("big-0", "n-1", "{requests: {cpu: 300m}}");
  town.pod("small-0", "n-1", "{requests: {cpu: 100m}}");
  town.run_to(20);
  town.endpoints("big", {"big-0"});
  town.endpoints("small", {"small-0"});
  town.run_to(60);
  const auto big = static_cast<double>(town.total("source/big").ok);
  const auto small = static_cast<double>(town.total("source/small").ok);
  // 30 s of one core at 10 ms a request.
  EXPECT_NEAR(big + small, 3000, 100);
  EXPECT_NEAR(big / small, 3, 0.1);
}

}  // namespace
}  // namespace mainspring::traffic

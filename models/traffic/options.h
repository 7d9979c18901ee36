// What a scenario says about users and services, as plain values: how each service behaves, whom
// it calls, who sends requests, how far apart things are. The loader fills it in; add_traffic()
// (request_engine.h) makes components of it.
//
// Units: virtual time; rates in requests per second; probabilities from 0 to 1.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "models/api/value.h"
#include "models/node/types.h"
#include "sim/distributions.h"
#include "sim/time.h"

namespace mainspring::traffic {

enum class Balancing : uint8_t {
  kRandom,      // uniform for each connection: kube-proxy's iptables and nftables modes
  kRoundRobin,  // in turn, by each node for itself: its ipvs mode
};

// kube-proxy on every node. Source: pkg/proxy/runner/bounded_frequency_runner.go and
// minSyncPeriod 1 s: a change is programmed at once, unless the last run ended less than a second
// ago; then at the end of that second, with all that came meanwhile.
struct ProxyOptions {
  Balancing balancing = Balancing::kRandom;
  sim::Duration min_sync = sim::Duration::seconds(1);
  // From the proxy's watch event to the node's own, on top of the API server's watch latency.
  node::Delay watch_lag{sim::Duration(), sim::Duration::millis(10)};
  // One run: writing the rules. Typical of iptables with few services; seconds with thousands.
  node::Delay programming{sim::Duration::millis(30), sim::Duration::millis(40)};
  // A load balancer outside the cluster stops sending to a dead node after this long (three health
  // checks, 5 s apart), and takes up one that came back.
  sim::Duration balancer_detection = sim::Duration::seconds(15);
};

// One way, between two endpoints. Typical figures of public clouds.
struct NetworkLatency {
  sim::Duration same_node = sim::Duration::micros(50);
  sim::Duration same_zone = sim::Duration::micros(250);
  sim::Duration cross_zone = sim::Duration::millis(1);
  // Users outside to the node they reach; only for Services of type NodePort or LoadBalancer.
  sim::Duration external = sim::Duration::millis(1);
};

// A call that a request makes to another service after its own processor time.
struct CallOptions {
  api::Str ns = "default";
  api::Str service;
  double probability = 1;
  int32_t stage = 0;  // calls of one stage run side by side; stages one after another
  sim::Duration timeout = sim::Duration::seconds(1);  // of each attempt; above 0
  int32_t retries = 0;  // attempts after the first, at once, after any kind of failure
};

struct ServiceOptions {
  api::Str ns = "default";
  api::Str name;
  // Processor time of one request, on one thread.
  sim::Distribution cpu = sim::Distribution::exponential(2e6).as_nanoseconds();
  // Time of one request that needs no processor.
  sim::Distribution latency = sim::Distribution::constant(sim::Duration());
  int32_t concurrency = 64;  // requests that a pod works on at once
  int32_t queue = 1024;      // that wait for it; beyond it they are refused (overload)
  double error_rate = 0;     // share that fails for reasons of its own
  std::vector<CallOptions> calls;
};

// A rate over time: straight lines between points, the last one held; before the first one zero.
// Two points at one time are a jump. With a period, the points (from 0 to the period) repeat.
struct RatePoint {
  sim::SimTime at;
  double rate = 0;
};
struct RateShape {
  std::shared_ptr<const std::vector<RatePoint>> points;
  sim::Duration period;  // zero: does not repeat

  static RateShape constant(double rate);
  static RateShape ramp(std::vector<RatePoint> points);
  // `base`, from `begin` on climbing to `peak` within `ramp`, there for `hold`, and down again.
  static RateShape spike(double base, double peak, sim::SimTime begin, sim::Duration ramp,
                         sim::Duration hold);
  // A sine between `low` and `high`, at the top at `top` and every `period` from there. In 96
  // straight lines: within 0.06 % of the amplitude.
  static RateShape diurnal(double low, double high, sim::Duration top, sim::Duration period);
  // Each rate, times `scale`, holds until the next row.
  static RateShape trace(const std::vector<RatePoint>& rows, double scale = 1);

  double at(sim::SimTime t) const;
};

// Users who send requests.
struct SourceOptions {
  api::Str name;
  api::Str ns = "default";
  api::Str service;
  sim::Duration timeout = sim::Duration::seconds(10);
  RateShape shape;
  sim::SimTime from;
  sim::SimTime until = sim::SimTime::max();
  bool regular = false;  // at equal distances (by integral of the rate), not a Poisson process
};

struct TrafficOptions {
  std::vector<ServiceOptions> services;
  std::vector<SourceOptions> sources;
  ProxyOptions proxy;
  NetworkLatency network;
  sim::Duration bucket = sim::Duration::seconds(1);  // width of the statistics' buckets
  // Counts every request at the end of each bucket and compares; for tests and debugging.
  bool check_conservation = false;
};

// What is wrong, in words, and which entry it is about: "services[2]", "traffic[0]", or empty.
struct Problem {
  std::string entry;
  std::string text;
};
// All that is wrong with the options. Services that are called without being listed are not wrong:
// they behave by default.
std::vector<Problem> validate(const TrafficOptions& options);

}  // namespace mainspring::traffic

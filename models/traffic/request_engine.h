// Requests as events: users send them, services work on them, call each other, time out, retry.
//
// A request (one attempt of one call) travels to a pod (network latency), waits in the pod's queue
// if `concurrency` others are there, burns its processor time, spends its extra latency, makes its
// calls stage by stage, and is answered. Requests that burn processor time in one container share,
// equally and never above one core each, what the node's CPU model gives that container; the
// engine tells the node how many want to run, and hears of changes of the rate. A container that
// ends resets its requests; one whose machine died leaves them to their callers' timeouts.
//
// Cost: three events a hop (arrival at the pod, processor time done, answer), one for an arrival of
// a user, one now and then for timeouts; O(log of requests running in the pod); no allocation once
// the slabs have grown.
//
// Determinism: draws from "traffic.request", keyed by the user's request and the path of calls, so
// that a request needs the same work whatever else happens; arrivals.h has the sources' own.
// Not modelled: README.md has the list.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/node/node_fleet.h"
#include "models/traffic/arrivals.h"
#include "models/traffic/bucket.h"
#include "models/traffic/options.h"
#include "models/traffic/service_proxy.h"
#include "sim/world.h"

namespace mainspring::traffic {

using SourceIndex = uint32_t;  // in order of TrafficOptions::sources

class RequestEngine final : public sim::Cloneable<RequestEngine> {
 public:
  struct Options {
    sim::ComponentRef<node::NodeFleet> fleet;
    sim::ComponentRef<ServiceProxy> proxy;
    TrafficOptions traffic;
  };

  explicit RequestEngine(Options options);
  std::string_view name() const override { return "traffic"; }
  void start(sim::World& world) override;
  void handle(sim::World& world, const sim::Event& event) override;

  // --- faults and tests -----------------------------------------------------------------------
  std::optional<SourceIndex> find_source(std::string_view name) const;
  size_t source_count() const { return sources_.size(); }
  std::string_view source_name(SourceIndex s) const { return sources_[s].name; }
  // From now on the rate of a source goes to `factor` times that of its shape, in a straight line
  // over `ramp`.
  void set_factor(sim::World& world, SourceIndex source, double factor, sim::Duration ramp);
  // Offered now, requests per second.
  double rate(SourceIndex source, sim::SimTime t) const {
    return sources_[source].arrivals.rate(t);
  }

  // --- statistics -----------------------------------------------------------------------------
  // One series for each service and each source; key as in bucket.h.
  size_t series_count() const { return series_.size(); }
  std::string_view series_key(size_t i) const { return series_[i].key; }
  // Since the start of the run, up to now; nothing: no such series.
  std::optional<Bucket> totals(std::string_view key) const;
  // Requests at a container: running, waiting for others, and in its queue.
  struct Load {
    int64_t in_flight = 0;
    int64_t running = 0;  // burning processor time
    int64_t queued = 0;
    uint64_t served = 0;  // answered since the container was first used, with whatever outcome
  };
  Load load(node::ContainerHandle container) const;
  // Writes the records of a bucket that is not over yet; call it at the end of a run. Should the
  // run go on, a second record of that bucket has the rest.
  void flush(sim::World& world);
  // Counts the requests in memory and compares with the series. Throws InvariantBroken.
  void check_conservation() const;
  size_t requests_alive() const { return alive_; }

  // For NodeFleet's listener.
  static constexpr uint16_t kContainerChanged = 100;
  static constexpr uint16_t kRatesChanged = 101;

 private:
  friend struct Traffic add_traffic(sim::World& world,
                                    sim::ComponentRef<apiserver::ApiServer> server,
                                    sim::ComponentRef<node::NodeFleet> fleet,
                                    TrafficOptions options);
  static constexpr uint32_t kNone = UINT32_MAX;

  enum EventKind : uint16_t {
    kArrival,      // a = source: a user sends
    kDeliver,      // a = request, c = its stamp: it reaches the pod
    kCpuDone,      // a = backend: its first request may be done
    kLatencyDone,  // a = request, c = its stamp
    kAnswer,       // a = request, c = its stamp: the answer reaches the caller
    kTimeouts,     // a = index of the deadline list
    kBucketEnd,
  };

  enum class State : uint8_t {
    kFree,
    kTravelling,
    kQueued,
    kRunning,   // burns processor time
    kLatency,   // spends its extra latency
    kCalling,   // waits for its calls
    kAnswered,  // the answer travels
    kLost,      // nobody will answer
  };

  // How a request ended: 0 well, else 1 + Failure.
  using Result = uint8_t;
  static constexpr Result kOk = 0;
  static constexpr Result result_of(Failure f) {
    return static_cast<Result>(1 + static_cast<uint8_t>(f));
  }

  struct alignas(64) Request {
    State state = State::kFree;
    Result result = kOk;
    uint8_t attempt = 0;
    uint8_t path = 0;         // of the network: index into lanes_
    bool waited_for = false;  // its caller waits: it is in a deadline list
    bool fails = false;       // drawn: it will answer with an error
    uint16_t next_call = 0;   // the first of its service's calls that is not made
    uint32_t generation = 0;  // of the slot
    uint32_t stamp = 0;       // of its pending event
    uint32_t link = 0;        // what it is an attempt of
    uint32_t backend = kNone;
    uint32_t parent = kNone;
    uint32_t parent_generation = 0;
    uint32_t pending = 0;  // calls of the present stage without outcome
    uint32_t deadline_prev = kNone, deadline_next = kNone;
    uint32_t peer_prev = kNone, peer_next = kNone;  // requests of the same backend
    sim::SimTime sent;
    // The second cache line is for the way to the pod and the work there.
    uint64_t key = 0;  // of its draws
    int64_t work = 0;  // processor time, ns
    sim::Duration latency;
    node::ContainerHandle target;
    node::NodeIndex node = node::kNoNode;  // it goes to
    uint32_t queue_next = kNone;
  };

  // What is left of a request when it has ended.
  struct Call {
    uint32_t parent;
    uint32_t parent_generation;
    uint32_t link;
    uint8_t attempt;
  };
  static Call call_of(const Request& q) {
    return {q.parent, q.parent_generation, q.link, q.attempt};
  }

  // Something that sends requests to a service: a call of a service, or a source.
  struct Link {
    ServiceIndex service = 0;  // of this engine's services_
    uint32_t source = kNone;   // for users
    double probability = 1;
    uint64_t salt = 0;  // makes the keys of the calls of one request differ
    uint32_t deadlines = 0;
    uint16_t stage = 0;
    uint8_t retries = 0;
    sim::Duration timeout;
  };
  // Requests with the same timeout, in order of their deadlines, one event for the first.
  struct DeadlineList {
    sim::Duration timeout;
    uint32_t first = kNone, last = kNone;
    bool armed = false;
  };
  struct Service {
    api::Str ns;
    api::Str name;
    ServiceIndex proxy_index = 0;
    uint32_t series = 0;
    uint32_t link_begin = 0, link_end = 0;  // its calls, by stage
    int32_t concurrency = 64;
    int32_t queue = 1024;
    double error_rate = 0;
    bool has_latency = false;
    bool works = true;  // needs processor time
    sim::Distribution cpu;
    sim::Distribution latency;
  };
  struct Source {
    api::Str name;
    uint32_t link = 0;
    uint32_t series = 0;
    uint64_t key = 0;
    uint64_t sent = 0;
    ArrivalProcess arrivals;
    sim::EventId event;
  };
  // One container that serves.
  struct Running {
    int64_t finish;  // in the backend's virtual time
    uint64_t order;  // of equal finishes
    uint32_t request;
    bool before(const Running& o) const {
      return finish != o.finish ? finish < o.finish : order < o.order;
    }
  };
  struct Backend {
    node::ContainerHandle container;
    node::NodeIndex node = node::kNoNode;
    bool accepts = false;
    int64_t demand_cap = INT64_MAX;  // millionths of a core: more makes no difference
    int64_t demand = 0;              // as told to the node
    int64_t told_finish = 0;         // of the first to finish, when the node was told
    int64_t rate = 0;                // what the requests get
    // Virtual time: processor time that each running request got, 1/64 ns.
    int64_t clock = 0;
    sim::SimTime clock_at;
    uint64_t starts = 0;
    uint64_t served = 0;
    sim::SimTime due = sim::SimTime::max();  // of the event
    sim::EventId event;
    std::vector<Running> running;  // heap, first to finish in front
    int32_t working = 0;           // requests that hold a slot: running, in latency, calling
    int32_t queued = 0;
    uint32_t queue_first = kNone, queue_last = kNone;
    uint32_t first = kNone;       // all its requests
    int64_t reported_memory = 0;  // requests in flight as told to the node
    int64_t memory_step = 1;
    int64_t in_flight() const { return int64_t{working} + queued; }
    void unlink_all() {
      running.clear();
      working = queued = 0;
      queue_first = queue_last = first = kNone;
    }
  };
  struct Series {
    std::string key;
    sim::TextId text;
    bool dirty = false;  // something happened in the bucket
    Bucket now;
    Bucket total;  // of the buckets before
  };

  uint32_t add_service(const ServiceOptions& options);
  uint32_t find_service(const api::Str& ns, const api::Str& name);
  uint32_t deadline_list(sim::Duration timeout);
  uint32_t add_series(std::string key);

  // requests
  uint32_t new_request();
  void free_request(uint32_t r);
  void arrival(sim::World& world, SourceIndex s);
  void send(sim::World& world, uint32_t link, uint32_t parent, uint64_t key, uint8_t attempt);
  void deliver(sim::World& world, uint32_t r);
  void begin(sim::World& world, uint32_t backend, uint32_t r);
  void cpu_done(sim::World& world, uint32_t backend);
  void worked(sim::World& world, uint32_t r);
  void next_stage(sim::World& world, uint32_t r);
  void leave(sim::World& world, uint32_t r);
  void answer(sim::World& world, uint32_t r, Result result);
  void answered(sim::World& world, uint32_t r);
  void call_ended(sim::World& world, const Call& call, Result result);
  void expire(sim::World& world, uint32_t list);
  void unlink_deadline(uint32_t r);
  void count_end(sim::World& world, const Request& q, Result result);

  // containers
  uint32_t backend_of(sim::World& world, node::ContainerHandle c);
  uint32_t find_backend(node::ContainerHandle c) const;
  void drop_all(sim::World& world, uint32_t backend, bool reset);
  void container_changed(sim::World& world, node::ContainerHandle c, node::ContainerChange change);
  void advance_clock(Backend& b, sim::SimTime now);
  void settle(sim::World& world, uint32_t backend);
  void rearm(sim::World& world, uint32_t backend);
  uint8_t path_between(const node::NodeFleet& fleet, node::NodeIndex a, node::NodeIndex b);

  // statistics
  void touch(sim::World& world, Series& s);
  void end_bucket(sim::World& world);

  Options options_;
  sim::Stream stream_{0, {}};
  std::vector<Service> services_;
  client::FlatIndex service_by_name_;
  std::vector<Link> links_;
  std::vector<DeadlineList> deadlines_;
  std::vector<Source> sources_;
  std::vector<Series> series_;
  std::vector<Request> requests_;
  std::vector<uint32_t> free_;
  size_t alive_ = 0;
  std::vector<Backend> backends_;
  std::vector<uint32_t> backend_by_slot_;  // by slot of the container
  std::vector<uint32_t> zone_of_node_;     // equal numbers: equal zones
  std::vector<api::Str> zones_;
  // By path: same node, same zone, across zones; from 3 on the same for users outside.
  std::array<sim::LaneId, 6> lanes_;
  uint32_t handling_ = kNone;  // the backend that the handler settles at its end
  bool bucket_armed_ = false;
  sim::EventId bucket_event_;
  sim::SimTime bucket_begin_;
  sim::TextId record_type_;
};

struct Traffic {
  sim::ComponentRef<ServiceProxy> proxy;
  sim::ComponentRef<RequestEngine> engine;
};
// Adds both components and makes them listen to the machines. After the API server and the fleet,
// before the start of the run.
Traffic add_traffic(sim::World& world, sim::ComponentRef<apiserver::ApiServer> server,
                    sim::ComponentRef<node::NodeFleet> fleet, TrafficOptions options);

}  // namespace mainspring::traffic

#include "models/traffic/request_engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "sim/check.h"
#include "sim/hash.h"

namespace mainspring::traffic {

using node::ContainerHandle;
using node::NodeFleet;
using node::NodeIndex;
using sim::Duration;
using sim::SimTime;

namespace {

constexpr int64_t kCore = node::kOneCore.value;
constexpr int kClockShift = 6;            // virtual time is in 1/64 ns
constexpr uint8_t kOutside = 3;           // added to the path of users outside the cluster
constexpr int64_t kMemoryStep = 1 << 20;  // bytes: the node hears of changes this big
// Which draw of a request's key says whether a call with a probability is made.
constexpr uint64_t kCallDraw = 63;

__extension__ using Wide = __int128;

// a * b / c, rounded down or up; all positive.
int64_t scale(int64_t a, int64_t b, int64_t c) {
  int64_t product = 0;
  if (!__builtin_mul_overflow(a, b, &product)) return product / c;
  return static_cast<int64_t>(Wide{a} * b / c);
}
int64_t scale_up(int64_t a, int64_t b, int64_t c) {
  int64_t product = 0;
  if (!__builtin_mul_overflow(a, b, &product) && product <= INT64_MAX - c) {
    return (product + c - 1) / c;
  }
  const Wide result = (Wide{a} * b + c - 1) / c;
  return result > INT64_MAX / 4 ? INT64_MAX / 4 : static_cast<int64_t>(result);
}

}  // namespace

// --- set-up
// ---------------------------------------------------------------------------------------

RequestEngine::RequestEngine(Options options) : options_(std::move(options)) {
  const TrafficOptions& traffic = options_.traffic;
  const std::vector<Problem> problems = validate(traffic);
  MAINSPRING_CHECK(problems.empty(), "traffic: {}", problems.front().text);
  for (const ServiceOptions& s : traffic.services) add_service(s);
  for (const ServiceOptions& s : traffic.services) {
    std::vector<const CallOptions*> calls;
    for (const CallOptions& c : s.calls) calls.push_back(&c);
    std::stable_sort(calls.begin(), calls.end(), [](const CallOptions* a, const CallOptions* b) {
      return a->stage < b->stage;
    });
    std::vector<Link> links;
    for (const CallOptions* c : calls) {
      Link l;
      l.service = find_service(c->ns, c->service);
      l.probability = c->probability;
      l.salt = sim::hash64(fmt::format("{}/{}#{}", c->ns.view(), c->service.view(), links.size()));
      l.deadlines = deadline_list(c->timeout);
      l.stage = static_cast<uint16_t>(c->stage);
      l.retries = static_cast<uint8_t>(c->retries);
      links.push_back(l);
    }
    Service& service = services_[find_service(s.ns, s.name)];
    service.link_begin = static_cast<uint32_t>(links_.size());
    links_.insert(links_.end(), links.begin(), links.end());
    service.link_end = static_cast<uint32_t>(links_.size());
  }
  for (const SourceOptions& s : traffic.sources) {
    Link l;
    l.service = find_service(s.ns, s.service);
    l.source = static_cast<uint32_t>(sources_.size());
    l.deadlines = deadline_list(s.timeout);
    Source source;
    source.name = s.name;
    source.key = sim::hash64(s.name);
    source.link = static_cast<uint32_t>(links_.size());
    source.series = add_series(fmt::format("{}{}", kSourcePrefix, s.name.view()));
    links_.push_back(l);
    sources_.push_back(std::move(source));
  }
}

uint32_t RequestEngine::add_series(std::string key) {
  Series s;
  s.key = std::move(key);
  series_.push_back(std::move(s));
  return static_cast<uint32_t>(series_.size() - 1);
}

uint32_t RequestEngine::add_service(const ServiceOptions& options) {
  const std::string name = fmt::format("{}/{}", options.ns.view(), options.name.view());
  const auto index = static_cast<uint32_t>(services_.size());
  Service s;
  s.ns = options.ns;
  s.name = options.name;
  s.series = add_series(fmt::format("{}{}", kServicePrefix, name));
  s.concurrency = options.concurrency;
  s.queue = options.queue;
  s.error_rate = options.error_rate;
  s.cpu = options.cpu;
  s.latency = options.latency;
  s.works = !(s.cpu.kind == sim::Distribution::Kind::kConstant && s.cpu.p[0] <= 0);
  s.has_latency = !(s.latency.kind == sim::Distribution::Kind::kConstant && s.latency.p[0] <= 0);
  services_.push_back(std::move(s));
  service_by_name_.set(name, index);
  return index;
}

uint32_t RequestEngine::find_service(const api::Str& ns, const api::Str& name) {
  const auto known = service_by_name_.find(fmt::format("{}/{}", ns.view(), name.view()));
  if (known) return *known;
  ServiceOptions options;
  options.ns = ns;
  options.name = name;
  return add_service(options);
}

uint32_t RequestEngine::deadline_list(Duration timeout) {
  for (uint32_t i = 0; i < deadlines_.size(); ++i) {
    if (deadlines_[i].timeout == timeout) return i;
  }
  DeadlineList list;
  list.timeout = timeout;
  deadlines_.push_back(list);
  return static_cast<uint32_t>(deadlines_.size() - 1);
}

void RequestEngine::start(sim::World& world) {
  stream_ = world.stream("traffic.request");
  const NetworkLatency& network = options_.traffic.network;
  lanes_[0] = world.lane(network.same_node);
  lanes_[1] = world.lane(network.same_zone);
  lanes_[2] = world.lane(network.cross_zone);
  lanes_[kOutside + 0] = world.lane(network.external + network.same_node);
  lanes_[kOutside + 1] = world.lane(network.external + network.same_zone);
  lanes_[kOutside + 2] = world.lane(network.external + network.cross_zone);
  record_type_ = world.journal().text(kBucketRecord);
  for (Series& s : series_) s.text = world.journal().text(s.key);
  const sim::Stream arrivals = world.stream("traffic.arrivals");
  for (uint32_t i = 0; i < sources_.size(); ++i) {
    Source& source = sources_[i];
    const SourceOptions& o = options_.traffic.sources[i];
    source.arrivals = ArrivalProcess(o.shape, o.from, o.until, o.regular, arrivals.rng(source.key));
    const SimTime at = source.arrivals.first(world.now());
    if (at != SimTime::max()) source.event = world.schedule(at, id(), kArrival, i);
  }
}

std::optional<SourceIndex> RequestEngine::find_source(std::string_view name) const {
  for (uint32_t i = 0; i < sources_.size(); ++i) {
    if (sources_[i].name == name) return i;
  }
  return std::nullopt;
}

void RequestEngine::set_factor(sim::World& world, SourceIndex index, double factor, Duration ramp) {
  Source& source = sources_[index];
  world.cancel(source.event);
  const SimTime at = source.arrivals.set_factor(world.now(), factor, ramp);
  source.event = at == SimTime::max() ? sim::EventId() : world.schedule(at, id(), kArrival, index);
}

void RequestEngine::handle(sim::World& world, const sim::Event& event) {
  const auto a = static_cast<uint32_t>(event.a);
  switch (event.kind) {
    case kArrival:
      arrival(world, a);
      break;
    case kDeliver:
      deliver(world, a);
      break;
    case kCpuDone:
      cpu_done(world, a);
      break;
    case kLatencyDone:
      // It may have been reset meanwhile.
      if (requests_[a].stamp == event.c) {
        const uint32_t backend = requests_[a].backend;
        handling_ = backend;
        advance_clock(backends_[backend], world.now());
        next_stage(world, a);
        settle(world, backend);
      }
      break;
    case kAnswer:
      answered(world, a);
      break;
    case kTimeouts:
      expire(world, a);
      break;
    case kBucketEnd:
      end_bucket(world);
      break;
    case kContainerChanged:
      container_changed(world, ContainerHandle::unpack(event.a),
                        static_cast<node::ContainerChange>(event.b));
      break;
    case kRatesChanged: {
      NodeFleet& fleet = world.get(options_.fleet);
      for (const auto& [container, rate] : fleet.rate_changes(a)) {
        const uint32_t backend = find_backend(container);
        if (backend == kNone) continue;
        Backend& b = backends_[backend];
        advance_clock(b, world.now());
        b.rate = rate.value;
        rearm(world, backend);
      }
      break;
    }
    default:
      break;
  }
}

// --- requests -----------------------------------------------------------------------------------

uint32_t RequestEngine::new_request() {
  ++alive_;
  if (free_.empty()) {
    requests_.emplace_back();
    return static_cast<uint32_t>(requests_.size() - 1);
  }
  const uint32_t r = free_.back();
  free_.pop_back();
  return r;
}

void RequestEngine::free_request(uint32_t r) {
  Request& q = requests_[r];
  q.state = State::kFree;
  ++q.generation;
  ++q.stamp;
  --alive_;
  free_.push_back(r);
}

void RequestEngine::arrival(sim::World& world, SourceIndex index) {
  Source& source = sources_[index];
  const uint64_t key = sim::hash_combine(source.key, source.sent++);
  const SimTime at = source.arrivals.next();
  source.event = at == SimTime::max() ? sim::EventId() : world.schedule(at, id(), kArrival, index);
  send(world, source.link, kNone, key, 0);
}

void RequestEngine::send(sim::World& world, uint32_t link, uint32_t parent, uint64_t key,
                         uint8_t attempt) {
  const uint32_t r = new_request();
  Request& q = requests_[r];
  const Link& l = links_[link];
  const Service& s = services_[l.service];
  q.attempt = attempt;
  q.link = link;
  q.backend = kNone;
  q.next_call = 0;
  q.pending = 0;
  q.parent = parent;
  q.key = key;
  q.sent = world.now();

  // All that chance decides about it, in one go.
  sim::Rng rng = stream_.rng(key);
  const uint64_t choice = rng.next();
  q.fails = rng.uniform() < s.error_rate;
  q.work = s.works ? s.cpu.sample_duration(rng).ns() : 0;
  q.latency = s.has_latency ? s.latency.sample_duration(rng) : Duration();

  Series& series = series_[s.series];
  touch(world, series);
  ++series.now.sent;
  ++series.now.in_flight;
  if (attempt > 0) ++series.now.retries;

  q.waited_for = true;
  DeadlineList& list = deadlines_[l.deadlines];
  q.deadline_prev = list.last;
  q.deadline_next = kNone;
  (list.last == kNone ? list.first : requests_[list.last].deadline_next) = r;
  list.last = r;
  if (!list.armed) {
    list.armed = true;
    world.schedule(list.timeout, id(), kTimeouts, l.deadlines);
  }

  ServiceProxy& proxy = world.get(options_.proxy);
  NodeIndex from = node::kNoNode;
  uint64_t client = key;
  uint8_t outside = 0;
  if (parent == kNone) {
    Series& users = series_[sources_[l.source].series];
    touch(world, users);
    ++users.now.sent;
    ++users.now.in_flight;
    if (proxy.external(s.proxy_index)) outside = kOutside;
    from = proxy.entry_node(s.proxy_index, sim::mix64(choice));
    if (from != node::kNoNode && world.get(options_.fleet).state(from) != node::MachineState::kUp) {
      // The load balancer has not noticed yet.
      q.state = State::kLost;
      return;
    }
  } else {
    q.parent_generation = requests_[parent].generation;
    const Backend& caller = backends_[requests_[parent].backend];
    from = caller.node;
    client = caller.container.packed();
  }
  const Endpoint* endpoint =
      from == node::kNoNode ? nullptr : proxy.pick(world, from, s.proxy_index, choice, client);
  if (endpoint == nullptr || endpoint->node == node::kNoNode) {
    // The node's own rules refuse it.
    q.path = outside;
    answer(world, r, result_of(Failure::kRefused));
    return;
  }
  q.state = State::kTravelling;
  q.target = endpoint->container;
  q.node = endpoint->node;
  q.path =
      static_cast<uint8_t>(outside + path_between(world.get(options_.fleet), from, endpoint->node));
  world.schedule_on_lane(lanes_[q.path], id(), kDeliver, r, 0, ++q.stamp);
}

void RequestEngine::deliver(sim::World& world, uint32_t r) {
  Request& q = requests_[r];
  const uint32_t backend = backend_of(world, q.target);
  if (backend == kNone || !backends_[backend].accepts) {
    if (world.get(options_.fleet).state(q.node) == node::MachineState::kUp) {
      answer(world, r, result_of(Failure::kRefused));
    } else if (q.waited_for) {
      q.state = State::kLost;
    } else {
      free_request(r);
    }
    return;
  }
  Backend& b = backends_[backend];
  const Service& s = services_[links_[q.link].service];
  if (b.working >= s.concurrency && b.queued >= s.queue) {
    answer(world, r, result_of(Failure::kOverload));
    return;
  }
  q.backend = backend;
  q.peer_prev = kNone;
  q.peer_next = b.first;
  if (b.first != kNone) requests_[b.first].peer_prev = r;
  b.first = r;
  handling_ = backend;
  advance_clock(b, world.now());
  if (b.working >= s.concurrency) {
    q.state = State::kQueued;
    q.queue_next = kNone;
    (b.queue_last == kNone ? b.queue_first : requests_[b.queue_last].queue_next) = r;
    b.queue_last = r;
    ++b.queued;
  } else {
    begin(world, backend, r);
  }
  settle(world, backend);
}

// Takes one of the backend's slots. The caller settles the backend.
void RequestEngine::begin(sim::World& world, uint32_t backend, uint32_t r) {
  Backend& b = backends_[backend];
  Request& q = requests_[r];
  ++b.working;
  if (q.work <= 0) {
    worked(world, r);
    return;
  }
  q.state = State::kRunning;
  b.running.push_back({b.clock + (q.work << kClockShift), b.starts++, r});
  std::push_heap(b.running.begin(), b.running.end(),
                 [](const Running& x, const Running& y) { return y.before(x); });
}

void RequestEngine::cpu_done(sim::World& world, uint32_t backend) {
  Backend& b = backends_[backend];
  b.event = {};
  b.due = SimTime::max();
  handling_ = backend;
  advance_clock(b, world.now());
  while (!b.running.empty() && b.running.front().finish <= b.clock) {
    std::pop_heap(b.running.begin(), b.running.end(),
                  [](const Running& x, const Running& y) { return y.before(x); });
    const uint32_t r = b.running.back().request;
    b.running.pop_back();
    worked(world, r);
  }
  settle(world, backend);
}

// The request has had its processor time.
void RequestEngine::worked(sim::World& world, uint32_t r) {
  Request& q = requests_[r];
  if (q.latency > Duration()) {
    q.state = State::kLatency;
    world.schedule(q.latency, id(), kLatencyDone, r, 0, ++q.stamp);
    return;
  }
  next_stage(world, r);
}

// Makes the calls of the next stage that has any, or answers.
void RequestEngine::next_stage(sim::World& world, uint32_t r) {
  if (requests_[r].fails) {
    answer(world, r, result_of(Failure::kError));
    return;
  }
  const Service& s = services_[links_[requests_[r].link].service];
  uint32_t at = s.link_begin + requests_[r].next_call;
  while (at < s.link_end) {
    const uint16_t stage = links_[at].stage;
    uint32_t calls = 0;
    for (; at < s.link_end && links_[at].stage == stage; ++at) {
      const Link& l = links_[at];
      const uint64_t key = sim::hash_combine(requests_[r].key, l.salt);
      if (l.probability < 1 && sim::unit_double(stream_.at(key, kCallDraw)) >= l.probability) {
        continue;
      }
      ++calls;
      send(world, at, r, key, 0);
    }
    if (calls > 0) {
      Request& q = requests_[r];
      q.state = State::kCalling;
      q.pending = calls;
      q.next_call = static_cast<uint16_t>(at - s.link_begin);
      return;
    }
  }
  answer(world, r, kOk);
}

// Gives the slot of a request back to its backend, and to the next in the queue.
void RequestEngine::leave(sim::World& world, uint32_t r) {
  Request& q = requests_[r];
  const uint32_t backend = q.backend;
  q.backend = kNone;
  Backend& b = backends_[backend];
  (q.peer_prev == kNone ? b.first : requests_[q.peer_prev].peer_next) = q.peer_next;
  if (q.peer_next != kNone) requests_[q.peer_next].peer_prev = q.peer_prev;
  --b.working;
  ++b.served;
  const bool nested = handling_ == backend;
  if (!nested) advance_clock(b, world.now());
  const uint32_t next = b.queue_first;
  if (next != kNone && b.working < services_[links_[requests_[next].link].service].concurrency) {
    b.queue_first = requests_[next].queue_next;
    if (b.queue_first == kNone) b.queue_last = kNone;
    --b.queued;
    begin(world, backend, next);
  }
  if (!nested) settle(world, backend);
}

void RequestEngine::answer(sim::World& world, uint32_t r, Result result) {
  if (requests_[r].backend != kNone) leave(world, r);
  Request& q = requests_[r];
  if (!q.waited_for) {
    free_request(r);
    return;
  }
  q.state = State::kAnswered;
  q.result = result;
  world.schedule_on_lane(lanes_[q.path], id(), kAnswer, r, 0, ++q.stamp);
}

// The answer has reached the caller.
void RequestEngine::answered(sim::World& world, uint32_t r) {
  const Request& q = requests_[r];
  if (!q.waited_for) {
    free_request(r);
    return;
  }
  const Call call = call_of(q);
  const Result result = q.result;
  unlink_deadline(r);
  count_end(world, q, result);
  free_request(r);
  call_ended(world, call, result);
}

// What the caller makes of the outcome.
void RequestEngine::call_ended(sim::World& world, const Call& call, Result result) {
  if (call.parent == kNone) return;
  Request& caller = requests_[call.parent];
  // It may have failed, or died with its pod.
  if (caller.generation != call.parent_generation || caller.state != State::kCalling) return;
  if (result != kOk && call.attempt < links_[call.link].retries) {
    const auto attempt = static_cast<uint8_t>(call.attempt + 1);
    const uint64_t first = sim::hash_combine(caller.key, links_[call.link].salt);
    send(world, call.link, call.parent, sim::hash_combine(first, attempt), attempt);
    return;
  }
  if (result == kOk && --caller.pending > 0) return;
  const uint32_t backend = caller.backend;
  handling_ = backend;
  advance_clock(backends_[backend], world.now());
  if (result == kOk) {
    next_stage(world, call.parent);
  } else {
    answer(world, call.parent, result_of(Failure::kError));
  }
  settle(world, backend);
}

void RequestEngine::unlink_deadline(uint32_t r) {
  Request& q = requests_[r];
  DeadlineList& list = deadlines_[links_[q.link].deadlines];
  (q.deadline_prev == kNone ? list.first : requests_[q.deadline_prev].deadline_next) =
      q.deadline_next;
  (q.deadline_next == kNone ? list.last : requests_[q.deadline_next].deadline_prev) =
      q.deadline_prev;
  q.waited_for = false;
}

void RequestEngine::expire(sim::World& world, uint32_t index) {
  const Duration timeout = deadlines_[index].timeout;
  for (;;) {
    const uint32_t r = deadlines_[index].first;
    if (r == kNone) {
      deadlines_[index].armed = false;
      return;
    }
    if (requests_[r].sent + timeout > world.now()) {
      world.schedule(requests_[r].sent + timeout, id(), kTimeouts, index);
      return;
    }
    unlink_deadline(r);
    const Call call = call_of(requests_[r]);
    const Result result = result_of(Failure::kTimeout);
    count_end(world, requests_[r], result);
    // The pod knows nothing of it and works on.
    if (requests_[r].state == State::kLost) free_request(r);
    call_ended(world, call, result);
  }
}

// --- containers ---------------------------------------------------------------------------------

uint32_t RequestEngine::find_backend(ContainerHandle c) const {
  if (c.slot >= backend_by_slot_.size()) return kNone;
  const uint32_t backend = backend_by_slot_[c.slot];
  return backend != kNone && backends_[backend].container == c ? backend : kNone;
}

uint32_t RequestEngine::backend_of(sim::World& world, ContainerHandle c) {
  const uint32_t known = find_backend(c);
  if (known != kNone) return known;
  const NodeFleet& fleet = world.get(options_.fleet);
  if (!fleet.alive(c)) return kNone;
  if (c.slot >= backend_by_slot_.size()) backend_by_slot_.resize(c.slot + 1, kNone);
  uint32_t& backend = backend_by_slot_[c.slot];
  if (backend == kNone) {
    backend = static_cast<uint32_t>(backends_.size());
    backends_.emplace_back();
  } else {
    drop_all(world, backend, false);
    backends_[backend] = Backend();
  }
  Backend& b = backends_[backend];
  b.container = c;
  b.node = fleet.node_of(c);
  b.accepts = fleet.accepts(c);
  b.clock_at = world.now();
  b.demand_cap = fleet.spec(b.node).cpu_milli * (kCore / 1000) + kCore;
  b.memory_step = std::max<int64_t>(
      1, kMemoryStep / std::max<int64_t>(1, fleet.behavior(c).memory_per_request));
  return backend;
}

void RequestEngine::container_changed(sim::World& world, ContainerHandle c,
                                      node::ContainerChange change) {
  const uint32_t backend = find_backend(c);
  if (backend == kNone) return;
  backends_[backend].accepts = world.get(options_.fleet).accepts(c);
  // A machine that is off sends no resets.
  if (change == node::ContainerChange::kStopped) drop_all(world, backend, true);
  if (change == node::ContainerChange::kVanished) drop_all(world, backend, false);
}

// The process is gone, and all its requests with it.
void RequestEngine::drop_all(sim::World& world, uint32_t backend, bool reset) {
  Backend& b = backends_[backend];
  world.cancel(b.event);
  b.event = {};
  b.due = SimTime::max();
  uint32_t r = b.first;
  b.unlink_all();
  b.demand = b.told_finish = b.rate = b.clock = 0;
  b.clock_at = world.now();
  b.reported_memory = 0;
  while (r != kNone) {
    Request& q = requests_[r];
    const uint32_t next = q.peer_next;
    q.backend = kNone;
    ++q.stamp;
    if (reset) {
      answer(world, r, result_of(Failure::kReset));
    } else if (q.waited_for) {
      q.state = State::kLost;
    } else {
      free_request(r);
    }
    r = next;
  }
}

// Brings the processor time that running requests got up to now, at the speed in force.
void RequestEngine::advance_clock(Backend& b, SimTime now) {
  const Duration passed = now - b.clock_at;
  b.clock_at = now;
  const auto k = static_cast<int64_t>(b.running.size());
  if (k == 0) {
    b.clock = 0;
    return;
  }
  if (passed <= Duration() || b.rate <= 0) return;
  const int64_t ticks = passed.ns() << kClockShift;
  b.clock += b.rate == k * kCore ? ticks : scale(ticks, b.rate, k * kCore);
}

// Ends the handling of a backend: tells the node what its requests want, and sets the event.
void RequestEngine::settle(sim::World& world, uint32_t backend) {
  handling_ = kNone;
  Backend& b = backends_[backend];
  const auto k = static_cast<int64_t>(b.running.size());
  const int64_t wanted = std::min(k * kCore, b.demand_cap);
  const int64_t finish = k > 0 ? b.running.front().finish : 0;
  if (wanted != b.demand || finish != b.told_finish) {
    b.demand = wanted;
    b.told_finish = finish;
    // All burn as much as the first does until it is done.
    const int64_t burst = scale_up(std::max<int64_t>(finish - b.clock, 0), k, 1 << kClockShift);
    b.rate = world.get(options_.fleet)
                 .set_demand(world, b.container, {wanted}, Duration::nanos(burst))
                 .value;
  }
  const int64_t held = b.in_flight();
  if (held > b.reported_memory || held + 2 * b.memory_step <= b.reported_memory) {
    b.reported_memory = (held + b.memory_step - 1) / b.memory_step * b.memory_step;
    world.get(options_.fleet).set_in_flight(world, b.container, b.reported_memory);
  }
  rearm(world, backend);
}

void RequestEngine::rearm(sim::World& world, uint32_t backend) {
  Backend& b = backends_[backend];
  SimTime due = SimTime::max();
  if (!b.running.empty() && b.rate > 0) {
    const int64_t left = std::max<int64_t>(b.running.front().finish - b.clock, 0);
    const int64_t full = static_cast<int64_t>(b.running.size()) * kCore;
    const int64_t ns = b.rate == full ? (left + (1 << kClockShift) - 1) >> kClockShift
                                      : scale_up(left, full, b.rate << kClockShift);
    due = world.now() + Duration::nanos(ns);
  }
  if (due == b.due) return;
  if (b.event.valid()) world.cancel(b.event);
  b.due = due;
  b.event = due == SimTime::max() ? sim::EventId() : world.schedule(due, id(), kCpuDone, backend);
}

uint8_t RequestEngine::path_between(const NodeFleet& fleet, NodeIndex a, NodeIndex b) {
  if (a == b) return 0;
  while (zone_of_node_.size() < fleet.machine_count()) {
    const api::Str& zone = fleet.spec(static_cast<NodeIndex>(zone_of_node_.size())).zone;
    const auto at = std::find(zones_.begin(), zones_.end(), zone);
    zone_of_node_.push_back(static_cast<uint32_t>(at - zones_.begin()));
    if (at == zones_.end()) zones_.push_back(zone);
  }
  return zone_of_node_[a] == zone_of_node_[b] ? 1 : 2;
}

// --- statistics ---------------------------------------------------------------------------------

void RequestEngine::touch(sim::World& world, Series& s) {
  s.dirty = true;
  if (bucket_armed_) [[likely]]
    return;
  bucket_armed_ = true;
  const Duration width = options_.traffic.bucket;
  bucket_begin_ = SimTime() + (world.now().since_start() / width) * width;
  bucket_event_ = world.schedule(bucket_begin_ + width, id(), kBucketEnd);
}

void RequestEngine::count_end(sim::World& world, const Request& q, Result result) {
  const Link& l = links_[q.link];
  const auto count = [&](Series& s) {
    touch(world, s);
    --s.now.in_flight;
    if (result == kOk) {
      ++s.now.ok;
      s.now.latency.add(world.now() - q.sent);
    } else {
      ++s.now.failed[result - 1u];
    }
  };
  count(series_[services_[l.service].series]);
  if (l.source != kNone) count(series_[sources_[l.source].series]);
}

void RequestEngine::end_bucket(sim::World& world) {
  bucket_armed_ = false;
  bucket_event_ = {};
  if (options_.traffic.check_conservation) check_conservation();
  for (Series& s : series_) {
    if (!s.dirty) continue;
    s.dirty = false;
    s.now.begin = bucket_begin_;
    s.now.width = options_.traffic.bucket;
    world.record(record_type_, s.text, encode(s.now));
    s.total.merge(s.now);
    s.now.sent = s.now.ok = s.now.retries = 0;
    s.now.failed = {};
    s.now.latency.clear();
  }
}

void RequestEngine::flush(sim::World& world) {
  if (!bucket_armed_) return;
  world.cancel(bucket_event_);
  end_bucket(world);
}

std::optional<Bucket> RequestEngine::totals(std::string_view key) const {
  for (const Series& s : series_) {
    if (s.key != key) continue;
    Bucket sum = s.total;
    if (s.dirty) {
      Bucket now = s.now;
      now.begin = bucket_begin_;
      now.width = options_.traffic.bucket;
      sum.merge(now);
    }
    return sum;
  }
  return std::nullopt;
}

RequestEngine::Load RequestEngine::load(ContainerHandle container) const {
  const uint32_t backend = find_backend(container);
  if (backend == kNone) return {};
  const Backend& b = backends_[backend];
  return {b.in_flight(), static_cast<int64_t>(b.running.size()), b.queued, b.served};
}

void RequestEngine::check_conservation() const {
  std::vector<uint64_t> waiting(series_.size(), 0);
  size_t alive = 0;
  for (const Request& q : requests_) {
    if (q.state == State::kFree) continue;
    ++alive;
    if (!q.waited_for) continue;
    const Link& l = links_[q.link];
    ++waiting[services_[l.service].series];
    if (l.source != kNone) ++waiting[sources_[l.source].series];
  }
  MAINSPRING_CHECK(alive == alive_, "{} requests in memory, {} counted", alive, alive_);
  for (size_t i = 0; i < series_.size(); ++i) {
    const Bucket& before = series_[i].total;
    const Bucket& now = series_[i].now;
    const uint64_t sent = before.sent + now.sent;
    const uint64_t ended = before.ok + before.failed_total() + now.ok + now.failed_total();
    MAINSPRING_CHECK(sent == ended + waiting[i] && now.in_flight == waiting[i],
                     "{}: {} sent, {} ended, {} on their way, {} in memory", series_[i].key, sent,
                     ended, now.in_flight, waiting[i]);
  }
  for (const Backend& b : backends_) {
    int64_t held = 0;
    for (uint32_t r = b.first; r != kNone; r = requests_[r].peer_next) ++held;
    MAINSPRING_CHECK(held == b.in_flight(), "a container holds {} requests and counts {}", held,
                     b.in_flight());
  }
}

Traffic add_traffic(sim::World& world, sim::ComponentRef<apiserver::ApiServer> server,
                    sim::ComponentRef<NodeFleet> fleet, TrafficOptions options) {
  Traffic out;
  ServiceProxy::Options proxy;
  proxy.server = server;
  proxy.fleet = fleet;
  proxy.proxy = options.proxy;
  out.proxy = world.add<ServiceProxy>(proxy);
  out.engine =
      world.add<RequestEngine>(RequestEngine::Options{fleet, out.proxy, std::move(options)});
  RequestEngine& engine = world.get(out.engine);
  for (RequestEngine::Service& s : engine.services_) {
    s.proxy_index = world.get(out.proxy).service(s.ns, s.name);
  }
  node::Listener nodes;
  nodes.component = out.proxy.id();
  nodes.node_changed = ServiceProxy::kNodeChanged;
  node::Listener containers;
  containers.component = out.engine.id();
  containers.container_changed = RequestEngine::kContainerChanged;
  containers.rates_changed = RequestEngine::kRatesChanged;
  world.get(fleet).add_listener(nodes);
  world.get(fleet).add_listener(containers);
  return out;
}

}  // namespace mainspring::traffic

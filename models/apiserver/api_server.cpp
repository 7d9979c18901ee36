#include "models/apiserver/api_server.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <utility>

#include "models/apiserver/registry.h"
#include "models/client/token_bucket.h"
#include "sim/check.h"

namespace mainspring::apiserver {

namespace {
// A slab: values with dense numbers that are reused, for what is on its way through the queue.
template <class T>
class Slab {
 public:
  uint64_t put(T value) {
    if (!free_.empty()) {
      const uint64_t n = free_.back();
      free_.pop_back();
      items_[n] = std::move(value);
      return n;
    }
    items_.push_back(std::move(value));
    return items_.size() - 1;
  }
  T take(uint64_t n) {
    T value = std::move(items_[n]);
    items_[n] = T();
    free_.push_back(n);
    return value;
  }

 private:
  std::vector<T> items_;
  std::vector<uint64_t> free_;
};

struct Client {
  std::string name;
  uint64_t entity = 0;  // of the latency streams
  client::TokenBucket bucket;
  ReplyTo reply;
  uint64_t requests = 0;
};

struct Watch {
  uint64_t entity = 0;  // of its latency's draws: the client and the kind, by name
  ReplyTo to;
  WatchFilter filter;
  sim::SimTime last;  // of the delivery sent last: none overtakes it
  uint64_t delivered = 0;
};

struct InFlight {
  ClientId client = 0;
  uint64_t cookie = 0;
  client::Request request;
};

struct Expiry {  // of an Event, unless it was written again meanwhile
  api::Str ns;
  api::Str name;
  api::Str version;
};

struct Held {  // a delivery kept back while the server is unavailable
  WatchId watch = 0;
  uint64_t ticket = 0;
};
}  // namespace

struct ApiServer::Impl {
  Impl() = default;
  std::vector<Client> clients;
  std::vector<Watch> watches;
  std::vector<std::vector<WatchId>> by_kind = std::vector<std::vector<WatchId>>(api::kKindCount);
  Slab<InFlight> requests;
  Slab<client::Outcome> outcomes;
  Slab<client::WatchEvent> changes;
  std::vector<Held> held;
  std::deque<Expiry> expiries;  // in order: all Events live equally long
  bool available = true;
  Registry registry;
};

ApiServer::ApiServer(Options options)
    : options_(std::move(options)), impl_(std::make_unique<Impl>()) {
  impl_->registry.configure(options_.admission, options_.service_cidr);
}
ApiServer::~ApiServer() = default;
ApiServer::ApiServer(const ApiServer& other)
    : Component(other),
      options_(other.options_),
      store_(other.store_),
      impl_(std::make_unique<Impl>(*other.impl_)) {}

std::unique_ptr<sim::Component> ApiServer::clone() const {
  return std::make_unique<ApiServer>(*this);
}

void ApiServer::start(sim::World& world) {
  for (client::Request& request : impl_->registry.bootstrap()) execute(world, request);
}

ClientId ApiServer::connect(std::string_view name, client::ClientLimits limits, ReplyTo reply) {
  const ClientId id = static_cast<ClientId>(impl_->clients.size());
  impl_->clients.push_back(Client{std::string(name), sim::hash64(name),
                                  client::TokenBucket(limits.qps_milli, limits.burst), reply, 0});
  return id;
}

sim::Duration ApiServer::latency(sim::World& world, std::string_view stream, uint64_t entity,
                                 uint64_t draw, sim::Duration fixed, sim::Duration varying) const {
  if (varying <= sim::Duration()) return fixed;
  const uint64_t word = world.stream(stream).at(entity, draw);
  const auto range = static_cast<uint64_t>(varying.ns());
  return fixed + sim::Duration::nanos(static_cast<int64_t>(word % range));
}

void ApiServer::submit(sim::World& world, ClientId client, client::Request request,
                       uint64_t cookie) {
  Client& c = impl_->clients[client];
  const sim::SimTime leaves = sim_time(c.bucket.take(wall(world.now())));
  const Latency& l = options_.latency;
  const sim::Duration way =
      latency(world, "apiserver.request", c.entity, 2 * c.requests, l.request, l.jitter);
  const uint64_t slot = impl_->requests.put(InFlight{client, cookie, std::move(request)});
  world.schedule(leaves + way, id(), kArrive, slot, c.requests);
  ++c.requests;
}

void ApiServer::handle(sim::World& world, const sim::Event& event) {
  if (event.kind == kArrive) {
    InFlight in = impl_->requests.take(event.a);
    Client& c = impl_->clients[in.client];
    client::Outcome outcome;
    if (impl_->available) {
      outcome = execute(world, in.request);
    } else {
      outcome.code = 503;
      outcome.reason = "ServiceUnavailable";
      outcome.message = "the server is currently unable to handle the request";
    }
    const Latency& l = options_.latency;
    const sim::Duration way =
        latency(world, "apiserver.request", c.entity, 2 * event.b + 1, l.response, l.spread);
    const uint64_t ticket = impl_->outcomes.put(std::move(outcome));
    world.schedule(way, c.reply.component, c.reply.kind, in.cookie, ticket, in.client);
    return;
  }
  if (event.kind == kEventExpires) {
    expire_event(world);
    return;
  }
  MAINSPRING_CHECK(false, "the API server has no event {}", event.kind);
}

client::Outcome ApiServer::take_outcome(uint64_t ticket) { return impl_->outcomes.take(ticket); }

WatchId ApiServer::watch(ClientId client, api::Kind kind, ReplyTo to, WatchFilter filter) {
  const WatchId id = static_cast<WatchId>(impl_->watches.size());
  const uint64_t entity = impl_->clients[client].entity ^ sim::hash64(api::kind_info(kind).name);
  impl_->watches.push_back(Watch{entity, to, filter, sim::SimTime(), 0});
  impl_->by_kind[static_cast<size_t>(kind)].push_back(id);
  return id;
}

client::WatchEvent ApiServer::take_change(uint64_t ticket) { return impl_->changes.take(ticket); }

void ApiServer::set_available(sim::World& world, bool available) {
  if (impl_->available == available) return;
  impl_->available = available;
  if (!available) return;
  const std::vector<Held> held = std::exchange(impl_->held, {});
  for (const Held& h : held) deliver(world, h.watch, h.ticket);
}

void ApiServer::deliver(sim::World& world, WatchId id, uint64_t ticket) {
  Watch& w = impl_->watches[id];
  const Latency& l = options_.latency;
  const sim::Duration way =
      latency(world, "apiserver.watch", w.entity, w.delivered++, l.watch, l.spread);
  w.last = std::max(w.last, world.now() + way);
  world.schedule(w.last, w.to.component, w.to.kind, id, ticket);
}

void ApiServer::publish(sim::World& world, const client::WatchEvent& change) {
  for (const WatchId id : impl_->by_kind[static_cast<size_t>(change.object->kind)]) {
    client::WatchEvent seen = change;
    if (impl_->watches[id].filter.bound_pods_only && !bound_view(seen)) continue;
    const uint64_t ticket = impl_->changes.put(std::move(seen));
    if (impl_->available) {
      deliver(world, id, ticket);
    } else {
      impl_->held.push_back(Held{id, ticket});
    }
  }
}

client::Outcome ApiServer::execute(sim::World& world, const client::Request& request) {
  Transaction tx{world, *this, store_, wall(world.now()), {}};
  client::Outcome outcome = impl_->registry.execute(tx, request);
  settle(world, tx.changes);
  return outcome;
}

void ApiServer::settle(sim::World& world, const std::vector<client::WatchEvent>& changes) {
  for (const client::WatchEvent& change : changes) {
    journal_change(world, change);
    publish(world, change);
    if (change.object->kind == api::Kind::Event && change.type != client::WatchType::kDeleted &&
        options_.event_ttl > sim::Duration()) {
      const api::ObjectMeta& m = change.object->metadata;
      impl_->expiries.push_back(Expiry{m.namespace_, m.name, m.resource_version});
      world.schedule_on_lane(world.lane(options_.event_ttl), id(), kEventExpires);
    }
  }
}

// The oldest write of an Event is as old as Events get. A later write of the same one has its own
// turn: every write renews the lease that etcd deletes the Event by.
void ApiServer::expire_event(sim::World& world) {
  const Expiry due = std::move(impl_->expiries.front());
  impl_->expiries.pop_front();
  const api::ObjectRef* found = store_.find(api::Kind::Event, due.ns, due.name);
  if (!found || (*found)->metadata.resource_version != due.version) return;
  Transaction tx{world, *this, store_, wall(world.now()), {}};
  impl_->registry.expire(tx, *found);
  settle(world, tx.changes);
}

}  // namespace mainspring::apiserver

// The API server: what writes do to objects, when clients hear of it, and how long both take.
//
// A request takes effect at one instant of virtual time, in this order: admission (defaults,
// priority, tolerations, quotas, ...), validation, store, journal, watches. Clients reach it
// through submit(), which adds their rate limit and the network's latency; what a client knows it
// learns from watches, which come later still. The simulated world (kubelets, clouds) uses the
// same door.
//
// Determinism: latencies are drawn from the streams "apiserver.request" and "apiserver.watch",
// keyed by client and count. A watch delivers in order of change.
// Not modelled: authentication and authorization (everybody is system:admin), webhooks, API
// priority and fairness, etcd compaction, watch bookmarks.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "models/apiserver/registry.h"
#include "models/apiserver/store.h"
#include "models/client/control_loop.h"
#include "models/client/request.h"
#include "sim/random.h"
#include "sim/world.h"

namespace mainspring::apiserver {

using ClientId = uint32_t;
using WatchId = uint32_t;

// How long things take between a client and the server. Defaults: a healthy control plane on one
// machine, as in the recorded timelines (tests/conformance/timelines). There a request is answered
// after 3 to 10 ms, most of the difference being made before it takes effect (admission, commit);
// the change itself and the answer then reach the writer at about the same time. In 10 of 29 syncs
// that a ReplicaSet began with the answer to its last one, its cache did not have that change yet.
struct Latency {
  sim::Duration request = sim::Duration::micros(1200);   // client -> server, fixed part
  sim::Duration jitter = sim::Duration::millis(4);       // plus uniform [0, jitter)
  sim::Duration response = sim::Duration::micros(1200);  // server -> client, fixed part
  sim::Duration watch = sim::Duration::micros(1200);     // a change -> a watcher, fixed part
  sim::Duration spread = sim::Duration::micros(200);     // each of the two plus uniform [0, spread)
};

// Where an answer or a watch event goes: handle() of `component` gets an event of `kind` with
// a = cookie (answers) or watch id, b = the ticket to pass to take_outcome() / take_change().
struct ReplyTo {
  sim::ComponentId component{};
  uint16_t kind = 0;
};

struct WatchFilter {
  // Pods only: nothing before they are bound, then from ADDED on: what kubelets see.
  bool bound_pods_only = false;
};

class ApiServer final : public sim::Component {
 public:
  struct Options {
    Latency latency;
    AdmissionOptions admission;
    int64_t epoch_unix_ns = 0;                  // the wall clock at SimTime 0
    std::string service_cidr = "10.96.0.0/12";  // kubeadm's default
    // How long an Event is kept after it was last written; 0: for ever. kube-apiserver --event-ttl.
    sim::Duration event_ttl = sim::Duration::hours(1);
  };

  explicit ApiServer(Options options);
  ~ApiServer() override;
  ApiServer(const ApiServer& other);
  std::string_view name() const override { return "apiserver"; }
  std::unique_ptr<sim::Component> clone() const override;
  void start(sim::World& world) override;
  void handle(sim::World& world, const sim::Event& event) override;

  api::Time wall(sim::SimTime t) const {
    return api::Time::from_unix_ns(options_.epoch_unix_ns + t.ns());
  }
  sim::SimTime sim_time(api::Time t) const {
    return sim::SimTime::from_ns(t.unix_ns() - options_.epoch_unix_ns);
  }
  const Store& store() const { return store_; }
  template <class T>
  const T* get(std::string_view ns, std::string_view name) const {
    const api::ObjectRef* o = store_.find(T::kKind, ns, name);
    return o ? &api::as<T>(**o) : nullptr;
  }

  // --- at this very instant -------------------------------------------------------------------
  // Carries out a request now, without latency or rate limit. For set-up, for kubectl steps of a
  // scenario whose own delay is already counted, and for tests.
  client::Outcome execute(sim::World& world, const client::Request& request);

  // --- as a client ----------------------------------------------------------------------------
  // `name` names the client's random streams; it must be unique.
  ClientId connect(std::string_view name, client::ClientLimits limits, ReplyTo reply);
  void submit(sim::World& world, ClientId client, client::Request request, uint64_t cookie);
  // The answer behind a reply event's ticket; once.
  client::Outcome take_outcome(uint64_t ticket);

  // Changes of a kind from now on. Deliveries to one watch keep the order of changes.
  WatchId watch(ClientId client, api::Kind kind, ReplyTo to, WatchFilter filter = {});
  // The change behind a watch event's ticket; once. `old` is the state before in the store.
  client::WatchEvent take_change(uint64_t ticket);

  // --- faults ---------------------------------------------------------------------------------
  // While unavailable every request answers 503 after the latency, and watches deliver nothing;
  // they catch up when it ends.
  void set_available(sim::World& world, bool available);

 private:
  struct Impl;
  enum EventKind : uint16_t { kArrive, kEventExpires };

  sim::Duration latency(sim::World& world, std::string_view stream, uint64_t entity, uint64_t draw,
                        sim::Duration fixed, sim::Duration varying) const;
  void expire_event(sim::World& world);
  void settle(sim::World& world, const std::vector<client::WatchEvent>& changes);
  void deliver(sim::World& world, WatchId id, uint64_t ticket);
  void publish(sim::World& world, const client::WatchEvent& change);
  void journal_change(sim::World& world, const client::WatchEvent& change);

  Options options_;
  Store store_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mainspring::apiserver

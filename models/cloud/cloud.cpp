#include "models/cloud/cloud.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim/check.h"
#include "sim/hash.h"

namespace mainspring::cloud {

using node::NodeIndex;
using sim::Duration;
using sim::SimTime;

namespace {

constexpr Duration kLifecyclePeriod = Duration::seconds(5);  // --node-monitor-period
constexpr Duration kHour = Duration::hours(1);

int64_t price_of(const NodePool& pool, Duration time) {
  __extension__ using Wide = __int128;
  return static_cast<int64_t>(Wide{pool.type.price_per_hour_micros} * time.ns() / kHour.ns());
}

}  // namespace

PoolIndex Cloud::find_pool(std::string_view name) const {
  for (PoolIndex i = 0; i < options_.pools.size(); ++i) {
    if (options_.pools[i].name == name) return i;
  }
  return UINT32_MAX;
}

Cloud::Rental* Cloud::find(NodeIndex machine) {
  const auto at = std::lower_bound(rentals_.begin(), rentals_.end(), machine,
                                   [](const Rental& r, NodeIndex m) { return r.machine < m; });
  return at != rentals_.end() && at->machine == machine ? &*at : nullptr;
}

PoolIndex Cloud::pool_of(NodeIndex machine) const {
  const Rental* r = const_cast<Cloud*>(this)->find(machine);
  return r ? r->pool : UINT32_MAX;
}

int64_t Cloud::machine_count(PoolIndex pool) const {
  return std::count_if(rentals_.begin(), rentals_.end(), [pool](const Rental& r) {
    return r.pool == pool && r.until == SimTime::max();
  });
}

void Cloud::create_initial(sim::World& world) {
  for (PoolIndex p = 0; p < options_.pools.size(); ++p) {
    const NodePool& pool = options_.pools[p];
    for (int32_t i = 0; i < pool.initial; ++i) {
      add(world, p, pool.zones[static_cast<size_t>(i) % pool.zones.size()], Duration());
    }
  }
}

NodeIndex Cloud::add(sim::World& world, PoolIndex p, std::string_view zone, Duration boot) {
  const NodePool& pool = options_.pools[p];
  made_.resize(options_.pools.size(), 0);
  node::MachineSpec spec;
  spec.name = fmt::format("{}-{}", pool.name.view(), ++made_[p]);
  spec.pool = pool.name;
  spec.instance_type = pool.type.name;
  spec.zone = zone;
  spec.region = pool.region;
  spec.cpu_milli = pool.type.cpu_milli;
  spec.memory_bytes = pool.type.memory_bytes;
  spec.disk_bytes = pool.type.disk_bytes;
  spec.max_pods = pool.type.max_pods;
  spec.devices = pool.type.devices;
  spec.reservation = pool.reservation;
  spec.labels = pool.labels;
  spec.labels.set("mainspring.dev/pool", pool.name);
  spec.taints = pool.taints;
  const NodeIndex n = world.get(options_.fleet).add_machine(world, std::move(spec), boot);
  rentals_.push_back(Rental{n, p, zone, world.now(), SimTime::max(), false});
  return n;
}

NodeIndex Cloud::create_machine(sim::World& world, PoolIndex p, std::string_view zone) {
  const NodePool& pool = options_.pools[p];
  const auto is_down = [&](std::string_view z) {
    return std::any_of(down_.begin(), down_.end(), [&](const api::Str& d) { return d == z; });
  };
  std::string_view chosen = zone;
  if (chosen.empty()) {
    int64_t fewest = INT64_MAX;
    for (const api::Str& z : pool.zones) {
      if (is_down(z)) continue;
      int64_t there = 0;
      for (const Rental& r : rentals_) {
        there += r.pool == p && r.until == SimTime::max() && !r.leaving && r.zone == z;
      }
      if (there < fewest) {
        fewest = there;
        chosen = z;
      }
    }
  }
  if (chosen.empty() || is_down(chosen)) {
    world.record(
        "model.note", fmt::format("NodePool/{}", pool.name.view()),
        fmt::format("No machine for pool {}: its zone is out of stock.", pool.name.view()));
    return node::kNoNode;
  }
  made_.resize(options_.pools.size(), 0);
  sim::Rng rng =
      world.stream("cloud").rng(sim::hash_combine(sim::hash64(pool.name), uint64_t{made_[p]} << 1));
  const NodeIndex n = add(world, p, chosen, pool.boot.sample_duration(rng));
  const std::string_view name = world.get(options_.fleet).spec(n).name;
  world.record("model.note", fmt::format("Node/{}", name),
               fmt::format("Machine {} was ordered in zone {}.", name, chosen));
  return n;
}

void Cloud::delete_machine(sim::World& world, NodeIndex machine) {
  Rental* r = find(machine);
  if (!r || r->leaving || r->until != SimTime::max()) return;
  r->leaving = true;
  sim::Rng rng = world.stream("cloud").rng(
      sim::hash_combine(sim::hash64(options_.pools[r->pool].name), uint64_t{machine} << 1 | 1));
  world.schedule(options_.pools[r->pool].shutdown.sample_duration(rng), id(), kDeleted, machine);
}

void Cloud::set_zone_down(std::string_view zone, bool down) {
  std::erase_if(down_, [&](const api::Str& z) { return z == zone; });
  if (down) down_.push_back(zone);
}

void Cloud::handle(sim::World& world, const sim::Event& event) {
  node::NodeFleet& fleet = world.get(options_.fleet);
  apiserver::ApiServer& server = world.get(options_.server);
  const auto machine = static_cast<NodeIndex>(event.a);
  const auto check_later = [&] {
    const int64_t beats = world.now().ns() / kLifecyclePeriod.ns() + 1;
    world.schedule(SimTime::from_ns(beats * kLifecyclePeriod.ns()), id(), kCheck, machine);
  };
  switch (static_cast<EventKind>(event.kind)) {
    case kDeleted: {
      Rental* r = find(machine);
      MAINSPRING_CHECK(r, "machine {} was never made", machine);
      r->until = world.now();
      fleet.remove_machine(world, machine);
      if (options_.node_lifecycle) check_later();
      return;
    }
    case kCheck: {
      const api::Str& name = fleet.spec(machine).name;
      const api::Node* node = server.get<api::Node>({}, name);
      if (!node) return;
      bool ready = false;
      for (const api::NodeCondition& c : node->status.conditions) {
        if (c.type == "Ready") ready = c.status == "True";
      }
      if (ready) {
        check_later();
        return;
      }
      if (!connected_) {
        client_ = server.connect("cloud-controller-manager", {}, {id(), kAnswer});
        connected_ = true;
      }
      client::Request request;
      request.verb = client::Verb::kDelete;
      request.kind = api::Kind::Node;
      request.name = name;
      request.uid = node->metadata.uid;
      server.submit(world, client_, std::move(request), machine);
      return;
    }
    case kAnswer: {
      const client::Outcome outcome = server.take_outcome(event.b);
      if (outcome.code >= 500) check_later();
      return;
    }
  }
}

int64_t Cloud::cost_micros(PoolIndex pool, SimTime now) const {
  int64_t sum = 0;
  for (const Rental& r : rentals_) {
    if (r.pool == pool) sum += price_of(options_.pools[pool], std::min(r.until, now) - r.from);
  }
  return sum;
}

int64_t Cloud::cost_micros(SimTime now) const {
  int64_t sum = 0;
  for (PoolIndex p = 0; p < options_.pools.size(); ++p) sum += cost_micros(p, now);
  return sum;
}

}  // namespace mainspring::cloud

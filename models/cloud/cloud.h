// The cloud provider: pools of machines by instance type and zone, powered on and given back on
// request, and what they cost.
//
// Units: prices in millionths of a dollar per hour, costs in millionths of a dollar. A machine is
// paid for from the request that makes it until it is given back, also while it is booting or
// without power. Draws come from the stream "cloud", keyed by machine name.
// Not modelled: load balancers, disks, spot interruptions, quotas, billing granularity.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "models/apiserver/api_server.h"
#include "models/node/node_fleet.h"
#include "sim/distributions.h"
#include "sim/world.h"

namespace mainspring::cloud {

struct InstanceType {
  api::Str name = "standard-4";
  int64_t cpu_milli = 4000;
  int64_t memory_bytes = 16LL << 30;
  int64_t disk_bytes = 100LL << 30;
  int32_t max_pods = 110;
  api::Map<api::Quantity> devices;  // extended resources
  int64_t price_per_hour_micros = 0;
};

struct NodePool {
  api::Str name;
  InstanceType type;
  api::Str region = "region-1";
  std::vector<api::Str> zones = {"zone-a"};
  int32_t initial = 0;  // machines that exist at the start, dealt to the zones in turn
  // From the request to a registered node (EC2: API 1-3 s, boot 10-20 s, bootstrap 5-20 s, kubelet
  // 1-3 s; GKE 60-120 s).
  sim::Distribution boot = sim::Distribution::uniform(40e9, 70e9).as_nanoseconds();
  // From the request until a machine is really gone (a typical cloud: 30 to 90 s).
  sim::Distribution shutdown = sim::Distribution::uniform(30e9, 90e9).as_nanoseconds();
  node::Reservation reservation = node::Reservation::kNone;
  api::StrMap labels;
  api::List<api::Taint> taints;
};

using PoolIndex = uint32_t;

class Cloud final : public sim::Cloneable<Cloud> {
 public:
  struct Options {
    sim::ComponentRef<apiserver::ApiServer> server;
    sim::ComponentRef<node::NodeFleet> fleet;
    std::vector<NodePool> pools;
    // The cloud controller: every 5 s it looks at nodes that are not Ready, and deletes those whose
    // machine does not exist any more (cloud-provider/controllers/nodelifecycle).
    bool node_lifecycle = true;
  };

  explicit Cloud(Options options) : options_(std::move(options)) {}
  std::string_view name() const override { return "cloud"; }
  void handle(sim::World& world, const sim::Event& event) override;

  // The machines that exist when the run begins, at once. Before World::start.
  void create_initial(sim::World& world);

  // Asks for a machine in the pool, in `zone` or, when empty, in the zone of the pool that has the
  // fewest of its machines. kNoNode when the zone is out of stock.
  node::NodeIndex create_machine(sim::World& world, PoolIndex pool, std::string_view zone = {});
  // Gives a machine back; it is gone a while later.
  void delete_machine(sim::World& world, node::NodeIndex machine);
  // No new machines in the zone while it is down.
  void set_zone_down(std::string_view zone, bool down);

  size_t pool_count() const { return options_.pools.size(); }
  const NodePool& pool(PoolIndex pool) const { return options_.pools[pool]; }
  PoolIndex find_pool(std::string_view name) const;  // UINT32_MAX
  // Machines of the pool that are paid for.
  int64_t machine_count(PoolIndex pool) const;
  PoolIndex pool_of(node::NodeIndex machine) const;  // UINT32_MAX for machines it did not make
  // Cost of all machines so far, and of one pool.
  int64_t cost_micros(sim::SimTime now) const;
  int64_t cost_micros(PoolIndex pool, sim::SimTime now) const;

 private:
  enum EventKind : uint16_t { kDeleted, kCheck, kAnswer };
  struct Rental {
    node::NodeIndex machine = 0;
    PoolIndex pool = 0;
    api::Str zone;
    sim::SimTime from;
    sim::SimTime until = sim::SimTime::max();
    bool leaving = false;
  };
  node::NodeIndex add(sim::World& world, PoolIndex pool, std::string_view zone, sim::Duration boot);
  Rental* find(node::NodeIndex machine);

  Options options_;
  std::vector<Rental> rentals_;  // ascending by machine
  std::vector<uint32_t> made_;   // per pool, for names
  std::vector<api::Str> down_;
  apiserver::ClientId client_ = 0;
  bool connected_ = false;
};

}  // namespace mainspring::cloud

// A scenario turned into a running world: API server, control plane, machines, traffic, faults and
// the timeline of kubectl commands, wired together.
//
// A Simulation is a value like the world it holds: a copy runs on independently. Everything that a
// result may need afterwards is in world().journal(): store changes ("store.*"), kubectl commands
// ("kubectl.begin", "kubectl.end"), model events ("model.note"), traffic ("traffic.bucket") and
// samples of the cluster ("sample.cluster", scenarios/samples.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "models/apiserver/api_server.h"
#include "models/apiserver/control_host.h"
#include "scenarios/loader.h"
#include "sim/world.h"

namespace mainspring::node {
class NodeFleet;
}
namespace mainspring::traffic {
class RequestEngine;
}

namespace mainspring::scenarios {

// An object of the manifests that the API server refuses at the start of the run.
struct StartRefusal {
  size_t object = 0;            // its index in LoadedScenario::objects
  std::string message;          // in the API server's words
  bool no_namespace = false;    // because its namespace is not there
  bool of_the_cluster = false;  // because a new cluster has one of this name
};
// What a run of the scenario begins without, by index: the same requests to an API server that is
// new, at no cost of machines or control plane.
std::vector<StartRefusal> refused_at_start(const LoadedScenario& scenario);

struct RunOptions {
  std::optional<uint64_t> seed;  // instead of the scenario's
  // Keep the records (needed for reports), or their digest only.
  bool keep_journal = true;
};

class Simulation {
 public:
  Simulation(const LoadedScenario& scenario, const RunOptions& options);
  Simulation(const Simulation&) = default;

  sim::World& world() { return world_; }
  const sim::World& world() const { return world_; }
  uint64_t seed() const { return seed_; }
  sim::SimTime end() const { return end_; }

  // Runs on to `until` or the end, whichever comes first. True at the end of the scenario.
  // Throws sim::InvariantBroken when the simulator itself is at fault.
  bool run_until(sim::SimTime until);

  const apiserver::ApiServer& api_server() const { return world_.get(server_); }
  sim::ComponentRef<node::NodeFleet> fleet() const { return fleet_; }
  // For its observers; changing anything else of it changes the run.
  scheduler::Scheduler& scheduler();

 private:
  sim::World world_;
  uint64_t seed_ = 0;
  sim::SimTime end_;
  sim::ComponentRef<apiserver::ApiServer> server_;
  sim::ComponentRef<node::NodeFleet> fleet_;
  sim::ComponentRef<apiserver::ControlHost> scheduler_;
  sim::ComponentRef<apiserver::ControlHost> controllers_;
  sim::ComponentRef<apiserver::ControlHost> kubectl_;
  sim::ComponentRef<traffic::RequestEngine> engine_;
  bool flushed_ = false;
};

}  // namespace mainspring::scenarios

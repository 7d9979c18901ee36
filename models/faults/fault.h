// What goes wrong in a run, and when: data that scenario files give, and what each kind does.
//
// A fault acts on machines, containers and traffic, never on the control plane: that one has to
// find out. Every kind has a defined recovery, after `duration`; without a duration it is a single
// blow (container_crash) or never ends. Each kind is one file of this folder and one line of
// fault_types().
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "models/api/value.h"
#include "models/cloud/cloud.h"
#include "models/node/node_fleet.h"
#include "models/traffic/request_engine.h"
#include "sim/world.h"

namespace mainspring::faults {

// Whom a fault is for; empty fields match everything.
struct FaultTarget {
  api::Str ns;
  api::Str workload;  // Deployment, StatefulSet, DaemonSet, Job or bare pod
  api::Str pod;
  api::Str container;
  api::StrMap labels;  // of pods: all must match
  api::Str node;
  api::Str pool;
  api::Str zone;
  int32_t count = 0;  // how many of those that match, drawn at random; 0: all
  api::Str traffic;   // a source of requests
};

struct FaultSpec {
  api::Str kind;  // as in fault_types(): "container_crash"
  api::Str name;  // for the report
  sim::SimTime at;
  sim::Duration duration;  // zero: no recovery
  FaultTarget target;
  int32_t exit_code = 1;            // container_crash
  api::Str reason = "Error";        // container_crash: Error or OOMKilled
  int64_t factor_per_mille = 1000;  // traffic_spike, slow_registry
  sim::Duration ramp;               // traffic_spike: time to climb, and to fall
  api::Str host;                    // registry_outage, slow_registry
  bool liveness = false;            // probe_failure: the liveness probe instead of readiness
};

// What a fault did, so that it can be undone.
struct FaultState {
  bool active = false;
  std::vector<node::NodeIndex> nodes;
  std::vector<node::ContainerHandle> containers;
};

struct FaultContext {
  sim::World& world;
  node::NodeFleet& fleet;
  cloud::Cloud* cloud;              // null in runs without one
  traffic::RequestEngine* traffic;  // null in runs without users
  uint32_t number;                  // of the fault, for draws

  // `count` of n things, all when 0, as rising positions; drawn from the stream "faults".
  std::vector<size_t> choose(size_t n, int32_t count) const;
};

struct FaultType {
  std::string_view kind;
  std::string_view what;  // one line for the reference
  // What is wrong with the entry; empty if nothing is.
  std::string (*check)(const FaultSpec& spec);
  // Each returns a sentence for the journal.
  std::string (*inject)(FaultContext& context, const FaultSpec& spec, FaultState& state);
  std::string (*recover)(FaultContext& context, const FaultSpec& spec, FaultState& state);
};

// All kinds, by name.
const std::vector<FaultType>& fault_types();
const FaultType* find_fault_type(std::string_view kind);

// One per file.
extern const FaultType kContainerCrash;
extern const FaultType kNodeCrash;
extern const FaultType kZoneOutage;
extern const FaultType kTrafficSpike;
extern const FaultType kRegistryOutage;
extern const FaultType kSlowRegistry;
extern const FaultType kProbeFailure;

// Plays the faults of a scenario. Add it after those it acts on.
class FaultInjector final : public sim::Cloneable<FaultInjector> {
 public:
  struct Options {
    sim::ComponentRef<node::NodeFleet> fleet;
    sim::ComponentRef<cloud::Cloud> cloud;              // may be invalid
    sim::ComponentRef<traffic::RequestEngine> traffic;  // may be invalid
    std::vector<FaultSpec> faults;
  };
  explicit FaultInjector(Options options);
  std::string_view name() const override { return "faults"; }
  void start(sim::World& world) override;
  void handle(sim::World& world, const sim::Event& event) override;

  const std::vector<FaultSpec>& faults() const { return options_.faults; }
  bool active(size_t fault) const { return states_[fault].active; }

 private:
  enum EventKind : uint16_t { kInject, kRecover };  // a = number of the fault

  Options options_;
  std::vector<FaultState> states_;
};

}  // namespace mainspring::faults

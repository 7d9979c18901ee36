// The fake kubelet of the recorded timelines (data/README.md): nodes that renew their leases, pods
// that run after a fixed delay and go after another, and scripted pod metrics. It stands in for
// models/node where the control plane is compared with the real one.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "models/apiserver/api_server.h"
#include "models/apiserver/control_host.h"
#include "sim/world.h"

namespace mainspring::conformance {

struct FakeNodes {
  int nodes = 6;
  int zones = 3;
  std::string cpu = "4";
  sim::Duration settle = sim::Duration::seconds(8);
};

// Scripted demand for the horizontal pod autoscaler: (second of the scenario's clock, milli-CPU).
struct ScriptedMetrics {
  std::vector<std::pair<sim::Duration, int64_t>> demand_milli;
  int64_t cap_milli = 1000;
};

class FakeKubelet final : public sim::Cloneable<FakeKubelet>, public apiserver::MetricsSource {
 public:
  FakeKubelet(sim::ComponentRef<apiserver::ApiServer> server, FakeNodes nodes,
              ScriptedMetrics metrics);
  std::string_view name() const override { return "fake-kubelet"; }
  void start(sim::World& world) override;
  void handle(sim::World& world, const sim::Event& event) override;
  std::vector<client::PodMetrics> pod_metrics(const sim::World& world,
                                              std::string_view ns) const override;

  void stop_node(const std::string& name) { stopped_.insert(name); }
  void start_node(const std::string& name) { stopped_.erase(name); }

 private:
  enum Kind : uint16_t { kPodChange, kOutcome, kRun, kExit, kGone, kRenew };
  struct Pod {
    api::Str ns, name, uid;
    bool removing = false;
  };
  void create_nodes(sim::World& world);
  void on_pod(sim::World& world, const client::WatchEvent& change);
  void run_pod(sim::World& world, const Pod& pod);
  void exit_pod(sim::World& world, const Pod& pod, int32_t code);
  void plan_exit(sim::World& world, size_t number);
  // `cookie`: one more than the number of a pod whose end is to be planned, or 0.
  void put_status(sim::World& world, const api::Pod& live, const api::PodStatus& status,
                  uint64_t cookie);

  sim::ComponentRef<apiserver::ApiServer> server_;
  FakeNodes nodes_;
  ScriptedMetrics metrics_;
  apiserver::ClientId client_ = 0;
  std::set<std::string> stopped_;
  std::vector<Pod> pods_;
  std::map<std::string, size_t> by_uid_;
  sim::SimTime last_run_;
};

}  // namespace mainspring::conformance

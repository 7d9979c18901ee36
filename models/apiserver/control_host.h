// A process of the control plane (kube-scheduler, kube-controller-manager, ...) in the simulation:
// its shared informer caches and its loops, driven by world events.
//
// This is the only place where the control plane's interface meets virtual time. Loops hear of a
// change in the order they were added, each with its own client and rate limit, all with the same
// caches, as the loops of one kube-controller-manager process do.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "models/apiserver/api_server.h"
#include "models/client/control_loop.h"
#include "sim/world.h"

namespace mainspring::apiserver {

// Where pod metrics come from: a component of the world that plays the metrics server.
class MetricsSource {
 public:
  virtual ~MetricsSource() = default;
  virtual std::vector<client::PodMetrics> pod_metrics(const sim::World& world,
                                                      std::string_view ns) const = 0;
};

class ControlHost final : public sim::Component {
 public:
  ControlHost(std::string process, sim::ComponentRef<ApiServer> server);
  ControlHost(const ControlHost& other);
  std::string_view name() const override { return process_; }
  std::unique_ptr<sim::Component> clone() const override;
  void start(sim::World& world) override;
  void handle(sim::World& world, const sim::Event& event) override;

  void add(std::unique_ptr<client::ControlLoop> loop);
  // When the process comes up, counted from the start of the world.
  void set_start_delay(sim::Duration delay) { start_delay_ = delay; }
  // The component that answers pod_metrics(); it must derive from MetricsSource.
  void set_metrics(sim::ComponentId source) { metrics_ = source; }
  client::ControlLoop* find(std::string_view loop);

 private:
  class Context;
  struct LoopState {
    std::unique_ptr<client::ControlLoop> loop;
    ClientId client = 0;
    ClientId events = 0;  // the client that sends events; mostly the same
  };
  struct Timer {
    sim::EventId event{};
    uint32_t loop = 0;
    client::Cookie cookie = 0;
    uint32_t generation = 0;
    bool armed = false;
  };
  enum EventKind : uint16_t { kOutcome, kWatch, kTimer, kStart };

  std::string process_;
  sim::ComponentRef<ApiServer> server_;
  std::vector<LoopState> loops_;
  std::map<api::Kind, client::Cache> caches_;
  std::map<api::Kind, std::vector<uint32_t>> listeners_;
  std::vector<Timer> timers_;
  std::vector<uint32_t> free_timers_;
  std::map<client::Cookie, std::pair<uint32_t, client::Cookie>> in_flight_;
  client::Cookie next_cookie_ = 1;
  sim::ComponentId metrics_{};
  sim::Duration start_delay_;
  bool started_ = false;
};

}  // namespace mainspring::apiserver

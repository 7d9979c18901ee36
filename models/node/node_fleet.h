// All machines of the cluster with their kubelets: the hardware and the agents of every node, in
// one component, as arrays.
//
// What it does: registers Node objects and keeps their Lease and status; runs the pods bound to
// them (admission, volumes, image pulls, sandbox, init containers, sidecars, containers, probes,
// restarts with back-off, termination); shares CPU, accounts memory, kills for OOM, evicts under
// memory pressure; answers the resource metrics API. It reaches the API server as kubelets do: one
// client a node, one watch of bound pods.
//
// Cost follows change: leases, probes, status heartbeats and metric samples are computed when
// somebody asks, and only a change of outcome is an event; an idle pod costs none.
//
// Determinism: draws come from "kubelet" (keyed by pod uid, purpose and attempt), "app" and "node"
// (keyed by node name); walks are in order of slots.
// Source: Kubernetes v1.35 pkg/kubelet; constants in kubelet_config.h.
// Not modelled: README.md has the list.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/api/types/core.h"
#include "models/apiserver/api_server.h"
#include "models/apiserver/control_host.h"
#include "models/client/chunked_vector.h"
#include "models/client/flat_index.h"
#include "models/client/slot_table.h"
#include "models/node/app_behavior.h"
#include "models/node/image_catalog.h"
#include "models/node/kubelet_config.h"
#include "models/node/machine.h"
#include "models/node/runtime.h"
#include "models/node/text_pool.h"
#include "models/node/types.h"
#include "sim/world.h"

namespace mainspring::node {

// What happens to a container, as other components hear of it.
enum class ContainerChange : uint8_t {
  kStarted,      // the process runs
  kListening,    // it accepts requests
  kTerminating,  // it got SIGTERM; see accepts()
  kStopped,      // the process ended: requests in flight are lost, connections reset
  kVanished,     // its machine died: requests in flight hang
};
enum class NodeChange : uint8_t { kUp, kDown, kGone };

// Where changes go, as events of the listener's own kinds; 0xffff: not wanted.
struct Listener {
  static constexpr uint16_t kNone = 0xffff;
  sim::ComponentId component{};
  uint16_t container_changed = kNone;  // a = ContainerHandle::packed, b = ContainerChange
  // Some containers of a node got another CPU rate through what others did: a = NodeIndex. One
  // event per node and instant; the listener then calls rate_changes().
  uint16_t rates_changed = kNone;
  uint16_t node_changed = kNone;  // a = NodeIndex, b = NodeChange
};

enum class ProbeKind : uint8_t { kStartup, kReadiness, kLiveness };

class NodeFleet final : public sim::Cloneable<NodeFleet>, public apiserver::MetricsSource {
 public:
  struct Options {
    sim::ComponentRef<apiserver::ApiServer> server;
    KubeletConfig config;
    AppRules apps;
    ImageCatalog images;
    // Machines up at the start of the run are registered and Ready at once.
    bool instant_registration = true;
  };

  explicit NodeFleet(Options options);
  NodeFleet(const NodeFleet&) = default;
  std::string_view name() const override { return "nodes"; }
  void start(sim::World& world) override;
  void handle(sim::World& world, const sim::Event& event) override;

  // --- machines -------------------------------------------------------------------------------
  // Powers a machine on; its kubelet starts `boot` later and registers the node. Names are unique
  // among machines that are not gone.
  NodeIndex add_machine(sim::World& world, MachineSpec spec, sim::Duration boot);
  // Power off, now. Containers die; the Node object stays until somebody deletes it.
  void crash(sim::World& world, NodeIndex node, std::string_view why);
  // Power on after a crash: the kubelet starts `boot` later (default: drawn from config.reboot).
  void recover(sim::World& world, NodeIndex node, std::optional<sim::Duration> boot = {});
  // The machine goes back to the cloud, now and for good.
  void remove_machine(sim::World& world, NodeIndex node);

  size_t machine_count() const { return machines_.size(); }
  const MachineSpec& spec(NodeIndex node) const { return machines_[node].spec; }
  MachineState state(NodeIndex node) const { return machines_[node].state; }
  NodeIndex find_machine(std::string_view name) const;  // kNoNode
  // The last lease renewal at or before now; absent if there was none.
  api::Time lease_renewed(const sim::World& world, NodeIndex node) const;
  size_t pods_on(NodeIndex node) const { return machines_[node].pods.size(); }

  // --- pods and containers, for traffic and faults -----------------------------------------------
  PodHandle find_pod(std::string_view ns, std::string_view name) const;
  // By address. Not for pods on the host network.
  PodHandle pod_at(std::string_view ip) const;
  bool alive(PodHandle pod) const;
  NodeIndex node_of(PodHandle pod) const;
  // As last seen by the kubelet.
  const api::Pod& object(PodHandle pod) const;
  // The container that serves a port: the one that declares it, else the first app container.
  ContainerHandle container_for_port(PodHandle pod, int32_t port) const;
  ContainerHandle container(PodHandle pod, std::string_view name) const;  // init containers too
  std::vector<PodHandle> pods() const;                           // of all nodes, in order of slots
  std::vector<ContainerHandle> containers(PodHandle pod) const;  // init containers first

  bool alive(ContainerHandle c) const;
  PodHandle pod_of(ContainerHandle c) const;
  NodeIndex node_of(ContainerHandle c) const;
  std::string_view container_name(ContainerHandle c) const;
  bool running(ContainerHandle c) const;
  // Whether a connection made now is accepted: running, listening, and not closed by SIGTERM.
  bool accepts(ContainerHandle c) const;
  int32_t restarts(ContainerHandle c) const;
  const AppBehavior& behavior(ContainerHandle c) const;

  // --- CPU --------------------------------------------------------------------------------------
  // Requests being worked on want this many cores, on top of what the program itself burns; the
  // answer is what they get from now on. The demand ends with the process. If the rate changes
  // later because of others or of the CFS quota, the listener hears of it. `burst`: the caller
  // calls again when they have burnt this much processor time; if the quota has that much left,
  // nobody need watch it.
  MicroCores set_demand(sim::World& world, ContainerHandle c, MicroCores demand,
                        sim::Duration burst = sim::Duration::max());
  MicroCores demand(ContainerHandle c) const;
  // What the requests of this container get now.
  MicroCores rate(ContainerHandle c) const;
  // The containers of a node whose rate changed through others since the last call, with the rate
  // that their requests get now, in order of change.
  std::vector<std::pair<ContainerHandle, MicroCores>> rate_changes(NodeIndex node);
  // Processor time used since the container was first started.
  sim::Duration cpu_used(const sim::World& world, ContainerHandle c) const;
  // Time for which the CFS quota held it back, and in how many periods of 100 ms
  // (container_cpu_cfs_throttled_seconds_total and container_cpu_cfs_throttled_periods_total).
  sim::Duration throttled(const sim::World& world, ContainerHandle c) const;
  int64_t throttled_periods(const sim::World& world, ContainerHandle c) const;
  MicroCores node_cpu_used(NodeIndex node) const { return machines_[node].cpu.used(); }

  // --- memory -----------------------------------------------------------------------------------
  // Requests held in memory. May kill the container (OOM) at this very instant, which the listener
  // hears of by event.
  void set_in_flight(sim::World& world, ContainerHandle c, int64_t requests);
  int64_t memory(const sim::World& world, ContainerHandle c) const;  // working set, bytes
  int64_t node_memory_used(const sim::World& world, NodeIndex node) const;

  // --- listeners --------------------------------------------------------------------------------
  void add_listener(Listener listener) { listeners_.push_back(listener); }

  // --- faults -----------------------------------------------------------------------------------
  // Ends the process now. Reason as the runtime reports it ("Error", "OOMKilled"; "Completed" for
  // exit code 0).
  void crash_container(sim::World& world, ContainerHandle c, int32_t exit_code,
                       std::string_view reason = "Error");
  // Forces the outcome of a probe from now on; nothing: as the program answers.
  void force_probe(sim::World& world, ContainerHandle c, ProbeKind kind, std::optional<bool> ok);
  ImageCatalog& images() { return options_.images; }
  void set_cpu_capacity(sim::World& world, NodeIndex node, MicroCores capacity);

  // --- metrics ----------------------------------------------------------------------------------
  std::vector<client::PodMetrics> pod_metrics(const sim::World& world,
                                              std::string_view ns) const override;

 private:
  enum EventKind : uint16_t {
    kAnswer,        // from the API server: a = cookie, b = ticket
    kPodWatch,      // a = watch, b = ticket
    kBoot,          // a = node, b = boot number: the kubelet starts
    kRegister,      // a = node, b = boot number
    kNetworkUp,     // a = node, b = boot number
    kBeat,          // a = node, b = boot number; with simulate_every_beat
    kPodOp,         // a = pod, b = its generation: the worker's present operation is done
    kPodRetry,      // a = pod, b = its generation: time to sync again
    kPleg,          // a = pod, b = its generation: the relist saw a change
    kDeadline,      // a = pod, b = its generation: activeDeadlineSeconds
    kStatusSend,    // a = pod, b = its generation, c = node: read done, now patch
    kPullDone,      // a = node, b = boot number
    kAppListening,  // a = container, b = its incarnation
    kAppExit,       // same; c = 0: as planned, 1: crash, 2: after SIGTERM
    kOom,           // same
    kProbe,         // same; c = ProbeKind: the next tick that matters
    kSigterm,       // same: preStop is over
    kSigkill,       // same: the grace period is over
    kEviction,      // a = node, b = boot number
    kMemoryCheck,   // a = node, b = boot number: a leak crosses the eviction threshold
    kNodeStatus,    // a = node, b = boot number: write the node's status again
    kCreateNode,    // a = node, b = boot number: try again to register
    kStatusRetry,   // a = pod, b = its generation
    kDeleteRetry,   // a = pod, b = its generation
    kQuota,         // a = container, b = its incarnation: its CFS quota is used up, or renewed
    kImageList,     // a = node, b = boot number: the kubelet asks the runtime which images it has
    kStatusLoop,    // a = node, b = boot number: its status loop finds other images
  };
  // What an answer is for, in the top byte of a cookie.
  enum class Purpose : uint8_t { kEvent, kStatus, kDelete, kNode };
  class EventContext;

  // machines (node_fleet.cpp)
  void boot(sim::World& world, NodeIndex n);
  void register_node(sim::World& world, NodeIndex n);
  void create_node(sim::World& world, NodeIndex n);
  void network_up(sim::World& world, NodeIndex n);
  api::Ref<const api::Node> node_object(const sim::World& world, NodeIndex n) const;
  void send_node_status(sim::World& world, NodeIndex n);
  void write_lease(sim::World& world, NodeIndex n, bool running);
  void power_off(sim::World& world, NodeIndex n, MachineState to);
  void answer(sim::World& world, uint64_t cookie, uint64_t ticket);
  void note(sim::World& world, std::string_view key, std::string_view text);
  void adopt_pods(sim::World& world, NodeIndex n);
  void tell_node(sim::World& world, NodeIndex n, NodeChange change);
  void tell_container(sim::World& world, uint32_t c, ContainerChange change);
  apiserver::ApiServer& server(sim::World& world) const;
  const apiserver::ApiServer& server(const sim::World& world) const;
  uint64_t cookie(Purpose purpose, NodeIndex n, uint32_t slot) const;
  uint64_t draw(std::string_view stream, const sim::World& world, uint64_t entity, uint64_t purpose,
                uint64_t attempt) const;
  void pod_event(sim::World& world, PodRuntime& pod, std::string_view type, std::string_view reason,
                 std::string message);
  void node_event(sim::World& world, NodeIndex n, std::string_view type, std::string_view reason,
                  std::string message);

  // pods (pod_worker.cpp)
  void on_pod(sim::World& world, const api::ObjectRef& object, bool deleted);
  uint32_t new_pod(sim::World& world, api::Ref<const api::Pod> object, NodeIndex n);
  void free_pod(sim::World& world, uint32_t p);
  static constexpr uint32_t kNoPod = client::SlotTable::kNone;
  uint32_t pod_slot(std::string_view ns, std::string_view name) const;
  void begin(sim::World& world, uint32_t p, Op op, sim::Duration after);
  void op_done(sim::World& world, uint32_t p);
  bool admit(sim::World& world, uint32_t p);
  void mount_volumes(sim::World& world, uint32_t p);
  std::string missing_volume(const sim::World& world, const api::Pod& pod) const;
  std::string barred_claim(const sim::World& world, const api::Pod& given) const;
  std::string missing_env(const sim::World& world, const api::Pod& pod,
                          const api::Container& spec) const;
  void sync(sim::World& world, uint32_t p);
  void next_step(sim::World& world, uint32_t p);
  uint32_t pick_start(PodRuntime& pod);
  void end_round(sim::World& world, uint32_t p);
  void sync_later(sim::World& world, uint32_t p, sim::Duration wait);
  bool wants_start(const PodRuntime& pod, const ContainerRuntime& c) const;
  bool finished(const PodRuntime& pod) const;
  void try_start(sim::World& world, uint32_t p, uint32_t c);
  void start_failed(sim::World& world, uint32_t p, uint32_t c, std::string_view reason,
                    std::string_view message);
  void relist_soon(sim::World& world, uint32_t p);
  sim::SimTime next_relist(const sim::World& world, NodeIndex n) const;
  void terminate(sim::World& world, uint32_t p, sim::Duration grace);
  void stop_container(sim::World& world, uint32_t c, sim::Duration grace, std::string message);
  void sigterm(sim::World& world, uint32_t c);
  void continue_termination(sim::World& world, uint32_t p);
  void finish_pod(sim::World& world, uint32_t p);
  void end_pod(sim::World& world, uint32_t p, std::string_view reason, std::string_view message,
               sim::Duration grace);
  void release(PodRuntime& pod);
  const api::Container& spec_of(const ContainerRuntime& c) const;
  sim::Rng app_rng(const sim::World& world, const ContainerRuntime& c, uint64_t purpose) const;
  uint64_t pod_draw(const sim::World& world, const PodRuntime& pod, uint64_t purpose,
                    uint64_t attempt) const;

  // images (images.cpp)
  void ensure_image(sim::World& world, uint32_t p, uint32_t c);
  void start_pull(sim::World& world, NodeIndex n);
  void pull_done(sim::World& world, NodeIndex n);
  bool found_running(const Machine& m) const;
  sim::SimTime next_image_list(const sim::World& world, NodeIndex n) const;
  sim::SimTime next_status_loop(const sim::World& world, NodeIndex n) const;
  bool list_images(NodeIndex n);
  void image_stored(sim::World& world, NodeIndex n);
  void image_list_tick(sim::World& world, NodeIndex n);
  std::string pull_error(const sim::World& world, const api::Pod& pod,
                         std::string_view image) const;
  bool authorized(const sim::World& world, const api::Pod& pod, const ImageName& image,
                  const ImageCatalog::Registry& registry) const;

  // processes (containers.cpp)
  void process_started(sim::World& world, uint32_t c);
  void app_listening(sim::World& world, uint32_t c);
  void process_ended(sim::World& world, uint32_t c, int32_t exit_code, std::string_view reason,
                     bool machine_died);
  void update_demand(sim::World& world, uint32_t c);
  void request_cpu(sim::World& world, uint32_t c);
  void apply_changes(sim::World& world, NodeIndex n, uint32_t except);
  void arm_quota(sim::World& world, uint32_t c);
  void look_at_quota(sim::World& world, uint32_t c);
  CfsQuota quota_now(const sim::World& world, ContainerHandle c) const;
  void meter(sim::SimTime now, ContainerRuntime& c);
  MicroCores request_rate(const ContainerRuntime& c) const;
  int64_t working_set(const ContainerRuntime& c, sim::SimTime at) const;
  void watch_memory(sim::World& world, uint32_t c);
  void kernel_oom(sim::World& world, NodeIndex n);
  void check_pressure(sim::World& world, NodeIndex n);
  void eviction_round(sim::World& world, NodeIndex n);
  int64_t pod_memory(const PodRuntime& pod, sim::SimTime at) const;

  // probes (probes.cpp)
  void start_probes(sim::World& world, uint32_t c);
  void stop_probes(sim::World& world, uint32_t c, bool readiness_too);
  void activate_probe(sim::World& world, uint32_t c, ProbeKind kind);
  void arm_probe(sim::World& world, uint32_t c, ProbeKind kind);
  void settle_probe(sim::World& world, uint32_t c, ProbeKind kind, sim::SimTime until);
  void probe_event(sim::World& world, uint32_t c, ProbeKind kind);
  void probe_result(sim::World& world, uint32_t c, ProbeKind kind, ProbeResult result);
  void trigger_readiness(sim::World& world, uint32_t c);
  sim::Duration probe_lag(const sim::World& world, const ContainerRuntime& c, ProbeKind kind) const;
  size_t probe_steps(const ContainerRuntime& c, ProbeKind kind, ProbeStep (&out)[5]) const;
  std::string probe_failure(const ContainerRuntime& c, ProbeKind kind, bool hangs) const;

  // status (pod_status.cpp)
  void status_changed(sim::World& world, uint32_t p);
  void pump_status(sim::World& world, NodeIndex n);
  void send_status(sim::World& world, uint32_t p);
  void refresh(const sim::World& world, PodRuntime& pod);
  std::string_view compute_phase(const PodRuntime& pod) const;
  void fill_status(const sim::World& world, PodRuntime& pod, api::PodStatus& status);
  void fill_addresses(PodRuntime& pod, api::PodStatus& status);
  void fill_conditions(const sim::World& world, const PodRuntime& pod, api::PodStatus& status);
  api::List<api::ContainerStatus> container_statuses(const sim::World& world, const PodRuntime& pod,
                                                     bool init);
  std::string container_id(const ContainerRuntime& c, uint32_t incarnation) const;

  Options options_;
  std::vector<Machine> machines_;
  client::ChunkedVector<PodRuntime> pods_;
  std::vector<uint32_t> free_pods_;
  client::ChunkedVector<ContainerRuntime> containers_;
  std::vector<uint32_t> free_containers_;
  client::SlotTable pod_by_name_;
  client::FlatIndex machine_by_name_;  // of machines that are not gone
  std::vector<Listener> listeners_;
  apiserver::ClientId watch_client_ = 0;
  TextPool texts_;                        // of statuses
  std::vector<CpuHost::Change> changes_;  // scratch, empty between calls
};

}  // namespace mainspring::node

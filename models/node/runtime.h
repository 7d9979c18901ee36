// The state of machines, pods and containers inside NodeFleet. Internal to models/node.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "models/api/types/core.h"
#include "models/apiserver/api_server.h"
#include "models/client/event_recorder.h"
#include "models/client/lease_clock.h"
#include "models/node/app_behavior.h"
#include "models/node/cfs_quota.h"
#include "models/node/cpu_host.h"
#include "models/node/crash_backoff.h"
#include "models/node/machine.h"
#include "models/node/probe_schedule.h"
#include "models/node/types.h"
#include "sim/world.h"

namespace mainspring::node {

inline constexpr sim::SimTime kNever = sim::SimTime::max();

enum class RunState : uint8_t { kWaiting, kRunning, kTerminated };
enum class Role : uint8_t { kInit, kSidecar, kApp };

// How a process ended.
struct Termination {
  int32_t exit_code = 0;
  api::Str reason;
  api::Str message;
  sim::SimTime started_at;
  sim::SimTime finished_at;
};

struct ProbeRuntime {
  ProbeState state;
  sim::EventId event;    // the next tick that matters: a flip, or a failure worth an event
  sim::SimTime tick;     // which tick that is
  int32_t reported = 0;  // failures reported as events in this incarnation
  bool used = false;     // the container declares it
  bool active = false;   // running now: between start (or startup success) and the end
};

// The outcome of a probe as a fault forces it.
struct ForcedProbe {
  sim::SimTime since;
  std::optional<bool> ok;  // nothing: as the program answers
};

// Usage of CPU as an integral, and its value at the last two instants at which the metrics server
// scraped the node.
struct CpuMeter {
  static constexpr int64_t kMicro = 1'000'000;
  int64_t core_ns = 0;    // whole core-nanoseconds used until `since`
  int64_t at_start = 0;   // the same when the present process started
  int32_t remainder = 0;  // millionths of one
  int32_t scrape = -1;    // number of the last scrape at or before `since`; -1: none
  sim::SimTime since;
  MicroCores rate;
  std::array<int64_t, 2> sample{};         // core_ns at scrape - 1 and scrape
  std::array<int64_t, 2> memory_sample{};  // working set there
};

// How often the metrics server scrapes every node (the shipped manifests' --metric-resolution), at
// whole multiples from the start of the run.
inline constexpr sim::Duration kScrapePeriod = sim::Duration::seconds(15);

// Core-nanoseconds used until `at`, which is not before meter.since and not after now.
inline int64_t usage_at(const CpuMeter& meter, sim::SimTime at) {
  __extension__ using Wide = __int128;
  const Wide micro = Wide{meter.rate.value} * (at - meter.since).ns() + meter.remainder;
  return meter.core_ns + static_cast<int64_t>(micro / CpuMeter::kMicro);
}

// What a container has only once something went wrong with it.
struct Setbacks {
  api::Str waiting_reason;  // shown; empty: ContainerCreating or PodInitializing
  api::Str waiting_message;
  api::Str next_reason;  // shown from the next sync on (the kubelet's reason cache)
  api::Str next_message;
  Backoff crash_backoff;
  Backoff image_backoff;
  // By ProbeKind:
  std::array<ForcedProbe, 3> forced;
  std::array<sim::SimTime, 3> reported_at;  // the tick of the last of many failures reported
};

// What a container has once it is being stopped.
struct Stop {
  sim::Duration grace;  // from SIGTERM to SIGKILL
  sim::SimTime sigterm_at;
  sim::EventId kill_event;
};

// What a container with a CPU limit has.
struct Quota {
  CfsQuota account;
  sim::EventId event;   // looks at it again
  sim::SimTime look;    // when
  bool covers = false;  // what the requests burn until set_demand() is called again
};

// There are as many as containers, so the order of the fields leaves no gaps.
struct ContainerRuntime {
  uint32_t generation = 0;
  uint32_t pod = UINT32_MAX;
  uint16_t spec_index = 0;  // in spec.initContainers or spec.containers
  Role role = Role::kApp;
  RunState state = RunState::kWaiting;
  bool in_use = false;
  bool started = false;  // running, and its startup probe (if any) succeeded
  bool ready = false;
  bool listening = false;
  bool got_sigterm = false;
  bool stop_begun = false;   // termination: preStop or SIGTERM under way
  bool kill_wanted = false;  // a failed liveness or startup probe asks for a restart
  bool kill_by_startup = false;
  int32_t restarts = 0;
  uint32_t incarnation = 0;  // how often a process was started; dates events of old ones
  uint32_t attempts = 0;     // starts tried, for draws
  uint32_t round = 0;        // sync round in which it was last tried
  uint32_t pulls = 0;
  uint32_t cpu_position = UINT32_MAX;

  AppBehaviorRef behavior;
  api::Opt<Setbacks> setbacks;
  api::Opt<Stop> stop;
  api::Opt<Quota> quota;
  api::Opt<Termination> ended;  // of state kTerminated
  api::Opt<Termination> last;   // the one before the current instance
  api::Str id;                  // as its status shows it; made when first shown

  sim::SimTime started_at;
  sim::SimTime listening_at;  // of this incarnation
  sim::SimTime ready_at;      // when its readiness probe begins to succeed
  sim::EventId oom_event;
  std::array<ProbeRuntime, 3> probes;  // by ProbeKind

  MicroCores own_demand;      // the program's own: starting or idle
  MicroCores request_demand;  // set_demand()
  CpuMeter cpu;
  int64_t in_flight = 0;
  int64_t memory_limit = 0;  // of the present process; 0: none

  // Names the present process in events about it.
  uint64_t process() const { return uint64_t{generation} << 32 | incarnation; }
};

// What a pod worker is doing; one thing at a time.
enum class Op : uint8_t {
  kNone,
  kDispatch,
  kDirs,
  kVolumes,
  kSandbox,
  kImage,  // checking or pulling
  kCreate,
  kStart,
  kPostStart,
  kRestartKill,  // stopping one container to restart it (liveness)
  kStopping,     // all containers
  kSandboxStop,
  kCleanup,
};

// PodReadyToStartContainers, Initialized, Ready, ContainersReady, in this order.
struct ConditionStates {
  std::array<sim::SimTime, 4> since;
  std::array<bool, 4> known{};
  std::array<bool, 4> status{};
};

// What a pod has once it is to end.
struct Ending {
  sim::Duration grace;
  sim::SimTime kill_at;
  api::Str reason;  // status.reason of a pod that the kubelet ended
  api::Str message;
};

// There are as many as pods, so the order of the fields leaves no gaps.
struct PodRuntime {
  uint32_t generation = 0;
  NodeIndex node = kNoNode;
  bool in_use = false;
  QosClass qos = QosClass::kBestEffort;

  bool admitted = false;
  bool counted = false;  // its requests are in the machine's sums
  bool volumes_mounted = false;
  bool has_sandbox = false;
  bool ever_sandbox = false;
  bool initialized = false;
  bool has_start_time = false;

  bool terminating = false;
  bool stopped = false;   // no container runs and none will
  bool api_gone = false;  // the object was removed
  bool deleting = false;  // our own final DELETE is under way
  bool forced_failed = false;
  bool disruption = false;  // DisruptionTarget by TerminationByKubelet
  bool status_queued = false;

  Op op = Op::kNone;
  bool pleg_pending = false;
  bool dirty = false;  // sync again when the present round ends
  bool round_failed = false;
  bool round_in_backoff = false;
  uint16_t init_count = 0;  // of `containers`
  uint16_t ip_host = 0;     // host part of its address; 0: none
  uint32_t round = 0;
  uint32_t op_container = UINT32_MAX;
  uint32_t sandboxes = 0;
  uint32_t volume_tries = 0;
  uint32_t retries = 0;
  uint32_t statuses = 0;  // status writes begun

  api::Ref<const api::Pod> object;  // as last seen
  uint64_t entity = 0;              // key of its draws
  api::List<uint32_t> containers;   // slots: init containers, then app containers
  sim::EventId op_event;
  sim::EventId retry_event;
  sim::SimTime round_retry_at;  // earliest end of a back-off met in this round
  sim::SimTime start_time;
  sim::SimTime probe_phase;
  api::Opt<Ending> ending;

  api::Str phase;
  api::List<api::PodIP> ips;  // as its status shows them; made when first shown
  ConditionStates conditions;
};

struct PullRequest {
  uint32_t pod = 0;
  uint32_t pod_generation = 0;
  uint32_t container = 0;
  api::Str image;
  sim::SimTime asked;
  sim::SimTime begun;
};

struct Machine {
  MachineSpec spec;
  MachineState state = MachineState::kBooting;
  uint32_t boots = 0;
  apiserver::ClientId client = 0;
  bool connected = false;
  bool registered = false;  // its Node object was created by this kubelet
  bool network = false;
  api::Str node_uid;
  api::Ref<const api::Node> about;  // what events about the node refer to
  client::EventRecorder recorder{"kubelet", 0};
  uint64_t entity = 0;
  sim::SimTime up_since;
  client::LeaseClock lease;
  sim::SimTime beat;  // with simulate_every_beat: the last renewal event
  api::Str ip;
  api::List<api::HostIP> ips;
  CpuHost cpu{MicroCores{}};
  std::vector<uint32_t> pods;      // slots, in order of arrival
  std::vector<uint32_t> ip_owner;  // by host part; grown on demand
  uint16_t last_ip = 1;
  std::vector<uint32_t> images;  // on disk: their numbers in the catalogue, as they came
  // What the kubelet knows of them, the largest first: its image cache.
  api::List<api::ContainerImage> image_list;
  bool image_list_due = false;     // an image came since
  bool images_unreported = false;  // its status was not written since the list changed
  std::deque<PullRequest> pulls;   // the first is in progress
  sim::EventId pull_event;
  std::deque<uint32_t> status_queue;  // pod slots
  bool status_busy = false;
  std::vector<CpuHost::Change> rate_changes;
  bool rates_announced = false;
  bool memory_pressure = false;
  sim::SimTime pressure_seen;
  sim::EventId eviction_event;
  sim::SimTime eviction_at;
  sim::EventId memory_event;
  int64_t static_memory = 0;  // of all running containers, without leaks, bytes
  int32_t leaking = 0;        // running containers that leak
  int64_t requested_cpu = 0;
  int64_t requested_memory = 0;
};

}  // namespace mainspring::node

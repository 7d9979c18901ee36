// What a journal says happened, as plain lists and lines: the first half of an analysis.
//
// One pass over the records, in order. Everything here is a function of the journal and of which
// services the scenario sends users to. Times are seconds of virtual time.
// Cost: proportional to the journal; memory to the changes of pods, nodes and sizes and to the
// buckets of traffic.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "models/traffic/bucket.h"
#include "scenarios/history.h"
#include "scenarios/report/run_report.h"
#include "sim/journal.h"

namespace mainspring::scenarios {

// Exact to the nanosecond as far as a double is.
inline double seconds_of(sim::SimTime t) { return static_cast<double>(t.ns()) / 1e9; }
inline double seconds_of(sim::Duration d) { return static_cast<double>(d.ns()) / 1e9; }

// A value that holds until the next point.
struct StepLine {
  std::vector<double> t;
  std::vector<double> v;

  // Time must not go back; a second value of an instant replaces the first.
  void set(double at, double value);
  // The same, but a value that repeats is a point of its own: for samples.
  void sample(double at, double value);
  // Before the first point: 0.
  double at(double time) const;
  double last() const { return v.empty() ? 0 : v.back(); }
};

struct RequestBucket {
  double begin = 0;
  double width = 0;
  uint64_t ok = 0;
  uint64_t failed = 0;
  std::array<uint64_t, traffic::kFailureCount> why{};
  double p50_ms = 0;  // NaN without an answer
  double p90_ms = 0;
  double p99_ms = 0;
  std::string latency;  // an encoded traffic::LatencyHistogram: a decoded one takes 16 KiB

  double end() const { return begin + width; }
};

struct ServiceFacts {
  std::string ns;
  std::string name;
  std::string label;   // NAME, or NAMESPACE/NAME outside of "default"
  bool users = false;  // users send to it, not only other services
  std::vector<RequestBucket> buckets;
};

struct WorkloadFacts {
  std::string kind;
  std::string ns;
  std::string name;
  std::string label;
  StepLine desired;
  StepLine ready;
  std::string autoscaler;  // name of the HPA; empty: none
  int max_replicas = 0;    // of the HPA
};

// One size that an autoscaler set.
struct Rescale {
  double t = 0;
  size_t workload = 0;
  int from = 0;
  int to = 0;
  std::string reason;  // "cpu resource utilization (percentage of request) above target"
  std::string metric;  // "cpu at 188 %, target 70 %"; may be empty
};

struct Rollout {
  size_t workload = 0;
  double begin = 0;
  std::optional<double> end;
};

enum class FaultKind : uint8_t { kMachines, kTraffic, kContainers, kOther };

struct FaultFacts {
  std::string name;
  FaultKind kind = FaultKind::kOther;
  std::string what;  // a sentence
  double begin = 0;
  std::optional<double> end;
  std::string what_ended;
  std::vector<std::string> nodes;  // that lost power
};

struct ActionFacts {
  std::string line;  // without the leading "kubectl"
  double begin = 0;
  std::optional<double> end;
  std::string output;

  // As kubectl words failures.
  bool failed() const {
    return output.starts_with("error: ") || output.starts_with("Error from server");
  }
};

// Several of a kind that come close together are one.
struct Incident {
  std::string group;  // "oom/default/web"
  double t = 0;
  double last = 0;
  std::string title;
  std::string detail;
  std::string object;
  int count = 1;
};

struct PodFacts {
  size_t workload = SIZE_MAX;  // of Facts::workloads; SIZE_MAX: none of these
  double created = 0;
  std::optional<double> bound;
  std::optional<double> ready;  // for the first time
  std::optional<double> terminating;
  std::optional<double> gone;
  std::optional<double> left_pending;  // phase: Running, or ended, or being deleted
  std::string unschedulable;           // the last message of the scheduler
  bool waited_for_room = false;        // for long, and nodes were too full for it
};

// A pod that the scheduler evicted for one of a higher priority.
struct Preemption {
  double t = 0;
  std::string victim;     // the workload's label
  std::string preemptor;  // the same
  int victim_priority = 0;
  int preemptor_priority = 0;
};

struct NodeChange {
  double t = 0;
  std::string node;
  bool ready = false;
};

struct EndpointLoss {
  double t = 0;
  std::string service;  // its label
  std::string node;
};

struct Facts {
  double end = 0;
  std::string error;               // of the journal
  std::vector<std::string> notes;  // objects that the API server refused
  std::string digest;
  uint64_t records = 0;
  api::Time epoch = api::Time::from_unix_ns(0);
  ClusterState final_state;

  std::vector<ServiceFacts> services;    // by label
  std::vector<WorkloadFacts> workloads;  // in order of creation
  std::vector<Rescale> rescales;
  std::vector<Rollout> rollouts;
  std::vector<FaultFacts> faults;
  std::vector<ActionFacts> actions;
  std::vector<Incident> incidents;
  std::vector<Preemption> preemptions;
  std::vector<PodLane> pod_lanes;  // one for one with `pods`, in order of creation
  std::vector<PodFacts> pods;
  std::vector<NodeLane> nodes;
  std::vector<NodeChange> node_changes;
  std::vector<EndpointLoss> endpoint_losses;

  std::map<std::string, StepLine> pods_by_phase;
  std::map<std::string, StepLine> nodes_ready;      // by zone
  std::map<std::string, StepLine> nodes_not_ready;  // by zone
  StepLine cpu_requested_cores;
  StepLine cpu_allocatable_cores;  // of nodes that are ready
  StepLine cpu_used_cores;
  StepLine memory_used_gib;
  StepLine cost_rate_usd_h;
  StepLine cost_usd;

  // Null if there is none; `name` is NAME or NAMESPACE/NAME.
  const ServiceFacts* service(std::string_view name) const;
  const WorkloadFacts* workload(std::string_view name) const;
};

// "default" is left out.
std::string label_of(std::string_view ns, std::string_view name);

// `users`: labels of services that the scenario's traffic goes to. `end`: when the run ended, if
// that is later than the last record.
Facts collect_facts(sim::JournalReader reader, const std::set<std::string>& users, double end = 0);

// How sizes came back to what they should be after something broke.
struct Recovery {
  std::optional<double> lost_at;  // first ready replica lost; absent: none was
  std::optional<double> healed;   // from then on all were ready again, for the first time
  std::string missing;            // at the end, if not healed: "web 2/3"
};
// Of one workload, or of all Deployments and StatefulSets (null), after `t`. A loss later than
// kLossWindow seconds after `t`, or than `until`, is not put down to what happened at `t`.
inline constexpr double kLossWindow = 300;
Recovery recovery_after(const Facts& facts, const WorkloadFacts* scope, double t, double until);
// The first instant, from `t` on, at which every workload of the scope had its replicas ready.
std::optional<double> all_ready_from(const Facts& facts, const WorkloadFacts* scope, double t);

}  // namespace mainspring::scenarios

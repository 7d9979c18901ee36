// Why a pod is on its node, or on none: every attempt to schedule it, with the nodes that were
// rejected and why, the scores of the others, the tie, preemption, and what the pod waited for.
//
// Nothing of this is recorded in a run. It is found by running the scenario again under an
// observer, which changes no decision; other pods are decided as fast as ever.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "models/api/json.h"
#include "models/apiserver/store.h"
#include "models/scheduler/scheduler.h"
#include "sim/time.h"
#include "sim/world.h"

namespace mainspring::scenarios {

struct SchedulingAttempt {
  // A PreEnqueue plugin that kept the pod from trying, from then on.
  struct Hold {
    sim::SimTime at;
    std::string plugin;
    std::vector<std::string> reasons;
  };
  // What let the pod try again after the attempt before; empty for the first.
  struct Wakeup {
    sim::SimTime at;
    std::string event;   // "NodeAdd", as Kubernetes' metrics call it
    std::string object;  // "node/general-4"; may be empty
  };
  // Nodes that one plugin rejected for the same reasons.
  struct Rejection {
    std::string plugin;
    std::vector<std::string> reasons;
    std::string detail;  // what the reason leaves open: the taint; may be empty
    std::vector<std::string> nodes;
  };
  struct Candidate {
    std::string node;
    std::vector<int64_t> scores;  // weighted, by plugin
    int64_t total = 0;
  };
  struct Victims {
    std::string node;
    std::vector<std::string> pods;
  };
  // A node where the pod would fit without some pods, with what candidates are compared by.
  struct PreemptionCandidate {
    Victims victims;  // most important first, those that are going already among them
    int64_t pdb_violations = 0;
    int64_t highest_priority = 0;
    int64_t priority_sum = 0;  // each counted from -2^31 on, as kube-scheduler does
    sim::SimTime start;        // the first among the victims of the highest priority
  };
  struct PreemptionSearch {
    std::vector<PreemptionCandidate> candidates;  // the chosen one first
    std::string decided_by;
    std::vector<Rejection> rejections;  // of nodes where it would not help
  };
  // What the pod waited for between the decision and its binding.
  struct Wait {
    sim::SimTime at;
    std::string point;  // Permit, PreBind
    std::string plugin;
  };
  std::vector<Hold> holds;  // since the attempt before
  std::vector<Wakeup> wakeups;
  sim::SimTime at;
  size_t nodes = 0;  // in the cluster
  std::vector<Rejection> rejections;
  std::vector<std::string> plugins;   // that scored; none if a single node passed
  std::vector<int64_t> weights;       // of the plugins
  std::vector<Candidate> candidates;  // nodes that passed, in the order of the walk
  std::string node;                   // chosen; empty: none
  size_t ties = 0;                    // candidates with the greatest total, if any were scored
  std::vector<Wait> waits;
  std::optional<sim::SimTime> bound_at;
  // Of a failure, in the cycle or on the way to the node: what the event FailedScheduling says.
  std::string message;
  bool is_error = false;  // not a rejection: tried again after a backoff, whatever happens
  std::optional<PreemptionSearch> search;  // for victims, if there was one
  std::vector<Victims> preemptions;
  std::string nominated_node;
};

// All that was seen of a pod.
struct Placement {
  std::vector<SchedulingAttempt> attempts;
  // Since the last attempt:
  std::vector<SchedulingAttempt::Hold> holds;
  std::vector<SchedulingAttempt::Wakeup> wakeups;
};

// Collects the attempts of one pod. Must outlive its place as the scheduler's observer.
class PlacementObserver final : public scheduler::AttemptObserver {
 public:
  PlacementObserver(const sim::World& world, scheduler::Scheduler& scheduler, std::string pod)
      : world_(world), scheduler_(scheduler), pod_(std::move(pod)) {}

  Detail detail(const scheduler::PodInfo& pod) const override {
    return is_meant(pod) ? Detail::kReasons : Detail::kDecision;
  }
  void held_back(const scheduler::PodInfo& pod, const scheduler::Status& status) override;
  void woken(const scheduler::PodInfo& pod, scheduler::ClusterEvent event,
             const scheduler::EventObjects& objects) override;
  void decided(const scheduler::PodInfo& pod, const scheduler::Decision& decision,
               const std::vector<scheduler::Profile::PluginScores>& scores) override;
  void failed(const scheduler::PodInfo& pod, bool rejected, const std::string& message,
              const scheduler::Nominating& nominating) override;
  void searched(const scheduler::PodInfo& pod, const scheduler::PreemptionSearch& search) override;
  void preempting(const scheduler::Preemption& preemption) override;
  void waits(const scheduler::PodInfo& pod, scheduler::Points point,
             scheduler::PluginId plugin) override;
  void bound(const scheduler::PodInfo& pod) override;

  const Placement& placement() const { return placement_; }

 private:
  bool is_meant(const scheduler::PodInfo& pod) const { return pod.key() == pod_; }
  std::string node_name(uint32_t slot) const;
  std::string detail(const scheduler::PodInfo& pod, const scheduler::Status& status,
                     uint32_t slot) const;
  // Adds the nodes, or none by name for a verdict on all, to those with the same reasons.
  void reject(const scheduler::Status& status, std::string node, std::string detail,
              std::vector<SchedulingAttempt::Rejection>* out) const;

  const sim::World& world_;
  scheduler::Scheduler& scheduler_;
  std::string pod_;  // "namespace/name"
  Placement placement_;
};

api::Json placement_json(const std::string& pod, const Placement& placement);

// Why the pod ("namespace/name") was never tried, as the end of the run shows it.
std::string why_not_tried(const apiserver::Store& store, const scheduler::Scheduler& scheduler,
                          const std::string& pod);

}  // namespace mainspring::scenarios

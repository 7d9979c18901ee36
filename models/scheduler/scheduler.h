// kube-scheduler: decides where pods run, binds them, and says why it cannot.
//
// A ControlLoop: it sees the cluster through its informers and acts by requests and timers only.
// One scheduling cycle runs within one call; bindings and preemptions go on beside it over the
// client's rate limit. While a failed pod's status is being patched the next pod waits, as in
// Kubernetes (SchedulerAsyncAPICalls is off in v1.35.6).
//
// Decisions are those of kube-scheduler v1.35 with parallelism 1. Draws random numbers for the
// offset of a preemption's search only. Not modelled: README.md lists it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "models/client/event_recorder.h"
#include "models/scheduler/framework.h"
#include "models/scheduler/node_verdicts.h"
#include "models/scheduler/registry.h"

namespace mainspring::scheduler {

struct ProfileOptions {
  std::string scheduler_name = "default-scheduler";
  PluginSelection plugins = default_plugins();
  PluginConfig config;
  std::optional<int32_t> percentage_of_nodes_to_score;  // overrides the global one
};

// Defaults are Kubernetes' (KubeSchedulerConfiguration v1, v1.35).
struct SchedulerOptions {
  std::vector<ProfileOptions> profiles = {ProfileOptions()};
  int32_t percentage_of_nodes_to_score = 0;  // percent; 0: adaptive
  api::Duration pod_initial_backoff = api::Duration::seconds(1);
  api::Duration pod_max_backoff = api::Duration::seconds(10);
  int64_t client_qps_milli = 50'000;  // thousandths of a request per second
  int64_t client_burst = 100;
  // Virtual time from one pod to the next; a guess at the cost of a cycle in a small cluster.
  api::Duration cycle_time = api::Duration::micros(500);
  // Let plugins and cycles build on what earlier cycles found. Decisions are the same without it,
  // only slower.
  bool remember_verdicts = true;
  // The node to take where several score best, decision by decision: to follow the choices of a
  // scheduler that breaks ties at random. A name that is not among the best is passed over.
  std::vector<std::string> preferred_nodes;
  // What registers the plugins of shared libraries, after Kubernetes' own.
  std::vector<void (*)(Registry&)> libraries;
};

// What a scheduling cycle came to.
struct Decision {
  enum class Kind : uint8_t {
    kNode,      // `node` was chosen
    kRejected,  // no node fits: `statuses` says why, for each
    kError,     // the cycle failed: `message`
    kNoNodes,   // there are no nodes at all
  };
  Kind kind = Kind::kError;
  uint32_t node = 0;  // slot in the ClusterCache
  std::string message;
  NodeStatuses statuses;
  PluginSet unschedulable_plugins;
  PluginSet pending_plugins;
  std::string pre_filter_message;
  std::vector<uint32_t> feasible;  // in the order found
  std::vector<int64_t> totals;     // by feasible node; empty when there was only one

  // Makes it as new, but for the memory it holds.
  void clear() {
    kind = Kind::kError;
    node = 0;
    message.clear();
    statuses.clear();
    unschedulable_plugins.clear();
    pending_plugins.clear();
    pre_filter_message.clear();
    feasible.clear();
    totals.clear();
  }
};

// Sees every attempt to schedule a pod, for tests and explanations. Not part of the scheduler's
// state: copies of a scheduler have none.
class AttemptObserver {
 public:
  virtual ~AttemptObserver() = default;
  // How much decided() is to hear about a pod. The decision is the same, only slower to come by.
  enum class Detail : uint8_t {
    kDecision,
    kScores,   // every plugin's scores too: totals are not taken from memory
    kReasons,  // and why each node was rejected: the plain path
  };
  virtual Detail detail(const PodInfo&) const { return Detail::kDecision; }
  // A PreEnqueue plugin keeps the pod out of the queue; may be said again while it does.
  virtual void held_back(const PodInfo&, const Status&) {}
  // An event lets a waiting pod try again, at once or after its backoff.
  virtual void woken(const PodInfo&, ClusterEvent, const EventObjects&) {}
  virtual void decided(const PodInfo& pod, const Decision& decision,
                       const std::vector<Profile::PluginScores>& scores) = 0;
  // The attempt failed, in the cycle or on the way to the node.
  virtual void failed(const PodInfo& pod, bool rejected, const std::string& message,
                      const Nominating& nominating) = 0;
  // Where other pods were looked at to make room for the pod; follows decided().
  virtual void searched(const PodInfo&, const PreemptionSearch&) {}
  virtual void preempting(const Preemption&) {}
  // On its way to its node the pod waits for a plugin at Permit or PreBind.
  virtual void waits(const PodInfo&, Points /*point*/, PluginId) {}
  virtual void bound(const PodInfo&) {}
};

class Scheduler final : public client::ControlLoop {
 public:
  explicit Scheduler(SchedulerOptions options = {});
  Scheduler(const Scheduler&) = default;
  Scheduler& operator=(const Scheduler&) = delete;

  std::string_view name() const override { return "kube-scheduler"; }
  std::unique_ptr<client::ControlLoop> clone() const override {
    return std::make_unique<Scheduler>(*this);
  }
  std::vector<client::WatchSpec> watches() const override;
  client::ClientLimits limits() const override {
    return {options_.client_qps_milli, options_.client_burst, true};
  }
  void start(client::ControlContext& ctx) override;
  void on_watch(client::ControlContext& ctx, const client::WatchEvent& event) override;
  void on_timer(client::ControlContext& ctx, client::Cookie cookie) override;
  void on_outcome(client::ControlContext& ctx, client::Cookie cookie,
                  const client::Outcome& outcome) override;

  // Runs filters and scores for a pod on the current snapshot; moves the start index, touches
  // nothing else. `detail`, if given, gets every plugin's scores. Valid until the next call.
  // `remember` false: the plain path, which says why each node was rejected.
  const Decision& decide(client::ControlContext& ctx, size_t profile, const PodInfoRef& pod,
                         std::vector<Profile::PluginScores>* detail = nullptr,
                         bool remember = true);

  ClusterCache& cluster() { return cluster_; }
  const SchedulingQueue& queue() const { return queue_; }
  const Profile& profile(size_t i = 0) const { return profiles_[i]; }
  size_t profiles() const { return profiles_.size(); }
  size_t next_start() const { return next_start_; }
  // The observer must live as long as it is set; nullptr takes it away.
  void observe(AttemptObserver* observer) { scratch_.observer = observer; }
  // Whether a timer is that of a PreBind plugin: tests say when those fire.
  static bool is_step(client::Cookie c) { return static_cast<Purpose>(c >> 56) == kStep; }
  // While held, no cycle begins: tests say what comes first.
  void hold(bool held) { held_ = held; }

 private:
  void follow_preference(Decision* decision) const;
  enum Purpose : uint64_t {
    kWake = 1,
    kBindPod,
    kStatus,
    kPreempt,
    kEvents,
    kNominate,  // the node is being written to the pod before it is bound
    kPatience,  // that of a Permit plugin ends
    kStep,      // of a PreBind plugin
    kNobody = kUnheard >> 56,
  };
  struct Host;
  struct Waiting;
  // A pod on its way to its node.
  struct Binding {
    QueuedPod queued;
    PodInfoRef assumed;
    std::string binder;
    // Permit plugins that ask to wait, each with its patience and when that ends.
    struct Patience {
      PluginId plugin = kNoPlugin;
      api::Duration timeout;
      api::Time until;
    };
    std::vector<Patience> waits_for;
    std::optional<Status> verdict;  // of Permit: success, or why the pod is rejected
    bool at_permit = false;         // ready to hear the verdict
    PluginSet skip;                 // PreBind plugins with nothing to do
    size_t pre_bind = 0;            // index of the PreBind plugin at work
  };
  // Victims being deleted.
  struct PreemptionJob {
    Preemption plan;
    uint32_t profile = 0;
    std::vector<PodInfoRef> promised;  // of lower priority, nominated to the node
    size_t cleared = 0;                // of these
    size_t unclaimed = 0;              // victims from here on are no worker's yet
    size_t outstanding = 0;            // requests
    bool started = false;              // with the victims
    bool last_started = false;
    bool failed = false;     // something: the preemptor is to try again
    bool cancelled = false;  // a victim could not be deleted: what was not begun is left alone

    size_t others() const { return plan.victims.size() - 1; }  // all victims but the last
    size_t chunk() const;
    size_t claim();               // the first victim of a chunk that is a worker's from now on
    size_t after(size_t victim);  // the victim that a worker turns to after one
  };
  // Memory of the cycle, kept from one to the next; never part of the state.
  // Positions one after another in the list of nodes.
  struct Stretch {
    size_t first = 0;
    size_t last = 0;  // the one behind it
  };
  static void extend(std::vector<Stretch>& stretches, size_t first, size_t last);
  struct Scratch {
    CycleState state;
    Decision decision;
    std::vector<Stretch> stretches;  // of the feasible nodes in the list, if remembered
    std::vector<int64_t> scores;
    std::vector<uint32_t> restricted;
    std::vector<size_t> promised;  // places of such nodes in the list, in order
    std::vector<const Plugin*> locals;
    std::vector<const Plugin*> others;
    std::vector<Preemption> preemptions;
    NodeVerdicts verdicts;
    NodeVerdicts::Entry* remembered = nullptr;  // of this cycle's pod, if it may be used
    AttemptObserver* observer = nullptr;
    std::vector<Profile::PluginScores> observed;
    Scratch() = default;
    Scratch(const Scratch&) {}
  };

  static client::Cookie cookie(Purpose purpose, uint64_t id) {
    return static_cast<uint64_t>(purpose) << 56 | id;
  }
  std::optional<uint32_t> profile_for(const api::Pod& pod) const;
  SchedulingQueue::Call call(client::ControlContext& ctx, Host& host) const;

  void pod_event(client::ControlContext& ctx, const PodRef& before, const PodRef& after,
                 bool deleted);
  void pod_added(client::ControlContext& ctx, const PodRef& pod);
  void pod_updated(client::ControlContext& ctx, const PodRef& before, const PodRef& after);
  void pod_deleted(client::ControlContext& ctx, const PodRef& pod);
  void node_event(client::ControlContext& ctx, const client::WatchEvent& event);
  void move_all(client::ControlContext& ctx, ClusterEvent event, const EventObjects& objects,
                std::optional<int32_t> max_priority = std::nullopt, const api::Str& except = {});

  void pump(client::ControlContext& ctx);
  void arm(client::ControlContext& ctx);
  void schedule_one(client::ControlContext& ctx, QueuedPod queued);
  void forget_claims(const PodInfo& pod);
  bool find_feasible(Cycle& cycle, size_t profile, Decision* d);
  bool try_nominated(Cycle& cycle, Decision* d);
  bool may_remember(const Cycle& cycle) const;
  void find_promised(const Cycle& cycle);
  void mark_passing(Cycle& cycle, NodeVerdicts::Entry& e, size_t first, std::span<uint8_t> marks);
  bool find_remembered(Cycle& cycle, size_t profile, size_t wanted, Decision* d);
  bool score_remembered(Cycle& cycle, const NodeList& nodes, Decision* d);
  void bind(client::ControlContext& ctx, Cycle& cycle, QueuedPod queued, uint32_t node);
  void start_binding(client::ControlContext& ctx, Binding binding);
  void await_permit(client::ControlContext& ctx, uint64_t id);
  void permit_timed_out(client::ControlContext& ctx, uint64_t id);
  void hear_permits(client::ControlContext& ctx);
  void pre_bind(client::ControlContext& ctx, uint64_t id, const client::Outcome* outcome);
  void send_binding(client::ControlContext& ctx, uint64_t id);
  void bound(client::ControlContext& ctx, Binding binding, const client::Outcome& outcome);
  void give_up(client::ControlContext& ctx, Binding binding, const Status& why);
  void tell_of_room(client::ControlContext& ctx, const PodInfoRef& pod, bool rejected);
  // Unreserve and forget; false if the cache knows the pod as bound.
  bool release(client::ControlContext& ctx, const Binding& binding);
  Binding* find_waiting(const api::Str& uid);
  bool reject_waiting(const api::Str& uid, PluginId plugin, api::Str reason);
  void assumed_pod_deleted(client::ControlContext& ctx, const api::Str& uid);
  bool object_event(client::ControlContext& ctx, const client::WatchEvent& event);
  struct Failure {
    bool rejected = false;  // by plugins, rather than an error
    std::string message;
    Nominating nominating = Nominating::to({});
    bool in_cycle = true;  // the scheduling loop waits for the status patch
    PodInfoRef room;       // free now: others hear of it once the status is patched
  };
  void fail(client::ControlContext& ctx, QueuedPod queued, const Failure& failure);
  bool take_back(client::ControlContext& ctx, QueuedPod queued, const Failure& failure,
                 uint64_t id);
  void start_preemption(client::ControlContext& ctx, Preemption plan, uint32_t profile);
  bool clear_nomination(client::ControlContext& ctx, uint64_t job_id);
  void work_on_victims(client::ControlContext& ctx, uint64_t job_id, size_t victim);
  // True if the victim is dealt with already.
  bool preempt_victim(client::ControlContext& ctx, uint64_t job_id, size_t victim);
  void preempted(client::ControlContext& ctx, const PreemptionJob& job, size_t victim);
  void delete_victim(client::ControlContext& ctx, uint64_t job_id, size_t victim);
  void preemption_outcome(client::ControlContext& ctx, uint64_t id, const client::Outcome& outcome);
  void advance_preemption(client::ControlContext& ctx, uint64_t job_id);

  SchedulerOptions options_;
  ClusterCache cluster_;
  std::vector<Profile> profiles_;
  std::vector<std::vector<QueueHost::Interest>> interests_;  // by profile
  SchedulingQueue queue_;
  std::vector<client::EventRecorder> recorders_;  // by profile, whose name events bear
  std::map<uint64_t, Binding> bindings_;          // in order of their decision
  size_t waiting_ = 0;                            // bindings that Permit plugins hold up
  std::map<uint64_t, PodInfoRef> rooms_;          // of rejected pods, by the patch of their status
  std::map<uint64_t, PreemptionJob> preemptions_;
  uint64_t next_id_ = 0;
  size_t chosen_ = 0;      // decisions for a node so far
  size_t next_start_ = 0;  // where the next search for nodes starts
  bool patching_ = false;  // the loop waits for a status patch
  bool held_ = false;
  api::Time busy_until_;
  client::TimerId wake_ = 0;
  api::Time wake_at_;
  Scratch scratch_;
};

std::unique_ptr<client::ControlLoop> make_scheduler(const SchedulerOptions& options = {});

}  // namespace mainspring::scheduler

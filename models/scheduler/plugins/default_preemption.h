// Makes room for a pod by deleting pods of lower priority: finds the nodes where that helps, the
// fewest victims on each, and the node where it hurts least.
//
// The random offset of the search comes from ControlContext::random(pod uid). Not modelled:
// extenders. Where Kubernetes walks a map, nodes are taken in the order of the search; victims that
// tie in priority and start keep their order on the node (Go's sort is unstable beyond 12).
// Source: pkg/scheduler/framework/preemption, plugins/defaultpreemption (v1.35).
#pragma once

#include <map>
#include <vector>

#include "models/scheduler/plugin.h"
#include "models/scheduler/plugin_args.h"
#include "models/scheduler/selectors.h"

namespace mainspring::api {
struct PodDisruptionBudget;
}

namespace mainspring::scheduler {

class DefaultPreemption final : public PluginBase<DefaultPreemption> {
 public:
  static constexpr std::string_view kName = "DefaultPreemption";
  static constexpr Points kPoints = kPreEnqueue | kPostFilter;
  using Args = DefaultPreemptionArgs;

  explicit DefaultPreemption(const Args& args) : args_(args) {}

  std::vector<EventRegistration> events() const override;
  bool hint(uint8_t hint, const client::ControlContext& ctx, const ClusterCache& cluster,
            const PodInfo& pod, const EventObjects& objects) const override;
  Status pre_enqueue(const client::ControlContext& ctx, const PodInfo& pod) override;
  Status post_filter(Cycle& cycle, const NodeStatuses& statuses, Nominating* nominating) override;

  // While the victims of `preemptor` are being deleted it stays out of the queue; once the last
  // victim is known, until that one is seen going.
  void begin(const api::Str& preemptor) { preempting_[preemptor] = {}; }
  void last_victim(const api::Str& preemptor, const PodInfo& victim) {
    preempting_[preemptor] = {victim.ns(), victim.pod->metadata.name};
  }
  void finish(const api::Str& preemptor) { preempting_.erase(preemptor); }

  // How many candidates are looked for among n nodes.
  static size_t candidates(size_t n, const Args& args);

 private:
  struct LastVictim {
    api::Str ns;
    api::Str name;  // empty: not known yet
  };
  struct Candidate {
    uint32_t node = 0;
    std::vector<PodInfoRef> victims;  // most important first
    int64_t violations = 0;
  };
  // Candidates are compared by these, one after the other, until one is left.
  enum class Criterion : uint8_t {
    kViolations,       // fewest victims against a disruption budget
    kHighestPriority,  // lowest priority of the most important victim
    kPrioritySum,      // lowest sum of priorities, each from -2^31 on
    kVictims,          // fewest
    kStart,            // latest of the first starts among the most important victims
  };
  // What the criterion looks at: a number of pods, a priority, a sum, or ns since 1970.
  static int64_t figure(const Candidate& candidate, Criterion criterion, api::Time now);
  static std::vector<PreemptionSearch::Candidate> figures(const std::vector<Candidate>& candidates,
                                                          api::Time now);
  // Whether the pod may preempt at all.
  static Status check_eligible(const Cycle& cycle, const NodeStatuses& statuses);
  Status evaluate(Cycle& cycle, const NodeStatuses& statuses, Nominating* nominating);
  // What the looks at one node after the other share, memory included.
  struct Search {
    struct Budget {
      const api::PodDisruptionBudget* pdb;
      Selector selector;
      int32_t left = 0;  // of the disruptions it allows, on the node looked at
    };
    std::vector<Budget> budgets;
    NodeInfo node;
    std::vector<PodInfoRef> lower;
    std::vector<PodInfoRef> violating;
    std::vector<PodInfoRef> fine;
  };
  static Search begin_search(const client::ControlContext& ctx);
  static void split_by_budgets(Search* search);
  static Status select_victims(Cycle& cycle, const NodeInfo& node, Search* search, Candidate* out);
  static size_t best(api::Time now, const std::vector<Candidate>& candidates,
                     std::string_view* decided_by);

  Args args_;
  std::map<api::Str, LastVictim> preempting_;  // by uid of the preemptor
  uint64_t draws_ = 0;
};

}  // namespace mainspring::scheduler

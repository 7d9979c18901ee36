#include "models/scheduler/plugins/node_affinity.h"

namespace mainspring::scheduler {

NodeAffinity::NodeAffinity(const Args& args) {
  if (!args.added_affinity) return;
  const api::NodeAffinity& a = *args.added_affinity;
  if (a.required_during_scheduling_ignored_during_execution) {
    has_added_required_ = true;
    added_required_ = NodeTerms::of(*a.required_during_scheduling_ignored_during_execution);
  }
  const auto& preferred = a.preferred_during_scheduling_ignored_during_execution;
  has_added_preferred_ = !preferred.empty();
  std::vector<std::string> problems;  // none: the configuration is refused if there are any
  added_preferred_ = compile_preferred(preferred, &problems);
}

std::vector<EventRegistration> NodeAffinity::events() const {
  return {{{Resource::kNode, kAdd | kUpdateNodeLabel}, 0}};
}

bool NodeAffinity::hint(uint8_t, const client::ControlContext&, const ClusterCache&,
                        const PodInfo& pod, const EventObjects& objects) const {
  const api::Node& now = *objects.new_node;
  if (!enforced(now)) return false;
  // An error counts as a reason to try.
  if (pod.t->required.undecided(now)) return true;
  if (!pod.t->required.matches(now)) return false;
  return !objects.old_node || !pod.t->required.matches(*objects.old_node);
}

Status NodeAffinity::pre_filter(Cycle& cycle, std::optional<std::vector<api::Str>>* nodes) {
  const PodTemplate& t = cycle.t();
  if (!has_added_required_ && t.required.trivial()) return Status::skip();
  if (!t.node_names) return {};
  if (t.node_names->empty()) return Status::unresolvable(reason_conflict_);
  *nodes = *t.node_names;
  return {};
}

Status NodeAffinity::filter(const Cycle& cycle, const NodeInfo& node) const {
  if (!enforced(*node.node)) return Status::unresolvable(reason_enforced_);
  if (!cycle.t().required.matches(*node.node)) return Status::unresolvable(reason_);
  return {};
}

Status NodeAffinity::pre_score(Cycle& cycle, const NodeList&) {
  const PodTemplate& t = cycle.t();
  if (!t.has_preferred && !has_added_preferred_) return Status::skip();
  if (!t.preferred_problem.empty()) return Status::error(t.preferred_problem);
  return {};
}

int64_t NodeAffinity::score(const Cycle& cycle, const NodeInfo& node) const {
  int64_t sum = 0;
  for (const PreferredNodeTerm& p : added_preferred_) {
    if (p.term.matches(*node.node)) sum += p.weight;
  }
  for (const PreferredNodeTerm& p : cycle.t().preferred) {
    if (p.term.matches(*node.node)) sum += p.weight;
  }
  return sum;
}

Status NodeAffinity::normalize(Cycle&, const NodeList&, std::span<int64_t> scores) const {
  default_normalize(scores, false);
  return {};
}

}  // namespace mainspring::scheduler

#include "models/scheduler/plugins/node_affinity.h"

namespace mainspring::scheduler {

namespace {
constexpr std::string_view kInvalidPreferred = "parsing preferred node affinity terms failed";
}

NodeAffinity::NodeAffinity(const Args& args) {
  if (!args.added_affinity) return;
  const api::NodeAffinity& a = *args.added_affinity;
  if (a.required_during_scheduling_ignored_during_execution) {
    has_added_required_ = true;
    added_required_ = NodeTerms::of(*a.required_during_scheduling_ignored_during_execution);
  }
  for (const auto& p : a.preferred_during_scheduling_ignored_during_execution) {
    const bool blank = p.preference.match_expressions.empty() && p.preference.match_fields.empty();
    if (p.weight == 0 || blank) continue;
    added_preferred_.push_back({p.weight, NodeTerm::of(p.preference)});
    if (!added_preferred_.back().term.valid) added_preferred_invalid_ = true;
  }
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
  if (t.preferred.empty() && added_preferred_.empty()) return Status::skip();
  if (t.preferred_invalid || added_preferred_invalid_) {
    return Status::error(kInvalidPreferred);
  }
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

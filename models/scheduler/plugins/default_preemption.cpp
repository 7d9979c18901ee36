#include "models/scheduler/plugins/default_preemption.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "models/api/pod_helpers.h"
#include "models/api/types/policy.h"
#include "models/api/validation.h"
#include "models/scheduler/framework.h"

namespace mainspring::scheduler {

namespace {

constexpr std::string_view kStillPreempting =
    "waiting for the preemption for this pod to be finished";
constexpr std::string_view kNeverPreempts = "not eligible due to preemptionPolicy=Never.";
constexpr std::string_view kVictimGoing =
    "not eligible due to a terminating pod on the nominated node.";
constexpr std::string_view kNotHelpful = "Preemption is not helpful for scheduling";
constexpr std::string_view kNoVictims = "No preemption victims found for incoming pod";

api::Time start_time(const PodInfo& pod, api::Time now) {
  const api::Time t = pod.pod->status.start_time;
  return t ? t : now;
}

// Higher priority first, then the one that runs longer. Those that have not started, as pods on
// their way to the node, change places: Kubernetes asks the clock for each, so that the one asked
// first is always the older.
void sort_by_importance(std::vector<PodInfoRef>* pods, api::Time now) {
  const auto more_important = [&](const PodInfoRef& a, const PodInfoRef& b) {
    if (a->priority != b->priority) return a->priority > b->priority;
    return start_time(*a, now) < start_time(*b, now);
  };
  if (!std::is_sorted(pods->begin(), pods->end(), more_important)) {
    std::stable_sort(pods->begin(), pods->end(), more_important);
  }
  const auto started = [](const PodInfoRef& p) { return bool(p->pod->status.start_time); };
  for (auto first = pods->begin(); first != pods->end();) {
    const auto last = std::find_if(first, pods->end(), [&](const PodInfoRef& p) {
      return started(p) || p->priority != (*first)->priority;
    });
    std::reverse(first, last);
    first = last == first ? last + 1 : last;
  }
}

// Nodes where removing pods may help, in the order of the node list.
std::vector<uint32_t> potential_nodes(const ClusterCache& cluster, const NodeStatuses& statuses) {
  std::vector<const Status*> explicit_status(cluster.slots(), nullptr);
  for (const auto& [slot, status] : statuses.list) explicit_status[slot] = &status;
  std::vector<uint32_t> potential;
  for (const uint32_t slot : cluster.order()) {
    const Status* s = explicit_status[slot] ? explicit_status[slot] : &statuses.absent;
    if (s->code() == Code::kUnschedulable) potential.push_back(slot);
  }
  return potential;
}

}  // namespace

std::vector<EventRegistration> DefaultPreemption::events() const {
  return {{{Resource::kAssignedPod, kDelete}, 0}};
}

bool DefaultPreemption::hint(uint8_t, const client::ControlContext&, const ClusterCache&,
                             const PodInfo&, const EventObjects&) const {
  // The event only lets a held-back pod be looked at again.
  return false;
}

Status DefaultPreemption::pre_enqueue(const client::ControlContext& ctx, const PodInfo& pod) {
  if (preempting_.empty()) return {};
  const auto it = preempting_.find(pod.uid());
  if (it == preempting_.end()) return {};
  const LastVictim& last = it->second;
  if (!last.name.empty()) {
    const auto* victim = ctx.cache(api::Kind::Pod).get<api::Pod>(last.ns, last.name);
    // Pods that have ended are gone to the scheduler.
    if (!victim || !api::is_active(*victim)) return {};
  }
  return Status::unresolvable(kStillPreempting);
}

Status DefaultPreemption::post_filter(Cycle& cycle, const NodeStatuses& statuses,
                                      Nominating* nominating) {
  Status s = evaluate(cycle, statuses, nominating);
  const std::string message = s.message();
  return message.empty() ? s : Status(s.code(), "preemption: " + message);
}

size_t DefaultPreemption::candidates(size_t n, const Args& args) {
  const size_t share = n * static_cast<size_t>(args.min_candidate_nodes_percentage) / 100;
  return std::min(n, std::max(share, static_cast<size_t>(args.min_candidate_nodes_absolute)));
}

Status DefaultPreemption::check_eligible(const Cycle& cycle, const NodeStatuses& statuses) {
  // The newest state of the pod counts.
  const PodInfo& queued = cycle.info();
  const auto* pod =
      cycle.ctx.cache(api::Kind::Pod).get<api::Pod>(queued.ns(), queued.pod->metadata.name);
  if (!pod) return Status::error("pod \"" + queued.pod->metadata.name.str() + "\" not found");
  if (pod->spec.preemption_policy == "Never") {
    return Status::unschedulable(kNeverPreempts);
  }
  const ClusterCache& cluster = cycle.cluster;
  if (!pod->status.nominated_node_name.empty()) {
    const NodeInfo* node = cluster.find_node(pod->status.nominated_node_name);
    const Code code = node ? statuses.get(node->id).code() : statuses.absent.code();
    if (node && code != Code::kUnschedulableAndUnresolvable) {
      for (const NodeInfo::Entry& e : node->pods) {
        if (!e.pod->terminating || e.pod->priority >= queued.priority) continue;
        const auto* c = api::find_condition(e.pod->pod->status.conditions, "DisruptionTarget");
        if (c && c->status == "True" && c->reason == "PreemptionByScheduler") {
          return Status::unschedulable(kVictimGoing);
        }
      }
    }
  }
  return {};
}

Status DefaultPreemption::evaluate(Cycle& cycle, const NodeStatuses& statuses,
                                   Nominating* nominating) {
  if (Status s = check_eligible(cycle, statuses); !s.ok()) return s;
  const PodInfo& queued = cycle.info();
  const ClusterCache& cluster = cycle.cluster;
  const std::vector<uint32_t> potential = potential_nodes(cluster, statuses);
  NodeStatuses verdicts;
  verdicts.absent = Status::unresolvable(kNotHelpful);
  std::vector<Candidate> fine;
  std::vector<Candidate> violating;
  std::vector<std::string> errors;
  if (!potential.empty()) {
    const size_t n = potential.size();
    const size_t wanted = candidates(n, args_);
    Search search = begin_search(cycle.ctx);
    const size_t offset = cycle.ctx.random(queued.uid(), draws_++) % n;
    for (size_t i = 0; i < n; ++i) {
      const uint32_t slot = potential[(offset + i) % n];
      Candidate c;
      c.node = slot;
      Status s = select_victims(cycle, cluster.node(slot), &search, &c);
      if (!s.ok()) {
        if (s.code() == Code::kError) errors.push_back(s.message());
        verdicts.list.emplace_back(slot, std::move(s));
        continue;
      }
      std::vector<Candidate>& list = c.violations == 0 ? fine : violating;
      if (list.size() < wanted) list.push_back(std::move(c));
      if (!fine.empty() && fine.size() + violating.size() >= wanted) break;
    }
  }
  for (Candidate& c : violating) fine.push_back(std::move(c));
  if (fine.empty() && !errors.empty()) return Status::error(api::aggregate(errors));
  if (fine.empty()) {
    *nominating = Nominating::to({});
    Status s = Status::unschedulable(rejection_histogram(cluster.node_count(), verdicts));
    if (cycle.search) cycle.search->rejected = std::move(verdicts);
    return s;
  }
  std::string_view decided_by;
  const api::Time now = cycle.ctx.now();
  const size_t place = best(now, fine, &decided_by);
  const Candidate& chosen = fine[place];
  Preemption plan;
  plan.preemptor = cycle.pod;
  plan.node = cluster.node(chosen.node).name;
  for (const PodInfoRef& v : chosen.victims) {
    if (!v->terminating) plan.victims.push_back(v);
  }
  *nominating = Nominating::to(plan.node);
  if (!plan.victims.empty()) {
    begin(queued.uid());
    cycle.preemptions->push_back(std::move(plan));
  }
  if (cycle.search) {
    *cycle.search = {figures(fine, now), now, place, decided_by, std::move(verdicts)};
  }
  return {};
}

DefaultPreemption::Search DefaultPreemption::begin_search(const client::ControlContext& ctx) {
  Search search;
  for (const api::ObjectRef& ref : ctx.cache(api::Kind::PodDisruptionBudget).list()) {
    const auto& pdb = api::as<api::PodDisruptionBudget>(ref);
    search.budgets.push_back({.pdb = &pdb, .selector = Selector::of(pdb.spec.selector)});
  }
  return search;
}

// Parts the pods whose eviction would violate a disruption budget from the others.
void DefaultPreemption::split_by_budgets(Search* search) {
  search->violating.clear();
  search->fine.clear();
  for (Search::Budget& b : search->budgets) b.left = b.pdb->status.disruptions_allowed;
  for (const PodInfoRef& pod : search->lower) {
    bool violated = false;
    // A pod without labels matches no budget.
    for (Search::Budget& b : search->budgets) {
      if (pod->labels().empty()) break;
      if (b.pdb->metadata.namespace_ != pod->ns() || b.selector.empty() ||
          !b.selector.matches(pod->labels())) {
        continue;
      }
      // Already on its way out by the budget's leave.
      if (b.pdb->status.disrupted_pods.contains(pod->pod->metadata.name)) continue;
      if (--b.left < 0) violated = true;
    }
    (violated ? search->violating : search->fine).push_back(pod);
  }
}

Status DefaultPreemption::select_victims(Cycle& cycle, const NodeInfo& original, Search* search,
                                         Candidate* out) {
  std::vector<PodInfoRef>& lower = search->lower;
  lower.clear();
  for (const NodeInfo::Entry& e : original.pods) {
    if (e.pod->priority < cycle.info().priority) lower.push_back(e.pod);
  }
  if (lower.empty()) {
    return Status::unresolvable(kNoVictims);
  }
  CycleState state(*cycle.state);
  Cycle simulated = cycle;
  simulated.state = &state;
  const Profile& profile = cycle.profile;
  const api::Time now = cycle.ctx.now();
  NodeInfo& node = search->node;
  node = original;
  const auto remove_at = [&](size_t index, const PodInfo& p) {
    node.remove_at(index);
    profile.run_remove_pod(simulated, p, node);
  };
  for (const PodInfoRef& p : lower) {
    const auto at = std::find_if(node.pods.begin(), node.pods.end(),
                                 [&](const NodeInfo::Entry& e) { return e.pod == p; });
    remove_at(static_cast<size_t>(at - node.pods.begin()), *p);
  }
  Status s = profile.run_filters_with_nominated(simulated, node);
  if (!s.ok()) return s;

  sort_by_importance(&lower, now);
  split_by_budgets(search);
  out->victims.reserve(lower.size());
  // Spares as many as possible, the most important first; true if the pod can stay.
  const auto reprieve = [&](const PodInfoRef& p) {
    node.add_pod(p, kNoClass);
    profile.run_add_pod(simulated, *p, node);
    if (profile.run_filters_with_nominated(simulated, node).ok()) return true;
    remove_at(node.pods.size() - 1, *p);
    out->victims.push_back(p);
    return false;
  };
  for (const PodInfoRef& p : search->violating) {
    if (!reprieve(p)) ++out->violations;
  }
  for (const PodInfoRef& p : search->fine) (void)reprieve(p);
  if (!search->violating.empty() && !search->fine.empty()) sort_by_importance(&out->victims, now);
  if (out->victims.empty()) {
    return Status::error("expected at least one victim pod on node \"" + node.name.str() + "\"");
  }
  return {};
}

int64_t DefaultPreemption::figure(const Candidate& c, Criterion criterion, api::Time now) {
  switch (criterion) {
    case Criterion::kViolations:
      return c.violations;
    case Criterion::kHighestPriority:
      return c.victims.front()->priority;
    case Criterion::kPrioritySum: {
      int64_t sum = 0;
      for (const PodInfoRef& p : c.victims) sum += int64_t{p->priority} + (int64_t{1} << 31);
      return sum;
    }
    case Criterion::kVictims:
      return static_cast<int64_t>(c.victims.size());
    case Criterion::kStart:
      break;
  }
  int32_t highest = c.victims.front()->priority;
  api::Time earliest = start_time(*c.victims.front(), now);
  for (const PodInfoRef& p : c.victims) {
    const api::Time t = start_time(*p, now);
    if (p->priority > highest) {
      highest = p->priority;
      earliest = t;
    } else if (p->priority == highest) {
      earliest = std::min(earliest, t);
    }
  }
  return earliest.unix_ns();
}

std::vector<PreemptionSearch::Candidate> DefaultPreemption::figures(
    const std::vector<Candidate>& candidates, api::Time now) {
  std::vector<PreemptionSearch::Candidate> out;
  out.reserve(candidates.size());
  for (const Candidate& c : candidates) {
    const int64_t highest = figure(c, Criterion::kHighestPriority, now);
    const int64_t sum = figure(c, Criterion::kPrioritySum, now);
    const api::Time start = api::Time::from_unix_ns(figure(c, Criterion::kStart, now));
    out.push_back({c.node, c.victims, c.violations, highest, sum, start});
  }
  return out;
}

size_t DefaultPreemption::best(api::Time now, const std::vector<Candidate>& candidates,
                               std::string_view* decided_by) {
  struct Step {
    Criterion criterion;
    std::string_view words;
  };
  static constexpr Step kSteps[] = {
      {Criterion::kViolations, "the fewest disruption budgets violated"},
      {Criterion::kHighestPriority, "the lowest priority of the most important victim"},
      {Criterion::kPrioritySum, "the lowest sum of the victims' priorities"},
      {Criterion::kVictims, "the fewest victims"},
      {Criterion::kStart, "most important victims that started last"},
  };
  std::vector<size_t> left(candidates.size());
  std::iota(left.begin(), left.end(), size_t{0});
  *decided_by = left.size() > 1 ? "the first found of equal ones" : "the only one";
  for (const Step& step : kSteps) {
    if (left.size() == 1) break;
    std::vector<size_t> kept;
    int64_t best = INT64_MAX;
    for (const size_t i : left) {
      int64_t f = figure(candidates[i], step.criterion, now);
      if (step.criterion == Criterion::kStart) f = -f;
      if (f < best) {
        best = f;
        kept.clear();
      }
      if (f == best) kept.push_back(i);
    }
    left = std::move(kept);
    if (left.size() == 1) *decided_by = step.words;
  }
  return left.front();
}

}  // namespace mainspring::scheduler

#include "scenarios/placement.h"

#include <fmt/format.h>

#include <algorithm>

#include "models/api/diagnostics.h"
#include "models/api/types/core.h"
#include "models/scheduler/plugins/taint_toleration.h"
#include "models/scheduler/selectors.h"
#include "scenarios/units.h"

namespace mainspring::scenarios {

namespace {
using api::Json;

std::string changed_object(const scheduler::EventObjects& o) {
  if (o.new_node || o.old_node) {
    return fmt::format("node/{}", (o.new_node ? o.new_node : o.old_node)->metadata.name.view());
  }
  if (o.new_pod || o.old_pod) {
    return fmt::format("pod/{}", (o.new_pod ? o.new_pod : o.old_pod)->key());
  }
  const api::ObjectRef& object = o.new_object ? o.new_object : o.old_object;
  if (!object) return {};
  const std::string_view ns = object->metadata.namespace_;
  return fmt::format("{}/{}{}{}", api::kind_info(*object).singular, ns, ns.empty() ? "" : "/",
                     object->metadata.name.view());
}

Json list_of(const std::vector<std::string>& values) {
  Json out = Json::array();
  for (const std::string& v : values) out.push_back(v);
  return out;
}

Json rejections_json(const std::vector<SchedulingAttempt::Rejection>& rejections) {
  Json out = Json::array();
  for (const auto& r : rejections) {
    out.push_back(Json::object()
                      .set("plugin", r.plugin)
                      .set("reasons", list_of(r.reasons))
                      .set("detail", r.detail)
                      .set("nodes", list_of(r.nodes)));
  }
  return out;
}

Json time_json(sim::SimTime at) { return Json(format_exactly(at - sim::SimTime())); }

Json holds_json(const std::vector<SchedulingAttempt::Hold>& holds) {
  Json out = Json::array();
  for (const auto& h : holds) {
    out.push_back(Json::object()
                      .set("at", time_json(h.at))
                      .set("plugin", h.plugin)
                      .set("reasons", list_of(h.reasons)));
  }
  return out;
}

Json wakeups_json(const std::vector<SchedulingAttempt::Wakeup>& wakeups) {
  Json out = Json::array();
  for (const auto& w : wakeups) {
    out.push_back(
        Json::object().set("at", time_json(w.at)).set("event", w.event).set("object", w.object));
  }
  return out;
}

Json search_json(const std::optional<SchedulingAttempt::PreemptionSearch>& search) {
  if (!search) return {};
  Json nodes = Json::array();
  for (const auto& c : search->candidates) {
    nodes.push_back(Json::object()
                        .set("node", c.victims.node)
                        .set("victims", list_of(c.victims.pods))
                        .set("pdbViolations", c.pdb_violations)
                        .set("highestPriority", c.highest_priority)
                        .set("prioritySum", c.priority_sum)
                        .set("start", time_json(c.start)));
  }
  return Json::object()
      .set("candidates", nodes)
      .set("decidedBy", search->decided_by)
      .set("rejected", rejections_json(search->rejections));
}

std::vector<std::string> reasons_of(const scheduler::Status& status) {
  std::vector<std::string> out;
  status.for_each_reason([&](const api::Str& r) { out.push_back(r.str()); });
  return out;
}
}  // namespace

std::string PlacementObserver::node_name(uint32_t slot) const {
  return scheduler_.cluster().node(slot).name.str();
}

void PlacementObserver::reject(const scheduler::Status& status, std::string node,
                               std::string detail,
                               std::vector<SchedulingAttempt::Rejection>* out) const {
  std::vector<std::string> reasons = reasons_of(status);
  // Plugins are called the same in all profiles.
  const std::string_view plugin = scheduler_.profile().plugin_name(status.plugin());
  auto at = std::find_if(out->begin(), out->end(), [&](const SchedulingAttempt::Rejection& r) {
    return r.plugin == plugin && r.reasons == reasons && r.detail == detail;
  });
  if (at == out->end()) {
    at = out->insert(at, {std::string(plugin), std::move(reasons), std::move(detail), {}});
  }
  if (!node.empty()) at->nodes.push_back(std::move(node));
}

// Which taint it is that the pod does not tolerate.
std::string PlacementObserver::detail(const scheduler::PodInfo& pod,
                                      const scheduler::Status& status, uint32_t slot) const {
  const scheduler::NodeInfo& node = scheduler_.cluster().node(slot);
  if (scheduler_.profile().plugin_name(status.plugin()) != scheduler::TaintToleration::kName) {
    return {};
  }
  const api::Taint* t = scheduler::untolerated_taint(node.node->spec.taints, pod.t->tolerations);
  if (!t) return {};
  return fmt::format("{}{}{}:{}", t->key.view(), t->value.empty() ? "" : "=", t->value.view(),
                     t->effect.view());
}

void PlacementObserver::held_back(const scheduler::PodInfo& pod, const scheduler::Status& status) {
  if (!is_meant(pod)) return;
  SchedulingAttempt::Hold hold{world_.now(),
                               std::string(scheduler_.profile().plugin_name(status.plugin())),
                               reasons_of(status)};
  auto& holds = placement_.holds;
  const bool again =
      !holds.empty() && holds.back().plugin == hold.plugin && holds.back().reasons == hold.reasons;
  if (!again) holds.push_back(std::move(hold));
}

void PlacementObserver::woken(const scheduler::PodInfo& pod, scheduler::ClusterEvent event,
                              const scheduler::EventObjects& objects) {
  if (!is_meant(pod)) return;
  placement_.wakeups.push_back({world_.now(), scheduler::label(event), changed_object(objects)});
}

void PlacementObserver::decided(const scheduler::PodInfo& pod, const scheduler::Decision& d,
                                const std::vector<scheduler::Profile::PluginScores>& scores) {
  if (!is_meant(pod)) return;
  SchedulingAttempt attempt;
  attempt.at = world_.now();
  attempt.holds = std::exchange(placement_.holds, {});
  attempt.wakeups = std::exchange(placement_.wakeups, {});
  attempt.nodes = scheduler_.cluster().node_count();
  const scheduler::Profile& profile = scheduler_.profile();
  if (!d.pre_filter_message.empty()) reject(d.statuses.absent, {}, {}, &attempt.rejections);
  for (const auto& [slot, status] : d.statuses.list) {
    reject(status, node_name(slot), detail(pod, status, slot), &attempt.rejections);
  }

  const bool scored = d.kind == scheduler::Decision::Kind::kNode;  // to the end
  if (scored) attempt.node = node_name(d.node);
  for (const auto& s : scores) {
    attempt.plugins.emplace_back(profile.plugin_name(s.plugin));
    attempt.weights.push_back(s.weight);
  }
  for (size_t i = 0; i < d.feasible.size(); ++i) {
    SchedulingAttempt::Candidate c{node_name(d.feasible[i]), {}, 0};
    for (const auto& s : scores) c.scores.push_back(s.weighted[i]);
    if (scored && i < d.totals.size()) c.total = d.totals[i];
    attempt.candidates.push_back(std::move(c));
  }
  if (scored && !d.totals.empty()) {
    const int64_t most = *std::max_element(d.totals.begin(), d.totals.end());
    attempt.ties = static_cast<size_t>(std::count(d.totals.begin(), d.totals.end(), most));
  }
  placement_.attempts.push_back(std::move(attempt));
}

void PlacementObserver::failed(const scheduler::PodInfo& pod, bool rejected,
                               const std::string& message,
                               const scheduler::Nominating& nominating) {
  if (!is_meant(pod) || placement_.attempts.empty()) return;
  SchedulingAttempt& attempt = placement_.attempts.back();
  attempt.message = message;
  attempt.is_error = !rejected;
  if (nominating.override_) attempt.nominated_node = nominating.node.str();
}

void PlacementObserver::searched(const scheduler::PodInfo& pod,
                                 const scheduler::PreemptionSearch& search) {
  if (!is_meant(pod) || placement_.attempts.empty()) return;
  if (search.candidates.empty() && search.rejected.list.empty()) return;
  SchedulingAttempt::PreemptionSearch out;
  out.decided_by = search.decided_by;
  for (const auto& c : search.candidates) {
    SchedulingAttempt::PreemptionCandidate made{{node_name(c.node), {}},
                                                c.violations,
                                                c.highest_priority,
                                                c.priority_sum,
                                                world_.now() - (search.now - c.start)};
    for (const scheduler::PodInfoRef& v : c.victims) made.victims.pods.push_back(v->key());
    out.candidates.push_back(std::move(made));
  }
  if (!out.candidates.empty()) {
    const auto chosen = out.candidates.begin() + static_cast<ptrdiff_t>(search.chosen);
    std::rotate(out.candidates.begin(), chosen, chosen + 1);
  }
  for (const auto& [slot, status] : search.rejected.list) {
    reject(status, node_name(slot), detail(pod, status, slot), &out.rejections);
  }
  placement_.attempts.back().search = std::move(out);
}

void PlacementObserver::preempting(const scheduler::Preemption& preemption) {
  if (!is_meant(*preemption.preemptor) || placement_.attempts.empty()) return;
  SchedulingAttempt::Victims victims{preemption.node.str(), {}};
  for (const scheduler::PodInfoRef& v : preemption.victims) victims.pods.push_back(v->key());
  placement_.attempts.back().preemptions.push_back(std::move(victims));
}

void PlacementObserver::waits(const scheduler::PodInfo& pod, scheduler::Points point,
                              scheduler::PluginId plugin) {
  if (!is_meant(pod) || placement_.attempts.empty()) return;
  auto& waits = placement_.attempts.back().waits;
  const std::string_view name = scheduler_.profile().plugin_name(plugin);
  if (!waits.empty() && waits.back().plugin == name) return;  // looks again
  waits.push_back({world_.now(), std::string(scheduler::point_name(point)), std::string(name)});
}

void PlacementObserver::bound(const scheduler::PodInfo& pod) {
  if (!is_meant(pod) || placement_.attempts.empty()) return;
  placement_.attempts.back().bound_at = world_.now();
}

Json placement_json(const std::string& pod, const Placement& placement) {
  Json list = Json::array();
  for (const SchedulingAttempt& a : placement.attempts) {
    Json candidates = Json::array();
    for (const auto& c : a.candidates) {
      Json scores = Json::object();
      for (size_t i = 0; i < c.scores.size(); ++i) scores.set(a.plugins[i], c.scores[i]);
      Json candidate = Json::object().set("node", c.node);
      if (!a.plugins.empty()) candidate.set("scores", scores).set("total", c.total);
      candidates.push_back(std::move(candidate));
    }
    Json weights = Json::object();
    for (size_t i = 0; i < a.plugins.size(); ++i) weights.set(a.plugins[i], a.weights[i]);
    Json preemptions = Json::array();
    for (const auto& p : a.preemptions) {
      preemptions.push_back(Json::object().set("node", p.node).set("victims", list_of(p.pods)));
    }
    Json waits = Json::array();
    for (const auto& w : a.waits) {
      waits.push_back(
          Json::object().set("at", time_json(w.at)).set("point", w.point).set("plugin", w.plugin));
    }
    list.push_back(Json::object()
                       .set("at", time_json(a.at))
                       .set("heldBackBy", holds_json(a.holds))
                       .set("wokenBy", wakeups_json(a.wakeups))
                       .set("nodes", static_cast<int64_t>(a.nodes))
                       .set("rejected", rejections_json(a.rejections))
                       .set("weights", weights)
                       .set("candidates", candidates)
                       .set("ties", static_cast<int64_t>(a.ties))
                       .set("node", a.node)
                       .set("waitedFor", waits)
                       .set("boundAt", a.bound_at ? time_json(*a.bound_at) : Json())
                       .set("message", a.message)
                       .set("error", a.is_error)
                       .set("preemptionSearch", search_json(a.search))
                       .set("preemptions", preemptions)
                       .set("nominatedNode", a.nominated_node));
  }
  return Json::object()
      .set("apiVersion", "mainspring.dev/v1")
      .set("kind", "Placement")
      .set("pod", pod)
      .set("attempts", list)
      .set("heldBackBy", holds_json(placement.holds))
      .set("wokenBy", wakeups_json(placement.wakeups));
}

std::string why_not_tried(const apiserver::Store& store, const scheduler::Scheduler& scheduler,
                          const std::string& pod) {
  const size_t slash = pod.find('/');
  const std::string ns = pod.substr(0, slash);
  const std::string name = pod.substr(slash + 1);
  const api::ObjectRef* found = store.find(api::Kind::Pod, ns, name);
  if (!found) {
    const std::vector<api::ObjectRef> pods = store.list(api::Kind::Pod, ns);
    std::vector<std::string_view> names;
    names.reserve(pods.size());
    for (const api::ObjectRef& o : pods) names.push_back(o->metadata.name.view());
    return "there is no such pod" + api::did_you_mean(name, names);
  }
  const auto& p = api::as<api::Pod>(**found);
  std::vector<std::string_view> profiles;
  for (size_t i = 0; i < scheduler.profiles(); ++i) {
    profiles.push_back(scheduler.profile(i).scheduler_name());
  }
  const std::string_view wanted = p.spec.scheduler_name;
  if (std::find(profiles.begin(), profiles.end(), wanted) == profiles.end()) {
    return fmt::format(
        "its schedulerName is \"{}\", and the scheduler has no such profile, only {}", wanted,
        fmt::join(profiles, ", "));
  }
  if (!p.spec.node_name.empty()) {
    return fmt::format("it came with its node, {}, or was bound by somebody else",
                       p.spec.node_name.view());
  }
  return "the scheduler has not come to it";
}

}  // namespace mainspring::scenarios

#include "scenarios/placement.h"

#include <fmt/format.h>

#include <algorithm>

#include "models/api/time_text.h"
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
                      .set("nodes", list_of(r.nodes)));
  }
  return out;
}

std::string time_text(sim::SimTime at) { return format_duration(at - sim::SimTime()); }
}  // namespace

std::string PlacementObserver::node_name(uint32_t slot) const {
  return scheduler_.cluster().node(slot).name.str();
}

void PlacementObserver::reject(const scheduler::Status& status, std::string node,
                               std::vector<SchedulingAttempt::Rejection>* out) const {
  std::vector<std::string> reasons;
  status.for_each_reason([&](const api::Str& r) { reasons.push_back(r.str()); });
  // Plugins are called the same in all profiles.
  const std::string_view plugin = scheduler_.profile().plugin_name(status.plugin());
  auto at = std::find_if(out->begin(), out->end(), [&](const SchedulingAttempt::Rejection& r) {
    return r.plugin == plugin && r.reasons == reasons;
  });
  if (at == out->end()) {
    at = out->insert(at, {std::string(plugin), std::move(reasons), {}});
  }
  if (!node.empty()) at->nodes.push_back(std::move(node));
}

void PlacementObserver::woken(const scheduler::PodInfo& pod, scheduler::ClusterEvent event,
                              const scheduler::EventObjects& objects) {
  if (!is_meant(pod)) return;
  wakeups_.push_back({world_.now(), scheduler::label(event), changed_object(objects)});
}

void PlacementObserver::decided(const scheduler::PodInfo& pod, const scheduler::Decision& d,
                                const std::vector<scheduler::Profile::PluginScores>& scores) {
  if (!is_meant(pod)) return;
  SchedulingAttempt attempt;
  attempt.at = world_.now();
  attempt.wakeups = std::exchange(wakeups_, {});
  attempt.nodes = scheduler_.cluster().node_count();
  const scheduler::Profile& profile = scheduler_.profile();
  if (!d.pre_filter_message.empty()) reject(d.statuses.absent, {}, &attempt.rejections);
  for (const auto& [slot, status] : d.statuses.list) {
    reject(status, node_name(slot), &attempt.rejections);
  }

  if (d.kind == scheduler::Decision::Kind::kNode) attempt.node = node_name(d.node);
  for (const auto& s : scores) attempt.plugins.emplace_back(profile.plugin_name(s.plugin));
  for (size_t i = 0; i < d.feasible.size(); ++i) {
    SchedulingAttempt::Candidate c{node_name(d.feasible[i]), {}, 0};
    for (const auto& s : scores) c.scores.push_back(s.weighted[i]);
    if (i < d.totals.size()) c.total = d.totals[i];
    attempt.candidates.push_back(std::move(c));
  }
  if (!d.totals.empty()) {
    const int64_t most = *std::max_element(d.totals.begin(), d.totals.end());
    attempt.ties = static_cast<size_t>(std::count(d.totals.begin(), d.totals.end(), most));
  }
  attempts_.push_back(std::move(attempt));
}

void PlacementObserver::failed(const scheduler::PodInfo& pod, bool, const std::string& message,
                               const scheduler::Nominating& nominating) {
  if (!is_meant(pod) || attempts_.empty()) return;
  attempts_.back().message = message;
  if (nominating.override_) attempts_.back().nominated_node = nominating.node.str();
}

void PlacementObserver::searched(const scheduler::PodInfo& pod,
                                 const scheduler::PreemptionSearch& search) {
  if (!is_meant(pod) || attempts_.empty()) return;
  if (search.candidates.empty() && search.rejected.list.empty()) return;
  SchedulingAttempt::PreemptionSearch out;
  out.decided_by = search.decided_by;
  for (const auto& c : search.candidates) {
    SchedulingAttempt::PreemptionCandidate made{
        {node_name(c.node), {}}, c.violations, c.highest_priority, c.priority_sum, c.start};
    for (const scheduler::PodInfoRef& v : c.victims) made.victims.pods.push_back(v->key());
    out.candidates.push_back(std::move(made));
  }
  if (!out.candidates.empty()) {
    const auto chosen = out.candidates.begin() + static_cast<ptrdiff_t>(search.chosen);
    std::rotate(out.candidates.begin(), chosen, chosen + 1);
  }
  for (const auto& [slot, status] : search.rejected.list) {
    reject(status, node_name(slot), &out.rejections);
  }
  attempts_.back().search = std::move(out);
}

void PlacementObserver::preempting(const scheduler::Preemption& preemption) {
  if (!is_meant(*preemption.preemptor) || attempts_.empty()) return;
  SchedulingAttempt::Victims victims{preemption.node.str(), {}};
  for (const scheduler::PodInfoRef& v : preemption.victims) victims.pods.push_back(v->key());
  attempts_.back().preemptions.push_back(std::move(victims));
}

Json placement_json(const std::string& pod, const std::vector<SchedulingAttempt>& attempts) {
  Json list = Json::array();
  for (const SchedulingAttempt& a : attempts) {
    Json wakeups = Json::array();
    for (const auto& w : a.wakeups) {
      wakeups.push_back(
          Json::object().set("at", time_text(w.at)).set("event", w.event).set("object", w.object));
    }
    Json candidates = Json::array();
    for (const auto& c : a.candidates) {
      Json scores = Json::object();
      for (size_t i = 0; i < c.scores.size(); ++i) scores.set(a.plugins[i], c.scores[i]);
      Json candidate = Json::object().set("node", c.node);
      if (!a.plugins.empty()) candidate.set("scores", scores).set("total", c.total);
      candidates.push_back(std::move(candidate));
    }
    Json search;
    if (a.search) {
      Json nodes = Json::array();
      for (const auto& c : a.search->candidates) {
        nodes.push_back(Json::object()
                            .set("node", c.victims.node)
                            .set("victims", list_of(c.victims.pods))
                            .set("pdbViolations", c.pdb_violations)
                            .set("highestPriority", c.highest_priority)
                            .set("prioritySum", c.priority_sum)
                            .set("start", api::format_time(c.start)));
      }
      search = Json::object()
                   .set("candidates", nodes)
                   .set("decidedBy", a.search->decided_by)
                   .set("rejected", rejections_json(a.search->rejections));
    }
    Json preemptions = Json::array();
    for (const auto& p : a.preemptions) {
      preemptions.push_back(Json::object().set("node", p.node).set("victims", list_of(p.pods)));
    }
    list.push_back(Json::object()
                       .set("at", time_text(a.at))
                       .set("wokenBy", wakeups)
                       .set("nodes", static_cast<int64_t>(a.nodes))
                       .set("rejected", rejections_json(a.rejections))
                       .set("candidates", candidates)
                       .set("ties", static_cast<int64_t>(a.ties))
                       .set("node", a.node)
                       .set("message", a.message)
                       .set("preemptionSearch", search)
                       .set("preemptions", preemptions)
                       .set("nominatedNode", a.nominated_node));
  }
  return Json::object()
      .set("apiVersion", "mainspring.dev/v1")
      .set("kind", "Placement")
      .set("pod", pod)
      .set("attempts", list);
}

}  // namespace mainspring::scenarios

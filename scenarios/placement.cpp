#include "scenarios/placement.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

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

std::string time_text(sim::SimTime at) { return format_duration(at - sim::SimTime()); }
}  // namespace

std::string PlacementObserver::node_name(uint32_t slot) const {
  return scheduler_.cluster().node(slot).name.str();
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
  // The profile that knows the pod's scheduler also knows the plugins' names; they are the same in
  // all profiles.
  const scheduler::Profile& profile = scheduler_.profile();

  std::map<std::pair<std::string, std::vector<std::string>>, size_t> places;
  const auto reject = [&](const scheduler::Status& status, std::string node) {
    std::vector<std::string> reasons;
    status.for_each_reason([&](const api::Str& r) { reasons.push_back(r.str()); });
    std::string plugin(profile.plugin_name(status.plugin()));
    const auto [at, fresh] = places.try_emplace({plugin, reasons}, attempt.rejections.size());
    if (fresh) attempt.rejections.push_back({std::move(plugin), std::move(reasons), {}});
    if (!node.empty()) attempt.rejections[at->second].nodes.push_back(std::move(node));
  };
  if (!d.pre_filter_message.empty()) reject(d.statuses.absent, {});
  for (const auto& [slot, status] : d.statuses.list) reject(status, node_name(slot));

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
    Json rejections = Json::array();
    for (const auto& r : a.rejections) {
      rejections.push_back(Json::object()
                               .set("plugin", r.plugin)
                               .set("reasons", list_of(r.reasons))
                               .set("nodes", list_of(r.nodes)));
    }
    Json candidates = Json::array();
    for (const auto& c : a.candidates) {
      Json scores = Json::object();
      for (size_t i = 0; i < c.scores.size(); ++i) scores.set(a.plugins[i], c.scores[i]);
      Json candidate = Json::object().set("node", c.node);
      if (!a.plugins.empty()) candidate.set("scores", scores).set("total", c.total);
      candidates.push_back(std::move(candidate));
    }
    Json preemptions = Json::array();
    for (const auto& p : a.preemptions) {
      preemptions.push_back(Json::object().set("node", p.node).set("victims", list_of(p.pods)));
    }
    list.push_back(Json::object()
                       .set("at", time_text(a.at))
                       .set("wokenBy", wakeups)
                       .set("nodes", static_cast<int64_t>(a.nodes))
                       .set("rejected", rejections)
                       .set("candidates", candidates)
                       .set("ties", static_cast<int64_t>(a.ties))
                       .set("node", a.node)
                       .set("message", a.message)
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

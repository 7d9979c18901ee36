#include "models/scheduler/framework.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <map>
#include <utility>

#include "sim/check.h"

namespace mainspring::scheduler {

namespace {
size_t point_index(Points single) { return static_cast<size_t>(std::countr_zero(single)); }

constexpr std::array<std::string_view, kPointCount> kPointNames = {
    "PreEnqueue", "QueueSort", "PreFilter", "Filter",  "PostFilter", "PreScore",
    "Score",      "Reserve",   "Permit",    "PreBind", "Bind",       "PostBind"};
}  // namespace

std::string_view point_name(Points single) { return kPointNames[point_index(single)]; }

void default_normalize(std::span<int64_t> scores, bool reverse) {
  int64_t max = 0;
  for (const int64_t s : scores) max = std::max(max, s);
  for (int64_t& s : scores) {
    if (max == 0) {
      if (reverse) s = kMaxNodeScore;
      continue;
    }
    s = kMaxNodeScore * s / max;
    if (reverse) s = kMaxNodeScore - s;
  }
}

size_t nodes_to_find(size_t n, int32_t percentage) {
  constexpr size_t kMinNodes = 100;
  constexpr int64_t kMinPercentage = 5;
  if (n < kMinNodes) return n;
  int64_t p = percentage;
  if (p == 0) p = std::max<int64_t>(50 - static_cast<int64_t>(n) / 125, kMinPercentage);
  return std::max(n * static_cast<size_t>(p) / 100, kMinNodes);
}

size_t pick_host(std::span<const int64_t> totals) {
  // When the heap is built, a root changes places with a child only if the child is greater, with
  // the left one unless the right one is greater still. So of the greatest totals that one rises
  // to the top which comes first when the tree is walked root, left, right. Numbered from 1, node
  // i has the ancestors i/2, i/4, ...: of each level only the first one counts, and only if it is
  // left of the one found higher up.
  const size_t n = totals.size();
  const int64_t max = fold_in_pairs(totals, [](int64_t a, int64_t b) { return std::max(a, b); });
  size_t best = 0;
  size_t end = 2;  // of the level, as far as it is worth a look
  for (size_t first = 1; first <= n; first *= 2) {
    for (size_t i = first; i < std::min(end, n + 1); ++i) {
      if (totals[i - 1] != max) continue;
      best = i;
      end = i;
      break;
    }
    end *= 2;
  }
  return best - 1;
}

std::string rejection_histogram(size_t all_nodes, const NodeStatuses& statuses,
                                std::string_view pre_filter_message) {
  std::string out = fmt::format("0/{} nodes are available:", all_nodes);
  if (!pre_filter_message.empty()) return out + fmt::format(" {}.", pre_filter_message);
  std::map<std::string_view, size_t> counts;
  // Nodes in a row mostly say the same.
  const api::Str* last = nullptr;
  size_t* count_of_last = nullptr;
  for (const auto& [slot, status] : statuses.list) {
    status.for_each_reason([&](const api::Str& r) {
      if (!last || !r.same(*last)) {
        last = &r;
        count_of_last = &counts[r.view()];
      }
      ++*count_of_last;
    });
  }
  if (statuses.list.size() < all_nodes) {
    const size_t absent = all_nodes - statuses.list.size();
    statuses.absent.for_each_reason([&](const api::Str& r) { counts[r.view()] += absent; });
  }
  std::vector<std::string> lines;
  lines.reserve(counts.size());
  for (const auto& [reason, count] : counts) lines.push_back(fmt::format("{} {}", count, reason));
  std::sort(lines.begin(), lines.end());
  for (size_t i = 0; i < lines.size(); ++i) out += (i ? ", " : " ") + lines[i];
  if (!lines.empty()) out += '.';
  return out;
}

PluginId Registry::find(std::string_view name) const {
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].name == name) return static_cast<PluginId>(i);
  }
  return kNoPlugin;
}

int64_t PluginSelection::weight(std::string_view plugin) const {
  for (const std::vector<PluginWeight>* list : {&at(kScore).enabled, &multi_point}) {
    for (const PluginWeight& p : *list) {
      if (p.name == plugin) return p.weight == 0 ? 1 : p.weight;
    }
  }
  return 1;
}

std::vector<std::string_view> expand(const PluginSelection& plugins, Points single_point,
                                     const Registry& registry) {
  const PointPlugins& point = plugins.at(single_point);
  const auto disabled = [&](std::string_view name) {
    return std::find(point.disabled.begin(), point.disabled.end(), name) != point.disabled.end();
  };
  const auto named = [](const std::vector<PluginWeight>& list, std::string_view name) {
    return std::any_of(list.begin(), list.end(), [&](const auto& p) { return p.name == name; });
  };
  const auto from_multi_point = [&](std::string_view name) {
    const PluginId id = registry.find(name);
    return id != kNoPlugin && !disabled("*") && !disabled(name) &&
           (registry.entries()[static_cast<size_t>(id)].points & single_point) != 0;
  };
  std::vector<std::string_view> out;
  for (const PluginWeight& p : point.enabled) {
    if (named(plugins.multi_point, p.name) && from_multi_point(p.name)) out.push_back(p.name);
  }
  for (const PluginWeight& p : plugins.multi_point) {
    if (from_multi_point(p.name) && !named(point.enabled, p.name)) out.push_back(p.name);
  }
  for (const PluginWeight& p : point.enabled) {
    if (std::find(out.begin(), out.end(), p.name) == out.end()) out.push_back(p.name);
  }
  return out;
}

// ---- Profile

Profile::Profile(std::string scheduler_name, const Registry& registry,
                 const PluginSelection& plugins, const PluginConfig& config, ClusterCache& cluster)
    : name_(std::move(scheduler_name)) {
  const auto make = [&](std::string_view name) {
    const PluginId id = registry.find(name);
    MAINSPRING_CHECK(id != kNoPlugin, "no scheduler plugin is named {}", name);
    const bool known =
        std::any_of(plugins_.begin(), plugins_.end(), [&](const auto& p) { return p->id() == id; });
    if (!known) {
      plugins_.push_back(registry.entries()[static_cast<size_t>(id)].make(config, cluster));
      plugins_.back()->set_id(id);
      weights_[static_cast<uint8_t>(id)] = plugins.weight(name);
    }
    return id;
  };
  for (const PluginWeight& p : plugins.multi_point) make(p.name);
  for (size_t i = 0; i < kPointCount; ++i) {
    for (const std::string_view name : expand(plugins, Points{1} << i, registry)) {
      order_[i].push_back(make(name));
    }
  }
  index();
}

Profile::Profile(const Profile& other)
    : name_(other.name_), weights_(other.weights_), order_(other.order_) {
  for (const auto& p : other.plugins_) {
    plugins_.push_back(p->clone());
    plugins_.back()->set_id(p->id());
  }
  index();
}

Profile& Profile::operator=(Profile other) {
  name_ = std::move(other.name_);
  plugins_ = std::move(other.plugins_);
  weights_ = other.weights_;
  order_ = std::move(other.order_);
  index();
  return *this;
}

void Profile::index() {
  for (size_t i = 0; i < kPointCount; ++i) {
    points_[i].clear();
    for (const PluginId id : order_[i]) {
      for (const auto& p : plugins_) {
        if (p->id() == id) points_[i].push_back(p.get());
      }
    }
  }
  lack_pre_filter_ = {};
  for (const auto& p : plugins_) {
    if (!p->misses_pre_filter().empty() && !is_at(kPreFilter, *p)) lack_pre_filter_.insert(p->id());
  }
  const auto filters = at(kFilter);
  prepared_to_filter_ = std::none_of(filters.begin(), filters.end(),
                                     [&](const Plugin* p) { return lacks_pre_filter(*p); });
}

bool Profile::is_at(Points point, const Plugin& plugin) const {
  const auto plugins = at(point);
  return std::find(plugins.begin(), plugins.end(), &plugin) != plugins.end();
}

std::string_view Profile::plugin_name(PluginId id) const {
  for (const auto& p : plugins_) {
    if (p->id() == id) return p->name();
  }
  return {};
}

Plugin* Profile::find(std::string_view name) const {
  for (const auto& p : plugins_) {
    if (p->name() == name) return p.get();
  }
  return nullptr;
}

std::span<Plugin* const> Profile::at(Points single_point) const {
  return points_[point_index(single_point)];
}

std::vector<QueueHost::Interest> Profile::interests() const {
  std::vector<QueueHost::Interest> out;
  for (const auto& p : plugins_) {
    if ((p->points() & kRejecting) == 0) continue;
    const std::vector<EventRegistration> events = p->events();
    bool node_add = false;
    bool node_taint = false;
    for (const EventRegistration& e : events) {
      out.push_back({p->id(), e});
      if (e.event.resource != Resource::kNode) continue;
      node_add = node_add || (e.event.action & kAdd) != 0;
      node_taint = node_taint || (e.event.action & kUpdateNodeTaint) != 0;
    }
    // A node that was filtered out by its taint when it came (an addition the plugin never
    // weighed) counts when the taint goes.
    if (node_add && !node_taint) {
      out.push_back({p->id(), {{Resource::kNode, kUpdateNodeTaint}, EventRegistration::kAlways}});
    }
  }
  return out;
}

void Profile::follow(const client::ControlContext& ctx, const client::WatchEvent& event) const {
  for (const std::unique_ptr<Plugin>& p : plugins_) p->follow(ctx, event);
}

Status Profile::run_pre_enqueue(const client::ControlContext& ctx, const PodInfo& pod,
                                PluginId first) const {
  for (const bool firsts_turn : {true, false}) {
    for (Plugin* p : at(kPreEnqueue)) {
      if ((p->id() == first) != firsts_turn) continue;
      Status s = p->pre_enqueue(ctx, pod);
      if (!s.ok()) return s.set_plugin(p->id());
    }
  }
  return {};
}

Status Profile::run_pre_filter(Cycle& cycle, std::optional<std::vector<api::Str>>* restricted,
                               PluginSet* rejectors) const {
  Status rejected;
  std::vector<std::string_view> restricting;
  for (Plugin* p : at(kPreFilter)) {
    std::optional<std::vector<api::Str>> names;
    Status s = p->pre_filter(cycle, &names);
    if (s.is_skip()) {
      cycle.state->skip_filter.insert(p->id());
      continue;
    }
    if (!s.ok()) {
      s.set_plugin(p->id());
      if (s.code() == Code::kUnschedulableAndUnresolvable) {
        rejectors->clear();  // those that restrict the nodes do not count then
        return s;
      }
      if (s.code() == Code::kUnschedulable) {
        rejected = std::move(s);
        continue;
      }
      s.set_code(Code::kError);
      return s;
    }
    if (!names) continue;
    rejectors->insert(p->id());
    restricting.push_back(p->name());
    if (!*restricted) {
      *restricted = std::move(names);
    } else {
      std::vector<api::Str> both;
      std::set_intersection((*restricted)->begin(), (*restricted)->end(), names->begin(),
                            names->end(), std::back_inserter(both));
      **restricted = std::move(both);
    }
    if ((*restricted)->empty()) {
      std::string message = fmt::format("node(s) didn't satisfy plugin {}", p->name());
      if (restricting.size() > 1) {
        std::sort(restricting.begin(), restricting.end());
        message = "node(s) didn't satisfy plugin(s) [";
        for (size_t i = 0; i < restricting.size(); ++i) {
          if (i) message += ' ';
          message += restricting[i];
        }
        message += "] simultaneously";
      }
      return Status::unresolvable(message);
    }
  }
  for (const Plugin* p : at(kFilter)) {
    if (!cycle.state->skip_filter.contains(p->id())) cycle.state->filters.push_back(p);
  }
  return rejected;
}

void Profile::run_add_pod(Cycle& cycle, const PodInfo& pod, const NodeInfo& node) const {
  for (Plugin* p : at(kPreFilter)) {
    if (!cycle.state->skip_filter.contains(p->id())) p->add_pod(cycle, pod, node);
  }
}

void Profile::run_remove_pod(Cycle& cycle, const PodInfo& pod, const NodeInfo& node) const {
  for (Plugin* p : at(kPreFilter)) {
    if (!cycle.state->skip_filter.contains(p->id())) p->remove_pod(cycle, pod, node);
  }
}

Status Profile::run_filters(const Cycle& cycle, const NodeInfo& node) const {
  for (const Plugin* p : cycle.state->filters) {
    Status s =
        !lacks_pre_filter(*p) ? p->filter(cycle, node) : Status::error(p->misses_pre_filter());
    if (s.ok()) continue;
    if (!s.is_rejected()) {
      s = Status::error(fmt::format("running \"{}\" filter plugin: {}", p->name(), s.message()));
    }
    s.set_plugin(p->id());
    return s;
  }
  return {};
}

Status Profile::run_filters_with_nominated(Cycle& cycle, const NodeInfo& node) const {
  const auto nominated = cycle.nominator.on(node.name);
  const auto counts = [&](const PodInfoRef& p) {
    return p->priority >= cycle.info().priority && p->uid() != cycle.info().uid();
  };
  if (std::none_of(nominated.begin(), nominated.end(), counts)) return run_filters(cycle, node);
  CycleState state(*cycle.state);
  NodeInfo crowded = node;
  Cycle simulated = cycle;
  simulated.state = &state;
  for (const PodInfoRef& p : nominated) {
    if (!counts(p)) continue;
    crowded.add_pod(p, kNoClass);
    run_add_pod(simulated, *p, crowded);
  }
  Status s = run_filters(simulated, crowded);
  return s.ok() ? run_filters(cycle, node) : s;
}

Status Profile::run_post_filter(Cycle& cycle, const NodeStatuses& statuses,
                                Nominating* nominating) const {
  Status rejected(Code::kUnschedulable);
  for (Plugin* p : at(kPostFilter)) {
    Nominating result;
    Status s = p->post_filter(cycle, statuses, &result);
    s.set_plugin(p->id());
    if (s.ok() || s.code() == Code::kUnschedulableAndUnresolvable) {
      *nominating = result;
      return s;
    }
    if (!s.is_rejected()) {
      *nominating = Nominating::keep();
      return s;
    }
    if (result.override_) *nominating = result;
    s.for_each_reason([&](const api::Str& r) { rejected.add_reason(r); });
  }
  return rejected;
}

Status Profile::run_pre_score(Cycle& cycle, const NodeList& nodes) const {
  for (Plugin* p : at(kPreScore)) {
    Status s = p->pre_score(cycle, nodes);
    if (s.is_skip()) {
      cycle.state->skip_score.insert(p->id());
    } else if (!s.ok()) {
      return Status::error(
          fmt::format("running PreScore plugin \"{}\": {}", p->name(), s.message()));
    }
  }
  return {};
}

bool Profile::prepared_to_score(const Plugin& plugin) const {
  return plugin.misses_pre_score().empty() || is_at(kPreScore, plugin);
}

Status Profile::add_scores(Cycle& cycle, const Plugin& plugin, const NodeList& nodes,
                           std::vector<int64_t>* scores, std::vector<int64_t>* totals) const {
  scores->resize(nodes.size());
  Status s = prepared_to_score(plugin) ? plugin.score_nodes(cycle, nodes, *scores)
                                       : Status::error(plugin.misses_pre_score());
  if (!s.ok()) {
    return Status::error(fmt::format("running Score plugins: plugin \"{}\" failed with: {}",
                                     plugin.name(), s.message()));
  }
  const int64_t w = weight(plugin.id());
  for (size_t i = 0; i < nodes.size(); ++i) {
    int64_t& score = (*scores)[i];
    if (score < 0 || score > kMaxNodeScore) {
      return Status::error(fmt::format(
          "applying score defaultWeights on Score plugins: plugin \"{}\" returns an invalid score "
          "{}, it should in the range of [0, 100] after normalizing",
          plugin.name(), score));
    }
    score *= w;
    (*totals)[i] += score;
  }
  return {};
}

Status Profile::run_scores(Cycle& cycle, const NodeList& nodes, std::vector<int64_t>* totals,
                           std::vector<PluginScores>* detail) const {
  totals->assign(nodes.size(), 0);
  std::vector<int64_t> scores;
  for (const Plugin* p : at(kScore)) {
    if (cycle.state->skip_score.contains(p->id())) continue;
    Status s = add_scores(cycle, *p, nodes, &scores, totals);
    if (!s.ok()) return s;
    if (detail) detail->push_back({p->id(), scores, weight(p->id())});
  }
  return {};
}

}  // namespace mainspring::scheduler

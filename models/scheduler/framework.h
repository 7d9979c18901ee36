// The framework: which plugins work at which extension point, with which weight, and how a cycle
// runs through them.
//
// A Profile is one scheduler's set of plugins. It is a value: copies carry copies of the plugins.
// Not modelled: metrics, the parallelism of 16 (the twin filters and scores as with parallelism 1).
// Source: pkg/scheduler/framework/runtime (v1.35).
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/scheduler/plugin.h"
#include "models/scheduler/plugin_args.h"
#include "models/scheduler/queue.h"

namespace mainspring::scheduler {

// All plugins there are, by name, in the order of their numbers.
class Registry {
 public:
  using Factory = std::unique_ptr<Plugin> (*)(const PluginConfig&, ClusterCache&);
  // Reports what is wrong with arguments that a configuration has for the plugin; what it leaves
  // unsaid is taken. Kubernetes' own plugins have theirs checked by the configuration's reader.
  using ArgsCheck = void (*)(const api::Json& args, api::ValidateContext& c);
  struct Entry {
    std::string_view name;
    Points points;
    Factory make;
    ArgsCheck check_args;
  };
  void add(std::string_view name, Points points, Factory make, ArgsCheck check_args = nullptr) {
    entries_.push_back({name, points, make, check_args});
  }
  std::span<const Entry> entries() const { return entries_; }
  PluginId find(std::string_view name) const;

 private:
  std::vector<Entry> entries_;
};

struct PluginWeight {
  std::string name;
  int32_t weight = 0;  // 0 counts as 1
};

// What a profile says of one extension point, besides what its multiPoint set brings.
struct PointPlugins {
  std::vector<PluginWeight> enabled;
  std::vector<std::string> disabled;  // of the multiPoint set; "*": all of it
};

// The plugins of a profile as configured: a set for all the points that each implements, and
// changes point by point.
struct PluginSelection {
  PluginSelection() = default;
  PluginSelection(std::vector<PluginWeight> everywhere)  // NOLINT: a list is a selection
      : multi_point(std::move(everywhere)) {}
  std::vector<PluginWeight> multi_point;
  std::array<PointPlugins, kPointCount> points;

  PointPlugins& at(Points single) { return points[static_cast<size_t>(std::countr_zero(single))]; }
  const PointPlugins& at(Points single) const {
    return points[static_cast<size_t>(std::countr_zero(single))];
  }
  int64_t weight(std::string_view plugin) const;
};

// The plugins that work at a point, in order: those of the multiPoint set that the point names, in
// the point's order; the rest of the multiPoint set; the rest of the point's.
std::vector<std::string_view> expand(const PluginSelection& plugins, Points single_point,
                                     const Registry& registry);

class Profile {
 public:
  // Unknown names are a programmer's error: configurations are checked before.
  Profile(std::string scheduler_name, const Registry& registry, const PluginSelection& plugins,
          const PluginConfig& config, ClusterCache& cluster);
  Profile(const Profile& other);
  Profile(Profile&&) = default;
  Profile& operator=(Profile other);

  const std::string& scheduler_name() const { return name_; }
  std::string_view plugin_name(PluginId id) const;
  Plugin* find(std::string_view name) const;
  bool has(Points point) const { return !at(point).empty(); }
  // False for a score plugin that needs its PreScore and is not enabled there.
  bool prepared_to_score(const Plugin& plugin) const;
  // Whether the plugin builds on its PreFilter and is not enabled there.
  bool lacks_pre_filter(const Plugin& plugin) const {
    return lack_pre_filter_.contains(plugin.id());
  }
  // False where a filter plugin needs its PreFilter and is not enabled there: it errs.
  bool prepared_to_filter() const { return prepared_to_filter_; }
  std::span<Plugin* const> at(Points single_point) const;
  int64_t weight(PluginId id) const { return weights_[static_cast<uint8_t>(id)]; }
  // Every plugin's registered events, in order of the plugins.
  std::vector<QueueHost::Interest> interests() const;

  // Tells every plugin of the change.
  void follow(const client::ControlContext& ctx, const client::WatchEvent& event) const;
  // `first`: the plugin that holds the pod back, if one does. It is asked before the others.
  Status run_pre_enqueue(const client::ControlContext& ctx, const PodInfo& pod,
                         PluginId first) const;
  // `restricted`: the nodes the plugins allow, if any restricts. `rejectors` gets the plugins that
  // rejected the pod or restricted the nodes.
  Status run_pre_filter(Cycle& cycle, std::optional<std::vector<api::Str>>* restricted,
                        PluginSet* rejectors) const;
  void run_add_pod(Cycle& cycle, const PodInfo& pod, const NodeInfo& node) const;
  void run_remove_pod(Cycle& cycle, const PodInfo& pod, const NodeInfo& node) const;
  Status run_filters(const Cycle& cycle, const NodeInfo& node) const;
  // The filters with the pods nominated to the node counted, then without (fact sheet §3.4).
  Status run_filters_with_nominated(Cycle& cycle, const NodeInfo& node) const;
  Status run_post_filter(Cycle& cycle, const NodeStatuses& statuses, Nominating* nominating) const;
  // Runs the PreScore plugins; those with nothing to do are skipped at Score.
  Status run_pre_score(Cycle& cycle, const NodeList& nodes) const;
  // totals[i]: weighted sum over the plugins. `detail`, if given, gets every plugin's weighted
  // scores: for explanations.
  struct PluginScores {
    PluginId plugin;
    std::vector<int64_t> weighted;
    int64_t weight = 1;
  };
  Status run_scores(Cycle& cycle, const NodeList& nodes, std::vector<int64_t>* totals,
                    std::vector<PluginScores>* detail) const;
  // One plugin's part of it: `scores` gets its weighted scores, which are added to the totals.
  Status add_scores(Cycle& cycle, const Plugin& plugin, const NodeList& nodes,
                    std::vector<int64_t>* scores, std::vector<int64_t>* totals) const;

 private:
  void index();
  bool is_at(Points point, const Plugin& plugin) const;
  std::string name_;
  std::vector<std::unique_ptr<Plugin>> plugins_;  // in order
  std::array<int64_t, kMaxPlugins> weights_{};
  std::array<std::vector<PluginId>, kPointCount> order_;
  std::array<std::vector<Plugin*>, kPointCount> points_;
  bool prepared_to_filter_ = true;
  PluginSet lack_pre_filter_;
};

// The least or greatest of some values, as `f` says of two: two at a time, so that one does not
// wait for the other. There must be one.
template <class F>
int64_t fold_in_pairs(std::span<const int64_t> values, F f) {
  int64_t even = values[0];
  int64_t odd = values.back();
  for (size_t i = 1; i < values.size(); i += 2) {
    odd = f(odd, values[i - 1]);
    even = f(even, values[i]);
  }
  return f(even, odd);
}

// The index of the winner among totals: the root of Kubernetes 1.35's heap over the list (fact
// sheet §4).
size_t pick_host(std::span<const int64_t> totals);

// How many feasible nodes are looked for among n (fact sheet §3.1). `percentage` 0: adaptive.
size_t nodes_to_find(size_t n, int32_t percentage);

// "0/3 nodes are available: 1 a, 2 b." without the preemption part; counts sorted as text.
std::string rejection_histogram(size_t all_nodes, const NodeStatuses& statuses,
                                std::string_view pre_filter_message = {});

}  // namespace mainspring::scheduler

#include "models/scheduler/configuration.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "models/api/codec.h"
#include "models/api/time_format.h"
#include "models/api/validate_context.h"
#include "models/scheduler/resources.h"
#include "models/scheduler/types/kubescheduler.h"

namespace mainspring::scheduler {

namespace {

using api::Json;

constexpr std::string_view kVersion = "kubescheduler.config.k8s.io/v1";

// The extension points by their names in files, in the order in which Kubernetes looks at them
// (getExtensionPoints), with the names of Go's interfaces.
struct Point {
  Points point;
  std::string_view interface;
  file::PluginSet file::Plugins::*set;
  std::string_view field;
};
constexpr Point kAllPoints[] = {
    {kPreFilter, "PreFilterPlugin", &file::Plugins::pre_filter, "preFilter"},
    {kFilter, "FilterPlugin", &file::Plugins::filter, "filter"},
    {kPostFilter, "PostFilterPlugin", &file::Plugins::post_filter, "postFilter"},
    {kReserve, "ReservePlugin", &file::Plugins::reserve, "reserve"},
    {kPreScore, "PreScorePlugin", &file::Plugins::pre_score, "preScore"},
    {kScore, "ScorePlugin", &file::Plugins::score, "score"},
    {kPreBind, "PreBindPlugin", &file::Plugins::pre_bind, "preBind"},
    {kBind, "BindPlugin", &file::Plugins::bind, "bind"},
    {kPostBind, "PostBindPlugin", &file::Plugins::post_bind, "postBind"},
    {kPermit, "PermitPlugin", &file::Plugins::permit, "permit"},
    {kPreEnqueue, "PreEnqueuePlugin", &file::Plugins::pre_enqueue, "preEnqueue"},
    {kQueueSort, "QueueSortPlugin", &file::Plugins::queue_sort, "queueSort"}};

// Plugins of older versions (validation.invalidPluginsByVersion).
constexpr std::string_view kRemoved[] = {"AzureDiskLimits", "CinderLimits", "EBSLimits",
                                         "GCEPDLimits"};
bool removed(std::string_view name) {
  return std::find(std::begin(kRemoved), std::end(kRemoved), name) != std::end(kRemoved);
}

std::string indexed(std::string_view path, size_t i) { return fmt::format("{}[{}]", path, i); }

// The value at "profiles[0].plugins.score", or the nearest one round it.
const Json& at(const Json& tree, std::string_view path) {
  const Json* here = &tree;
  while (!path.empty()) {
    const Json* next = nullptr;
    size_t end = 0;
    if (path.front() == '[') {
      end = path.find(']') + 1;
      size_t i = 0;
      std::from_chars(path.data() + 1, path.data() + end - 1, i);
      next = i < here->size() ? &(*here)[i] : nullptr;
    } else {
      end = std::min(path.find_first_of(".["), path.size());
      next = here->find(path.substr(0, end));
    }
    if (!next) break;
    here = next;
    path.remove_prefix(end);
    if (path.starts_with('.')) path.remove_prefix(1);
  }
  return *here;
}

class Reader {
 public:
  Reader(const Json& tree, const Registry& registry, api::Diagnostics& diagnostics)
      : tree_(tree), registry_(registry), diagnostics_(diagnostics) {}

  SchedulerOptions read();

 private:
  template <class T>
  T decode(const Json& tree, const std::string& path);
  void error(const std::string& path, const std::string& message) {
    diagnostics_.error(at(tree_, path).position(), path, message);
    failed_ = true;
  }
  void warn(const std::string& path, const std::string& message) {
    diagnostics_.warning(at(tree_, path).position(), path, message);
  }
  // Field errors: the path goes before, as in Kubernetes' own words.
  void report(const api::ValidateContext& c, const std::string& path);
  void check_percentage(const std::optional<int32_t>& p, const std::string& path);
  void check_globals(const file::KubeSchedulerConfiguration& c);
  void check_extenders(const file::KubeSchedulerConfiguration& c);
  void check_removed(const file::Plugins& plugins, const std::string& path);
  void check_queue_sort(const file::KubeSchedulerConfiguration& c);

  ProfileOptions profile(const file::KubeSchedulerProfile& p, const std::string& path);
  void read_plugins(const file::Plugins& plugins, const std::string& path, ProfileOptions* out);
  void check_selection(const file::Plugins& plugins, const std::string& path,
                       const ProfileOptions& p);
  void read_args(const api::List<file::PluginConfig>& configs, const std::string& path,
                 PluginConfig* out);
  template <class File>
  File args(const std::string& name, const std::string& path);

  void fit_args(const std::string& path, NodeResourcesFitArgs* out);
  void balanced_args(const std::string& path, NodeResourcesBalancedAllocationArgs* out);
  void spread_args(const std::string& path, PodTopologySpreadArgs* out);
  void dynamic_args(const std::string& path);

  Points points_of(std::string_view plugin) const;

  const Json& tree_;
  const Registry& registry_;
  api::Diagnostics& diagnostics_;
  bool failed_ = false;
};

// Decodes strictly: what is unknown is an error.
template <class T>
T Reader::decode(const Json& tree, const std::string& path) {
  api::Diagnostics own;
  T value = api::decode_as<T>(tree, own, path);
  for (api::Diagnostic d : own.sorted()) {
    if (d.severity == api::Diagnostic::Severity::kWarning) {
      d.severity = api::Diagnostic::Severity::kError;
      d.message = fmt::format("strict decoding error: unknown field \"{}\"", d.path);
    }
    failed_ = true;
    diagnostics_.add(d);
  }
  return value;
}

void Reader::report(const api::ValidateContext& c, const std::string& path) {
  for (const api::FieldError& e : c.errors) {
    error(e.field.starts_with('[') ? path + e.field : path + "." + e.field, e.detail);
  }
}

void Reader::check_percentage(const std::optional<int32_t>& p, const std::string& path) {
  if (p && (*p < 0 || *p > 100)) {
    error(path, fmt::format("Invalid value: {}: not in valid range [0-100]", *p));
  }
}

void Reader::check_globals(const file::KubeSchedulerConfiguration& c) {
  if (c.client_connection.burst < 0) {
    error("clientConnection.burst",
          fmt::format("Invalid value: {}: must be non-negative", c.client_connection.burst));
  }
  const file::LeaderElectionConfiguration& l = c.leader_election;
  if (l.leader_elect.value_or(true)) {
    const auto duration = [&](const api::Str& text, const char* field, int64_t otherwise) {
      std::string why;
      const auto d = text.empty() ? std::optional(api::Duration::seconds(otherwise))
                                  : api::parse_duration(text, &why);
      const std::string path = std::string("leaderElection.") + field;
      if (!d) {
        error(path, why);
      } else if (*d <= api::Duration()) {
        error(path, fmt::format("Invalid value: \"{}\": must be greater than zero",
                                api::format_duration(*d)));
      }
      return d.value_or(api::Duration::seconds(otherwise));
    };
    // The defaults of RecommendedDefaultLeaderElectionConfiguration.
    const api::Duration lease = duration(l.lease_duration, "leaseDuration", 15);
    const api::Duration renew = duration(l.renew_deadline, "renewDeadline", 10);
    (void)duration(l.retry_period, "retryPeriod", 2);
    if (lease <= renew) {
      error("leaderElection.leaseDuration",
            fmt::format("Invalid value: \"{}\": must be greater than `RenewDeadline`",
                        api::format_duration(renew)));
    }
    if (!l.resource_lock.empty() && l.resource_lock != "leases") {
      error("leaderElection.resourceLock",
            fmt::format("Invalid value: \"{}\": resourceLock value must be \"leases\"",
                        l.resource_lock.view()));
    }
  }
  if (c.parallelism.value_or(16) <= 0) {
    error("parallelism", fmt::format("Invalid value: {}: should be an integer value greater than "
                                     "zero",
                                     *c.parallelism));
  }
  check_percentage(c.percentage_of_nodes_to_score, "percentageOfNodesToScore");
  const int64_t initial = c.pod_initial_backoff_seconds.value_or(1);
  const int64_t max = c.pod_max_backoff_seconds.value_or(10);
  if (initial <= 0) {
    error("podInitialBackoffSeconds",
          fmt::format("Invalid value: {}: must be greater than 0", initial));
  }
  if (max < initial) {
    error("podMaxBackoffSeconds", fmt::format("Invalid value: {}: must be greater than or equal to "
                                              "PodInitialBackoffSeconds",
                                              max));
  }
}

void Reader::check_extenders(const file::KubeSchedulerConfiguration& c) {
  for (size_t i = 0; i < c.extenders.size(); ++i) {
    error(indexed("extenders", i),
          fmt::format("HTTP extenders are not simulated: decisions would depend on the server at "
                      "\"{}\"; write the extender as a plugin",
                      c.extenders[i]["urlPrefix"].as_view()));
  }
}

void Reader::check_removed(const file::Plugins& plugins, const std::string& path) {
  for (const Point& p : kAllPoints) {
    const api::List<file::Plugin>& enabled = (plugins.*p.set).enabled;
    for (size_t i = 0; i < enabled.size(); ++i) {
      if (!removed(enabled[i].name)) continue;
      error(fmt::format("{}.{}.enabled[{}]", path, p.field, i),
            fmt::format("Invalid value: \"{}\": was invalid in version \"{}\" "
                        "(KubeSchedulerConfiguration is version \"{}\")",
                        enabled[i].name.view(), kVersion, kVersion));
    }
  }
}

void Reader::check_queue_sort(const file::KubeSchedulerConfiguration& c) {
  const file::PluginSet& canon = c.profiles[0].plugins.queue_sort;
  if (canon.enabled.size() > 1) {
    error("profiles[0].plugins.queueSort.Enabled",
          fmt::format("Invalid value: {}: only one queue sort plugin can be enabled",
                      canon.enabled.size()));
  }
  for (size_t i = 1; i < c.profiles.size(); ++i) {
    const file::PluginSet& curr = c.profiles[i].plugins.queue_sort;
    if (curr == canon) continue;
    error(indexed("profiles", i) + ".plugins.queueSort",
          fmt::format("Invalid value: {}: must be the same for all profiles",
                      api::to_sorted_json(api::encode_as(curr))));
  }
}

// ---- plugins

Points Reader::points_of(std::string_view plugin) const {
  const PluginId id = registry_.find(plugin);
  return id == kNoPlugin ? 0 : registry_.entries()[static_cast<size_t>(id)].points;
}

// mergePluginSet: the defaults without those disabled, changed in place where the file names them
// again, then the rest of the file's.
std::vector<PluginWeight> merged(std::vector<PluginWeight> defaults, const file::PluginSet& set) {
  std::vector<PluginWeight> out;
  const auto disabled = [&](std::string_view name) {
    return std::any_of(set.disabled.begin(), set.disabled.end(),
                       [&](const file::Plugin& p) { return p.name == name; });
  };
  std::vector<bool> used(set.enabled.size());
  for (PluginWeight& d : defaults) {
    if (disabled("*") || disabled(d.name)) continue;
    // Of several the last one counts; the others are appended, and found to be double.
    for (size_t i = set.enabled.size(); i-- > 0;) {
      if (set.enabled[i].name != std::string_view(d.name)) continue;
      d.weight = set.enabled[i].weight.value_or(0);
      used[i] = true;
      break;
    }
    out.push_back(std::move(d));
  }
  for (size_t i = 0; i < set.enabled.size(); ++i) {
    if (used[i]) continue;
    out.push_back({set.enabled[i].name.str(), set.enabled[i].weight.value_or(0)});
  }
  return out;
}

void Reader::read_plugins(const file::Plugins& plugins, const std::string& path,
                          ProfileOptions* out) {
  check_removed(plugins, path);
  out->plugins.multi_point = merged(default_plugins(), plugins.multi_point);
  for (const Point& p : kAllPoints) {
    const file::PluginSet& set = plugins.*p.set;
    PointPlugins& point = out->plugins.at(p.point);
    point.enabled = merged({}, set);
    for (const file::Plugin& d : set.disabled) point.disabled.push_back(d.name.str());
  }
}

// What NewFramework refuses.
void Reader::check_selection(const file::Plugins& plugins, const std::string& path,
                             const ProfileOptions& p) {
  std::set<std::string> unknown;
  for (const Point& point : kAllPoints) {
    const api::List<file::Plugin>& enabled = (plugins.*point.set).enabled;
    std::set<std::string_view> seen;
    for (size_t i = 0; i < enabled.size(); ++i) {
      const std::string_view name = enabled[i].name.view();
      const std::string where = fmt::format("{}.{}.enabled[{}].name", path, point.field, i);
      if (removed(name)) continue;
      if (registry_.find(name) == kNoPlugin) {
        error(where, fmt::format("{} \"{}\" does not exist", point.interface, name));
        unknown.insert(std::string(name));
      } else if ((points_of(name) & point.point) == 0) {
        error(where, fmt::format("plugin \"{}\" does not extend {} plugin", name, point.interface));
      } else if (!seen.insert(name).second) {
        error(where,
              fmt::format("plugin \"{}\" already registered as \"{}\"", name, point.interface));
      }
    }
  }
  std::set<std::string_view> seen;
  const api::List<file::Plugin>& multi = plugins.multi_point.enabled;
  for (size_t i = 0; i < multi.size(); ++i) {
    const std::string_view name = multi[i].name.view();
    const std::string where = fmt::format("{}.multiPoint.enabled[{}].name", path, i);
    if (registry_.find(name) == kNoPlugin) {
      if (!unknown.contains(std::string(name))) {
        error(where, fmt::format("{} \"{}\" does not exist", kAllPoints[0].interface, name));
      }
    } else if (!seen.insert(name).second) {
      for (const Point& point : kAllPoints) {
        if ((points_of(name) & point.point) == 0) continue;
        error(where,
              fmt::format("plugin \"{}\" already registered as \"{}\"", name, point.interface));
        break;
      }
    }
  }
  if (failed_) return;
  const auto count = [&](Points point) { return expand(p.plugins, point, registry_).size(); };
  if (count(kQueueSort) != 1) {
    error(path, fmt::format("only one queue sort plugin required for profile with scheduler name "
                            "\"{}\", but got {}",
                            p.scheduler_name, count(kQueueSort)));
  }
  if (count(kBind) == 0) {
    error(path, fmt::format("at least one bind plugin is needed for profile with scheduler name "
                            "\"{}\"",
                            p.scheduler_name));
  }
}

// ---- arguments

template <class File>
File Reader::args(const std::string& name, const std::string& path) {
  const Json& tree = at(tree_, path);
  File f = decode<File>(tree, path);
  const std::string wanted = name + "Args";
  if (!f.kind.empty() && f.kind != std::string_view(wanted)) {
    error(path, fmt::format("args for plugin {} were not of type "
                            "{}.kubescheduler.config.k8s.io, got {}.kubescheduler.config.k8s.io",
                            name, wanted, f.kind.view()));
  }
  return f;
}

std::vector<WeightedResource> resources_of(const api::List<file::ResourceSpec>& list,
                                           const std::vector<WeightedResource>& otherwise) {
  if (list.empty()) return otherwise;
  std::vector<WeightedResource> out;
  for (const file::ResourceSpec& r : list) {
    out.push_back({r.name.str(), r.weight == 0 ? 1 : r.weight});
  }
  return out;
}

void Reader::fit_args(const std::string& path, NodeResourcesFitArgs* out) {
  const auto f = args<file::NodeResourcesFitFile>("NodeResourcesFit", path);
  for (const api::Str& r : f.ignored_resources) out->ignored_resources.push_back(r.str());
  for (const api::Str& g : f.ignored_resource_groups) {
    out->ignored_resource_groups.push_back(g.str());
  }
  api::ValidateContext c;
  if (f.scoring_strategy) {
    const file::ScoringStrategy& s = *f.scoring_strategy;
    out->resources = resources_of(s.resources, out->resources);
    if (s.type == "LeastAllocated") {
      out->strategy = ScoringStrategy::kLeastAllocated;
    } else if (s.type == "MostAllocated") {
      out->strategy = ScoringStrategy::kMostAllocated;
    } else if (s.type == "RequestedToCapacityRatio") {
      out->strategy = ScoringStrategy::kRequestedToCapacityRatio;
    } else {
      c.unsupported("scoringStrategy.type", Json(s.type),
                    {"LeastAllocated", "MostAllocated", "RequestedToCapacityRatio"});
    }
    if (s.requested_to_capacity_ratio) {
      out->has_shape = true;
      for (const auto& p : s.requested_to_capacity_ratio->shape) {
        out->shape.push_back({p.utilization, p.score});
      }
    }
  }
  for (api::FieldError& e : validate(*out)) c.errors.push_back(std::move(e));
  // Checked when the plugin is made, so that the path begins at its arguments.
  for (const api::FieldError& e : c.errors) {
    error(path + "." + e.field, "initializing plugin \"NodeResourcesFit\": " + e.text());
  }
}

void Reader::balanced_args(const std::string& path, NodeResourcesBalancedAllocationArgs* out) {
  const auto f =
      args<file::NodeResourcesBalancedAllocationFile>("NodeResourcesBalancedAllocation", path);
  out->resources = resources_of(f.resources, out->resources);
  api::ValidateContext c;
  c.errors = validate(*out);
  report(c, path);
}

void Reader::spread_args(const std::string& path, PodTopologySpreadArgs* out) {
  const auto f = args<file::PodTopologySpreadFile>("PodTopologySpread", path);
  out->default_constraints.assign(f.default_constraints.begin(), f.default_constraints.end());
  out->system_defaults = f.defaulting_type != "List";
  api::ValidateContext c;
  if (!f.defaulting_type.empty() && f.defaulting_type != "List" && f.defaulting_type != "System") {
    c.unsupported("defaultingType", Json(f.defaulting_type), {"System", "List"});
    out->system_defaults = false;
  }
  for (api::FieldError& e : validate(*out)) c.errors.push_back(std::move(e));
  report(c, path);
}

void Reader::dynamic_args(const std::string& path) {
  const auto f = args<file::DynamicResourcesFile>("DynamicResources", path);
  api::ValidateContext c;
  if (f.filter_timeout) {
    std::string why;
    const auto d = api::parse_duration(*f.filter_timeout, &why);
    if (!d) {
      error(path + ".filterTimeout", why);
    } else if (*d < api::Duration()) {
      c.invalid("filterTimeout", Json(*f.filter_timeout), "must be zero or positive");
    } else {
      warn(path + ".filterTimeout", "has no effect: the search for devices takes no virtual time");
    }
  }
  if (f.binding_timeout) {
    c.forbidden("bindingTimeout",
                "DRADeviceBindingConditions or DRAResourceClaimDeviceStatus feature gate is "
                "disabled");
  }
  report(c, path);
}

void Reader::read_args(const api::List<file::PluginConfig>& configs, const std::string& path,
                       PluginConfig* out) {
  std::set<std::string_view> seen;
  for (size_t i = 0; i < configs.size(); ++i) {
    const std::string here = indexed(path, i);
    const std::string name = configs[i].name.str();
    const std::string args_path = here + ".args";
    if (!seen.insert(configs[i].name.view()).second) {
      error(here, fmt::format("Duplicate value: \"{}\"", name));
    }
    api::ValidateContext c;
    if (removed(name)) {
      error(here, fmt::format("Invalid value: \"{}\": was invalid in version \"{}\" "
                              "(KubeSchedulerConfiguration is version \"{}\")",
                              name, kVersion, kVersion));
    } else if (name == "NodeResourcesFit") {
      fit_args(args_path, &out->fit);
    } else if (name == "NodeResourcesBalancedAllocation") {
      balanced_args(args_path, &out->balanced);
    } else if (name == "PodTopologySpread") {
      spread_args(args_path, &out->spread);
    } else if (name == "InterPodAffinity") {
      const auto f = args<file::InterPodAffinityFile>(name, args_path);
      out->inter_pod_affinity.hard_pod_affinity_weight = f.hard_pod_affinity_weight.value_or(1);
      out->inter_pod_affinity.ignore_preferred_terms_of_existing_pods =
          f.ignore_preferred_terms_of_existing_pods;
      c.errors = validate(out->inter_pod_affinity);
    } else if (name == "NodeAffinity") {
      out->node_affinity.added_affinity =
          args<file::NodeAffinityFile>(name, args_path).added_affinity;
      c.errors = validate(out->node_affinity);
    } else if (name == "DefaultPreemption") {
      const auto f = args<file::DefaultPreemptionFile>(name, args_path);
      out->preemption = {f.min_candidate_nodes_percentage.value_or(10),
                         f.min_candidate_nodes_absolute.value_or(100)};
      c.errors = validate(out->preemption);
    } else if (name == "VolumeBinding") {
      const auto f = args<file::VolumeBindingFile>(name, args_path);
      out->volume_binding.bind_timeout =
          api::Duration::seconds(f.bind_timeout_seconds.value_or(600));
      c.errors = validate(out->volume_binding);
      if (!f.shape.empty()) {
        c.invalid("shape", at(tree_, args_path + ".shape"),
                  "unexpected field `shape`, remove it or turn on the feature gate "
                  "StorageCapacityScoring");
      }
    } else if (name == "DynamicResources") {
      dynamic_args(args_path);
    } else {
      out->custom[name] = configs[i].args;
    }
    report(c, args_path);
  }
}

// ---- the whole

ProfileOptions Reader::profile(const file::KubeSchedulerProfile& p, const std::string& path) {
  ProfileOptions out;
  out.scheduler_name = p.scheduler_name.value_or(api::Str()).str();
  out.percentage_of_nodes_to_score = p.percentage_of_nodes_to_score;
  if (out.scheduler_name.empty()) error(path + ".schedulerName", "Required value");
  check_percentage(p.percentage_of_nodes_to_score, path + ".percentageOfNodesToScore");
  read_plugins(p.plugins, path + ".plugins", &out);
  read_args(p.plugin_config, path + ".pluginConfig", &out.config);
  check_selection(p.plugins, path + ".plugins", out);
  return out;
}

SchedulerOptions Reader::read() {
  SchedulerOptions out;
  const std::string_view version = tree_["apiVersion"].as_view();
  const std::string_view kind = tree_["kind"].as_view();
  if (version != kVersion || kind != "KubeSchedulerConfiguration") {
    diagnostics_.error(tree_.position(), "",
                       kind.empty()
                           ? "Object 'Kind' is missing"
                           : fmt::format("no kind \"{}\" is registered for version \"{}\"; use {} "
                                         "KubeSchedulerConfiguration",
                                         kind, version, kVersion));
    return out;
  }
  auto c = decode<file::KubeSchedulerConfiguration>(tree_, "");
  if (c.profiles.empty()) c.profiles.push_back({});
  if (c.profiles.size() == 1 && !c.profiles[0].scheduler_name) {
    c.profiles.edit()[0].scheduler_name = api::Str("default-scheduler");
  }
  check_globals(c);
  out.profiles.clear();
  std::map<std::string, size_t> names;
  for (size_t i = 0; i < c.profiles.size(); ++i) {
    const std::string path = indexed("profiles", i);
    out.profiles.push_back(profile(c.profiles[i], path));
    const std::string& name = out.profiles.back().scheduler_name;
    const auto [known, fresh] = names.try_emplace(name, i);
    if (!fresh) {
      error(path + ".schedulerName",
            fmt::format("Duplicate value: \"profiles[{}].schedulerName\"", known->second));
      known->second = i;
    }
  }
  check_queue_sort(c);
  check_extenders(c);
  out.percentage_of_nodes_to_score = c.percentage_of_nodes_to_score.value_or(0);
  out.pod_initial_backoff = api::Duration::seconds(c.pod_initial_backoff_seconds.value_or(1));
  out.pod_max_backoff = api::Duration::seconds(c.pod_max_backoff_seconds.value_or(10));
  // Unset and zero are the defaults; a negative rate has no limit (client-go's rest.Config).
  const double qps = c.client_connection.qps;
  if (qps != 0) out.client_qps_milli = qps < 0 ? 0 : static_cast<int64_t>(qps * 1000);
  if (c.client_connection.burst > 0) out.client_burst = c.client_connection.burst;
  if (c.parallelism.value_or(16) != 1 && c.parallelism) {
    warn("parallelism", "has no effect: nodes are looked at as with parallelism 1");
  }
  return failed_ ? SchedulerOptions() : out;
}

}  // namespace

SchedulerOptions read_configuration(const Json& tree, const Registry& registry,
                                    api::Diagnostics& diagnostics) {
  return Reader(tree, registry, diagnostics).read();
}

}  // namespace mainspring::scheduler

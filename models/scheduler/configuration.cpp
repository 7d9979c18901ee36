#include "models/scheduler/configuration.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "models/api/codec.h"
#include "models/api/time_format.h"
#include "models/api/validate_context.h"
#include "models/api/yaml.h"
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

// The kinds of arguments (kube-scheduler/config/v1/register.go).
constexpr std::string_view kArgs[] = {
    "DefaultPreemptionArgs", "InterPodAffinityArgs",  "NodeResourcesBalancedAllocationArgs",
    "NodeResourcesFitArgs",  "PodTopologySpreadArgs", "VolumeBindingArgs",
    "NodeAffinityArgs",      "DynamicResourcesArgs"};

class Reader {
 public:
  Reader(const Json& tree, const Registry& registry, api::Diagnostics& diagnostics)
      : tree_(tree), registry_(registry), diagnostics_(diagnostics) {}

  SchedulerOptions read();

 private:
  template <class T>
  T decode(const Json& tree, const std::string& path);
  void error(const std::string& path, const std::string& message) {
    failed_ = true;
    // What follows from a value that could not be read need not be said as well.
    if (!unread_.contains(path)) {
      diagnostics_.error(api::place_of(tree_, path), path, message);
    }
  }
  void warn(const std::string& path, const std::string& message) {
    diagnostics_.warning(api::place_of(tree_, path), path, message);
  }
  // Field errors: the path goes before, as in Kubernetes' own words.
  void report(const api::ValidateContext& c, const std::string& path);
  void check_percentage(const std::optional<int32_t>& p, const std::string& path);
  void check_globals(const file::KubeSchedulerConfiguration& c);
  void check_leader_election(const file::LeaderElectionConfiguration& l);
  void check_extenders(const file::KubeSchedulerConfiguration& c);
  void check_removed(const file::Plugins& plugins, const std::string& path);
  void check_queue_sort(const file::KubeSchedulerConfiguration& c);
  void check_same_queue_sort(const std::vector<ProfileOptions>& profiles);
  void read_client(const file::ClientConnectionConfiguration& c, SchedulerOptions* out);

  ProfileOptions profile(const file::KubeSchedulerProfile& p, const std::string& path);
  void read_plugins(const file::Plugins& plugins, const std::string& path, ProfileOptions* out);
  void check_selection(const file::Plugins& plugins, const std::string& path,
                       const ProfileOptions& p);
  bool scores_overflow(const PluginSelection& plugins) const;
  void warn_of_disabled(const file::PluginSet& set, const std::string& path);
  std::string suggestion(std::string_view plugin) const;  // "; did you mean ...", or nothing
  void custom_args(std::string_view name, const Json& tree, const std::string& path,
                   api::ValidateContext* c);
  void warn_of_parts(const std::string& path, const PluginSelection& plugins);
  void read_args(const api::List<file::PluginConfig>& configs, const std::string& path,
                 ProfileOptions* out);
  template <class File>
  File args(const Json& tree, const std::string& name, const std::string& path);

  void fit_args(const Json& tree, const std::string& path, bool used, NodeResourcesFitArgs* out);
  void balanced_args(const Json& tree, const std::string& path,
                     NodeResourcesBalancedAllocationArgs* out);
  void spread_args(const Json& tree, const std::string& path, PodTopologySpreadArgs* out);
  void volume_args(const Json& tree, const std::string& path, VolumeBindingArgs* out);
  void dynamic_args(const Json& tree, const std::string& path);

  Points points_of(std::string_view plugin) const;

  const Json& tree_;
  const Registry& registry_;
  api::Diagnostics& diagnostics_;
  std::set<std::string> unread_;  // paths of what could not be decoded
  bool failed_ = false;
};

// Decodes strictly: what is unknown is an error. `path`: where the tree stands.
template <class T>
T Reader::decode(const Json& tree, const std::string& path) {
  api::Diagnostics own;
  T value = api::decode_as<T>(tree, own);
  for (api::Diagnostic d : own.sorted()) {
    if (d.severity == api::Diagnostic::Severity::kWarning) {
      d.severity = api::Diagnostic::Severity::kError;
      d.message = fmt::format("strict decoding error: unknown field \"{}\"", d.path);
    }
    if (!path.empty()) d.path = d.path.empty() ? path : path + "." + d.path;
    unread_.insert(d.path);
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

void Reader::check_leader_election(const file::LeaderElectionConfiguration& l) {
  const bool elects = l.leader_elect.value_or(true);
  // Zero is the default as well (RecommendedDefaultLeaderElectionConfiguration).
  const auto duration = [&](const std::optional<api::Str>& text, const char* field,
                            int64_t otherwise) {
    const std::string path = std::string("leaderElection.") + field;
    std::string why;
    const auto d = text ? api::parse_duration(*text, &why) : std::optional(api::Duration());
    if (!d) error(path, why);
    if (!d || *d == api::Duration()) return api::Duration::seconds(otherwise);
    if (elects && *d < api::Duration()) {
      error(path, fmt::format("Invalid value: \"{}\": must be greater than zero",
                              api::format_duration(*d)));
    }
    return *d;
  };
  const api::Duration lease = duration(l.lease_duration, "leaseDuration", 15);
  const api::Duration renew = duration(l.renew_deadline, "renewDeadline", 10);
  (void)duration(l.retry_period, "retryPeriod", 2);
  if (!elects) return;
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

void Reader::check_globals(const file::KubeSchedulerConfiguration& c) {
  if (c.client_connection.burst < 0) {
    error("clientConnection.burst",
          fmt::format("Invalid value: {}: must be non-negative", c.client_connection.burst));
  }
  check_leader_election(c.leader_election);
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

// cfgValidator: pods of all profiles wait in one queue, which is sorted in one way.
void Reader::check_same_queue_sort(const std::vector<ProfileOptions>& profiles) {
  if (failed_) return;
  const auto plugin = [&](const ProfileOptions& p) {
    return std::string(expand(p.plugins, kQueueSort, registry_).front());
  };
  const std::string first = plugin(profiles[0]);
  const auto args = [&](const ProfileOptions& p) {
    const auto found = p.config.custom.find(first);
    return api::to_sorted_json(found == p.config.custom.end() ? Json() : found->second);
  };
  for (size_t i = 1; i < profiles.size(); ++i) {
    const std::string& name = profiles[i].scheduler_name;
    if (const std::string other = plugin(profiles[i]); other != first) {
      error(indexed("profiles", i),
            fmt::format("different queue sort plugins for profile \"{}\": \"{}\", first: \"{}\"",
                        name, other, first));
    } else if (args(profiles[i]) != args(profiles[0])) {
      error(indexed("profiles", i),
            fmt::format("different queue sort plugin args for profile \"{}\"", name));
    }
  }
}

// What client-go makes of the rate, a float32 (rest.Config, flowcontrol): unset and zero are the
// default, a negative one has no limit.
void Reader::read_client(const file::ClientConnectionConfiguration& c, SchedulerOptions* out) {
  constexpr double kLargest = std::numeric_limits<float>::max();
  const std::string path = "clientConnection.qps";
  if (!(c.qps >= -kLargest && c.qps <= kLargest)) {
    error(path, fmt::format("expected number of 32 bits, got {}", c.qps));
    return;
  }
  const double qps = static_cast<float>(c.qps);
  if (qps > 0 && qps < 0.001F) {
    error(path, fmt::format("Invalid value: {}: fewer than 0.001 requests a second are not "
                            "simulated",
                            c.qps));
    return;
  }
  // More than one a nanosecond is no limit either.
  if (qps != 0) {
    out->client_qps_milli = qps < 0 || qps > 1e9 ? 0 : std::llround(qps * 1000);
  }
  if (c.burst > 0) out->client_burst = c.burst;
  // 73 years' worth of tokens can be saved up; nanoseconds do not count much further.
  if (out->client_qps_milli > 0) {
    constexpr int64_t kMost = int64_t{1} << 61;
    const int64_t token_ns = 1'000'000'000'000 / out->client_qps_milli;
    out->client_burst = std::min(out->client_burst, kMost / token_ns);
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
  // Without a name where the file could not be read, it may be misspelt.
  const auto unread = [&](std::string_view name) { return name.empty() && failed_; };
  for (const Point& point : kAllPoints) {
    const api::List<file::Plugin>& enabled = (plugins.*point.set).enabled;
    std::set<std::string_view> seen;
    for (size_t i = 0; i < enabled.size(); ++i) {
      const std::string_view name = enabled[i].name.view();
      const std::string where = fmt::format("{}.{}.enabled[{}].name", path, point.field, i);
      if (removed(name) || unread(name)) continue;
      if (registry_.find(name) == kNoPlugin) {
        error(where,
              fmt::format("{} \"{}\" does not exist{}", point.interface, name, suggestion(name)));
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
    if (unread(name)) continue;
    if (registry_.find(name) == kNoPlugin) {
      if (!unknown.contains(std::string(name))) {
        error(where, fmt::format("{} \"{}\" does not exist{}", kAllPoints[0].interface, name,
                                 suggestion(name)));
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
  warn_of_disabled(plugins.multi_point, path + ".multiPoint");
  for (const Point& point : kAllPoints) {
    warn_of_disabled(plugins.*point.set, fmt::format("{}.{}", path, point.field));
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
  if (scores_overflow(p.plugins)) error(path, "total score of Score plugins could overflow");
  warn_of_parts(path, p.plugins);
}

// Kubernetes lets it pass, without an effect.
void Reader::warn_of_disabled(const file::PluginSet& set, const std::string& path) {
  for (size_t i = 0; i < set.disabled.size(); ++i) {
    const std::string_view name = set.disabled[i].name.view();
    if (name == "*" || name.empty() || registry_.find(name) != kNoPlugin) continue;
    warn(fmt::format("{}.disabled[{}].name", path, i),
         fmt::format("plugin \"{}\" does not exist{}", name, suggestion(name)));
  }
}

std::string Reader::suggestion(std::string_view plugin) const {
  std::vector<std::string_view> names;
  names.reserve(registry_.entries().size());
  for (const Registry::Entry& e : registry_.entries()) names.push_back(e.name);
  return api::did_you_mean(plugin, names);
}

// Plugins whose points build on each other, enabled at some of them.
void Reader::warn_of_parts(const std::string& path, const PluginSelection& plugins) {
  for (const std::string_view name : {"VolumeBinding", "DynamicResources"}) {
    std::vector<std::string_view> absent;
    constexpr Points kBuilt = kPreFilter | kFilter | kReserve | kPreBind;
    const Points all = points_of(name) & kBuilt;
    for (const Point& p : kAllPoints) {
      if ((all & p.point) == 0) continue;
      const auto enabled = expand(plugins, p.point, registry_);
      if (std::find(enabled.begin(), enabled.end(), name) == enabled.end()) {
        absent.push_back(p.field);
      }
    }
    const auto count = static_cast<size_t>(std::popcount(all));
    if (absent.empty() || absent.size() == count) continue;
    warn(path, fmt::format("plugin \"{}\" is enabled, but not at {}: kube-scheduler may fail pods "
                           "that are bound here",
                           name, fmt::join(absent, ", ")));
  }
}

// getScoreWeights, which lets its sums wrap round: when it is below zero and another weight
// follows, that is an overflow too.
bool Reader::scores_overflow(const PluginSelection& plugins) const {
  constexpr int64_t kMaxNodeScore = 100;
  constexpr uint64_t kMaxTotalScore = std::numeric_limits<int64_t>::max();
  uint64_t total = 0;
  std::set<std::string_view> seen;
  for (const std::vector<PluginWeight>* list :
       {&plugins.at(kScore).enabled, &plugins.multi_point}) {
    for (const PluginWeight& p : *list) {
      if ((points_of(p.name) & kScore) == 0 || !seen.insert(p.name).second) continue;
      const int64_t score = int64_t{p.weight == 0 ? 1 : p.weight} * kMaxNodeScore;
      if (score > static_cast<int64_t>(kMaxTotalScore - total)) return true;
      total += static_cast<uint64_t>(score);
    }
  }
  return false;
}

// ---- arguments

// Of another kind or version than this one reads, nothing is decoded.
template <class File>
File Reader::args(const Json& tree, const std::string& name, const std::string& path) {
  const std::string wanted = name + "Args";
  std::string_view kind = tree["kind"].as_view();
  std::string_view version = tree["apiVersion"].as_view();
  if (kind.empty()) kind = wanted;
  if (version.empty()) version = kVersion;
  if (version != kVersion ||
      std::find(std::begin(kArgs), std::end(kArgs), kind) == std::end(kArgs)) {
    error(path, fmt::format("decoding args for plugin {}: no kind \"{}\" is registered for version "
                            "\"{}\"",
                            name, kind, version));
    return {};
  }
  if (kind != wanted) {
    error(path, fmt::format("args for plugin {} were not of type "
                            "{}.kubescheduler.config.k8s.io, got {}.kubescheduler.config.k8s.io",
                            name, wanted, kind));
    return {};
  }
  return decode<File>(tree, path);
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

// `used`: whether a plugin will be made of them, which is when Kubernetes checks these arguments.
void Reader::fit_args(const Json& tree, const std::string& path, bool used,
                      NodeResourcesFitArgs* out) {
  const auto f = args<file::NodeResourcesFitFile>(tree, "NodeResourcesFit", path);
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
  if (!used) return;
  // The path begins at the plugin's arguments.
  for (const api::FieldError& e : c.errors) {
    error(path + "." + e.field, "initializing plugin \"NodeResourcesFit\": " + e.text());
  }
}

void Reader::balanced_args(const Json& tree, const std::string& path,
                           NodeResourcesBalancedAllocationArgs* out) {
  const auto f = args<file::NodeResourcesBalancedAllocationFile>(
      tree, "NodeResourcesBalancedAllocation", path);
  out->resources = resources_of(f.resources, out->resources);
  api::ValidateContext c;
  c.errors = validate(*out);
  report(c, path);
}

void Reader::spread_args(const Json& tree, const std::string& path, PodTopologySpreadArgs* out) {
  const auto f = args<file::PodTopologySpreadFile>(tree, "PodTopologySpread", path);
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

void Reader::volume_args(const Json& tree, const std::string& path, VolumeBindingArgs* out) {
  const auto f = args<file::VolumeBindingFile>(tree, "VolumeBinding", path);
  out->bind_timeout = api::Duration::seconds(f.bind_timeout_seconds.value_or(600));
  api::ValidateContext c;
  c.errors = validate(*out);
  if (!tree["shape"].is_null()) {  // an empty one counts
    c.invalid("shape", tree["shape"],
              "unexpected field `shape`, remove it or turn on the feature gate "
              "StorageCapacityScoring");
  }
  report(c, path);
}

void Reader::dynamic_args(const Json& tree, const std::string& path) {
  const auto f = args<file::DynamicResourcesFile>(tree, "DynamicResources", path);
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

// pluginsNeeded: whether the name stands in any set.
bool is_enabled(const PluginSelection& plugins, std::string_view name) {
  const auto has = [&](const std::vector<PluginWeight>& list) {
    return std::any_of(list.begin(), list.end(), [&](const auto& p) { return p.name == name; });
  };
  return has(plugins.multi_point) ||
         std::any_of(plugins.points.begin(), plugins.points.end(),
                     [&](const PointPlugins& p) { return has(p.enabled); });
}

void Reader::custom_args(std::string_view name, const Json& tree, const std::string& path,
                         api::ValidateContext* c) {
  const PluginId id = registry_.find(name);
  if (id == kNoPlugin) {
    // Kubernetes lets it pass, without an effect.
    return warn(path + ".name",
                fmt::format("plugin \"{}\" does not exist{}", name, suggestion(name)));
  }
  const auto defaults = default_plugins();
  const bool in_tree = std::any_of(defaults.begin(), defaults.end(),
                                   [&](const PluginWeight& p) { return p.name == name; });
  if (in_tree && tree.size() > 0) {
    return warn(path + ".args", fmt::format("plugin \"{}\" takes no arguments", name));
  }
  const Registry::ArgsCheck check = registry_.entries()[static_cast<size_t>(id)].check_args;
  if (check && !tree.is_null()) check(tree, *c);
}

void Reader::read_args(const api::List<file::PluginConfig>& configs, const std::string& path,
                       ProfileOptions* profile) {
  PluginConfig* out = &profile->config;
  std::set<std::string_view> seen;
  for (size_t i = 0; i < configs.size(); ++i) {
    const std::string here = indexed(path, i);
    const std::string name = configs[i].name.str();
    const Json& tree = configs[i].args;
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
      fit_args(tree, args_path, is_enabled(profile->plugins, name), &out->fit);
    } else if (name == "NodeResourcesBalancedAllocation") {
      balanced_args(tree, args_path, &out->balanced);
    } else if (name == "PodTopologySpread") {
      spread_args(tree, args_path, &out->spread);
    } else if (name == "InterPodAffinity") {
      const auto f = args<file::InterPodAffinityFile>(tree, name, args_path);
      out->inter_pod_affinity.hard_pod_affinity_weight = f.hard_pod_affinity_weight.value_or(1);
      out->inter_pod_affinity.ignore_preferred_terms_of_existing_pods =
          f.ignore_preferred_terms_of_existing_pods;
      c.errors = validate(out->inter_pod_affinity);
    } else if (name == "NodeAffinity") {
      out->node_affinity.added_affinity =
          args<file::NodeAffinityFile>(tree, name, args_path).added_affinity;
      c.errors = validate(out->node_affinity);
    } else if (name == "DefaultPreemption") {
      const auto f = args<file::DefaultPreemptionFile>(tree, name, args_path);
      out->preemption = {f.min_candidate_nodes_percentage.value_or(10),
                         f.min_candidate_nodes_absolute.value_or(100)};
      c.errors = validate(out->preemption);
    } else if (name == "VolumeBinding") {
      volume_args(tree, args_path, &out->volume_binding);
    } else if (name == "DynamicResources") {
      dynamic_args(tree, args_path);
    } else {
      out->custom[name] = tree;
      custom_args(name, tree, here, &c);
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
  read_args(p.plugin_config, path + ".pluginConfig", &out);
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
  check_same_queue_sort(out.profiles);
  out.percentage_of_nodes_to_score = c.percentage_of_nodes_to_score.value_or(0);
  out.pod_initial_backoff = api::Duration::seconds(c.pod_initial_backoff_seconds.value_or(1));
  out.pod_max_backoff = api::Duration::seconds(c.pod_max_backoff_seconds.value_or(10));
  read_client(c.client_connection, &out);
  if (c.parallelism.value_or(1) > 1) {
    warn("parallelism", "has no effect: nodes are looked at as with parallelism 1");
  }
  return failed_ ? SchedulerOptions() : out;
}

}  // namespace

SchedulerOptions read_configuration(const Json& tree, const Registry& registry,
                                    api::Diagnostics& diagnostics) {
  return Reader(tree, registry, diagnostics).read();
}

SchedulerOptions read_configuration(std::string_view text, uint16_t file, const Registry& registry,
                                    api::Diagnostics& diagnostics) {
  api::Diagnostics own;
  const std::vector<Json> documents = api::read_documents(text, file, &own);
  const bool readable = own.ok();
  for (api::Diagnostic d : own.sorted()) {
    // A key given twice.
    if (d.severity == api::Diagnostic::Severity::kWarning) {
      d.severity = api::Diagnostic::Severity::kError;
      d.message = fmt::format("strict decoding error: duplicate field {}", d.found);
    }
    diagnostics.add(d);
  }
  if (readable && documents.size() == 1) {
    SchedulerOptions out = read_configuration(documents.front(), registry, diagnostics);
    return own.warnings() == 0 ? out : SchedulerOptions();
  }
  if (readable) {
    diagnostics.error(
        api::Position(file, 1, 1), "",
        fmt::format("expected one KubeSchedulerConfiguration, got {} documents", documents.size()));
  }
  return {};
}

}  // namespace mainspring::scheduler

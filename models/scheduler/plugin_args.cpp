#include "models/scheduler/plugin_args.h"

#include <fmt/format.h>

#include <set>

namespace mainspring::scheduler {

namespace {
void check_resources(const std::vector<WeightedResource>& resources,
                     std::vector<std::string>* out) {
  for (size_t i = 0; i < resources.size(); ++i) {
    const int64_t w = resources[i].weight;
    if (w <= 0 || w > 100) {
      out->push_back(fmt::format("scoringStrategy.resources[{}].weight: Invalid value: {}: "
                                 "resource weight of {} not in valid range (0, 100]",
                                 i, w, resources[i].name));
    }
  }
}
}  // namespace

std::vector<std::string> validate(const NodeResourcesFitArgs& args) {
  std::vector<std::string> out;
  for (const std::string& g : args.ignored_resource_groups) {
    if (g.find('/') != std::string::npos) {
      out.push_back("ignoredResourceGroups: Invalid value: \"" + g +
                    "\": resource group name can't contain '/'");
    }
  }
  check_resources(args.resources, &out);
  if (args.strategy != ScoringStrategy::kRequestedToCapacityRatio) return out;
  if (args.shape.empty()) {
    out.push_back(
        "scoringStrategy.requestedToCapacityRatio.shape: Required value: at least one point must "
        "be specified");
  }
  for (size_t i = 0; i < args.shape.size(); ++i) {
    const ShapePoint& p = args.shape[i];
    const std::string path =
        fmt::format("scoringStrategy.requestedToCapacityRatio.shape[{}]", i);
    if (i > 0 && p.utilization <= args.shape[i - 1].utilization) {
      out.push_back(fmt::format("{}.utilization: Invalid value: {}: utilization values must be "
                                "sorted in increasing order",
                                path, p.utilization));
    }
    if (p.utilization < 0 || p.utilization > 100) {
      out.push_back(fmt::format("{}.utilization: Invalid value: {}: not in valid range [0-100]",
                                path, p.utilization));
    }
    if (p.score < 0 || p.score > 10) {
      out.push_back(
          fmt::format("{}.score: Invalid value: {}: not in valid range [0-10]", path, p.score));
    }
  }
  return out;
}

std::vector<std::string> validate(const NodeResourcesBalancedAllocationArgs& args) {
  std::vector<std::string> out;
  std::set<std::string> seen;
  for (size_t i = 0; i < args.resources.size(); ++i) {
    const WeightedResource& r = args.resources[i];
    if (!seen.insert(r.name).second) {
      out.push_back(fmt::format("resources[{}].name: Duplicate value: \"{}\"", i, r.name));
    }
    if (r.weight != 1) {
      out.push_back(fmt::format(
          "resources[{}].weight: Invalid value: {}: resource weight of {} must be 1", i, r.weight,
          r.name));
    }
  }
  return out;
}

std::vector<std::string> validate(const PodTopologySpreadArgs& args) {
  std::vector<std::string> out;
  if (args.system_defaults && !args.default_constraints.empty()) {
    out.push_back(
        "defaultingType: Invalid value: \"System\": when .defaultConstraints are not empty");
  }
  std::set<std::pair<std::string_view, std::string_view>> seen;
  for (size_t i = 0; i < args.default_constraints.size(); ++i) {
    const api::TopologySpreadConstraint& c = args.default_constraints[i];
    const std::string path = fmt::format("defaultConstraints[{}]", i);
    if (c.max_skew <= 0) {
      out.push_back(fmt::format("{}.maxSkew: Invalid value: {}: not in valid range (0, inf)", path,
                                c.max_skew));
    }
    if (c.topology_key.empty()) {
      out.push_back(path + ".topologyKey: Required value: can not be empty");
    }
    if (c.when_unsatisfiable != "DoNotSchedule" && c.when_unsatisfiable != "ScheduleAnyway") {
      out.push_back(fmt::format("{}.whenUnsatisfiable: Unsupported value: \"{}\"", path,
                                c.when_unsatisfiable.view()));
    }
    if (c.label_selector) {
      out.push_back(path +
                    ".labelSelector: Forbidden: constraint must not define a selector, as they "
                    "deduced for each pod");
    }
    if (!seen.insert({c.topology_key, c.when_unsatisfiable}).second) {
      out.push_back(fmt::format("{}: Duplicate value: \"{{{}, {}}}\"", path, c.topology_key.view(),
                                c.when_unsatisfiable.view()));
    }
  }
  return out;
}

std::vector<std::string> validate(const InterPodAffinityArgs& args) {
  if (args.hard_pod_affinity_weight >= 0 && args.hard_pod_affinity_weight <= 100) return {};
  return {fmt::format("hardPodAffinityWeight: Invalid value: {}: not in valid range [0, 100]",
                      args.hard_pod_affinity_weight)};
}

std::vector<std::string> validate(const DefaultPreemptionArgs& args) {
  std::vector<std::string> out;
  const int32_t p = args.min_candidate_nodes_percentage;
  const int32_t a = args.min_candidate_nodes_absolute;
  if (p < 0 || p > 100) {
    out.push_back(fmt::format(
        "minCandidateNodesPercentage: Invalid value: {}: not in valid range [0, 100]", p));
  }
  if (a < 0) {
    out.push_back(fmt::format(
        "minCandidateNodesAbsolute: Invalid value: {}: not in valid range [0, inf)", a));
  }
  if (p == 0 && a == 0) {
    out.push_back(
        "minCandidateNodesPercentage: Invalid value: 0: cannot be zero at the same time as "
        "minCandidateNodesAbsolute");
  }
  return out;
}

std::vector<std::string> validate(const VolumeBindingArgs& args) {
  if (args.bind_timeout >= api::Duration()) return {};
  return {fmt::format("bindTimeoutSeconds: Invalid value: {}: invalid BindTimeoutSeconds, should "
                      "not be a negative value",
                      args.bind_timeout.ns() / 1'000'000'000)};
}

}  // namespace mainspring::scheduler

#include "models/scheduler/plugin_args.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <set>

#include "models/api/diagnostics.h"
#include "models/api/node_affinity.h"
#include "models/api/validate_context.h"

namespace mainspring::scheduler {

namespace {
using api::Json;
using api::ValidateContext;
using Errors = std::vector<api::FieldError>;

std::string at(std::string_view list, size_t i) { return fmt::format("{}[{}]", list, i); }

void check_shape(const std::vector<ShapePoint>& shape, const std::string& path,
                 ValidateContext& c) {
  if (shape.empty()) return c.required(path, "at least one point must be specified");
  for (size_t i = 1; i < shape.size(); ++i) {
    if (shape[i].utilization > shape[i - 1].utilization) continue;
    c.invalid(at(path, i) + ".utilization", Json(shape[i].utilization),
              "values must be sorted in increasing order");
    break;
  }
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i].utilization < 0 || shape[i].utilization > 100) {
      c.invalid(at(path, i) + ".utilization", Json(shape[i].utilization),
                "not in valid range [0, 100]");
    }
    if (shape[i].score < 0 || shape[i].score > 10) {
      c.invalid(at(path, i) + ".score", Json(shape[i].score), "not in valid range [0, 10]");
    }
  }
}
}  // namespace

Errors validate(const NodeResourcesFitArgs& args) {
  ValidateContext c;
  for (size_t i = 0; i < args.ignored_resources.size(); ++i) {
    const std::string& r = args.ignored_resources[i];
    c.check(at("ignoredResources", i), r, api::check_qualified_name(r));
  }
  for (size_t i = 0; i < args.ignored_resource_groups.size(); ++i) {
    const std::string& g = args.ignored_resource_groups[i];
    const std::string path = at("ignoredResourceGroups", i);
    if (g.find('/') != std::string::npos) {
      c.invalid(path, Json(g), "resource group name can't contain '/'");
    }
    c.check(path, g, api::check_qualified_name(g));
  }
  for (size_t i = 0; i < args.resources.size(); ++i) {
    const WeightedResource& r = args.resources[i];
    if (r.weight > 0 && r.weight <= 100) continue;
    c.invalid(at("scoringStrategy.resources", i) + ".weight", Json(r.weight),
              fmt::format("resource weight of {} not in valid range (0, 100]", r.name));
  }
  // Kubernetes' path, one level short of the file's.
  if (args.has_shape || args.strategy == ScoringStrategy::kRequestedToCapacityRatio) {
    check_shape(args.shape, "scoringStrategy.shape", c);
  }
  return c.errors;
}

Errors validate(const NodeResourcesBalancedAllocationArgs& args) {
  ValidateContext c;
  std::set<std::string> seen;
  for (size_t i = 0; i < args.resources.size(); ++i) {
    const WeightedResource& r = args.resources[i];
    if (!seen.insert(r.name).second) c.duplicate(at("resources", i) + ".name", Json(r.name));
    if (r.weight != 1) c.invalid(at("resources", i) + ".weight", Json(r.weight), "must be 1");
  }
  return c.errors;
}

Errors validate(const PodTopologySpreadArgs& args) {
  ValidateContext c;
  if (args.system_defaults && !args.default_constraints.empty()) {
    c.invalid("defaultingType", Json("System"), "when .defaultConstraints are not empty");
  }
  std::set<std::pair<std::string_view, std::string_view>> seen;
  for (size_t i = 0; i < args.default_constraints.size(); ++i) {
    const api::TopologySpreadConstraint& t = args.default_constraints[i];
    const std::string path = at("defaultConstraints", i);
    if (t.max_skew <= 0) {
      c.invalid(path + ".maxSkew", Json(t.max_skew), "not in valid range (0, inf)");
    }
    if (t.topology_key.empty()) {
      c.required(path + ".topologyKey", "can not be empty");
    } else {
      c.check(path + ".topologyKey", t.topology_key, api::check_qualified_name(t.topology_key));
    }
    if (t.when_unsatisfiable.empty()) {
      c.required(path + ".whenUnsatisfiable", "can not be empty");
    } else if (t.when_unsatisfiable != "DoNotSchedule" &&
               t.when_unsatisfiable != "ScheduleAnyway") {
      c.unsupported(path + ".whenUnsatisfiable", Json(t.when_unsatisfiable),
                    {"DoNotSchedule", "ScheduleAnyway"});
    }
    if (t.label_selector) {
      c.forbidden(path + ".labelSelector",
                  "constraint must not define a selector, as they deduced for each pod");
    }
    if (!seen.insert({t.topology_key, t.when_unsatisfiable}).second) {
      c.duplicate(path, Json(fmt::format("{{{}, {}}}", t.topology_key.view(),
                                         t.when_unsatisfiable.view())));
    }
  }
  return c.errors;
}

Errors validate(const InterPodAffinityArgs& args) {
  ValidateContext c;
  if (args.hard_pod_affinity_weight < 0 || args.hard_pod_affinity_weight > 100) {
    c.invalid("hardPodAffinityWeight", Json(args.hard_pod_affinity_weight),
              "not in valid range [0, 100]");
  }
  return c.errors;
}

// NewNodeSelector and NewPreferredSchedulingTerms, which name a preference by its list.
Errors validate(const NodeAffinityArgs& args) {
  ValidateContext c;
  if (!args.added_affinity) return c.errors;
  const auto check = [&](const api::NodeSelectorTerm& term, const std::string& path) {
    for (api::FieldError& e : api::node_term_problems(term)) {
      c.add(e.type, path + "." + e.field, std::move(e.detail));
    }
  };
  const api::NodeAffinity& a = *args.added_affinity;
  if (const auto& required = a.required_during_scheduling_ignored_during_execution) {
    for (size_t i = 0; i < required->node_selector_terms.size(); ++i) {
      check(
          required->node_selector_terms[i],
          at("addedAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms", i));
    }
  }
  const auto& preferred = a.preferred_during_scheduling_ignored_during_execution;
  for (size_t i = 0; i < preferred.size(); ++i) {
    if (preferred[i].weight == 0) continue;
    check(preferred[i].preference,
          at("addedAffinity.preferredDuringSchedulingIgnoredDuringExecution", i));
  }
  return c.errors;
}

Errors validate(const DefaultPreemptionArgs& args) {
  ValidateContext c;
  const int32_t p = args.min_candidate_nodes_percentage;
  const int32_t a = args.min_candidate_nodes_absolute;
  if (p < 0 || p > 100) {
    c.invalid("minCandidateNodesPercentage", Json(p), "not in valid range [0, 100]");
  }
  if (a < 0) c.invalid("minCandidateNodesAbsolute", Json(a), "not in valid range [0, inf)");
  if (p == 0 && a == 0) {
    c.invalid("minCandidateNodesPercentage", Json(p),
              "cannot be zero at the same time as minCandidateNodesAbsolute");
    c.invalid("minCandidateNodesAbsolute", Json(a),
              "cannot be zero at the same time as minCandidateNodesPercentage");
  }
  return c.errors;
}

Errors validate(const VolumeBindingArgs& args) {
  ValidateContext c;
  if (args.bind_timeout < api::Duration()) {
    c.invalid("bindTimeoutSeconds", Json(args.bind_timeout.ns() / 1'000'000'000),
              "invalid BindTimeoutSeconds, should not be a negative value");
  }
  return c.errors;
}

// ---- for plugins from outside

void check_fields(const Json& object, std::initializer_list<std::string_view> names,
                  ValidateContext& c) {
  if (!object.is_object()) return c.invalid("", object, "must be an object");
  const std::vector<std::string_view> known(names);
  for (const Json::Member& m : object.members()) {
    const std::string_view name = m.key.view();
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    c.add(api::FieldError::Type::kInvalid, name, "unknown field" + api::did_you_mean(name, known));
  }
}

void check_string(const Json& object, std::string_view field, ValidateContext& c) {
  const Json* value = object.find(field);
  if (value && !value->is_string()) c.invalid(field, *value, "must be a string");
}

void check_list(const Json& object, std::string_view field, ValidateContext& c) {
  const Json* value = object.find(field);
  if (value && !value->is_array()) c.invalid(field, *value, "must be a list");
}

void check_integer(const Json& object, std::string_view field, int64_t min, ValidateContext& c) {
  const Json* value = object.find(field);
  if (value && (!value->is_int() || value->as_int() < min)) {
    c.invalid(field, *value, fmt::format("must be an integer of at least {}", min));
  }
}

}  // namespace mainspring::scheduler

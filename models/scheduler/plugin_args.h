// The settings of the plugins, one struct each. Default-constructed they are Kubernetes' defaults
// (pkg/scheduler/apis/config/v1/defaults.go, v1.35); validate() says what is wrong with them, in
// Kubernetes' words (apis/config/validation/validation_pluginargs.go), empty when nothing is.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <vector>

#include "models/api/types/core.h"
#include "models/api/validation.h"

namespace mainspring::api {
class ValidateContext;
}

namespace mainspring::scheduler {

struct WeightedResource {
  std::string name;
  int64_t weight = 1;  // 1..100
};

enum class ScoringStrategy : uint8_t { kLeastAllocated, kMostAllocated, kRequestedToCapacityRatio };

struct ShapePoint {
  int32_t utilization = 0;  // percent, strictly increasing
  int32_t score = 0;        // 0..10
};

struct NodeResourcesFitArgs {
  std::vector<std::string> ignored_resources;
  std::vector<std::string> ignored_resource_groups;
  ScoringStrategy strategy = ScoringStrategy::kLeastAllocated;
  std::vector<WeightedResource> resources = {{"cpu", 1}, {"memory", 1}};
  std::vector<ShapePoint> shape;  // of kRequestedToCapacityRatio
  bool has_shape = false;         // given, whatever the strategy
};
std::vector<api::FieldError> validate(const NodeResourcesFitArgs& args);

struct NodeResourcesBalancedAllocationArgs {
  std::vector<WeightedResource> resources = {{"cpu", 1}, {"memory", 1}};
};
std::vector<api::FieldError> validate(const NodeResourcesBalancedAllocationArgs& args);

struct PodTopologySpreadArgs {
  // System: hostname with skew 3 and zone with skew 5, both soft. List: `default_constraints`.
  bool system_defaults = true;
  std::vector<api::TopologySpreadConstraint> default_constraints;
};
std::vector<api::FieldError> validate(const PodTopologySpreadArgs& args);

struct InterPodAffinityArgs {
  int32_t hard_pod_affinity_weight = 1;  // 0..100
  bool ignore_preferred_terms_of_existing_pods = false;
};
std::vector<api::FieldError> validate(const InterPodAffinityArgs& args);

// For the checks of plugins from outside: members of an object that are none of `names`, members
// that are there and no text, no list, no integer of at least `min`.
void check_fields(const api::Json& object, std::initializer_list<std::string_view> names,
                  api::ValidateContext& c);
void check_string(const api::Json& object, std::string_view field, api::ValidateContext& c);
void check_list(const api::Json& object, std::string_view field, api::ValidateContext& c);
void check_integer(const api::Json& object, std::string_view field, int64_t min,
                   api::ValidateContext& c);

struct NodeAffinityArgs {
  api::Opt<api::NodeAffinity> added_affinity;
};
std::vector<api::FieldError> validate(const NodeAffinityArgs& args);

struct DefaultPreemptionArgs {
  int32_t min_candidate_nodes_percentage = 10;  // 0..100
  int32_t min_candidate_nodes_absolute = 100;   // at least 0; not both 0
};
std::vector<api::FieldError> validate(const DefaultPreemptionArgs& args);

struct VolumeBindingArgs {
  api::Duration bind_timeout = api::Duration::seconds(600);  // bindTimeoutSeconds, at least 0
};
std::vector<api::FieldError> validate(const VolumeBindingArgs& args);

struct PluginConfig {
  NodeResourcesFitArgs fit;
  NodeResourcesBalancedAllocationArgs balanced;
  PodTopologySpreadArgs spread;
  InterPodAffinityArgs inter_pod_affinity;
  NodeAffinityArgs node_affinity;
  DefaultPreemptionArgs preemption;
  VolumeBindingArgs volume_binding;
  // Arguments of plugins that are not Kubernetes' own, by name, as they stand in the file.
  std::map<std::string, api::Json> custom;
};

}  // namespace mainspring::scheduler

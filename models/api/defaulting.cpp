#include "models/api/defaulting.h"

#include <charconv>
#include <limits>

#include "models/api/descriptor_access.h"
#include "models/api/pod_helpers.h"
#include "models/api/text.h"
#include "models/api/types/all.h"
#include "models/api/types/hooks.h"

// What the schema's `default=` cannot say, because it depends on several fields. Sources:
// pkg/apis/{core,apps,batch,resource}/v1/defaults.go, pkg/apis/autoscaling/v2/defaults.go of v1.35.
namespace mainspring::api {

namespace {

// --- table-driven part ---

bool default_text(std::string_view text, Str& out) { return out = Str(text), true; }
bool default_text(std::string_view text, bool& out) { return out = text == "true", true; }
template <class T>
requires std::is_integral_v<T>
bool default_text(std::string_view text, T& out) {
  return std::from_chars(text.data(), text.data() + text.size(), out).ec == std::errc();
}
bool default_text(std::string_view, double&) { return false; }
bool default_text(std::string_view text, Quantity& out) { return out = Quantity::of(text), true; }
bool default_text(std::string_view text, IntOrString& out) {
  return out = IntOrString::parse(text), true;
}
bool default_text(std::string_view, Time&) { return false; }
bool default_text(std::string_view, Json&) { return false; }

void apply_default(const FieldInfo& f, void* field) {
  if (f.type == FieldType::kStruct) {
    f.opt->edit(field);  // "{}"
    return;
  }
  with_scalar(f.type, [&]<class T>(std::type_identity<T>) {
    T value{};
    default_text(f.default_value, value);
    if (f.shape == Shape::kOptional) {
      *static_cast<std::optional<T>*>(field) = std::move(value);
    } else {
      *static_cast<T*>(field) = std::move(value);
    }
  });
}

// Resource amounts are kept to the thousandth, rounded up.
bool needs_rounding(const Quantity& q) {
  const int64_t milli = q.milli_value();
  return milli != std::numeric_limits<int64_t>::max() &&
         milli != std::numeric_limits<int64_t>::min() && Quantity::from_milli(milli) != q;
}

bool needs(const TypeInfo& type, const void* value);

bool field_needs(const FieldInfo& f, const void* field) {
  if (f.has_default && is_absent(f, field)) return true;
  if (f.shape == Shape::kMap && f.type == FieldType::kQuantity) {
    for (const auto& [name, quantity] : *static_cast<const Map<Quantity>*>(field)) {
      if (needs_rounding(quantity)) return true;
    }
    return false;
  }
  if (f.type != FieldType::kStruct || !f.type_info->has_defaults) return false;
  switch (f.shape) {
    case Shape::kValue:
      return needs(*f.type_info, field);
    case Shape::kOptional: {
      const void* inner = f.opt->get(field);
      return inner && needs(*f.type_info, inner);
    }
    case Shape::kList: {
      const size_t n = f.list->size(field);
      const void* element = f.list->data(field);
      for (size_t i = 0; i < n; ++i, element = at_offset(element, f.list->stride)) {
        if (needs(*f.type_info, element)) return true;
      }
      return false;
    }
    case Shape::kMap:
      return false;
  }
  return false;
}

bool needs(const TypeInfo& type, const void* value) {
  if (!type.has_defaults) return false;
  if (type.needs_defaults && type.needs_defaults(value)) return true;
  for (const FieldInfo& f : type.fields) {
    if (field_needs(f, field_of(value, f))) return true;
  }
  return false;
}

void apply(const TypeInfo& type, void* value) {
  for (const FieldInfo& f : type.fields) {
    void* field = field_of(value, f);
    if (f.has_default && is_absent(f, field)) apply_default(f, field);
  }
  if (type.needs_defaults && type.needs_defaults(value)) type.defaults(value);
  for (const FieldInfo& f : type.fields) {
    void* field = field_of(value, f);
    // What needs nothing stays shared.
    if (!field_needs(f, field)) continue;
    if (f.shape == Shape::kMap) {
      Map<Quantity>& map = *static_cast<Map<Quantity>*>(field);
      const Map<Quantity> before = map;
      for (const auto& [name, quantity] : before) {
        if (needs_rounding(quantity)) {
          Quantity rounded = Quantity::from_milli(quantity.milli_value());
          rounded.set_format(quantity.format());
          map.set(name, rounded);
        }
      }
      continue;
    }
    if (f.type != FieldType::kStruct) continue;
    switch (f.shape) {
      case Shape::kValue:
        apply(*f.type_info, field);
        break;
      case Shape::kOptional:
        apply(*f.type_info, f.opt->edit(field));
        break;
      case Shape::kList: {
        const size_t n = f.list->size(field);
        void* element = f.list->resize(field, n);
        for (size_t i = 0; i < n; ++i, element = at_offset(element, f.list->stride)) {
          if (needs(*f.type_info, element)) apply(*f.type_info, element);
        }
        break;
      }
      case Shape::kMap:
        break;
    }
  }
}

// --- by hand ---

bool lacks_pull_policy(const Str& policy) { return policy.empty(); }

Str pull_policy_of(std::string_view image) {
  return image_tag(image) == "latest" ? pull_policy::kAlways : pull_policy::kIfNotPresent;
}

bool lacks_requests(const ResourceRequirements& r) {
  for (const auto& [name, limit] : r.limits) {
    if (!r.requests.contains(name)) return true;
  }
  return false;
}

bool lacks_host_port(const Container& c) {
  for (const ContainerPort& p : c.ports) {
    if (p.host_port == 0 && p.container_port != 0) return true;
  }
  return false;
}

bool lacks_requests(const List<Container>& containers, bool host_network) {
  for (const Container& c : containers) {
    if (lacks_requests(c.resources) || (host_network && lacks_host_port(c))) return true;
  }
  return false;
}

void default_requests(List<Container>& containers, bool host_network) {
  if (!lacks_requests(containers, host_network)) return;
  for (Container& c : containers.edit()) {
    for (const auto& [name, limit] : c.resources.limits) {
      if (!c.resources.requests.contains(name)) c.resources.requests.set(name, limit);
    }
    if (host_network && lacks_host_port(c)) {
      for (ContainerPort& p : c.ports.edit()) {
        if (p.host_port == 0) p.host_port = p.container_port;
      }
    }
  }
}

// What a pod-level request defaults to; as it is when there is nothing to add.
ResourceList pod_level_requests(const PodSpec& spec) {
  ResourceList requests = spec.resources->requests;
  for (const auto& [name, amount] :
       pod_requests(spec, nullptr, {.skip_pod_level = true, .exclude_overhead = true})) {
    const bool overcommit = !name.view().starts_with("hugepages-");
    if (!requests.contains(name) && is_pod_level_resource(name) && overcommit) {
      requests.set(name, amount);
    }
  }
  for (const auto& [name, limit] : spec.resources->limits) {
    if (!requests.contains(name) && is_pod_level_resource(name)) requests.set(name, limit);
  }
  return requests;
}

bool has_source(const Volume& v) {
  return v.host_path || v.empty_dir || v.secret || v.nfs || v.persistent_volume_claim ||
         v.downward_api || v.config_map || v.projected || v.csi || v.ephemeral || !v.extra.empty();
}

}  // namespace

void set_struct_defaults(const TypeInfo& type, void* value) {
  if (needs(type, value)) apply(type, value);
}

void set_defaults(Object& object) {
  if (const TypeInfo* type = kind_info(object).type) set_struct_defaults(*type, &object);
}

bool needs_defaults(const Namespace& v) {
  return !v.metadata.name.empty() &&
         v.metadata.labels.get("kubernetes.io/metadata.name") != v.metadata.name;
}
void default_fields(Namespace& v) {
  v.metadata.labels.set("kubernetes.io/metadata.name", v.metadata.name);
}

bool needs_defaults(const NodeStatus& v) { return v.allocatable.empty() && !v.capacity.empty(); }
void default_fields(NodeStatus& v) { v.allocatable = v.capacity; }

bool needs_defaults(const Volume& v) { return !has_source(v); }
void default_fields(Volume& v) { v.empty_dir.edit(); }

bool needs_defaults(const Container& v) { return lacks_pull_policy(v.image_pull_policy); }
void default_fields(Container& v) { v.image_pull_policy = pull_policy_of(v.image); }

bool needs_defaults(const EphemeralContainer& v) { return lacks_pull_policy(v.image_pull_policy); }
void default_fields(EphemeralContainer& v) { v.image_pull_policy = pull_policy_of(v.image); }

bool needs_defaults(const Pod& v) {
  const PodSpec& s = v.spec;
  return !s.enable_service_links || lacks_requests(s.containers, s.host_network) ||
         lacks_requests(s.init_containers, s.host_network) ||
         (s.resources && !s.resources->limits.empty() &&
          pod_level_requests(s) != s.resources->requests);
}
void default_fields(Pod& v) {
  default_requests(v.spec.containers, v.spec.host_network);
  default_requests(v.spec.init_containers, v.spec.host_network);
  if (v.spec.resources && !v.spec.resources->limits.empty()) {
    v.spec.resources.edit().requests = pod_level_requests(v.spec);
  }
  if (!v.spec.enable_service_links) v.spec.enable_service_links = true;
}

bool needs_defaults(const ReplicationController& v) {
  return v.spec.template_ && !v.spec.template_->metadata.labels.empty() &&
         (v.spec.selector.empty() || v.metadata.labels.empty());
}
void default_fields(ReplicationController& v) {
  const StrMap& labels = v.spec.template_->metadata.labels;
  if (v.spec.selector.empty()) v.spec.selector = labels;
  if (v.metadata.labels.empty()) v.metadata.labels = labels;
}

bool needs_defaults(const ServicePort& v) {
  return v.target_port == IntOrString(0) || v.target_port == IntOrString("");
}
void default_fields(ServicePort& v) { v.target_port = IntOrString(v.port); }

namespace {

// Default of service.spec.sessionAffinityConfig.clientIP.timeoutSeconds: three hours.
constexpr int32_t kClientIpSeconds = 10800;

bool lacks_client_ip_timeout(const ServiceSpec& v) {
  return !v.session_affinity_config || !v.session_affinity_config->client_ip ||
         !v.session_affinity_config->client_ip->timeout_seconds;
}
bool externally_accessible(const ServiceSpec& v) {
  return v.type == service_type::kLoadBalancer || v.type == service_type::kNodePort ||
         (v.type == service_type::kClusterIP && !v.external_ips.empty());
}

}  // namespace

bool needs_defaults(const ServiceSpec& v) {
  const bool client_ip = v.session_affinity == service_affinity::kClientIP;
  return (client_ip ? lacks_client_ip_timeout(v) : v.session_affinity_config.has_value()) ||
         (externally_accessible(v) && v.external_traffic_policy.empty()) ||
         (v.internal_traffic_policy.empty() && v.type != service_type::kExternalName) ||
         (v.type == service_type::kLoadBalancer && !v.allocate_load_balancer_node_ports);
}
void default_fields(ServiceSpec& v) {
  if (v.session_affinity == service_affinity::kClientIP) {
    if (lacks_client_ip_timeout(v)) {
      v.session_affinity_config =
          SessionAffinityConfig{.client_ip = ClientIPConfig{.timeout_seconds = kClientIpSeconds}};
    }
  } else {
    v.session_affinity_config.reset();
  }
  if (externally_accessible(v) && v.external_traffic_policy.empty()) {
    v.external_traffic_policy = service_external_traffic_policy::kCluster;
  }
  if (v.internal_traffic_policy.empty() && v.type != service_type::kExternalName) {
    v.internal_traffic_policy = service_internal_traffic_policy::kCluster;
  }
  if (v.type == service_type::kLoadBalancer && !v.allocate_load_balancer_node_ports) {
    v.allocate_load_balancer_node_ports = true;
  }
}

bool needs_defaults(const Service& v) {
  if (v.spec.type != service_type::kLoadBalancer) return false;
  for (const LoadBalancerIngress& i : v.status.load_balancer.ingress) {
    if (!i.ip.empty() && i.ip_mode.empty()) return true;
  }
  return false;
}
void default_fields(Service& v) {
  for (LoadBalancerIngress& i : v.status.load_balancer.ingress.edit()) {
    if (!i.ip.empty() && i.ip_mode.empty()) i.ip_mode = load_balancer_ip_mode::kVIP;
  }
}

// The API server stores stringData in data.
bool needs_defaults(const Secret& v) { return !v.string_data.empty(); }
void default_fields(Secret& v) {
  for (const auto& [key, text] : v.string_data) v.data.set(key, encode_base64(text.view()));
  v.string_data.clear();
}

namespace {

struct LimitDefaults {
  Map<Quantity> limit;
  Map<Quantity> request;
};

LimitDefaults limit_defaults(const LimitRangeItem& v) {
  LimitDefaults d{v.default_, v.default_request};
  const auto fill = [](Map<Quantity>& to, const Map<Quantity>& from) {
    for (const auto& [name, amount] : from) {
      if (!to.contains(name)) to.set(name, amount);
    }
  };
  fill(d.limit, v.max);
  fill(d.request, d.limit);
  fill(d.request, v.min);
  return d;
}

}  // namespace

bool needs_defaults(const LimitRangeItem& v) {
  if (v.type != limit_type::kContainer) return false;
  const LimitDefaults d = limit_defaults(v);
  return d.limit != v.default_ || d.request != v.default_request;
}
void default_fields(LimitRangeItem& v) {
  LimitDefaults d = limit_defaults(v);
  v.default_ = std::move(d.limit);
  v.default_request = std::move(d.request);
}

bool needs_defaults(const DeploymentStrategy& v) {
  return v.type == deployment_strategy_type::kRollingUpdate &&
         (!v.rolling_update || !v.rolling_update->max_unavailable || !v.rolling_update->max_surge);
}
void default_fields(DeploymentStrategy& v) {
  RollingUpdateDeployment& r = v.rolling_update.edit();
  if (!r.max_unavailable) r.max_unavailable = IntOrString("25%");
  if (!r.max_surge) r.max_surge = IntOrString("25%");
}

bool needs_defaults(const DaemonSetUpdateStrategy& v) {
  return v.type == daemon_set_update_strategy_type::kRollingUpdate &&
         (!v.rolling_update || !v.rolling_update->max_unavailable || !v.rolling_update->max_surge);
}
void default_fields(DaemonSetUpdateStrategy& v) {
  RollingUpdateDaemonSet& r = v.rolling_update.edit();
  if (!r.max_unavailable) r.max_unavailable = IntOrString(1);
  if (!r.max_surge) r.max_surge = IntOrString(0);
}

// A stateful set that names RollingUpdate itself gets no rollingUpdate.
bool needs_defaults(const StatefulSetUpdateStrategy& v) { return v.type.empty(); }
void default_fields(StatefulSetUpdateStrategy& v) {
  v.type = stateful_set_update_strategy_type::kRollingUpdate;
  v.rolling_update.edit();
}

bool needs_defaults(const JobSpec& v) {
  return !v.parallelism || !v.backoff_limit || v.pod_replacement_policy.empty();
}
void default_fields(JobSpec& v) {
  if (!v.completions && !v.parallelism) v.completions = 1;
  if (!v.parallelism) v.parallelism = 1;
  if (!v.backoff_limit) {
    v.backoff_limit = v.backoff_limit_per_index ? std::numeric_limits<int32_t>::max() : 6;
  }
  if (v.pod_replacement_policy.empty()) {
    v.pod_replacement_policy = v.pod_failure_policy ? pod_replacement_policy::kFailed
                                                    : pod_replacement_policy::kTerminatingOrFailed;
  }
}

bool needs_defaults(const Job& v) {
  return v.metadata.labels.empty() && !v.spec.template_.metadata.labels.empty();
}
void default_fields(Job& v) { v.metadata.labels = v.spec.template_.metadata.labels; }

namespace {

// Default rules of scaling: up by the larger of 4 pods and 100 % in 15 s without a window, down by
// 100 % in 15 s with the controller's own window.
void default_rules(Opt<HPAScalingRules>& rules, bool up) {
  HPAScalingRules& r = rules.edit();
  if (r.select_policy.empty()) r.select_policy = scaling_policy_select::kMax;
  if (up && !r.stabilization_window_seconds) r.stabilization_window_seconds = 0;
  if (r.policies.empty()) {
    const HPAScalingPolicy percent{
        .type = hpa_scaling_policy_type::kPercent, .value = 100, .period_seconds = 15};
    if (up) {
      r.policies = List<HPAScalingPolicy>{
          {.type = hpa_scaling_policy_type::kPods, .value = 4, .period_seconds = 15}, percent};
    } else {
      r.policies = List<HPAScalingPolicy>{percent};
    }
  }
}

bool lacks_rules(const Opt<HPAScalingRules>& rules, bool up) {
  return !rules || rules->select_policy.empty() || rules->policies.empty() ||
         (up && !rules->stabilization_window_seconds);
}

}  // namespace

bool needs_defaults(const HorizontalPodAutoscalerSpec& v) {
  return v.metrics.empty() || (v.behavior && (lacks_rules(v.behavior->scale_up, true) ||
                                              lacks_rules(v.behavior->scale_down, false)));
}
void default_fields(HorizontalPodAutoscalerSpec& v) {
  if (v.metrics.empty()) {
    constexpr int32_t kDefaultCpuUtilization = 80;  // percent of requests
    MetricTarget target{.type = metric_target_type::kUtilization,
                        .average_utilization = kDefaultCpuUtilization};
    v.metrics = List<MetricSpec>{
        {.type = metric_source_type::kResource,
         .resource = ResourceMetricSource{.name = "cpu", .target = std::move(target)}}};
  }
  if (v.behavior) {
    HorizontalPodAutoscalerBehavior& b = v.behavior.edit();
    default_rules(b.scale_up, true);
    default_rules(b.scale_down, false);
  }
}

// --- resource.k8s.io ---

namespace {

template <class Request>
bool lacks_count(const Request& v) {
  return v.count == 0 && v.allocation_mode != device_allocation_mode::kAll;
}

}  // namespace

bool needs_defaults(const ExactDeviceRequest& v) { return lacks_count(v); }
void default_fields(ExactDeviceRequest& v) { v.count = 1; }
bool needs_defaults(const DeviceSubRequest& v) { return lacks_count(v); }
void default_fields(DeviceSubRequest& v) { v.count = 1; }

}  // namespace mainspring::api

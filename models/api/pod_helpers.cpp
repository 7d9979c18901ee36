#include "models/api/pod_helpers.h"

#include "models/api/object.h"

namespace mainspring::api {

template class Opt<std::vector<ResourceList::Entry>>;
template class Map<Quantity>;

void add_resources(ResourceList& a, const ResourceList& b) {
  if (a.empty()) {
    a = b;
    return;
  }
  for (const auto& [name, amount] : b) {
    const Quantity* have = a.find(name);
    a.set(name, have ? *have + amount : amount);
  }
}

void max_resources(ResourceList& a, const ResourceList& b) {
  for (const auto& [name, amount] : b) {
    const Quantity* have = a.find(name);
    if (!have || *have < amount) a.set(name, amount);
  }
}

bool is_pod_level_resource(std::string_view name) {
  return name == "cpu" || name == "memory" || name.starts_with("hugepages-");
}

bool is_sidecar(const Container& init_container) {
  return init_container.restart_policy == container_restart_policy::kAlways;
}

namespace {

ResourceList container_requests(const Container& c, const List<ContainerStatus>* statuses,
                                bool resize_infeasible, const PodRequestOptions& options) {
  ResourceList requests = c.resources.requests;
  if (statuses) {
    const ContainerStatus* status = find_container_status(*statuses, c.name);
    if (status && status->resources) {
      // An infeasible resize will never take what the spec asks for.
      if (resize_infeasible) requests.clear();
      max_resources(requests, status->resources->requests);
      max_resources(requests, status->allocated_resources);
    }
  }
  if (options.non_missing) {
    for (const auto& [name, amount] : *options.non_missing) {
      if (!requests.contains(name)) requests.set(name, amount);
    }
  }
  return requests;
}

// The larger of the sum over containers and what init containers need on the way there.
template <class Requests>
ResourceList aggregate(const PodSpec& spec, Requests&& of) {
  ResourceList total;
  for (const Container& c : spec.containers) add_resources(total, of(c, false));
  ResourceList sidecars, init_max;
  for (const Container& c : spec.init_containers) {
    ResourceList use = of(c, true);
    if (is_sidecar(c)) {
      add_resources(total, use);
      add_resources(sidecars, use);
      use = sidecars;
    } else {
      add_resources(use, sidecars);
    }
    max_resources(init_max, use);
  }
  max_resources(total, init_max);
  return total;
}

}  // namespace

ResourceList pod_requests(const PodSpec& spec, const PodStatus* status,
                          const PodRequestOptions& options) {
  const bool use_status = options.use_status && status;
  bool infeasible = false;
  if (use_status) {
    const PodCondition* c =
        find_condition(status->conditions, pod_condition_type::kPodResizePending);
    infeasible = c && c->reason == "Infeasible";
  }
  ResourceList total = aggregate(spec, [&](const Container& c, bool init) {
    const List<ContainerStatus>* statuses = nullptr;
    if (use_status && !init) statuses = &status->container_statuses;
    if (use_status && init && is_sidecar(c)) statuses = &status->init_container_statuses;
    return container_requests(c, statuses, infeasible, options);
  });
  if (!options.skip_pod_level && spec.resources) {
    bool any = false;
    for (const auto& [name, amount] : spec.resources->requests) {
      any = any || is_pod_level_resource(name);
    }
    if (any) {
      for (const auto& [name, amount] : spec.resources->requests) {
        if (is_pod_level_resource(name)) total.set(name, amount);
      }
    }
  }
  if (!options.exclude_overhead && !spec.overhead.empty()) add_resources(total, spec.overhead);
  return total;
}

ResourceList container_limits(const PodSpec& spec) {
  return aggregate(spec, [](const Container& c, bool) { return c.resources.limits; });
}

ResourceList pod_limits(const PodSpec& spec) {
  ResourceList total = container_limits(spec);
  if (spec.resources) {
    for (const auto& [name, amount] : spec.resources->limits) {
      if (is_pod_level_resource(name)) total.set(name, amount);
    }
  }
  // Overhead adds only to resources that are limited.
  for (const auto& [name, amount] : spec.overhead) {
    const Quantity* have = total.find(name);
    if (have && have->sign() != 0) total.set(name, *have + amount);
  }
  return total;
}

std::string_view compute_qos_class(const PodSpec& spec) {
  constexpr std::string_view kCompute[] = {"cpu", "memory"};
  // Pod-level resources decide alone when they are set.
  if (spec.resources && (!spec.resources->requests.empty() || !spec.resources->limits.empty())) {
    bool any = false;
    bool guaranteed = true;
    for (std::string_view name : kCompute) {
      const Quantity* request = spec.resources->requests.find(name);
      const Quantity* limit = spec.resources->limits.find(name);
      any = any || (request && request->sign() > 0) || (limit && limit->sign() > 0);
      guaranteed = guaranteed && limit && limit->sign() > 0 && (!request || *request == *limit);
    }
    if (!any) return pod_qos_class::kBestEffort;
    return guaranteed ? pod_qos_class::kGuaranteed : pod_qos_class::kBurstable;
  }
  bool any = false;
  bool guaranteed = true;
  const auto look = [&](const List<Container>& containers) {
    for (const Container& c : containers) {
      for (std::string_view name : kCompute) {
        const Quantity* request = c.resources.requests.find(name);
        const Quantity* limit = c.resources.limits.find(name);
        const bool has_request = request && request->sign() > 0;
        const bool has_limit = limit && limit->sign() > 0;
        any = any || has_request || has_limit;
        guaranteed = guaranteed && has_limit && (!has_request || *request == *limit);
      }
    }
  };
  look(spec.containers);
  look(spec.init_containers);
  if (!any) return pod_qos_class::kBestEffort;
  return guaranteed ? pod_qos_class::kGuaranteed : pod_qos_class::kBurstable;
}

namespace {

template <class C>
bool set_condition(List<C>& conditions, C condition) {
  for (size_t i = 0; i < conditions.size(); ++i) {
    const C& old = conditions[i];
    if (old.type != condition.type) continue;
    if (old.status == condition.status) condition.last_transition_time = old.last_transition_time;
    if (old == condition) return false;
    conditions.edit()[i] = std::move(condition);
    return true;
  }
  conditions.push_back(std::move(condition));
  return true;
}

}  // namespace

bool set_pod_condition(PodStatus& status, PodCondition condition) {
  return set_condition(status.conditions, std::move(condition));
}
bool set_node_condition(NodeStatus& status, NodeCondition condition) {
  return set_condition(status.conditions, std::move(condition));
}

bool is_ready(const Pod& pod) {
  return has_condition(pod.status.conditions, pod_condition_type::kReady, condition_status::kTrue);
}

bool is_available(const Pod& pod, int32_t min_ready_seconds, Time now) {
  const PodCondition* c = find_condition(pod.status.conditions, pod_condition_type::kReady);
  if (!c || c->status != condition_status::kTrue) return false;
  if (min_ready_seconds == 0) return true;
  return !c->last_transition_time.is_zero() &&
         c->last_transition_time + Duration::seconds(min_ready_seconds) <= now;
}

bool is_terminal(const Pod& pod) {
  return pod.status.phase == pod_phase::kSucceeded || pod.status.phase == pod_phase::kFailed;
}

const ContainerStatus* find_container_status(const List<ContainerStatus>& statuses,
                                             std::string_view name) {
  // Of several the last one counts, as where Kubernetes makes a map of them.
  for (size_t i = statuses.size(); i-- > 0;) {
    if (statuses[i].name == name) return &statuses[i];
  }
  return nullptr;
}

bool is_ready(const Node& node) {
  return has_condition(node.status.conditions, node_condition_type::kReady,
                       condition_status::kTrue);
}

bool is_mirror_pod(const Pod& pod) {
  return pod.metadata.annotations.contains("kubernetes.io/config.mirror");
}

bool is_daemon_set_pod(const Pod& pod) {
  const OwnerReference* owner = controller_of(pod.metadata);
  return owner && owner->kind == "DaemonSet" && owner->api_version.view().starts_with("apps/");
}

const OwnerReference* controller_of(const ObjectMeta& metadata) {
  for (const OwnerReference& r : metadata.owner_references) {
    if (r.controller.value_or(false)) return &r;
  }
  return nullptr;
}

bool is_controlled_by(const Object& object, const Object& owner) {
  const OwnerReference* r = controller_of(object.metadata);
  return r && r->uid == owner.metadata.uid;
}

OwnerReference make_controller_reference(const Object& owner) {
  return {.api_version = api_version_of(owner),
          .kind = kind_name_of(owner),
          .name = owner.metadata.name,
          .uid = owner.metadata.uid,
          .controller = true,
          .block_owner_deletion = true};
}

std::string_view image_tag(std::string_view image) {
  const size_t at = image.find('@');
  const std::string_view named = image.substr(0, at);
  const size_t slash = named.rfind('/');
  const size_t colon = named.rfind(':');
  const bool has_tag =
      colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash);
  if (has_tag) return named.substr(colon + 1);
  return at == std::string_view::npos ? std::string_view("latest") : std::string_view();
}

}  // namespace mainspring::api

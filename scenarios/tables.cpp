#include "scenarios/tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>

#include "models/api/labels.h"
#include "models/api/pod_helpers.h"
#include "models/api/text.h"
#include "models/api/time_format.h"
#include "models/api/types/apps.h"
#include "models/api/types/autoscaling.h"
#include "models/api/types/batch.h"
#include "models/api/types/coordination.h"
#include "models/api/types/discovery.h"
#include "models/api/types/policy.h"
#include "models/api/types/resource.h"
#include "models/api/types/scheduling.h"
#include "models/api/types/storage.h"

namespace mainspring::scenarios {

namespace {

using Cells = std::vector<std::string>;

std::string age(api::Time t, api::Time now) {
  return t ? api::human_duration(now - t) : "<unknown>";
}
std::string or_none(std::string_view text) { return text.empty() ? "<none>" : std::string(text); }

std::string join(const std::vector<std::string>& parts, std::string_view between = ",") {
  return fmt::format("{}", fmt::join(parts, between));
}

std::string labels_text(const api::StrMap& labels) {
  std::vector<std::string> parts;
  for (const auto& [key, value] : labels) {
    parts.push_back(fmt::format("{}={}", key.view(), value.view()));
  }
  return parts.empty() ? "<none>" : join(parts);
}

void append_containers(Cells& cells, const api::PodSpec& spec) {
  std::vector<std::string> names;
  std::vector<std::string> images;
  for (const api::Container& c : spec.containers) {
    names.push_back(c.name.str());
    images.push_back(c.image.str());
  }
  cells.push_back(join(names));
  cells.push_back(join(images));
}

std::string ended_text(const api::ContainerStateTerminated& ended) {
  if (!ended.reason.empty()) return ended.reason.str();
  if (ended.signal != 0) return fmt::format("Signal:{}", ended.signal);
  return fmt::format("ExitCode:{}", ended.exit_code);
}

// --- pods ---------------------------------------------------------------------------------------

bool is_sidecar(const api::Pod& pod, std::string_view name) {
  for (const api::Container& c : pod.spec.init_containers) {
    if (c.name == name) return c.restart_policy == "Always";
  }
  return false;
}

void count_restarts(const api::ContainerStatus& c, int& restarts, api::Time& last) {
  restarts += c.restart_count;
  if (!c.last_state.terminated) return;
  const api::Time finished = c.last_state.terminated->finished_at;
  if (finished && (!last || finished > last)) last = finished;
}

// What the init containers say; nothing when they are done.
std::optional<std::string> init_status(const api::Pod& pod, PodCells& cells, int& sidecar_restarts,
                                       api::Time& sidecar_last) {
  int i = -1;
  for (const api::ContainerStatus& c : pod.status.init_container_statuses) {
    ++i;
    const bool sidecar = is_sidecar(pod, c.name);
    count_restarts(c, cells.restarts, cells.last_restart);
    if (sidecar) count_restarts(c, sidecar_restarts, sidecar_last);
    if (c.state.terminated && c.state.terminated->exit_code == 0) continue;
    if (sidecar && c.started.value_or(false)) {
      if (c.ready) ++cells.ready;
      continue;
    }
    if (c.state.terminated) return "Init:" + ended_text(*c.state.terminated);
    if (c.state.waiting && !c.state.waiting->reason.empty() &&
        c.state.waiting->reason != "PodInitializing") {
      return "Init:" + c.state.waiting->reason.str();
    }
    return fmt::format("Init:{}/{}", i, pod.spec.init_containers.size());
  }
  return std::nullopt;
}

Cells pod_row(const api::Pod& pod, api::Time now, bool wide) {
  const PodCells c = pod_cells(pod);
  std::string restarts = fmt::format("{}", c.restarts);
  if (c.restarts != 0 && c.last_restart) {
    restarts += fmt::format(" ({} ago)", age(c.last_restart, now));
  }
  Cells row{pod.metadata.name.str(), fmt::format("{}/{}", c.ready, c.containers), c.status,
            restarts, age(pod.metadata.creation_timestamp, now)};
  if (!wide) return row;
  row.push_back(or_none(pod.status.pod_ip));
  row.push_back(or_none(pod.spec.node_name));
  row.push_back(or_none(pod.status.nominated_node_name));
  int passed_gates = 0;
  for (const api::PodReadinessGate& gate : pod.spec.readiness_gates) {
    if (api::has_condition(pod.status.conditions, gate.condition_type, "True")) ++passed_gates;
  }
  row.push_back(pod.spec.readiness_gates.empty()
                    ? "<none>"
                    : fmt::format("{}/{}", passed_gates, pod.spec.readiness_gates.size()));
  return row;
}

// --- other kinds --------------------------------------------------------------------------------

Cells node_row(const api::Node& node, api::Time now, bool wide) {
  const api::NodeCondition* ready = api::find_condition(node.status.conditions, "Ready");
  std::string status = !ready ? "Unknown" : ready->status == "True" ? "Ready" : "NotReady";
  if (node.spec.unschedulable) status += ",SchedulingDisabled";
  constexpr std::string_view kRole = "node-role.kubernetes.io/";
  std::set<std::string> roles;
  for (const auto& [key, value] : node.metadata.labels) {
    if (key.view().starts_with(kRole) && key.size() > kRole.size()) {
      roles.insert(std::string(key.view().substr(kRole.size())));
    } else if (key == "kubernetes.io/role" && !value.empty()) {
      roles.insert(value.str());
    }
  }
  const api::NodeSystemInfo& info = node.status.node_info;
  Cells row{node.metadata.name.str(), status,
            or_none(join(std::vector<std::string>(roles.begin(), roles.end()))),
            age(node.metadata.creation_timestamp, now), info.kubelet_version.str()};
  if (!wide) return row;
  for (const std::string_view type : {"InternalIP", "ExternalIP"}) {
    std::string_view found;
    for (const api::NodeAddress& a : node.status.addresses) {
      if (found.empty() && a.type == type) found = a.address;
    }
    row.push_back(or_none(found));
  }
  for (const api::Str& text :
       {info.os_image, info.kernel_version, info.container_runtime_version}) {
    row.push_back(text.empty() ? "<unknown>" : text.str());
  }
  return row;
}

Cells deployment_row(const api::Deployment& d, api::Time now, bool wide) {
  Cells row{d.metadata.name.str(),
            fmt::format("{}/{}", d.status.ready_replicas, d.spec.replicas.value_or(1)),
            fmt::format("{}", d.status.updated_replicas),
            fmt::format("{}", d.status.available_replicas),
            age(d.metadata.creation_timestamp, now)};
  if (!wide) return row;
  append_containers(row, d.spec.template_.spec);
  row.push_back(api::format_selector(d.spec.selector));
  return row;
}

Cells replica_set_row(const api::ReplicaSet& r, api::Time now, bool wide) {
  Cells row{r.metadata.name.str(), fmt::format("{}", r.spec.replicas.value_or(1)),
            fmt::format("{}", r.status.replicas), fmt::format("{}", r.status.ready_replicas),
            age(r.metadata.creation_timestamp, now)};
  if (!wide) return row;
  append_containers(row, r.spec.template_.spec);
  row.push_back(api::format_selector(r.spec.selector));
  return row;
}

Cells stateful_set_row(const api::StatefulSet& s, api::Time now, bool wide) {
  Cells row{s.metadata.name.str(),
            fmt::format("{}/{}", s.status.ready_replicas, s.spec.replicas.value_or(1)),
            age(s.metadata.creation_timestamp, now)};
  if (wide) append_containers(row, s.spec.template_.spec);
  return row;
}

Cells daemon_set_row(const api::DaemonSet& d, api::Time now, bool wide) {
  Cells row{d.metadata.name.str(),
            fmt::format("{}", d.status.desired_number_scheduled),
            fmt::format("{}", d.status.current_number_scheduled),
            fmt::format("{}", d.status.number_ready),
            fmt::format("{}", d.status.updated_number_scheduled),
            fmt::format("{}", d.status.number_available),
            labels_text(d.spec.template_.spec.node_selector),
            age(d.metadata.creation_timestamp, now)};
  if (!wide) return row;
  append_containers(row, d.spec.template_.spec);
  row.push_back(api::format_selector(d.spec.selector));
  return row;
}

std::string job_status(const api::Job& job) {
  for (const std::string_view ended : {"Complete", "Failed"}) {
    if (api::has_condition(job.status.conditions, ended, "True")) return std::string(ended);
  }
  if (job.metadata.deletion_timestamp) return "Terminating";
  for (const std::string_view state : {"Suspended", "FailureTarget", "SuccessCriteriaMet"}) {
    if (api::has_condition(job.status.conditions, state, "True")) return std::string(state);
  }
  return "Running";
}

Cells job_row(const api::Job& job, api::Time now, bool wide) {
  std::string completions = fmt::format("{}/1", job.status.succeeded);
  if (job.spec.completions) {
    completions = fmt::format("{}/{}", job.status.succeeded, *job.spec.completions);
  } else if (job.spec.parallelism.value_or(0) > 1) {
    completions += fmt::format(" of {}", *job.spec.parallelism);
  }
  std::string took;
  if (job.status.start_time) {
    const api::Time until = job.status.completion_time ? job.status.completion_time : now;
    took = age(job.status.start_time, until);
  }
  Cells row{job.metadata.name.str(), job_status(job), completions, took,
            age(job.metadata.creation_timestamp, now)};
  if (!wide) return row;
  append_containers(row, job.spec.template_.spec);
  row.push_back(api::format_selector(job.spec.selector));
  return row;
}

Cells cron_job_row(const api::CronJob& c, api::Time now, bool wide) {
  Cells row{c.metadata.name.str(),
            c.spec.schedule.str(),
            or_none(c.spec.time_zone),
            !c.spec.suspend   ? "<unset>"
            : *c.spec.suspend ? "True"
                              : "False",
            fmt::format("{}", c.status.active.size()),
            c.status.last_schedule_time ? age(c.status.last_schedule_time, now) : "<none>",
            age(c.metadata.creation_timestamp, now)};
  if (!wide) return row;
  append_containers(row, c.spec.job_template.spec.template_.spec);
  row.push_back(api::format_selector(c.spec.job_template.spec.selector));
  return row;
}

std::string external_ip(const api::Service& s) {
  if (s.spec.type == "ExternalName") return s.spec.external_name.str();
  std::vector<std::string> ips;
  if (s.spec.type == "LoadBalancer") {
    for (const api::LoadBalancerIngress& in : s.status.load_balancer.ingress) {
      ips.push_back(in.ip.empty() ? in.hostname.str() : in.ip.str());
    }
  }
  for (const api::Str& ip : s.spec.external_ips) ips.push_back(ip.str());
  if (!ips.empty()) return join(ips);
  return s.spec.type == "LoadBalancer" ? "<pending>" : "<none>";
}

Cells service_row(const api::Service& s, api::Time now, bool wide) {
  std::vector<std::string> ports;
  for (const api::ServicePort& p : s.spec.ports) {
    const std::string_view protocol = p.protocol.empty() ? "TCP" : p.protocol.view();
    ports.push_back(p.node_port > 0 ? fmt::format("{}:{}/{}", p.port, p.node_port, protocol)
                                    : fmt::format("{}/{}", p.port, protocol));
  }
  Cells row{s.metadata.name.str(), s.spec.type.str(),    or_none(s.spec.cluster_ip),
            external_ip(s),        or_none(join(ports)), age(s.metadata.creation_timestamp, now)};
  if (wide) row.push_back(labels_text(s.spec.selector));
  return row;
}

std::string quantity_or_unknown(const std::optional<api::Quantity>& q) {
  return q ? q->to_string() : "<unknown>";
}

// "cpu: 35%/70%" of a resource metric, also of one container's.
std::string resource_target(std::string_view name, const api::MetricTarget& target,
                            const api::MetricValueStatus* current) {
  if (target.average_value) {
    return fmt::format("{}: {}/{}", name,
                       current ? quantity_or_unknown(current->average_value) : "<unknown>",
                       target.average_value->to_string());
  }
  const std::string now = current && current->average_utilization
                              ? fmt::format("{}%", *current->average_utilization)
                              : "<unknown>";
  const std::string want =
      target.average_utilization ? fmt::format("{}%", *target.average_utilization) : "<auto>";
  return fmt::format("{}: {}/{}", name, now, want);
}

std::string plain_target(const api::MetricTarget& target, const api::MetricValueStatus* current) {
  if (target.average_value) {
    return fmt::format("{}/{}", current ? quantity_or_unknown(current->average_value) : "<unknown>",
                       target.average_value->to_string());
  }
  return fmt::format("{}/{}", current ? quantity_or_unknown(current->value) : "<unknown>",
                     quantity_or_unknown(target.value));
}

std::string hpa_metric(const api::MetricSpec& spec, const api::MetricStatus* now) {
  if (spec.resource) {
    const auto* current = now && now->resource ? &now->resource->current : nullptr;
    return resource_target(spec.resource->name, spec.resource->target, current);
  }
  if (spec.container_resource) {
    const auto* current =
        now && now->container_resource ? &now->container_resource->current : nullptr;
    return resource_target(spec.container_resource->name, spec.container_resource->target, current);
  }
  if (spec.pods) {
    return plain_target(spec.pods->target, now && now->pods ? &now->pods->current : nullptr);
  }
  if (spec.object) {
    return plain_target(spec.object->target, now && now->object ? &now->object->current : nullptr);
  }
  if (spec.external) {
    const auto* current = now && now->external ? &now->external->current : nullptr;
    return plain_target(spec.external->target, current) +
           (spec.external->target.average_value ? " (avg)" : "");
  }
  return "<unknown type>";
}

Cells hpa_row(const api::HorizontalPodAutoscaler& h, api::Time now) {
  std::vector<std::string> targets;
  for (size_t i = 0; i < h.spec.metrics.size() && i < 2; ++i) {
    const auto& current = h.status.current_metrics;
    targets.push_back(hpa_metric(h.spec.metrics[i], i < current.size() ? &current[i] : nullptr));
  }
  std::string text = or_none(join(targets, ", "));
  if (h.spec.metrics.size() > 2) text += fmt::format(" + {} more...", h.spec.metrics.size() - 2);
  return {h.metadata.name.str(),
          fmt::format("{}/{}", h.spec.scale_target_ref.kind.view(),
                      h.spec.scale_target_ref.name.view()),
          text,
          h.spec.min_replicas ? fmt::format("{}", *h.spec.min_replicas) : "<unset>",
          fmt::format("{}", h.spec.max_replicas),
          fmt::format("{}", h.status.current_replicas),
          age(h.metadata.creation_timestamp, now)};
}

Cells event_row(const api::Event& e, api::Time now, bool wide) {
  const api::Time first = e.first_timestamp ? e.first_timestamp : e.event_time;
  api::Time last = e.series ? e.series->last_observed_time : e.last_timestamp;
  if (!last) last = first;
  Cells row{
      age(last, now), e.type.str(), e.reason.str(),
      fmt::format("{}/{}", api::to_lower(e.involved_object.kind), e.involved_object.name.view())};
  std::string message = e.message.str();
  while (!message.empty() && (message.back() == '\n' || message.back() == ' ')) message.pop_back();
  if (!wide) {
    row.push_back(std::move(message));
    return row;
  }
  row.push_back(e.involved_object.field_path.str());
  const api::Str& component =
      e.source.component.empty() ? e.reporting_component : e.source.component;
  const api::Str& host = e.source.host.empty() ? e.reporting_instance : e.source.host;
  row.push_back(host.empty() ? component.str()
                             : fmt::format("{}, {}", component.view(), host.view()));
  row.push_back(std::move(message));
  row.push_back(age(first, now));
  row.push_back(fmt::format("{}", std::max(1, e.series ? e.series->count : e.count)));
  row.push_back(e.metadata.name.str());
  return row;
}

// At most three, then how many more.
std::string first_three(const std::vector<std::string>& all) {
  if (all.empty()) return "<unset>";
  if (all.size() <= 3) return join(all);
  return fmt::format("{} + {} more...", join({all.begin(), all.begin() + 3}), all.size() - 3);
}

Cells slice_row(const api::EndpointSlice& s, api::Time now) {
  std::vector<std::string> ports;
  for (const api::EndpointPort& p : s.ports) {
    ports.push_back(p.port ? fmt::format("{}", *p.port) : "*");
  }
  std::vector<std::string> addresses;
  for (const api::Endpoint& e : s.endpoints) {
    for (const api::Str& a : e.addresses) addresses.push_back(a.str());
  }
  return {s.metadata.name.str(), s.address_type.str(), first_three(ports), first_three(addresses),
          age(s.metadata.creation_timestamp, now)};
}

Cells pdb_row(const api::PodDisruptionBudget& b, api::Time now) {
  return {b.metadata.name.str(), b.spec.min_available ? b.spec.min_available->to_string() : "N/A",
          b.spec.max_unavailable ? b.spec.max_unavailable->to_string() : "N/A",
          fmt::format("{}", b.status.disruptions_allowed), age(b.metadata.creation_timestamp, now)};
}

std::string claim_state(const api::ResourceClaim& c) {
  std::vector<std::string> states;
  if (c.metadata.deletion_timestamp) states.push_back("deleted");
  if (c.status.allocation) {
    states.push_back("allocated");
    if (!c.status.reserved_for.empty()) states.push_back("reserved");
  } else if (!c.metadata.deletion_timestamp) {
    states.push_back("pending");
  }
  return join(states, ",");
}

// Each once, in kubectl's order.
std::string access_modes(const api::List<api::Str>& modes) {
  constexpr std::pair<std::string_view, std::string_view> kShort[] = {{"ReadWriteOnce", "RWO"},
                                                                      {"ReadOnlyMany", "ROX"},
                                                                      {"ReadWriteMany", "RWX"},
                                                                      {"ReadWriteOncePod", "RWOP"}};
  std::vector<std::string> out;
  for (const auto& [mode, text] : kShort) {
    if (std::find(modes.begin(), modes.end(), mode) != modes.end()) out.emplace_back(text);
  }
  return join(out, ",");
}

std::string or_unset(std::string_view text) { return std::string(text.empty() ? "<unset>" : text); }

std::string storage_of(const api::Map<api::Quantity>& capacity) {
  const api::Quantity* storage = capacity.find("storage");
  return storage ? storage->to_string() : "0";
}

std::string phase_of(const api::Object& o, const api::Str& phase) {
  return o.metadata.deletion_timestamp ? "Terminating" : phase.str();
}

Cells volume_row(const api::PersistentVolume& v, api::Time now, bool wide) {
  const api::PersistentVolumeSpec& spec = v.spec;
  Cells row{v.metadata.name.str(),
            storage_of(spec.capacity),
            access_modes(spec.access_modes),
            spec.persistent_volume_reclaim_policy.str(),
            phase_of(v, v.status.phase),
            spec.claim_ref ? fmt::format("{}/{}", spec.claim_ref->namespace_.view(),
                                         spec.claim_ref->name.view())
                           : std::string(),
            spec.storage_class_name.str(),
            or_unset(spec.volume_attributes_class_name),
            v.status.reason.str(),
            age(v.metadata.creation_timestamp, now)};
  if (wide) row.push_back(or_unset(spec.volume_mode));
  return row;
}

Cells volume_claim_row(const api::PersistentVolumeClaim& c, api::Time now, bool wide) {
  const bool bound = !c.spec.volume_name.empty();
  Cells row{c.metadata.name.str(),
            phase_of(c, c.status.phase),
            c.spec.volume_name.str(),
            bound ? storage_of(c.status.capacity) : std::string(),
            bound ? access_modes(c.status.access_modes) : std::string(),
            c.spec.storage_class_name.value_or("").str(),
            or_unset(c.spec.volume_attributes_class_name.value_or("")),
            age(c.metadata.creation_timestamp, now)};
  if (wide) row.push_back(or_unset(c.spec.volume_mode));
  return row;
}

Cells storage_class_row(const api::StorageClass& c, api::Time now) {
  const auto marked = [&](std::string_view annotation) {
    const api::Str* value = c.metadata.annotations.find(annotation);
    return value && *value == "true";
  };
  const bool is_default = marked("storageclass.kubernetes.io/is-default-class") ||
                          marked("storageclass.beta.kubernetes.io/is-default-class");
  return {c.metadata.name.str() + (is_default ? " (default)" : ""),
          c.provisioner.str(),
          c.reclaim_policy.str(),
          c.volume_binding_mode.str(),
          c.allow_volume_expansion.value_or(false) ? "true" : "false",
          age(c.metadata.creation_timestamp, now)};
}

std::vector<std::string> columns_of(std::string_view kind, bool wide) {
  struct Columns {
    std::string_view kind;
    std::vector<std::string> narrow;
    std::vector<std::string> wide;  // after the narrow ones
  };
  const std::vector<std::string> containers{"CONTAINERS", "IMAGES", "SELECTOR"};
  const std::vector<Columns> all{
      {"Pod",
       {"NAME", "READY", "STATUS", "RESTARTS", "AGE"},
       {"IP", "NODE", "NOMINATED NODE", "READINESS GATES"}},
      {"Node",
       {"NAME", "STATUS", "ROLES", "AGE", "VERSION"},
       {"INTERNAL-IP", "EXTERNAL-IP", "OS-IMAGE", "KERNEL-VERSION", "CONTAINER-RUNTIME"}},
      {"Deployment", {"NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"}, containers},
      {"ReplicaSet", {"NAME", "DESIRED", "CURRENT", "READY", "AGE"}, containers},
      {"StatefulSet", {"NAME", "READY", "AGE"}, {"CONTAINERS", "IMAGES"}},
      {"DaemonSet",
       {"NAME", "DESIRED", "CURRENT", "READY", "UP-TO-DATE", "AVAILABLE", "NODE SELECTOR", "AGE"},
       containers},
      {"Job", {"NAME", "STATUS", "COMPLETIONS", "DURATION", "AGE"}, containers},
      {"CronJob",
       {"NAME", "SCHEDULE", "TIMEZONE", "SUSPEND", "ACTIVE", "LAST SCHEDULE", "AGE"},
       containers},
      {"Service", {"NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"}, {"SELECTOR"}},
      {"HorizontalPodAutoscaler",
       {"NAME", "REFERENCE", "TARGETS", "MINPODS", "MAXPODS", "REPLICAS", "AGE"},
       {}},
      {"EndpointSlice", {"NAME", "ADDRESSTYPE", "PORTS", "ENDPOINTS", "AGE"}, {}},
      {"PodDisruptionBudget",
       {"NAME", "MIN AVAILABLE", "MAX UNAVAILABLE", "ALLOWED DISRUPTIONS", "AGE"},
       {}},
      {"Namespace", {"NAME", "STATUS", "AGE"}, {}},
      {"ConfigMap", {"NAME", "DATA", "AGE"}, {}},
      {"Secret", {"NAME", "TYPE", "DATA", "AGE"}, {}},
      {"ResourceClaim", {"NAME", "STATE", "AGE"}, {}},
      {"ResourceSlice", {"NAME", "NODE", "DRIVER", "POOL", "AGE"}, {}},
      {"PersistentVolume",
       {"NAME", "CAPACITY", "ACCESS MODES", "RECLAIM POLICY", "STATUS", "CLAIM", "STORAGECLASS",
        "VOLUMEATTRIBUTESCLASS", "REASON", "AGE"},
       {"VOLUMEMODE"}},
      {"PersistentVolumeClaim",
       {"NAME", "STATUS", "VOLUME", "CAPACITY", "ACCESS MODES", "STORAGECLASS",
        "VOLUMEATTRIBUTESCLASS", "AGE"},
       {"VOLUMEMODE"}},
      {"StorageClass",
       {"NAME", "PROVISIONER", "RECLAIMPOLICY", "VOLUMEBINDINGMODE", "ALLOWVOLUMEEXPANSION", "AGE"},
       {}},
      {"PriorityClass", {"NAME", "VALUE", "GLOBAL-DEFAULT", "AGE", "PREEMPTIONPOLICY"}, {}},
      {"Lease", {"NAME", "HOLDER", "AGE"}, {}}};
  if (kind == "Event") {
    if (!wide) return {"LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"};
    return {"LAST SEEN", "TYPE",    "REASON",     "OBJECT", "SUBOBJECT",
            "SOURCE",    "MESSAGE", "FIRST SEEN", "COUNT",  "NAME"};
  }
  for (const Columns& c : all) {
    if (c.kind != kind) continue;
    std::vector<std::string> out = c.narrow;
    if (wide) out.insert(out.end(), c.wide.begin(), c.wide.end());
    return out;
  }
  return {"NAME", "AGE"};
}

Cells row_of(const api::Object& o, api::Time now, bool wide) {
  const std::string name = o.metadata.name.str();
  const std::string since = age(o.metadata.creation_timestamp, now);
  switch (o.kind) {
    case api::Kind::Pod:
      return pod_row(api::as<api::Pod>(o), now, wide);
    case api::Kind::Node:
      return node_row(api::as<api::Node>(o), now, wide);
    case api::Kind::Deployment:
      return deployment_row(api::as<api::Deployment>(o), now, wide);
    case api::Kind::ReplicaSet:
      return replica_set_row(api::as<api::ReplicaSet>(o), now, wide);
    case api::Kind::StatefulSet:
      return stateful_set_row(api::as<api::StatefulSet>(o), now, wide);
    case api::Kind::DaemonSet:
      return daemon_set_row(api::as<api::DaemonSet>(o), now, wide);
    case api::Kind::Job:
      return job_row(api::as<api::Job>(o), now, wide);
    case api::Kind::CronJob:
      return cron_job_row(api::as<api::CronJob>(o), now, wide);
    case api::Kind::Service:
      return service_row(api::as<api::Service>(o), now, wide);
    case api::Kind::HorizontalPodAutoscaler:
      return hpa_row(api::as<api::HorizontalPodAutoscaler>(o), now);
    case api::Kind::Event:
      return event_row(api::as<api::Event>(o), now, wide);
    case api::Kind::EndpointSlice:
      return slice_row(api::as<api::EndpointSlice>(o), now);
    case api::Kind::PodDisruptionBudget:
      return pdb_row(api::as<api::PodDisruptionBudget>(o), now);
    case api::Kind::Namespace:
      return {name, api::as<api::Namespace>(o).status.phase.str(), since};
    case api::Kind::ResourceClaim:
      return {name, claim_state(api::as<api::ResourceClaim>(o)), since};
    case api::Kind::ResourceSlice: {
      const api::ResourceSliceSpec& spec = api::as<api::ResourceSlice>(o).spec;
      return {name, spec.node_name.value_or("").str(), spec.driver.str(), spec.pool.name.str(),
              since};
    }
    case api::Kind::ConfigMap: {
      const auto& map = api::as<api::ConfigMap>(o);
      return {name, fmt::format("{}", map.data.size() + map.binary_data.size()), since};
    }
    case api::Kind::Secret: {
      const auto& secret = api::as<api::Secret>(o);
      return {name, secret.type.str(), fmt::format("{}", secret.data.size()), since};
    }
    case api::Kind::PersistentVolume:
      return volume_row(api::as<api::PersistentVolume>(o), now, wide);
    case api::Kind::PersistentVolumeClaim:
      return volume_claim_row(api::as<api::PersistentVolumeClaim>(o), now, wide);
    case api::Kind::StorageClass:
      return storage_class_row(api::as<api::StorageClass>(o), now);
    case api::Kind::PriorityClass: {
      const auto& c = api::as<api::PriorityClass>(o);
      return {name, fmt::format("{}", c.value), c.global_default ? "true" : "false", since,
              c.preemption_policy.str()};
    }
    case api::Kind::Lease: {
      const auto& lease = api::as<api::Lease>(o);
      return {name, lease.spec.holder_identity ? lease.spec.holder_identity->str() : "", since};
    }
    default:
      return {name, since};
  }
}

// Code points, which is what kubectl's columns count.
size_t width_of(std::string_view text) {
  size_t n = 0;
  for (const char c : text) n += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  return n;
}

}  // namespace

PodCells pod_cells(const api::Pod& pod) {
  PodCells cells;
  cells.containers = static_cast<int>(pod.spec.containers.size());
  for (const api::Container& c : pod.spec.init_containers) {
    if (c.restart_policy == "Always") ++cells.containers;
  }
  cells.status = pod.status.reason.empty() ? pod.status.phase.str() : pod.status.reason.str();
  const api::PodCondition* scheduled = api::find_condition(pod.status.conditions, "PodScheduled");
  if (scheduled && scheduled->reason == "SchedulingGated") cells.status = "SchedulingGated";

  int sidecar_restarts = 0;
  api::Time sidecar_last;
  const std::optional<std::string> initializing =
      init_status(pod, cells, sidecar_restarts, sidecar_last);
  if (initializing) cells.status = *initializing;
  if (!initializing || api::has_condition(pod.status.conditions, "Initialized", "True")) {
    cells.restarts = sidecar_restarts;
    cells.last_restart = sidecar_last;
    bool running = false;
    for (size_t i = pod.status.container_statuses.size(); i-- > 0;) {
      const api::ContainerStatus& c = pod.status.container_statuses[i];
      count_restarts(c, cells.restarts, cells.last_restart);
      if (c.state.waiting && !c.state.waiting->reason.empty()) {
        cells.status = c.state.waiting->reason.str();
      } else if (c.state.terminated) {
        cells.status = ended_text(*c.state.terminated);
      } else if (c.ready && c.state.running) {
        running = true;
        ++cells.ready;
      }
    }
    if (cells.status == "Completed" && running) {
      cells.status = api::is_ready(pod) ? "Running" : "NotReady";
    }
  }
  if (pod.metadata.deletion_timestamp) {
    const bool over = pod.status.phase == "Succeeded" || pod.status.phase == "Failed";
    if (pod.status.reason == "NodeLost") {
      cells.status = "Unknown";
    } else if (!over) {
      cells.status = "Terminating";
    }
  }
  return cells;
}

ReportTable object_table(std::string_view kind, const std::vector<api::ObjectRef>& objects,
                         api::Time now, TableOptions options) {
  ReportTable table;
  table.columns = columns_of(kind, options.wide);
  if (options.namespaces) table.columns.insert(table.columns.begin(), "NAMESPACE");
  for (const api::ObjectRef& o : objects) {
    Cells row = row_of(*o, now, options.wide);
    if (options.namespaces) row.insert(row.begin(), o->metadata.namespace_.str());
    table.rows.push_back(std::move(row));
  }
  return table;
}

std::string render_table(const ReportTable& table, bool headers) {
  std::vector<size_t> widths(table.columns.size());
  const auto measure = [&](const Cells& row) {
    for (size_t i = 0; i < row.size() && i < widths.size(); ++i) {
      widths[i] = std::max(widths[i], width_of(row[i]));
    }
  };
  if (headers) measure(table.columns);
  for (const Cells& row : table.rows) measure(row);
  std::string out;
  const auto print = [&](const Cells& row) {
    for (size_t i = 0; i < row.size(); ++i) {
      out += row[i];
      if (i + 1 < row.size()) out.append(widths[i] + 3 - width_of(row[i]), ' ');
    }
    out += '\n';
  };
  if (headers) print(table.columns);
  for (const Cells& row : table.rows) print(row);
  return out;
}

}  // namespace mainspring::scenarios

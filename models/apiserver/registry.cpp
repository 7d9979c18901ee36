#include "models/apiserver/registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "models/api/compare.h"
#include "models/api/defaulting.h"
#include "models/api/diagnostics.h"
#include "models/api/labels.h"
#include "models/api/object.h"
#include "models/api/patch.h"
#include "models/api/pod_helpers.h"
#include "models/api/types/apps.h"
#include "models/api/types/policy.h"
#include "models/api/types/resource.h"
#include "models/api/types/scheduling.h"
#include "models/api/types/storage.h"
#include "models/api/validation.h"
#include "models/apiserver/api_server.h"
#include "models/apiserver/label_keys.h"
#include "models/apiserver/object_parts.h"
#include "models/apiserver/quota.h"
#include "sim/random.h"

namespace mainspring::apiserver {

namespace {
using client::Outcome;
using client::Request;
using client::Verb;
using client::WatchEvent;
using client::WatchType;

constexpr std::string_view kNameAlphabet = "bcdfghjklmnpqrstvwxz2456789";
constexpr size_t kMaxGeneratedPrefix = 58;  // 63 characters less the 5 random ones

// "pods" or "deployments.apps": how the server names a resource in messages.
std::string resource_name(const api::KindInfo& info) {
  return info.group.empty() ? std::string(info.resource)
                            : fmt::format("{}.{}", info.resource, info.group);
}

Outcome failure(int16_t code, std::string_view reason, std::string_view message) {
  Outcome o;
  o.code = code;
  o.reason = reason;
  o.message = message;
  return o;
}

Outcome success(api::ObjectRef object, int16_t code = 200) {
  Outcome o;
  o.code = code;
  o.object = std::move(object);
  return o;
}

Outcome conflict(const api::KindInfo& info, std::string_view name, std::string_view why) {
  return failure(409, "Conflict",
                 fmt::format("Operation cannot be fulfilled on {} \"{}\": {}", resource_name(info),
                             name, why));
}

constexpr std::string_view kModified =
    "the object has been modified; please apply your changes to the latest version and try again";

Outcome invalid(const api::Object& o, const std::vector<api::FieldError>& errors) {
  return failure(422, "Invalid", api::invalid_message(o, errors));
}

// Of every pod that does not say how long it stays on a node that is not ready or not reachable.
constexpr const char* kDefaultTolerations[] = {"node.kubernetes.io/not-ready",
                                               "node.kubernetes.io/unreachable"};

api::Toleration default_toleration(const char* key) {
  api::Toleration t;
  t.key = key;
  t.operator_ = "Exists";
  t.effect = "NoExecute";
  t.toleration_seconds = 300;
  return t;
}

void set_version(api::Object& o, uint64_t version) {
  o.metadata.resource_version = std::to_string(version);
}

std::string key_of(const api::Object& o) {
  return o.metadata.namespace_.str().append("/").append(o.metadata.name);
}
}  // namespace

bool bound_view(WatchEvent& change) {
  const auto bound = [](const api::ObjectRef& o) {
    return o && !api::as<api::Pod>(*o).spec.node_name.empty();
  };
  if (!bound(change.object)) return false;
  if (change.type == WatchType::kModified && !bound(change.old)) change.type = WatchType::kAdded;
  if (change.type == WatchType::kAdded) change.old = nullptr;
  return true;
}

void Registry::configure(const AdmissionOptions& admission, std::string_view service_cidr) {
  admission_ = admission;
  for (const char* key : kDefaultTolerations) {
    common_.tolerations.push_back(default_toleration(key));
  }
  std::array<uint32_t, 5> part{};  // four octets and the prefix length
  const char* at = service_cidr.data();
  const char* end = at + service_cidr.size();
  for (uint32_t& p : part) {
    at = std::from_chars(at, end, p).ptr;
    if (at != end) ++at;
  }
  service_base_ = (part[0] << 24) | (part[1] << 16) | (part[2] << 8) | part[3];
  service_size_ = part[4] >= 32 ? 1 : uint32_t{1} << std::min<uint32_t>(32 - part[4], 31);
}

std::vector<Request> Registry::bootstrap() const {
  std::vector<Request> out;
  const auto create = [&](api::Ref<api::Object> o) {
    Request r;
    r.verb = Verb::kCreate;
    r.kind = o->kind;
    r.ns = o->metadata.namespace_;
    r.body = std::move(o);
    out.push_back(std::move(r));
  };
  for (const std::string_view name : kOwnNamespaces) {
    api::Ref<api::Namespace> ns = api::make<api::Namespace>();
    ns->metadata.name = name;
    create(ns);
  }
  const std::array<std::pair<const char*, int32_t>, 2> classes = {
      {{"system-cluster-critical", 2000000000}, {"system-node-critical", 2000001000}}};
  for (const auto& [name, value] : classes) {
    api::Ref<api::PriorityClass> pc = api::make<api::PriorityClass>();
    pc->metadata.name = name;
    pc->value = value;
    create(pc);
  }
  api::Ref<api::Service> kubernetes = api::make<api::Service>();
  kubernetes->metadata.name = "kubernetes";
  kubernetes->metadata.namespace_ = "default";
  api::ServicePort port;
  port.name = "https";
  port.port = 443;
  port.target_port = api::IntOrString(6443);
  kubernetes->spec.ports = {port};
  create(kubernetes);
  return out;
}

Outcome Registry::execute(Transaction& tx, const Request& r) {
  switch (r.verb) {
    case Verb::kGet: {
      Outcome out;
      const api::ObjectRef* found = target(tx, r, out);
      return found ? success(*found) : out;
    }
    case Verb::kList:
      return list(tx, r);
    case Verb::kCreate:
      return create(tx, r);
    case Verb::kUpdate:
      return update(tx, r);
    case Verb::kUpdateStatus:
    case Verb::kPatchStatus:
      return update_status(tx, r);
    case Verb::kPatch:
    case Verb::kPatchStatusJson:
      return patch(tx, r);
    case Verb::kScale:
      return scale(tx, r);
    case Verb::kDelete:
      return remove(tx, r);
    case Verb::kDeleteCollection:
      return remove_collection(tx, r);
    case Verb::kBind:
      return bind(tx, r);
    case Verb::kEvict:
      return evict(tx, r);
    case Verb::kFinalize:
      return finalize(tx, r);
  }
  return failure(405, "MethodNotAllowed", "the server does not allow this method");
}

const api::ObjectRef* Registry::target(Transaction& tx, const Request& r, Outcome& out) const {
  const api::KindInfo& info = api::kind_info(r.kind);
  const api::ObjectRef* found = tx.store.find(r.kind, r.ns, r.name);
  if (!found) {
    out = failure(404, "NotFound",
                  fmt::format("{} \"{}\" not found", resource_name(info), r.name.view()));
    return nullptr;
  }
  const api::ObjectMeta& meta = (*found)->metadata;
  if (!r.uid.empty() && r.uid != meta.uid) {
    out = conflict(info, r.name,
                   fmt::format("Precondition failed: UID in precondition: {}, UID in object meta: "
                               "{}",
                               r.uid.view(), meta.uid.view()));
    return nullptr;
  }
  if (r.resource_version != 0 &&
      std::to_string(r.resource_version) != meta.resource_version.view()) {
    out = conflict(info, r.name, kModified);
    return nullptr;
  }
  return found;
}

Outcome Registry::list(Transaction& tx, const Request& r) const {
  Outcome out;
  out.code = 200;
  out.objects =
      api::List<api::ObjectRef>(r.ns.empty() ? tx.store.list(r.kind) : tx.store.list(r.kind, r.ns));
  return out;
}

// ---- create --------------------------------------------------------------------------------

api::Str Registry::generate_name(Transaction& tx, std::string_view prefix) {
  if (prefix.size() > kMaxGeneratedPrefix) prefix = prefix.substr(0, kMaxGeneratedPrefix);
  uint64_t& drawn = generated_names_[std::string(prefix)];
  const uint64_t word = tx.world.stream("apiserver.names").at(sim::hash64(prefix), drawn++);
  std::string name(prefix);
  uint64_t rest = word;
  for (int i = 0; i < 5; ++i) {
    name += kNameAlphabet[rest % kNameAlphabet.size()];
    rest /= kNameAlphabet.size();
  }
  return name;
}

// A random UUID (version 4), drawn per object so that no other object shifts it.
api::Str Registry::make_uid(Transaction& tx, const api::Object& o) const {
  const uint64_t entity = sim::hash64(std::string(api::kind_info(o).resource) + "/" + key_of(o));
  const sim::Stream stream = tx.world.stream("apiserver.uid");
  const uint64_t draw = static_cast<uint64_t>(tx.now.unix_ns()) & ~uint64_t{1};
  const uint64_t a = stream.at(entity, draw);
  const uint64_t b = stream.at(entity, draw + 1);
  // xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx
  char text[36];
  char* out = text;
  const auto hex = [&out](uint64_t value, int digits) {
    while (digits-- > 0) *out++ = "0123456789abcdef"[(value >> (4 * digits)) & 15];
  };
  hex(a >> 32, 8);
  *out++ = '-';
  hex(a >> 16, 4);
  *out++ = '-';
  hex(0x4000 | (a & 0xfff), 4);
  *out++ = '-';
  hex(0x8000 | ((b >> 48) & 0x3fff), 4);
  *out++ = '-';
  hex(b, 12);
  return std::string_view(text, sizeof text);
}

bool Registry::check_namespace(Transaction& tx, const api::Object& o, Outcome& out) const {
  if (!api::kind_info(o).namespaced) return true;
  const api::ObjectRef* ns = tx.store.find(api::Kind::Namespace, "", o.metadata.namespace_);
  if (!ns) {
    out = failure(404, "NotFound",
                  fmt::format("namespaces \"{}\" not found", o.metadata.namespace_.view()));
    return false;
  }
  if ((*ns)->metadata.deletion_timestamp) {
    out = failure(403, "Forbidden",
                  fmt::format("{} \"{}\" is forbidden: unable to create new content in namespace "
                              "{} because it is being terminated",
                              resource_name(api::kind_info(o)), o.metadata.name.view(),
                              o.metadata.namespace_.view()));
    return false;
  }
  return true;
}

namespace {
// Devices that others hold are given for administration only in namespaces that are marked for it.
// Source: pkg/registry/resource/utils.go AuthorizedForAdmin.
std::optional<api::FieldError> unauthorized_admin(const Store& store, const api::Object& o) {
  constexpr std::string_view kLabel = "resource.kubernetes.io/admin-access";
  const api::DeviceClaim* devices = nullptr;
  if (const auto* claim = api::try_as<api::ResourceClaim>(o)) devices = &claim->spec.devices;
  if (const auto* t = api::try_as<api::ResourceClaimTemplate>(o)) devices = &t->spec.spec.devices;
  if (!devices) return std::nullopt;
  for (size_t i = 0; i < devices->requests.size(); ++i) {
    const auto& exactly = devices->requests[i].exactly;
    if (!exactly || !exactly->admin_access.value_or(false)) continue;
    const api::ObjectRef* ns = store.find(api::Kind::Namespace, "", o.metadata.namespace_);
    const api::Str* marked = ns ? (*ns)->metadata.labels.find(kLabel) : nullptr;
    if (marked && *marked == "true") return std::nullopt;
    return api::FieldError{
        api::FieldError::Type::kForbidden, fmt::format("spec.devices.requests[{}].adminAccess", i),
        fmt::format("Forbidden: admin access to devices requires the `{}: true` label on the "
                    "containing namespace",
                    kLabel)};
  }
  return std::nullopt;
}
}  // namespace

Outcome Registry::create(Transaction& tx, const Request& r) {
  const api::KindInfo& info = api::kind_info(r.kind);
  if (!r.body->metadata.resource_version.empty()) {
    return failure(400, "BadRequest", "resourceVersion should not be set on objects to be created");
  }
  api::Ref<api::Object> o = api::clone(*r.body);
  api::ObjectMeta& meta = o->metadata;
  if (info.namespaced && meta.namespace_.empty()) meta.namespace_ = r.ns.empty() ? "default" : r.ns;
  if (!info.namespaced) meta.namespace_ = api::Str();
  if (meta.name.empty() && !meta.generate_name.empty()) {
    meta.name = generate_name(tx, meta.generate_name);
  }
  Outcome out;
  if (!check_namespace(tx, *o, out)) return out;
  if (tx.store.find(r.kind, meta.namespace_, meta.name)) {
    return failure(409, "AlreadyExists",
                   fmt::format("{} \"{}\" already exists", resource_name(info), meta.name.view()));
  }
  meta.uid = make_uid(tx, *o);
  meta.creation_timestamp = tx.now.truncated_to_second();
  meta.deletion_timestamp = api::Time();
  meta.deletion_grace_period_seconds.reset();
  meta.generation = info.tracks_generation ? 1 : 0;
  if (info.has_status && r.kind != api::Kind::Node) api::clear_status(*o);
  api::set_defaults(*o);
  if (!admit_create(tx, *o, out)) return out;
  std::vector<api::FieldError> errors = api::validate(*o);
  if (auto e = unauthorized_admin(tx.store, *o)) errors.insert(errors.begin(), std::move(*e));
  if (!errors.empty()) return invalid(*o, errors);
  if (!charge_quota(tx, *o, out)) return out;
  set_version(*o, tx.store.next_version());
  tx.store.put(o);
  tx.changes.push_back(WatchEvent{WatchType::kAdded, o, {}});
  return success(o, 201);
}

namespace {
// Claims that name no class get the default one: of several the newest, then the first by name.
// Source: plugin/pkg/admission/storage/storageclass/setdefault, pkg/volume/util/storageclass.go.
void default_storage_class(const Store& store, api::PersistentVolumeClaim& claim) {
  constexpr std::string_view kDefault = "storageclass.kubernetes.io/is-default-class";
  constexpr std::string_view kBetaDefault = "storageclass.beta.kubernetes.io/is-default-class";
  if (claim.spec.storage_class_name ||
      claim.metadata.annotations.contains("volume.beta.kubernetes.io/storage-class")) {
    return;
  }
  const api::Object* chosen = nullptr;
  for (const api::ObjectRef& object : store.list(api::Kind::StorageClass)) {
    const api::StrMap& a = object->metadata.annotations;
    const auto is_true = [&](std::string_view name) {
      const api::Str* v = a.find(name);
      return v && *v == "true";
    };
    if (!is_true(kDefault) && !is_true(kBetaDefault)) continue;
    if (!chosen || chosen->metadata.creation_timestamp < object->metadata.creation_timestamp) {
      chosen = &*object;
    }
  }
  if (chosen) claim.spec.storage_class_name = chosen->metadata.name;
}
}  // namespace

bool Registry::admit_create(Transaction& tx, api::Object& o, Outcome& out) {
  switch (o.kind) {
    case api::Kind::Pod:
      return admit_pod(tx, api::as<api::Pod>(o), out);
    case api::Kind::Service:
      admit_service(tx, api::as<api::Service>(o));
      return true;
    case api::Kind::PersistentVolumeClaim:
      default_storage_class(tx.store, api::as<api::PersistentVolumeClaim>(o));
      return true;
    case api::Kind::Namespace: {
      api::Namespace& ns = api::as<api::Namespace>(o);
      ns.metadata.labels.set("kubernetes.io/metadata.name", ns.metadata.name);
      ns.spec.finalizers = {"kubernetes"};
      ns.status.phase = "Active";
      return true;
    }
    case api::Kind::Node: {
      if (!admission_.taint_new_nodes) return true;
      api::Node& node = api::as<api::Node>(o);
      for (const api::Taint& t : node.spec.taints) {
        if (t.key == "node.kubernetes.io/not-ready") return true;
      }
      api::Taint taint;
      taint.key = "node.kubernetes.io/not-ready";
      taint.effect = "NoSchedule";
      node.spec.taints.push_back(taint);
      return true;
    }
    default:
      return true;
  }
}

bool Registry::admit_pod(Transaction& tx, api::Pod& pod, Outcome& out) {
  apply_limit_ranges(tx.store, pod);
  if (admission_.service_account && pod.spec.service_account_name.empty()) {
    pod.spec.service_account_name = common_.service_account;
    pod.spec.service_account = common_.service_account;
  }
  // Priority.
  if (!pod.spec.priority_class_name.empty()) {
    const api::ObjectRef* found =
        tx.store.find(api::Kind::PriorityClass, "", pod.spec.priority_class_name);
    if (!found) {
      out = failure(403, "Forbidden",
                    fmt::format("pods \"{}\" is forbidden: no PriorityClass with name {} was found",
                                pod.metadata.name.view(), pod.spec.priority_class_name.view()));
      return false;
    }
    const api::PriorityClass& pc = api::as<api::PriorityClass>(**found);
    pod.spec.priority = pc.value;
    if (pod.spec.preemption_policy.empty()) pod.spec.preemption_policy = pc.preemption_policy;
  } else {
    // Of several global defaults the one with the lowest value counts.
    const api::PriorityClass* chosen = nullptr;
    for (const api::ObjectRef& object : tx.store.list(api::Kind::PriorityClass)) {
      const api::PriorityClass& pc = api::as<api::PriorityClass>(*object);
      if (pc.global_default && (!chosen || pc.value < chosen->value)) chosen = &pc;
    }
    pod.spec.priority = chosen ? chosen->value : 0;
    if (chosen) {
      pod.spec.priority_class_name = chosen->metadata.name;
      if (pod.spec.preemption_policy.empty())
        pod.spec.preemption_policy = chosen->preemption_policy;
    }
  }
  if (pod.spec.preemption_policy.empty()) {
    pod.spec.preemption_policy = common_.preemption_policy;
  }
  if (admission_.default_tolerations && pod.spec.tolerations.empty()) {
    pod.spec.tolerations = common_.tolerations;
  } else if (admission_.default_tolerations) {
    for (const char* key : kDefaultTolerations) {
      const bool tolerated = std::any_of(
          pod.spec.tolerations.begin(), pod.spec.tolerations.end(), [&](const api::Toleration& t) {
            return (t.key.empty() || t.key == key) && (t.effect.empty() || t.effect == "NoExecute");
          });
      if (!tolerated) pod.spec.tolerations.push_back(default_toleration(key));
    }
  }
  pod.status = api::PodStatus();
  pod.status.phase = common_.phase;
  pod.status.qos_class = api::compute_qos_class(pod.spec);
  if (!pod.spec.scheduling_gates.empty()) {
    api::PodCondition gated;
    gated.type = "PodScheduled";
    gated.status = "False";
    gated.reason = "SchedulingGated";
    gated.message = "Scheduling is blocked due to non-empty scheduling gates";
    pod.status.conditions.push_back(gated);
  }
  merge_label_keys(pod);
  return true;
}

void Registry::admit_service(Transaction& tx, api::Service& service) {
  api::ServiceSpec& spec = service.spec;
  const api::Str owner = key_of(service);
  if (spec.type != "ExternalName" && spec.cluster_ip != "None") {
    const auto text = [](uint32_t a) {
      return fmt::format("{}.{}.{}.{}", a >> 24, (a >> 16) & 255, (a >> 8) & 255, a & 255);
    };
    if (spec.cluster_ip.empty()) {
      // The kubernetes service takes the first address; others are drawn from above the band kept
      // for addresses chosen by hand (offset = clamp(size / 16, 16, 256)).
      uint32_t address = service_base_ + 1;
      if (owner != "default/kubernetes") {
        const uint32_t offset =
            service_size_ <= 16 ? 0 : std::clamp<uint32_t>(service_size_ / 16, 16, 256);
        const uint32_t span = service_size_ - offset - 2;
        sim::Rng rng = tx.world.stream("apiserver.clusterip").rng(sim::hash64(owner));
        do {
          address = service_base_ + offset + 1 + static_cast<uint32_t>(rng.below(span));
        } while (service_ips_.contains(address));
      }
      service_ips_[address] = owner;
      spec.cluster_ip = text(address);
    }
    spec.cluster_ips = {spec.cluster_ip};
  } else if (spec.cluster_ip == "None") {
    spec.cluster_ips = {api::Str("None")};
  }
  const bool wants_node_ports =
      spec.type == "NodePort" ||
      (spec.type == "LoadBalancer" && spec.allocate_load_balancer_node_ports.value_or(true));
  if (!wants_node_ports) return;
  // 30000-32767, automatic ones from above the static band of 86 ports.
  sim::Rng rng = tx.world.stream("apiserver.nodeport").rng(sim::hash64(owner));
  for (api::ServicePort& port : spec.ports.edit()) {
    if (port.node_port == 0) {
      do {
        port.node_port = 30086 + static_cast<int32_t>(rng.below(32768 - 30086));
      } while (node_ports_.contains(port.node_port));
    }
    node_ports_[port.node_port] = owner;
  }
}

bool Registry::charge_quota(Transaction& tx, const api::Object& o, Outcome& out) {
  std::string why;
  if (charge_quotas(tx, o, why)) return true;
  out = failure(403, "Forbidden",
                fmt::format("{} \"{}\" is forbidden: {}", resource_name(api::kind_info(o)),
                            o.metadata.name.view(), why));
  return false;
}

// ---- update --------------------------------------------------------------------------------

// The object that the request's body is a version of, checked against what the body says of it.
const api::ObjectRef* Registry::body_target(Transaction& tx, const Request& r, bool check_version,
                                            Outcome& out) const {
  Request at = r;
  at.name = r.body->metadata.name;
  at.ns = r.body->metadata.namespace_;
  const api::ObjectRef* found = target(tx, at, out);
  if (!found) return nullptr;
  const api::Object& old = **found;
  const api::ObjectMeta& sent = r.body->metadata;
  if (check_version && !sent.resource_version.empty() &&
      sent.resource_version != old.metadata.resource_version) {
    out = conflict(api::kind_info(old), sent.name, kModified);
    return nullptr;
  }
  if (!sent.uid.empty() && sent.uid != old.metadata.uid) {
    out = conflict(api::kind_info(old), sent.name,
                   fmt::format("Precondition failed: UID in precondition: {}, UID in object "
                               "meta: {}",
                               sent.uid.view(), old.metadata.uid.view()));
    return nullptr;
  }
  return found;
}

Outcome Registry::update(Transaction& tx, const Request& r) {
  Outcome out;
  const api::ObjectRef* found = body_target(tx, r, true, out);
  if (!found) return out;
  const api::Object& old = **found;
  api::Ref<api::Object> next = api::clone(*r.body);
  api::copy_status(old, *next);
  api::set_defaults(*next);
  return commit(tx, *found, next, false);
}

Outcome Registry::update_status(Transaction& tx, const Request& r) {
  Outcome out;
  const api::ObjectRef* found = body_target(tx, r, r.verb == Verb::kUpdateStatus, out);
  if (!found) return out;
  const api::Object& old = **found;
  api::Ref<api::Object> next = api::clone(old);
  api::copy_status(*r.body, *next);
  // The Deployment's status strategy keeps spec and labels only: its controller writes the
  // revision annotation together with the status (pkg/registry/apps/deployment/strategy.go).
  if (r.verb == Verb::kUpdateStatus && next->kind == api::Kind::Deployment) {
    next->metadata.annotations = r.body->metadata.annotations;
  }
  if (r.verb == Verb::kPatchStatus) merge_status(old, *next);
  return commit(tx, *found, next, true);
}

Outcome Registry::patch(Transaction& tx, const Request& r) {
  Outcome out;
  const api::ObjectRef* found = target(tx, r, out);
  if (!found) return out;
  const api::Object& old = **found;
  api::Diagnostics problems;
  api::Ref<api::Object> next;
  switch (r.patch_type) {
    case client::PatchType::kMerge:
      next = api::apply_merge_patch(old, r.patch, problems);
      break;
    case client::PatchType::kStrategicMerge:
    case client::PatchType::kApply:
      next = api::apply_strategic_merge_patch(old, r.patch, problems);
      break;
    case client::PatchType::kJson:
      next = api::apply_json_patch(old, r.patch, problems);
      break;
  }
  if (!next || !problems.ok()) {
    return failure(400, "BadRequest", problems.to_text());
  }
  const bool status_only = r.verb == Verb::kPatchStatusJson;
  if (status_only) {
    api::Ref<api::Object> merged = api::clone(old);
    api::copy_status(*next, *merged);
    next = std::move(merged);
  } else {
    api::copy_status(old, *next);
    api::set_defaults(*next);
  }
  return commit(tx, *found, next, status_only);
}

Outcome Registry::scale(Transaction& tx, const Request& r) {
  Outcome out;
  const api::ObjectRef* found = target(tx, r, out);
  if (!found) return out;
  if (r.replicas < 0) {
    return failure(422, "Invalid",
                   fmt::format("Scale.autoscaling \"{}\" is invalid: spec.replicas: Invalid value: "
                               "{}: must be greater than or equal to 0",
                               r.name.view(), r.replicas));
  }
  api::Ref<api::Object> next = api::clone(**found);
  switch (r.kind) {
    case api::Kind::Deployment:
      api::as<api::Deployment>(*next).spec.replicas = r.replicas;
      break;
    case api::Kind::ReplicaSet:
      api::as<api::ReplicaSet>(*next).spec.replicas = r.replicas;
      break;
    case api::Kind::StatefulSet:
      api::as<api::StatefulSet>(*next).spec.replicas = r.replicas;
      break;
    case api::Kind::ReplicationController:
      api::as<api::ReplicationController>(*next).spec.replicas = r.replicas;
      break;
    default:
      return failure(404, "NotFound", "the server could not find the requested resource");
  }
  return commit(tx, *found, next, false);
}

Outcome Registry::commit(Transaction& tx, const api::ObjectRef& held,
                         const api::Ref<api::Object>& next, bool status_only) {
  // The store's slot is about to change.
  const api::ObjectRef old = held;  // NOLINT(performance-unnecessary-copy-initialization)
  const api::KindInfo& info = api::kind_info(*old);
  api::ObjectMeta& meta = next->metadata;
  const api::ObjectMeta& before = old->metadata;
  meta.name = before.name;
  meta.namespace_ = before.namespace_;
  meta.uid = before.uid;
  meta.generate_name = before.generate_name;
  meta.creation_timestamp = before.creation_timestamp;
  meta.deletion_timestamp = before.deletion_timestamp;
  meta.deletion_grace_period_seconds = before.deletion_grace_period_seconds;
  meta.resource_version = before.resource_version;
  meta.generation = before.generation;
  if (!status_only) {
    if (info.tracks_generation && !equal_spec(*old, *next)) ++meta.generation;
    std::vector<api::FieldError> errors = api::validate(*next);
    for (api::FieldError& e : api::validate_update(*old, *next)) errors.push_back(std::move(e));
    if (!errors.empty()) return invalid(*next, errors);
  }
  if (api::equal(*old, *next)) return success(old);
  if (old->kind == api::Kind::Service) admit_service(tx, api::as<api::Service>(*next));
  set_version(*next, tx.store.next_version());
  if (meta.deletion_timestamp && meta.finalizers.empty() && !before.finalizers.empty() &&
      !(old->kind == api::Kind::Pod && before.deletion_grace_period_seconds.value_or(0) > 0)) {
    tx.store.erase(*old);
    tx.changes.push_back(WatchEvent{WatchType::kDeleted, next, old});
    return success(next);
  }
  tx.store.put(next);
  tx.changes.push_back(WatchEvent{WatchType::kModified, next, old});
  return success(next);
}

// ---- delete --------------------------------------------------------------------------------

void Registry::erase(Transaction& tx, const api::ObjectRef& held) {
  const api::ObjectRef old = held;
  api::Ref<api::Object> last = api::clone(*old);
  set_version(*last, tx.store.next_version());
  tx.store.erase(*old);
  if (old->kind == api::Kind::Service) {
    std::erase_if(service_ips_, [&](const auto& e) { return e.second == key_of(*old); });
    std::erase_if(node_ports_, [&](const auto& e) { return e.second == key_of(*old); });
  }
  tx.changes.push_back(WatchEvent{WatchType::kDeleted, last, old});
}

Outcome Registry::remove(Transaction& tx, const Request& r) {
  Outcome out;
  const api::ObjectRef* found = target(tx, r, out);
  return found ? delete_object(tx, *found, r) : out;
}

Outcome Registry::delete_object(Transaction& tx, const api::ObjectRef& held, const Request& r) {
  // The store's slot is about to change.
  const api::ObjectRef old = held;  // NOLINT(performance-unnecessary-copy-initialization)
  const api::ObjectMeta& before = old->metadata;
  int64_t grace = 0;
  if (old->kind == api::Kind::Pod) {
    const api::Pod& pod = api::as<api::Pod>(*old);
    grace = r.grace_period_seconds.value_or(pod.spec.termination_grace_period_seconds.value_or(30));
    if (grace < 0) grace = 1;
    if (pod.spec.node_name.empty() || api::is_terminal(pod)) grace = 0;
    // A later delete may only shorten the grace period.
    if (before.deletion_timestamp && grace > 0) {
      const int64_t current = before.deletion_grace_period_seconds.value_or(0);
      if (grace >= current) return success(old);
    }
  }
  std::vector<api::Str> finalizers(before.finalizers.begin(), before.finalizers.end());
  const auto has = [&](std::string_view f) {
    return std::find(finalizers.begin(), finalizers.end(), f) != finalizers.end();
  };
  if (r.propagation == client::Propagation::kForeground && !has("foregroundDeletion")) {
    finalizers.push_back("foregroundDeletion");
  }
  const bool orphan_by_default =
      old->kind == api::Kind::Job || old->kind == api::Kind::ReplicationController;
  if ((r.propagation == client::Propagation::kOrphan ||
       (r.propagation == client::Propagation::kDefault && orphan_by_default)) &&
      !has("orphan")) {
    finalizers.push_back("orphan");
  }
  const bool is_namespace = old->kind == api::Kind::Namespace;
  if (finalizers.empty() && grace == 0 && !is_namespace) {
    erase(tx, old);
    return success(tx.changes.back().object);
  }
  api::Ref<api::Object> next = api::clone(*old);
  api::ObjectMeta& meta = next->metadata;
  meta.finalizers = api::List<api::Str>(std::move(finalizers));
  meta.deletion_grace_period_seconds = grace;
  if (!before.deletion_timestamp || grace < before.deletion_grace_period_seconds.value_or(0)) {
    meta.deletion_timestamp = (tx.now + api::Duration::seconds(grace)).truncated_to_second();
    if (api::kind_info(*old).tracks_generation && before.generation > 0) ++meta.generation;
  }
  if (is_namespace) api::as<api::Namespace>(*next).status.phase = "Terminating";
  if (api::equal(*old, *next)) return success(old);
  set_version(*next, tx.store.next_version());
  tx.store.put(next);
  tx.changes.push_back(WatchEvent{WatchType::kModified, next, old});
  return success(next);
}

Outcome Registry::remove_collection(Transaction& tx, const Request& r) {
  const Outcome all = list(tx, r);
  for (const api::ObjectRef& o : all.objects) delete_object(tx, o, r);
  return success({});
}

Outcome Registry::finalize(Transaction& tx, const Request& r) {
  Outcome out;
  Request at = r;
  at.name = r.body->metadata.name;
  const api::ObjectRef* found = target(tx, at, out);
  if (!found) return out;
  const api::ObjectRef old = *found;
  api::Ref<api::Namespace> next = api::clone(api::as<api::Namespace>(*old));
  next->spec.finalizers = api::as<api::Namespace>(*r.body).spec.finalizers;
  if (next->metadata.deletion_timestamp && next->spec.finalizers.empty() &&
      next->metadata.finalizers.empty()) {
    erase(tx, old);
    return success(tx.changes.back().object);
  }
  return commit(tx, old, next, true);
}

// ---- pods' subresources --------------------------------------------------------------------

Outcome Registry::bind(Transaction& tx, const Request& r) {
  Outcome out;
  const api::ObjectRef* found = target(tx, r, out);
  if (!found) return out;
  const api::Pod& pod = api::as<api::Pod>(**found);
  const api::KindInfo& info = api::kind_info(pod);
  if (pod.metadata.deletion_timestamp) {
    return conflict(info, r.name,
                    fmt::format("pod {} is being deleted, cannot be assigned to a host",
                                pod.metadata.name.view()));
  }
  if (!pod.spec.node_name.empty()) {
    return conflict(info, r.name,
                    fmt::format("pod {} is already assigned to node \"{}\"",
                                pod.metadata.name.view(), pod.spec.node_name.view()));
  }
  if (!pod.spec.scheduling_gates.empty()) {
    return conflict(
        info, r.name,
        fmt::format("pod {} has non-empty .spec.schedulingGates", pod.metadata.name.view()));
  }
  api::Ref<api::Pod> next = api::clone(pod);
  next->spec.node_name = r.target;
  next->status.nominated_node_name = api::Str();
  api::PodCondition scheduled;
  scheduled.type = common_.scheduled;
  scheduled.status = common_.is_true;
  scheduled.last_transition_time = tx.now.truncated_to_second();
  api::set_pod_condition(next->status, scheduled);
  set_version(*next, tx.store.next_version());
  tx.changes.push_back(WatchEvent{WatchType::kModified, next, *found});
  tx.store.put(next);
  return success(next, 201);
}

Outcome Registry::evict(Transaction& tx, const Request& r) {
  Outcome out;
  const api::ObjectRef* found = target(tx, r, out);
  if (!found) return out;
  const api::ObjectRef pod_ref = *found;
  const api::Pod& pod = api::as<api::Pod>(*pod_ref);
  const bool free =
      api::is_terminal(pod) || pod.status.phase == "Pending" || pod.metadata.deletion_timestamp;
  api::Ref<const api::PodDisruptionBudget> budget;
  if (!free) {
    for (const api::ObjectRef& object :
         tx.store.list(api::Kind::PodDisruptionBudget, pod.metadata.namespace_)) {
      api::Ref<const api::PodDisruptionBudget> pdb = api::cast<api::PodDisruptionBudget>(object);
      if (!api::matches(pdb->spec.selector, pod.metadata.labels)) continue;
      if (budget) {
        return failure(500, "InternalError",
                       "This pod has more than one PodDisruptionBudget, which the eviction "
                       "subresource does not support.");
      }
      budget = pdb;
    }
  }
  if (budget) {
    const api::PodDisruptionBudgetStatus& status = budget->status;
    const bool ready = api::is_ready(pod);
    const bool unhealthy_free =
        !ready &&
        (budget->spec.unhealthy_pod_eviction_policy == "AlwaysAllow" ||
         (status.current_healthy >= status.desired_healthy && status.desired_healthy > 0));
    if (!unhealthy_free) {
      const std::string refuse =
          "Cannot evict pod as it would violate the pod's disruption budget.";
      if (status.observed_generation < budget->metadata.generation) {
        Outcome o = failure(429, "TooManyRequests", refuse);
        o.retry_after_seconds = 10;
        return o;
      }
      if (status.disruptions_allowed <= 0) return failure(429, "TooManyRequests", refuse);
      api::Ref<api::PodDisruptionBudget> next = api::clone(*budget);
      --next->status.disruptions_allowed;
      next->status.disrupted_pods.set(pod.metadata.name, tx.now.truncated_to_second());
      commit(tx, budget, next, true);
    }
  }
  if (!api::is_terminal(pod) && !pod.metadata.deletion_timestamp) {
    api::Ref<api::Pod> marked = api::clone(pod);
    api::PodCondition target_condition;
    target_condition.type = "DisruptionTarget";
    target_condition.status = "True";
    target_condition.reason = "EvictionByEvictionAPI";
    target_condition.message = "Eviction API: evicting";
    target_condition.last_transition_time = tx.now.truncated_to_second();
    api::set_pod_condition(marked->status, target_condition);
    commit(tx, pod_ref, marked, true);
  }
  Outcome done = delete_object(tx, *tx.store.find(r.kind, r.ns, r.name), r);
  if (done.ok()) done.code = 201;
  return done;
}

}  // namespace mainspring::apiserver

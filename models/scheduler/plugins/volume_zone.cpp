#include "models/scheduler/plugins/volume_zone.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "models/api/types/storage.h"
#include "models/scheduler/in_tree_volumes.h"
#include "models/scheduler/volumes.h"

namespace mainspring::scheduler {

namespace {
constexpr uint8_t kClassHint = 0;
constexpr uint8_t kClaimHint = 1;
constexpr uint8_t kVolumeHint = 2;

constexpr std::string_view kBetaZone = "failure-domain.beta.kubernetes.io/zone";
constexpr std::string_view kBetaRegion = "failure-domain.beta.kubernetes.io/region";
constexpr std::string_view kZone = "topology.kubernetes.io/zone";
constexpr std::string_view kRegion = "topology.kubernetes.io/region";
constexpr std::array<std::string_view, 4> kLabels = {kBetaZone, kBetaRegion, kZone, kRegion};
constexpr std::string_view kNoClass = "PersistentVolumeClaim had no pv name and storageClass name";
constexpr std::string_view kNamelessVolume = "PersistentVolume had no name";

struct Topology {
  std::string_view key;
  std::vector<std::string> values;
  friend bool operator==(const Topology&, const Topology&) = default;
};

// The zones or regions that each of the volume's labels names; a label with an empty one is passed
// over.
void add_topologies(const api::PersistentVolume& volume, std::vector<Topology>* out) {
  for (const std::string_view key : kLabels) {
    const api::Str* label = volume.metadata.labels.find(key);
    if (!label) continue;
    const std::set<std::string> values = zones_of(label->view());
    if (!values.contains("")) out->push_back({key, {values.begin(), values.end()}});
  }
}

std::string_view modern(std::string_view key) {
  if (key == kBetaZone) return kZone;
  return key == kBetaRegion ? kRegion : key;
}

// Ephemeral volumes are not looked at.
bool names_claim(const PodInfo& pod, const api::ObjectMeta& claim) {
  const auto& volumes = pod.pod->spec.volumes;
  return pod.ns() == claim.namespace_ &&
         std::any_of(volumes.begin(), volumes.end(), [&](const api::Volume& v) {
           return v.persistent_volume_claim && v.persistent_volume_claim->claim_name == claim.name;
         });
}
}  // namespace

struct VolumeZone::Data final : CycleDataOf<Data> {
  std::vector<Topology> topologies;
};

namespace {
// Those of the volumes that the pod's claims are bound to.
Status find_topologies(const client::ControlContext& ctx, const PodInfo& pod,
                       std::vector<Topology>* out) {
  for (const api::Volume& v : pod.pod->spec.volumes) {
    if (!v.persistent_volume_claim) continue;
    const api::Str& name = v.persistent_volume_claim->claim_name;
    if (name.empty()) return Status::unresolvable(kNamelessClaim);
    const auto* claim =
        ctx.cache(api::Kind::PersistentVolumeClaim).get<api::PersistentVolumeClaim>(pod.ns(), name);
    if (!claim) return Status::unresolvable(not_found("persistentvolumeclaim", name));
    const api::Str& volume_name = claim->spec.volume_name;
    if (volume_name.empty()) {
      const api::Str class_name = api::class_of(*claim);
      if (class_name.empty()) {
        return Status::unresolvable(kNoClass);
      }
      const auto* c = ctx.cache(api::Kind::StorageClass).get<api::StorageClass>("", class_name);
      if (!c) {
        return Status::unresolvable(not_found("storageclass.storage.k8s.io", class_name));
      }
      if (c->volume_binding_mode.empty()) {
        return Status::unresolvable(
            fmt::format("VolumeBindingMode not set for StorageClass \"{}\"", class_name.view()));
      }
      if (c->volume_binding_mode == "WaitForFirstConsumer") continue;
      return Status::unresolvable(kNamelessVolume);
    }
    const auto* volume =
        ctx.cache(api::Kind::PersistentVolume).get<api::PersistentVolume>("", volume_name);
    if (!volume) return Status::unresolvable(not_found("persistentvolume", volume_name));
    add_topologies(*volume, out);
  }
  return {};
}
}  // namespace

Status VolumeZone::pre_filter(Cycle& cycle, std::optional<std::vector<api::Str>>*) {
  if (!cycle.info().has_claims) return Status::skip();
  std::vector<Topology> found;
  Status s = find_topologies(cycle.ctx, cycle.info(), &found);
  if (!s.ok()) return s;
  if (found.empty()) return Status::skip();
  cycle.state->write<Data>(id()).topologies = std::move(found);
  return {};
}

Status VolumeZone::filter(const Cycle& cycle, const NodeInfo& node) const {
  const Data* d = cycle.state->find<Data>(id());
  std::vector<Topology> found;
  if (!d) {
    Status s = find_topologies(cycle.ctx, cycle.info(), &found);
    if (!s.ok()) return s;
  }
  const api::StrMap& labels = node.node->metadata.labels;
  const bool zoned = std::any_of(kLabels.begin(), kLabels.end(),
                                 [&](std::string_view k) { return labels.contains(k); });
  if (!zoned) return {};
  for (const Topology& t : d ? d->topologies : found) {
    const api::Str* value = labels.find(t.key);
    if (!value) value = labels.find(modern(t.key));
    if (!value || !std::binary_search(t.values.begin(), t.values.end(), value->view())) {
      return Status::unresolvable(reason_);
    }
  }
  return {};
}

std::vector<EventRegistration> VolumeZone::events() const {
  return {{{Resource::kStorageClass, kAdd}, kClassHint},
          {{Resource::kNode, kAdd | kUpdateNodeLabel}, EventRegistration::kAlways},
          {{Resource::kPersistentVolumeClaim, kAdd | kUpdate}, kClaimHint},
          {{Resource::kPersistentVolume, kAdd | kUpdate}, kVolumeHint}};
}

bool VolumeZone::hint(uint8_t hint, const client::ControlContext&, const ClusterCache&,
                      const PodInfo& pod, const EventObjects& objects) const {
  const api::Object& now = *objects.new_object;
  if (hint == kClassHint) {
    return api::as<api::StorageClass>(now).volume_binding_mode == "WaitForFirstConsumer";
  }
  if (hint == kClaimHint) return names_claim(pod, now.metadata);
  if (!objects.old_object) return true;
  std::vector<Topology> was;
  std::vector<Topology> is;
  add_topologies(api::as<api::PersistentVolume>(*objects.old_object), &was);
  add_topologies(api::as<api::PersistentVolume>(now), &is);
  return was != is;
}

}  // namespace mainspring::scheduler

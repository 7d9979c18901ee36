#include "models/api/volume_helpers.h"

namespace mainspring::api {

namespace {
constexpr std::string_view kBetaClass = "volume.beta.kubernetes.io/storage-class";

Str class_of(const ObjectMeta& meta, const Str& field) {
  const Str* beta = meta.annotations.find(kBetaClass);
  return beta ? *beta : field;
}

std::string_view mode_of(const Str& mode) {
  return mode.empty() ? std::string_view("Filesystem") : mode.view();
}
}  // namespace

std::optional<std::string> claim_of(const Pod& pod, const Volume& volume) {
  if (volume.persistent_volume_claim) return volume.persistent_volume_claim->claim_name.str();
  if (volume.ephemeral) return pod.metadata.name.str() + "-" + volume.name.str();
  return std::nullopt;
}

Str class_of(const PersistentVolumeClaim& claim) {
  return class_of(claim.metadata, claim.spec.storage_class_name.value_or(Str()));
}
Str class_of(const PersistentVolume& volume) {
  return class_of(volume.metadata, volume.spec.storage_class_name);
}

bool is_fully_bound(const PersistentVolumeClaim& claim) {
  return !claim.spec.volume_name.empty() && claim.metadata.annotations.contains(kBindCompleted);
}

bool is_bound_to(const PersistentVolume& volume, const PersistentVolumeClaim& claim) {
  if (!volume.spec.claim_ref) return false;
  const ObjectReference& ref = *volume.spec.claim_ref;
  return ref.name == claim.metadata.name && ref.namespace_ == claim.metadata.namespace_ &&
         (ref.uid.empty() || ref.uid == claim.metadata.uid);
}

bool bind_to(PersistentVolume& volume, const PersistentVolumeClaim& claim) {
  const bool bound = is_bound_to(volume, claim);
  bool changed = false;
  if (!bound || volume.spec.claim_ref->uid != claim.metadata.uid) {
    ObjectReference ref;
    ref.kind = "PersistentVolumeClaim";
    ref.api_version = "v1";
    ref.namespace_ = claim.metadata.namespace_;
    ref.name = claim.metadata.name;
    ref.uid = claim.metadata.uid;
    ref.resource_version = claim.metadata.resource_version;
    volume.spec.claim_ref = ref;
    changed = true;
  }
  if (!bound && !volume.metadata.annotations.contains(kBoundByController)) {
    volume.metadata.annotations.set(kBoundByController, "yes");
    changed = true;
  }
  return changed;
}

Quantity storage_of(const Map<Quantity>& amounts) {
  const Quantity* q = amounts.find("storage");
  return q ? *q : Quantity();
}

bool suits(const PersistentVolume& volume, const PersistentVolumeClaim& claim) {
  const auto& attributes = claim.spec.volume_attributes_class_name;
  return storage_of(volume.spec.capacity) >= storage_of(claim.spec.resources.requests) &&
         mode_of(volume.spec.volume_mode) == mode_of(claim.spec.volume_mode) &&
         volume.spec.volume_attributes_class_name == attributes.value_or(Str()) &&
         !volume.metadata.deletion_timestamp;
}

}  // namespace mainspring::api

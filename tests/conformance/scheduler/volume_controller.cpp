#include "tests/conformance/scheduler/volume_controller.h"

#include <utility>

#include "models/api/node_affinity.h"
#include "models/api/volume_helpers.h"

namespace mainspring::conformance {

void VolumeController::written(const api::ObjectRef& object) const {
  if (object->kind == api::Kind::PersistentVolume) {
    bind_claim(api::as<api::PersistentVolume>(*object));
  } else {
    provision(api::as<api::PersistentVolumeClaim>(*object));
  }
}

void VolumeController::bind_claim(const api::PersistentVolume& volume) const {
  const api::ObjectReference& ref = *volume.spec.claim_ref;
  const auto* claim = ctx_.cache(api::Kind::PersistentVolumeClaim)
                          .get<api::PersistentVolumeClaim>(ref.namespace_, ref.name);
  if (!claim) return;
  api::Ref<api::PersistentVolumeClaim> bound = api::clone(*claim);
  if (volume.status.phase != "Bound") {
    api::Ref<api::PersistentVolume> v = api::clone(volume);
    v->status.phase = "Bound";
    put_(std::move(v));
  }
  bound->spec.volume_name = volume.metadata.name;
  bound->metadata.annotations.set(api::kBindCompleted, "yes");
  bound->status.phase = "Bound";
  put_(std::move(bound));
}

void VolumeController::provision(const api::PersistentVolumeClaim& claim) const {
  const auto* storage_class =
      ctx_.cache(api::Kind::StorageClass).get<api::StorageClass>("", api::class_of(claim));
  if (!storage_class || storage_class->provisioner == "slow.example.com") return;
  if (storage_class->provisioner == "failing.example.com") {
    api::Ref<api::PersistentVolumeClaim> c = api::clone(claim);
    c->metadata.annotations.erase(api::kSelectedNode);
    put_(std::move(c));
    return;
  }
  const api::Str name("pvc-" + claim.metadata.namespace_.str() + "-" + claim.metadata.name.str());
  api::Ref<api::PersistentVolume> v = api::make<api::PersistentVolume>();
  v->metadata.name = name;
  v->spec.capacity = claim.spec.resources.requests;
  v->spec.access_modes = claim.spec.access_modes;
  v->spec.volume_mode = claim.spec.volume_mode;
  v->spec.storage_class_name = storage_class->metadata.name;
  api::CSIPersistentVolumeSource source;
  source.driver = storage_class->provisioner;
  source.volume_handle = name;
  v->spec.csi = source;
  if (storage_class->provisioner == "far.example.com") {
    api::NodeSelectorTerm term;
    term.match_expressions = {api::requirement_in("kubernetes.io/hostname", {"elsewhere"})};
    api::VolumeNodeAffinity affinity;
    affinity.required = api::selector_of(term);
    v->spec.node_affinity = affinity;
  }
  api::bind_to(*v, claim);
  v->status.phase = "Bound";
  const api::Ref<api::PersistentVolume> made = v;
  put_(std::move(v));
  bind_claim(*made);
}

}  // namespace mainspring::conformance

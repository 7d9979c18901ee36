#include "models/controllers/ephemeral_volume_controller.h"

#include <fmt/format.h>

#include <algorithm>

#include "models/api/volume_helpers.h"
#include "models/controllers/script.h"
#include "models/controllers/util.h"

namespace mainspring::controllers {

namespace {

class EphemeralVolumeController final : public client::Reconciler {
 public:
  std::string_view name() const override { return "ephemeral-volume-controller"; }
  std::unique_ptr<client::Reconciler> clone() const override {
    return std::make_unique<EphemeralVolumeController>(*this);
  }
  std::vector<client::WatchSpec> watches() const override {
    return {{api::Kind::Pod, {}}, {api::Kind::PersistentVolumeClaim, {}}};
  }
  int32_t workers() const override { return 5; }  // --concurrent-ephemeralvolume-syncs

  void observe(ReconcileContext& ctx, const WatchEvent& event) override {
    const api::Object& o = *event.object;
    if (o.kind == api::Kind::Pod) {
      const auto& volumes = api::as<api::Pod>(o).spec.volumes;
      const bool any = std::any_of(volumes.begin(), volumes.end(),
                                   [](const api::Volume& v) { return v.ephemeral.has_value(); });
      if (any && event.type == WatchType::kAdded) ctx.queue().add(key_of(o));
    } else if (event.type == WatchType::kDeleted) {
      const api::OwnerReference* owner = controller_of_kind(o, "Pod");
      if (owner) ctx.queue().add(make_key(o.metadata.namespace_, owner->name));
    }
  }

  Plan sync(ReconcileContext& ctx, const Key& key) override {
    const auto [ns, name] = split_key(key);
    const auto* pod = ctx.cache(api::Kind::Pod).get<api::Pod>(ns, name);
    Plan plan;
    if (!pod || !api::is_active(*pod)) return plan;
    for (const api::Volume& v : pod->spec.volumes) {
      if (!v.ephemeral || !v.ephemeral->volume_claim_template) continue;
      const std::string claim_name = *api::claim_of(*pod, v);
      const auto* known = ctx.cache(api::Kind::PersistentVolumeClaim)
                              .get<api::PersistentVolumeClaim>(ns, claim_name);
      if (known) {
        const api::OwnerReference* owner = api::controller_of(*known);
        if (owner && owner->uid == pod->metadata.uid) continue;
        return Plan::retry(fmt::format("PVC {}/{} was not created for pod {}/{} (pod is not owner)",
                                       ns, claim_name, ns, name));
      }
      const api::PersistentVolumeClaimTemplate& t = *v.ephemeral->volume_claim_template;
      api::Ref<api::PersistentVolumeClaim> claim = api::make<api::PersistentVolumeClaim>();
      claim->metadata.name = claim_name;
      claim->metadata.namespace_ = ns;
      claim->metadata.labels = t.metadata.labels;
      claim->metadata.annotations = t.metadata.annotations;
      claim->metadata.owner_references = {api::make_controller_reference(*pod)};
      claim->spec = t.spec;
      plan.write(create_request(claim));
    }
    return plan;
  }
};

}  // namespace

std::unique_ptr<client::Reconciler> make_ephemeral_volume_controller() {
  return std::make_unique<EphemeralVolumeController>();
}

}  // namespace mainspring::controllers

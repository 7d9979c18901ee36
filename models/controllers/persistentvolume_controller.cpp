#include "models/controllers/persistentvolume_controller.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "models/api/node_affinity.h"
#include "models/api/types/storage.h"
#include "models/api/volume_helpers.h"
#include "models/controllers/script.h"
#include "models/controllers/util.h"

namespace mainspring::controllers {

namespace {

using api::PersistentVolume;
using api::PersistentVolumeClaim;
using api::Str;
using Claim = api::Ref<const PersistentVolumeClaim>;
using Volume = api::Ref<const PersistentVolume>;

constexpr std::string_view kProvisioner = "volume.kubernetes.io/storage-provisioner";
constexpr std::string_view kBetaProvisioner = "volume.beta.kubernetes.io/storage-provisioner";
constexpr std::string_view kProvisionedBy = "pv.kubernetes.io/provisioned-by";

// What a sync does, decided from the caches when it begins.
struct Inputs final : client::SyncState {
  enum class Act : uint8_t {
    kNothing,
    kBind,         // claim and volume to each other
    kAsk,          // for a volume for the claim
    kCreate,       // `made`, which was asked for
    kClaimPhase,   // the claim's phase becomes `phase`
    kVolumePhase,  // the volume's
    kUnbind,       // the volume is free again
    kReclaim,      // the volume's claim is gone
  };
  Act act = Act::kNothing;
  Claim claim;
  Volume volume;
  Volume made;
  Str phase;
  Str provisioner;
  // An event about the claim.
  std::string_view event_type = kNormal;
  std::string_view reason;
  std::string message;
};

// FindMatchingVolume of component-helpers as the controller calls it: without a node. Unbound
// volumes are left to the scheduler where the claim waits for a consumer.
Volume best_match(const client::Cache& volumes, const PersistentVolumeClaim& claim, bool waits) {
  Volume best;
  for (const api::ObjectRef& ref : volumes.list()) {
    Volume v = api::cast<PersistentVolume>(ref);
    const bool bound = api::is_bound_to(*v, claim);
    if ((v->spec.claim_ref && !bound) || !api::suits(*v, claim)) continue;
    if (bound) return v;
    const auto has_mode = [&](const Str& mode) {
      const auto& modes = v->spec.access_modes;
      return std::find(modes.begin(), modes.end(), mode) != modes.end();
    };
    if (waits || v->status.phase != "Available" || api::class_of(*v) != api::class_of(claim) ||
        !std::all_of(claim.spec.access_modes.begin(), claim.spec.access_modes.end(), has_mode) ||
        (claim.spec.selector && !matches(*claim.spec.selector, v->metadata.labels))) {
      continue;
    }
    const auto rank = [](const PersistentVolume& x) {
      return std::pair(api::storage_of(x.spec.capacity), x.metadata.name);
    };
    if (!best || rank(*v) < rank(*best)) best = v;
  }
  return best;
}

class PersistentVolumeController final : public client::Reconciler {
 public:
  explicit PersistentVolumeController(PersistentVolumeOptions options) : options_(options) {}

  std::string_view name() const override { return "persistentvolume-controller"; }
  std::unique_ptr<client::Reconciler> clone() const override {
    return std::make_unique<PersistentVolumeController>(*this);
  }
  std::vector<client::WatchSpec> watches() const override {
    return {{api::Kind::PersistentVolume, {}},
            {api::Kind::PersistentVolumeClaim, {}},
            {api::Kind::StorageClass, {}},
            {api::Kind::CSINode, {}},
            {api::Kind::Node, {}}};
  }
  int32_t workers() const override { return 1; }

  void observe(ReconcileContext& ctx, const WatchEvent& event) override;
  Plan sync(ReconcileContext& ctx, const Key& key) override;
  Plan resume(ReconcileContext& ctx, const Key&, uint32_t, const client::SyncState* log,
              const client::PlanResult& result) override {
    return run(Script(ctx, log, result));
  }

 private:
  api::Ref<Inputs> look_at_claim(ReconcileContext& ctx, const Key& key);
  api::Ref<Inputs> look_at_volume(ReconcileContext& ctx, const Key& key);
  void provision(ReconcileContext& ctx, const Key& key, Inputs* in);
  api::Ref<PersistentVolume> made_for(ReconcileContext& ctx, const PersistentVolumeClaim& claim,
                                      const api::StorageClass& c) const;
  Plan run(Script script);
  static Error bind(Script& script, Volume volume, Claim claim);

  PersistentVolumeOptions options_;
  std::map<Str, api::Time> asked_;  // by uid of the claim: when its volume was asked for
};

// Claims are keys as they are, volumes with a leading "/".
Key volume_key(std::string_view name) { return Key("/" + std::string(name)); }

void PersistentVolumeController::observe(ReconcileContext& ctx, const WatchEvent& event) {
  const api::Object& o = *event.object;
  if (o.kind == api::Kind::PersistentVolumeClaim) {
    ctx.queue().add(key_of(o));
    const Str& bound = api::as<PersistentVolumeClaim>(o).spec.volume_name;
    if (event.type == WatchType::kDeleted) {
      asked_.erase(o.metadata.uid);
      if (!bound.empty()) ctx.queue().add(volume_key(bound));
    }
  } else if (o.kind == api::Kind::PersistentVolume) {
    ctx.queue().add(volume_key(o.metadata.name));
    const auto& ref = api::as<PersistentVolume>(o).spec.claim_ref;
    if (ref) ctx.queue().add(make_key(ref->namespace_, ref->name));
    if (ref || event.type == WatchType::kDeleted) return;
    // Kubernetes looks at waiting claims every 15 s; here a volume that is free wakes them.
    for (const api::ObjectRef& c : ctx.cache(api::Kind::PersistentVolumeClaim).list()) {
      if (!api::is_fully_bound(api::as<PersistentVolumeClaim>(c))) ctx.queue().add(key_of(*c));
    }
  } else if (o.kind == api::Kind::StorageClass && event.type == WatchType::kAdded) {
    for (const api::ObjectRef& c : ctx.cache(api::Kind::PersistentVolumeClaim).list()) {
      if (api::class_of(api::as<PersistentVolumeClaim>(c)) == o.metadata.name) {
        ctx.queue().add(key_of(*c));
      }
    }
  }
}

Plan PersistentVolumeController::sync(ReconcileContext& ctx, const Key& key) {
  const bool volume = std::string_view(key).starts_with('/');
  const api::Ref<Inputs> in = volume ? look_at_volume(ctx, key) : look_at_claim(ctx, key);
  if (!in) return Plan::done();
  return run(Script(ctx, in));
}

api::Ref<Inputs> PersistentVolumeController::look_at_claim(ReconcileContext& ctx, const Key& key) {
  const auto [ns, name] = split_key(key);
  const client::Cache& volumes = ctx.cache(api::Kind::PersistentVolume);
  api::Ref<Inputs> in(new Inputs());
  in->claim = ctx.cache(api::Kind::PersistentVolumeClaim).get_ref<PersistentVolumeClaim>(ns, name);
  if (!in->claim) return {};
  const PersistentVolumeClaim& claim = *in->claim;
  const auto lost = [&](std::string_view reason, std::string_view message) {
    if (claim.status.phase == "Lost") return in;
    in->act = Inputs::Act::kClaimPhase;
    in->phase = "Lost";
    in->event_type = kWarning;
    in->reason = reason;
    in->message = message;
    return in;
  };
  in->volume = volumes.get_ref<PersistentVolume>("", claim.spec.volume_name);
  const auto* ref =
      in->volume && in->volume->spec.claim_ref ? &*in->volume->spec.claim_ref : nullptr;
  if (claim.metadata.annotations.contains(api::kBindCompleted)) {
    if (claim.spec.volume_name.empty()) {
      return lost("ClaimLost",
                  "Bound claim has lost reference to PersistentVolume. Data on the volume is "
                  "lost!");
    }
    if (!in->volume) {
      return lost("ClaimLost",
                  "Bound claim has lost its PersistentVolume. Data on the volume is lost!");
    }
    if (ref && ref->uid != claim.metadata.uid) {
      return lost("ClaimMisbound",
                  "Two claims are bound to the same volume, this one is bound incorrectly");
    }
    in->act = Inputs::Act::kBind;
    return in;
  }
  if (!claim.spec.volume_name.empty()) {
    // A certain volume is asked for.
    const bool free = in->volume && !ref && api::suits(*in->volume, claim) &&
                      api::class_of(*in->volume) == api::class_of(claim);
    if (free || (in->volume && api::is_bound_to(*in->volume, claim))) {
      in->act = Inputs::Act::kBind;
    }
    return in;
  }
  const Str class_name = api::class_of(claim);
  const auto* c = ctx.cache(api::Kind::StorageClass).get<api::StorageClass>("", class_name);
  const bool waits = c && c->volume_binding_mode == "WaitForFirstConsumer";
  in->volume = best_match(volumes, claim, waits);
  if (in->volume) {
    in->act = Inputs::Act::kBind;
  } else if (waits && !claim.metadata.annotations.contains(api::kSelectedNode)) {
    in->reason = "WaitForFirstConsumer";
    in->message = "waiting for first consumer to be created before binding";
  } else if (class_name.empty()) {
    in->reason = "FailedBinding";
    in->message = "no persistent volumes available for this claim and no storage class is set";
  } else {
    provision(ctx, key, in.get());
  }
  return in;
}

void PersistentVolumeController::provision(ReconcileContext& ctx, const Key& key, Inputs* in) {
  const PersistentVolumeClaim& claim = *in->claim;
  const Str class_name = api::class_of(claim);
  const auto* c = ctx.cache(api::Kind::StorageClass).get<api::StorageClass>("", class_name);
  if (!c || c->provisioner == api::kNoProvisioner) {
    in->event_type = kWarning;
    in->reason = "ProvisioningFailed";
    in->message =
        c ? fmt::format("no volume plugin matched name: {}", c->provisioner.view())
          : fmt::format("storageclass.storage.k8s.io \"{}\" not found", class_name.view());
    return;
  }
  if (!claim.metadata.annotations.contains(kProvisioner)) {
    in->act = Inputs::Act::kAsk;
    in->provisioner = c->provisioner;
    in->reason = "ExternalProvisioning";
    in->message = fmt::format(
        "Waiting for a volume to be created either by the external provisioner '{}' or manually by "
        "the system administrator. If volume creation is delayed, please verify that the "
        "provisioner is running and correctly registered.",
        c->provisioner.view());
    return;
  }
  // The driver's part.
  const api::Time ready =
      asked_.try_emplace(claim.metadata.uid, ctx.now()).first->second + options_.provision_delay;
  if (ctx.now() < ready) return ctx.enqueue_after(key, ready - ctx.now());
  in->made = made_for(ctx, claim, *c);
  if (ctx.cache(api::Kind::PersistentVolume).find("", in->made->metadata.name)) return;
  in->act = Inputs::Act::kCreate;
  in->reason = "ProvisioningSucceeded";
  in->message = fmt::format("Successfully provisioned volume {}", in->made->metadata.name.view());
}

api::Ref<PersistentVolume> PersistentVolumeController::made_for(ReconcileContext& ctx,
                                                                const PersistentVolumeClaim& claim,
                                                                const api::StorageClass& c) const {
  api::Ref<PersistentVolume> v = api::make<PersistentVolume>();
  v->metadata.name = "pvc-" + claim.metadata.uid.str();
  v->metadata.annotations.set(kProvisionedBy, c.provisioner);
  v->spec.capacity.set("storage", api::storage_of(claim.spec.resources.requests));
  v->spec.access_modes = claim.spec.access_modes;
  v->spec.persistent_volume_reclaim_policy = c.reclaim_policy;
  v->spec.storage_class_name = c.metadata.name;
  v->spec.volume_mode = claim.spec.volume_mode;
  v->spec.mount_options = c.mount_options;
  api::bind_to(*v, claim);
  v->metadata.annotations.erase(api::kBoundByController);
  api::CSIPersistentVolumeSource source;
  source.driver = c.provisioner;
  source.volume_handle = v->metadata.name;
  v->spec.csi = source;

  // Where the driver says that nodes differ, the volume is where the selected node is.
  const Str* selected = claim.metadata.annotations.find(api::kSelectedNode);
  const auto* node = selected ? ctx.cache(api::Kind::Node).get<api::Node>("", *selected) : nullptr;
  const auto* csi_node =
      selected ? ctx.cache(api::Kind::CSINode).get<api::CSINode>("", *selected) : nullptr;
  if (!node || !csi_node) return v;
  api::NodeSelectorTerm term;
  for (const api::CSINodeDriver& d : csi_node->spec.drivers) {
    if (d.name != c.provisioner) continue;
    for (const Str& key : d.topology_keys) {
      const Str* value = node->metadata.labels.find(key);
      if (value) term.match_expressions.push_back(api::requirement_in(key, {*value}));
    }
  }
  if (term.match_expressions.empty()) return v;
  api::VolumeNodeAffinity affinity;
  affinity.required = api::selector_of(term);
  v->spec.node_affinity = affinity;
  return v;
}

api::Ref<Inputs> PersistentVolumeController::look_at_volume(ReconcileContext& ctx, const Key& key) {
  api::Ref<Inputs> in(new Inputs());
  in->volume = ctx.cache(api::Kind::PersistentVolume)
                   .get_ref<PersistentVolume>("", std::string_view(key).substr(1));
  if (!in->volume || in->volume->metadata.deletion_timestamp) return {};
  const PersistentVolume& volume = *in->volume;
  const auto phase = [&](std::string_view wanted) {
    if (volume.status.phase == wanted) return in;
    in->act = Inputs::Act::kVolumePhase;
    in->phase = wanted;
    return in;
  };
  if (!volume.spec.claim_ref || volume.spec.claim_ref->uid.empty()) return phase("Available");
  const api::ObjectReference& ref = *volume.spec.claim_ref;
  in->claim = ctx.cache(api::Kind::PersistentVolumeClaim)
                  .get_ref<PersistentVolumeClaim>(ref.namespace_, ref.name);
  if (!in->claim || in->claim->metadata.uid != ref.uid) {
    in->act = Inputs::Act::kReclaim;
    return in;
  }
  if (in->claim->spec.volume_name == volume.metadata.name) return phase("Bound");
  if (in->claim->spec.volume_name.empty()) {
    ctx.queue().add(make_key(ref.namespace_, ref.name));
    return in;
  }
  // The claim went to another volume.
  const bool dynamic = volume.metadata.annotations.contains(kProvisionedBy);
  const bool deleted = volume.spec.persistent_volume_reclaim_policy == "Delete";
  in->act = dynamic && deleted ? Inputs::Act::kReclaim : Inputs::Act::kUnbind;
  return in;
}

Error PersistentVolumeController::bind(Script& script, Volume volume, Claim claim) {
  const Outcome* answer = nullptr;
  api::Ref<PersistentVolume> v = api::clone(*volume);
  if (api::bind_to(*v, *claim)) {
    if (Error e = script.must(update_request(v), &answer)) return e;
    volume = api::cast<PersistentVolume>(answer->object);
  }
  if (volume->status.phase != "Bound") {
    v = api::clone(*volume);
    v->status.phase = "Bound";
    if (Error e = script.must(update_status_request(v))) return e;
  }
  api::Ref<PersistentVolumeClaim> c = api::clone(*claim);
  const bool named = claim->spec.volume_name == volume->metadata.name;
  if (!named) {
    c->spec.volume_name = volume->metadata.name;
    c->metadata.annotations.set(api::kBoundByController, "yes");
  }
  if (!named || !claim->metadata.annotations.contains(api::kBindCompleted)) {
    c->metadata.annotations.set(api::kBindCompleted, "yes");
    if (Error e = script.must(update_request(c), &answer)) return e;
    claim = api::cast<PersistentVolumeClaim>(answer->object);
  }
  if (claim->status.phase == "Bound" && claim->status.access_modes == volume->spec.access_modes) {
    return {};
  }
  c = api::clone(*claim);
  c->status.phase = "Bound";
  c->status.access_modes = volume->spec.access_modes;
  c->status.capacity = volume->spec.capacity;
  return script.must(update_status_request(c));
}

Plan PersistentVolumeController::run(Script script) {
  const Inputs& in = script.inputs<Inputs>();
  const auto work = [&]() -> Error {
    switch (in.act) {
      case Inputs::Act::kNothing:
        return {};
      case Inputs::Act::kBind:
        return bind(script, in.volume, in.claim);
      case Inputs::Act::kAsk: {
        api::Ref<PersistentVolumeClaim> c = api::clone(*in.claim);
        c->metadata.annotations.set(kBetaProvisioner, in.provisioner);
        c->metadata.annotations.set(kProvisioner, in.provisioner);
        return script.must(update_request(c));
      }
      case Inputs::Act::kCreate:
        return script.must(create_request(in.made));
      case Inputs::Act::kClaimPhase: {
        api::Ref<PersistentVolumeClaim> c = api::clone(*in.claim);
        c->status.phase = in.phase;
        return script.must(update_status_request(c));
      }
      case Inputs::Act::kVolumePhase: {
        api::Ref<PersistentVolume> v = api::clone(*in.volume);
        v->status.phase = in.phase;
        return script.must(update_status_request(v));
      }
      case Inputs::Act::kUnbind: {
        api::Ref<PersistentVolume> v = api::clone(*in.volume);
        if (v->metadata.annotations.contains(api::kBoundByController)) {
          v->metadata.annotations.erase(api::kBoundByController);
          v->spec.claim_ref.reset();
        } else {
          v->spec.claim_ref.edit().uid = Str();
        }
        return script.must(update_request(v));
      }
      case Inputs::Act::kReclaim: {
        if (in.volume->status.phase != "Released" && in.volume->status.phase != "Failed") {
          api::Ref<PersistentVolume> v = api::clone(*in.volume);
          v->status.phase = "Released";
          if (Error e = script.must(update_status_request(v))) return e;
        }
        if (in.volume->spec.persistent_volume_reclaim_policy != "Delete") return {};
        return script.must(delete_request(*in.volume));
      }
    }
    return {};
  };
  const Error e = work();
  if (e.is_pending()) return script.next_plan();
  if (e) return Plan::retry(e.message());
  if (!in.reason.empty() && in.claim) {
    script.event(*in.claim, in.event_type, in.reason, in.message);
  }
  return Plan::done();
}

}  // namespace

std::unique_ptr<client::Reconciler> make_persistentvolume_controller(
    PersistentVolumeOptions options) {
  return std::make_unique<PersistentVolumeController>(options);
}

}  // namespace mainspring::controllers

#include "models/controllers/resourceclaim_controller.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>
#include <set>

#include "models/api/claim_helpers.h"
#include "models/api/types/resource.h"
#include "models/controllers/script.h"
#include "models/controllers/util.h"

namespace mainspring::controllers {

namespace {

using api::Pod;
using api::ResourceClaim;
using api::Str;
using ClaimRef = api::Ref<const ResourceClaim>;

// controller.go and resource.k8s.io/v1
constexpr std::string_view kPodClaimAnnotation = "resource.kubernetes.io/pod-claim-name";
constexpr size_t kMaxDeletedPods = 500;
constexpr size_t kMaxBaseLength = 57;  // of a generated name, before five random letters

// Keys: "pod:NAMESPACE/NAME" and "claim:NAMESPACE/NAME".
constexpr std::string_view kPodKey = "pod:";
constexpr std::string_view kClaimKey = "claim:";

Key key(std::string_view prefix, std::string_view ns, std::string_view name) {
  return Str(std::string(prefix) + make_key(ns, name).str());
}

bool lacks_reservation(const ResourceClaim& claim, const Pod& pod) {
  return claim.status.allocation && !api::is_reserved_for(claim, pod);
}

// Ended, or deleted before it had a node.
bool is_done(const Pod& pod) {
  return api::is_terminal(pod) || (pod.metadata.deletion_timestamp && pod.spec.node_name.empty());
}

ClaimRef unprotected(const ResourceClaim& claim) {
  api::Ref<ResourceClaim> c = api::clone(claim);
  auto& list = c->metadata.finalizers.edit();
  list.erase(std::find(list.begin(), list.end(), api::kClaimFinalizer));
  return ClaimRef(c);
}

// "pod-entry-", both cut in proportion if that is too long.
std::string base_name(const Pod& pod, const api::PodResourceClaim& entry) {
  const std::string_view pod_name = pod.metadata.name.view();
  const std::string_view name = entry.name.view();
  std::string base = fmt::format("{}-{}-", pod_name, name);
  if (base.size() <= kMaxBaseLength) return base;
  const size_t size = base.size();
  const std::string_view cut = pod_name.substr(0, pod_name.size() * kMaxBaseLength / size);
  base = fmt::format("{}-{}", cut, name.substr(0, name.size() * kMaxBaseLength / size));
  return base;
}

// What a sync of a pod works on.
struct PodInputs final : client::SyncState {
  struct Entry {
    const api::PodResourceClaim* entry = nullptr;
    ClaimRef named;  // by the pod
    ClaimRef made;   // for the entry, whatever the pod's status says
    bool settled = false;
    api::Ref<const api::ResourceClaimTemplate> claim_template;
  };
  api::Ref<const Pod> pod;
  std::vector<Entry> entries;
};

// What a sync of a claim works on.
struct ClaimInputs final : client::SyncState {
  ClaimRef claim;
  // Of each reservation: whether it holds; nothing where only the API server knows.
  std::vector<std::optional<bool>> holds;
  api::Ref<const Pod> owner;
  Str owner_uid;
};

class ResourceClaimController final : public client::Reconciler {
 public:
  std::string_view name() const override { return "resource_claim"; }
  std::unique_ptr<client::Reconciler> clone() const override {
    return std::make_unique<ResourceClaimController>(*this);
  }
  std::vector<client::WatchSpec> watches() const override {
    return {{api::Kind::Pod, {}},
            {api::Kind::ResourceClaim, {client::IndexBy::kControllerUid}},
            {api::Kind::ResourceClaimTemplate, {}}};
  }
  int32_t workers() const override { return 50; }  // defaultResourceClaimControllerWorkers

  void observe(ReconcileContext& ctx, const WatchEvent& event) override {
    if (event.object->kind == api::Kind::Pod) {
      const auto& pod = api::as<Pod>(*event.object);
      if (!pod.spec.resource_claims.empty()) {
        if (event.old) forget_user(api::as<Pod>(*event.old));
        pod_changed(ctx, pod, event.type == WatchType::kDeleted);
      }
    } else if (event.object->kind == api::Kind::ResourceClaim) {
      claim_changed(ctx, api::as<ResourceClaim>(*event.object), event.type == WatchType::kDeleted);
    }
  }

  Plan sync(ReconcileContext& ctx, const Key& k) override {
    const bool is_pod = k.view().starts_with(kPodKey);
    const Key object = Str(k.view().substr(is_pod ? kPodKey.size() : kClaimKey.size()));
    const auto [ns, name] = split_key(object);
    api::Ref<const client::SyncState> inputs =
        is_pod ? read_pod(ctx, ns, name) : read_claim(ctx, ns, name);
    if (!inputs) return Plan::done();
    Script script(ctx, std::move(inputs));
    return run(script, is_pod);
  }
  Plan resume(ReconcileContext& ctx, const Key& k, uint32_t, const client::SyncState* state,
              const client::PlanResult& result) override {
    Script script(ctx, state, result);
    return run(script, k.view().starts_with(kPodKey));
  }
  // A claim counts as made before the cache shows it, until it is deleted (in Kubernetes, for an
  // hour whatever becomes of it).
  void on_write(ReconcileContext&, const Key&, const client::Write& write,
                const Outcome& outcome) override {
    if (write.request.verb != Verb::kCreate || !outcome.ok()) return;
    const auto made = api::cast<ResourceClaim>(outcome.object);
    const api::OwnerReference* pod = api::controller_of(*made);
    if (pod && !was_deleted(pod->uid)) made_[pod->uid].push_back(made);
  }

 private:
  Plan run(Script& script, bool is_pod) {
    const Error e = is_pod ? sync_pod(script) : sync_claim(script);
    if (e.is_pending()) return script.next_plan();
    return e ? Plan::retry(e.message()) : Plan::done();
  }

  // ---- what happens

  bool was_deleted(const Str& pod_uid) const {
    return std::find(deleted_.begin(), deleted_.end(), pod_uid) != deleted_.end();
  }

  template <class F>
  static void for_each_claim_name(const Pod& pod, F&& f) {
    for (const api::PodResourceClaim& entry : pod.spec.resource_claims) {
      const std::optional<Str> named = api::claim_name_of(pod, entry);
      if (named && !named->empty()) f(*named);
    }
  }

  void forget_user(const Pod& pod) {
    for_each_claim_name(pod, [&](const Str& claim) {
      const auto it = users_.find(make_key(pod.metadata.namespace_, claim));
      if (it == users_.end()) return;
      it->second.erase(pod.metadata.name);
      if (it->second.empty()) users_.erase(it);
    });
  }

  void pod_changed(ReconcileContext& ctx, const Pod& pod, bool deleted) {
    const ObjectMeta& m = pod.metadata;
    if (deleted) {
      made_.erase(m.uid);
      deleted_.push_back(m.uid);
      if (deleted_.size() > kMaxDeletedPods) deleted_.pop_front();
    }
    for_each_claim_name(pod, [&](const Str& claim) {
      if (!deleted) users_[make_key(m.namespace_, claim)].insert(m.name);
      if (deleted || is_done(pod)) ctx.queue().add(key(kClaimKey, m.namespace_, claim));
    });
    if (needs_work(ctx, pod)) ctx.queue().add(key(kPodKey, m.namespace_, m.name));
  }

  static bool needs_work(ReconcileContext& ctx, const Pod& pod) {
    // A pod that has ended gets no new claim for the one that is taken from it, and is not entered
    // again in one that it shared.
    if (pod.metadata.deletion_timestamp || is_done(pod)) return false;
    for (const api::PodResourceClaim& entry : pod.spec.resource_claims) {
      const std::optional<Str> named = api::claim_name_of(pod, entry);
      if (!named) return true;
      if (named->empty()) return false;
      const auto* claim =
          ctx.cache(api::Kind::ResourceClaim).get<ResourceClaim>(pod.metadata.namespace_, *named);
      // Without a template there must be somebody else who makes it.
      if (!claim) return api::is_from_template(entry);
      if (api::is_from_template(entry) && !api::is_controlled_by(*claim, pod)) return false;
      if (!pod.spec.node_name.empty() && lacks_reservation(*claim, pod)) return true;
    }
    return false;
  }

  void claim_changed(ReconcileContext& ctx, const ResourceClaim& claim, bool deleted) {
    const Str& ns = claim.metadata.namespace_;
    if (deleted) {
      forget_made(claim);
    } else {
      ctx.queue().add(key(kClaimKey, ns, claim.metadata.name));
    }
    const auto it = users_.find(make_key(ns, claim.metadata.name));
    if (it == users_.end()) return;
    const std::set<Str> pods = it->second;
    for (const Str& name : pods) {
      const auto* pod = ctx.cache(api::Kind::Pod).get<Pod>(ns, name);
      if (pod) pod_changed(ctx, *pod, false);
    }
  }

  void forget_made(const ResourceClaim& claim) {
    const api::OwnerReference* pod = api::controller_of(claim);
    const auto it = pod ? made_.find(pod->uid) : made_.end();
    if (it == made_.end()) return;
    std::erase_if(it->second,
                  [&](const ClaimRef& c) { return c->metadata.uid == claim.metadata.uid; });
    if (it->second.empty()) made_.erase(it);
  }

  // ---- pods

  // The claim that was made for an entry of the pod.
  ClaimRef made_for(ReconcileContext& ctx, const Pod& pod, const api::PodResourceClaim& entry) {
    const auto fits = [&](const ResourceClaim& c) {
      const Str* name = c.metadata.annotations.find(kPodClaimAnnotation);
      return name && *name == entry.name;
    };
    for (const api::ObjectRef& o : ctx.cache(api::Kind::ResourceClaim)
                                       .by(client::IndexBy::kControllerUid, pod.metadata.uid)) {
      if (fits(api::as<ResourceClaim>(*o))) return api::cast<ResourceClaim>(o);
    }
    const auto it = made_.find(pod.metadata.uid);
    if (it == made_.end()) return nullptr;
    for (const ClaimRef& c : it->second) {
      if (fits(*c)) return c;
    }
    return nullptr;
  }

  api::Ref<const client::SyncState> read_pod(ReconcileContext& ctx, std::string_view ns,
                                             std::string_view name) {
    api::Ref<const Pod> pod = ctx.cache(api::Kind::Pod).get_ref<Pod>(ns, name);
    if (!pod || pod->metadata.deletion_timestamp) return nullptr;
    auto* in = new PodInputs();
    api::Ref<const client::SyncState> out(in);
    in->pod = pod;
    for (const api::PodResourceClaim& entry : pod->spec.resource_claims) {
      PodInputs::Entry& e = in->entries.emplace_back();
      e.entry = &entry;
      const std::optional<Str> named = api::claim_name_of(*pod, entry);
      if (named && !named->empty()) {
        e.named = ctx.cache(api::Kind::ResourceClaim).get_ref<ResourceClaim>(ns, *named);
      }
      const bool good =
          e.named && (!api::is_from_template(entry) || api::is_controlled_by(*e.named, *pod));
      e.settled = good || !api::is_from_template(entry) || (named && named->empty());
      if (e.settled) continue;
      e.made = made_for(ctx, *pod, entry);
      e.claim_template =
          ctx.cache(api::Kind::ResourceClaimTemplate)
              .get_ref<api::ResourceClaimTemplate>(ns, entry.resource_claim_template_name);
    }
    return out;
  }

  static api::ObjectRef new_claim(const Pod& pod, const PodInputs::Entry& e) {
    const api::ResourceClaimTemplateSpec& t = e.claim_template->spec;
    api::Ref<ResourceClaim> claim = api::make<ResourceClaim>();
    claim->metadata.generate_name = base_name(pod, *e.entry);
    claim->metadata.namespace_ = pod.metadata.namespace_;
    claim->metadata.labels = t.metadata.labels;
    claim->metadata.annotations = t.metadata.annotations;
    claim->metadata.annotations.set(Str(kPodClaimAnnotation), e.entry->name);
    api::OwnerReference owner;
    owner.api_version = "v1";
    owner.kind = "Pod";
    owner.name = pod.metadata.name;
    owner.uid = pod.metadata.uid;
    owner.controller = true;
    claim->metadata.owner_references = {owner};
    claim->spec = t.spec;
    return claim;
  }

  static Error sync_pod(Script& script) {
    const auto& in = script.inputs<PodInputs>();
    const Pod& pod = *in.pod;
    api::Json statuses = api::Json::array();
    for (const PodInputs::Entry& e : in.entries) {
      if (e.settled) continue;
      Str made = e.made ? e.made->metadata.name : Str();
      if (!e.made) {
        std::string why;
        const Outcome* o = nullptr;
        if (!e.claim_template) {
          const std::string_view name = e.entry->resource_claim_template_name.view();
          why = fmt::format(
              "resource claim template \"{}\": "
              "resourceclaimtemplate.resource.k8s.io \"{}\" not found",
              name, name);
        } else {
          if (Error error = script.call(create_request(new_claim(pod, e)), &o)) return error;
          if (!o->ok()) why = "create ResourceClaim : " + o->message.str();
        }
        if (!why.empty()) {
          why = fmt::format("PodResourceClaim {}: {}", e.entry->name.view(), why);
          script.event(pod, kWarning, "FailedResourceClaimCreation", why);
          return Error::failed(why);
        }
        made = o->object->metadata.name;
      }
      statuses.push_back(api::Json::object(
          {{"name", api::Json(e.entry->name)}, {"resourceClaimName", api::Json(made)}}));
    }
    if (!statuses.empty()) {
      Request r;
      r.verb = Verb::kPatchStatusJson;
      r.patch_type = client::PatchType::kStrategicMerge;
      r.kind = api::Kind::Pod;
      r.ns = pod.metadata.namespace_;
      r.name = pod.metadata.name;
      r.uid = pod.metadata.uid;
      r.patch =
          api::Json::object({{"status", api::Json::object({{"resourceClaimStatuses", statuses}})}});
      if (Error e = script.must(std::move(r))) return e;
    }
    return pod.spec.node_name.empty() ? Error() : reserve(script, in);
  }

  // Of a pod that has a node without the scheduler's doing.
  static Error reserve(Script& script, const PodInputs& in) {
    const Pod& pod = *in.pod;
    for (const PodInputs::Entry& e : in.entries) {
      const std::optional<Str> named = api::claim_name_of(pod, *e.entry);
      if (!named) return Error::failed("ResourceClaim not created yet");
      if (named->empty()) continue;
      if (!e.named) return {};
      if (api::is_from_template(*e.entry) && !api::is_controlled_by(*e.named, pod)) {
        return Error::failed(api::not_owner(pod, *e.named));
      }
      if (!lacks_reservation(*e.named, pod)) continue;
      api::Ref<ResourceClaim> claim = api::clone(*e.named);
      claim->status.reserved_for.push_back(api::reservation_for(pod));
      if (Error error = script.must(update_status_request(claim))) return error;
    }
    return {};
  }

  // ---- claims

  api::Ref<const client::SyncState> read_claim(ReconcileContext& ctx, std::string_view ns,
                                               std::string_view name) const {
    ClaimRef claim = ctx.cache(api::Kind::ResourceClaim).get_ref<ResourceClaim>(ns, name);
    if (!claim) return nullptr;
    auto* in = new ClaimInputs();
    api::Ref<const client::SyncState> out(in);
    const client::Cache& pods = ctx.cache(api::Kind::Pod);
    for (const api::ResourceClaimConsumerReference& r : claim->status.reserved_for) {
      const auto* pod = pods.get<Pod>(ns, r.name);
      if (was_deleted(r.uid)) {
        in->holds.emplace_back(false);
      } else if (pod) {
        in->holds.emplace_back(pod->metadata.uid == r.uid && !is_done(*pod));
      } else {
        in->holds.emplace_back(std::nullopt);
      }
    }
    const api::OwnerReference* owner = controller_of_kind(*claim, "Pod");
    if (owner) {
      in->owner = pods.get_ref<Pod>(ns, owner->name);
      in->owner_uid = owner->uid;
    }
    in->claim = std::move(claim);
    return out;
  }

  static Error sync_claim(Script& script) {
    const auto& in = script.inputs<ClaimInputs>();
    const auto& users = in.claim->status.reserved_for;
    api::List<api::ResourceClaimConsumerReference> valid;
    for (size_t i = 0; i < users.size(); ++i) {
      if (users[i].resource != "pods" || !users[i].api_group.empty()) {
        return Error::failed("unsupported ReservedFor entry");
      }
      std::optional<bool> holds = in.holds[i];
      if (!holds) {
        Request get;
        get.verb = Verb::kGet;
        get.kind = api::Kind::Pod;
        get.ns = in.claim->metadata.namespace_;
        get.name = users[i].name;
        const Outcome* o = nullptr;
        if (Error e = script.call(std::move(get), &o)) return e;
        if (!o->ok() && !o->not_found()) return Error::of(*o);
        holds = o->ok() && o->object->metadata.uid == users[i].uid;
      }
      if (*holds) valid.push_back(users[i]);
    }
    if (Error e = release(script, in, valid)) return e;
    const bool orphan = in.owner && (in.owner->metadata.uid != in.owner_uid || is_done(*in.owner));
    if (!valid.empty() || !orphan) return {};
    return script.must(delete_request(*in.claim));
  }

  // Takes away what nobody uses: reservations, then the allocation, then the finalizer.
  static Error release(Script& script, const ClaimInputs& in,
                       const api::List<api::ResourceClaimConsumerReference>& valid) {
    const bool fewer = valid.size() < in.claim->status.reserved_for.size();
    const bool going = in.claim->metadata.deletion_timestamp && valid.empty();
    if (!fewer && !(going && api::is_protected(*in.claim))) return {};
    ClaimRef newest = in.claim;
    if (fewer || in.claim->status.allocation) {
      api::Ref<ResourceClaim> claim = api::clone(*in.claim);
      claim->status.reserved_for = valid;
      if (valid.empty() && api::is_protected(*claim)) claim->status.allocation.reset();
      const Outcome* o = nullptr;
      if (Error e = script.must(update_status_request(claim), &o)) return e;
      newest = api::cast<ResourceClaim>(o->object);
    }
    if (!api::is_protected(*newest) || newest->status.allocation) return {};
    return script.must(update_request(unprotected(*newest)));
  }

  using ObjectMeta = api::ObjectMeta;
  std::map<Key, std::set<Str>> users_;         // pods, by "namespace/claim"
  std::map<Str, std::vector<ClaimRef>> made_;  // by uid of the pod
  std::deque<Str> deleted_;                    // uids of pods, the latest last
};

}  // namespace

std::unique_ptr<client::Reconciler> make_resourceclaim_controller() {
  return std::make_unique<ResourceClaimController>();
}

}  // namespace mainspring::controllers

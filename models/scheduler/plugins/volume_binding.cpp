#include "models/scheduler/plugins/volume_binding.h"

#include <fmt/format.h>

#include <algorithm>

#include "models/api/pod_helpers.h"
#include "models/scheduler/in_tree_volumes.h"
#include "models/scheduler/volumes.h"

namespace mainspring::scheduler {

namespace {
constexpr uint8_t kClassHint = 0;
constexpr uint8_t kClaimHint = 1;
constexpr uint8_t kCsiNodeHint = 2;
constexpr uint8_t kDriverHint = 3;
constexpr uint8_t kCapacityHint = 4;
constexpr std::string_view kUnboundImmediate = "pod has unbound immediate PersistentVolumeClaims";
constexpr std::string_view kTimedOut = "binding volumes: context deadline exceeded";

using api::PersistentVolume;
using api::PersistentVolumeClaim;

// The nodes that a selector lets reach a volume: it sees their labels, not their names.
struct Reach {
  bool everywhere = true;
  NodeTerms terms;

  static Reach of(const api::NodeSelector& selector) { return {false, NodeTerms::of(selector)}; }
  static Reach of(const PersistentVolume& volume) {
    if (!volume.spec.node_affinity || !volume.spec.node_affinity->required) return {};
    return of(*volume.spec.node_affinity->required);
  }
  bool from(const api::Node& node) const {
    return everywhere || terms.matches(node.metadata.labels, api::Str());
  }
};

// The nodes that reach a volume that has been bound. Nodes that leave volumes of its in-tree plugin
// to a CSI driver go by the driver's topology.
class Access {
 public:
  explicit Access(const PersistentVolume& volume)
      : reach_(Reach::of(volume)), plugin_(in_tree_plugin_of(volume.spec.extra)) {
    if (!plugin_) return;
    problem_ = csi_handle(*plugin_, volume.spec.extra, volume.metadata.labels).problem;
    const auto translated = csi_affinity(*plugin_, volume);
    if (translated) migrated_ = Reach::of(*translated);
  }
  // Sets the problem where the driver's topology is needed and cannot be told.
  bool from(const client::ControlContext& ctx, const api::Node& node, std::string* problem) const {
    if (!plugin_) return reach_.from(node);
    const auto* csi_node = ctx.cache(api::Kind::CSINode).get<api::CSINode>("", node.metadata.name);
    if (!is_migrated(*plugin_, csi_node)) return reach_.from(node);
    if (!problem_.empty()) *problem = "could not translate pv: " + problem_;
    return migrated_.from(node);
  }

 private:
  Reach reach_;
  const InTreePlugin* plugin_;
  Reach migrated_;
  std::string problem_;
};

// A volume of a class that claims wait in.
struct Candidate {
  api::Ref<const PersistentVolume> volume;
  Reach reach;
};

bool has_modes(const PersistentVolume& volume, const PersistentVolumeClaim& claim) {
  const auto& has = volume.spec.access_modes;
  const auto& wants = claim.spec.access_modes;
  return std::all_of(wants.begin(), wants.end(), [&](const api::Str& mode) {
    return std::find(has.begin(), has.end(), mode) != has.end();
  });
}

const api::Quantity* limit_of(const api::CSIStorageCapacity& c) {
  if (c.maximum_volume_size) return &*c.maximum_volume_size;
  return c.capacity ? &*c.capacity : nullptr;
}

// FindMatchingVolume of component-helpers: the volume pre-bound to the claim, else the smallest
// that will do. Null if there is none.
const Candidate* find_match(const PersistentVolumeClaim& claim,
                            const std::vector<Candidate>& candidates, const api::Node& node,
                            const std::vector<const Candidate*>& taken) {
  std::optional<Selector> selector;
  if (claim.spec.selector) selector = Selector::of(*claim.spec.selector);
  const Candidate* best = nullptr;
  api::Quantity smallest;
  for (const Candidate& c : candidates) {
    const PersistentVolume& v = *c.volume;
    if (std::find(taken.begin(), taken.end(), &c) != taken.end()) continue;
    const bool bound = api::is_bound_to(v, claim);
    if (v.spec.claim_ref && !bound) continue;
    if (!api::suits(v, claim)) continue;
    const bool reachable = c.reach.from(node);
    if (bound) return reachable ? &c : nullptr;
    if (v.status.phase != "Available" || !reachable || !has_modes(v, claim)) continue;
    if (selector && !selector->matches(v.metadata.labels)) continue;
    const api::Quantity capacity = api::storage_of(v.spec.capacity);
    if (!best || smallest > capacity) {
      best = &c;
      smallest = capacity;
    }
  }
  return best;
}
}  // namespace

struct VolumeBinding::Data final : CycleDataOf<Data> {
  struct Capacity {
    api::Ref<const api::CSIStorageCapacity> object;
    Selector nodes;
  };
  std::vector<std::optional<Access>> bound;  // of the claims, in order; nothing: no volume
  std::vector<Claim> delayed;
  std::map<api::Str, std::vector<Candidate>> candidates;  // by class
  std::vector<Capacity> capacities;
  std::map<uint32_t, PodVolumes> found;  // by slot of the node
};

VolumeBinding::Claim VolumeBinding::claim(const client::ControlContext& ctx, std::string_view ns,
                                          std::string_view name) const {
  Claim stored =
      ctx.cache(api::Kind::PersistentVolumeClaim).get_ref<PersistentVolumeClaim>(ns, name);
  if (!stored || assumed_claims_.empty()) return stored;
  const auto it = assumed_claims_.find(api::namespaced_name(*stored));
  const bool current = it != assumed_claims_.end() &&
                       it->second->metadata.resource_version == stored->metadata.resource_version;
  return current ? it->second : stored;
}

VolumeBinding::Volume VolumeBinding::volume(const client::ControlContext& ctx,
                                            std::string_view name) const {
  Volume stored = ctx.cache(api::Kind::PersistentVolume).get_ref<PersistentVolume>("", name);
  if (!stored || assumed_volumes_.empty()) return stored;
  const auto it = assumed_volumes_.find(stored->metadata.name);
  const bool current = it != assumed_volumes_.end() &&
                       it->second->metadata.resource_version == stored->metadata.resource_version;
  return current ? it->second : stored;
}

// ---- filter

// What is wrong with a claim of the pod; empty if nothing is.
std::string VolumeBinding::check_claims(const client::ControlContext& ctx, const PodInfo& pod,
                                        bool* any) const {
  for (const api::Volume& v : pod.pod->spec.volumes) {
    const std::optional<std::string> name = api::claim_of(*pod.pod, v);
    if (!name) continue;
    *any = true;
    const auto* c =
        ctx.cache(api::Kind::PersistentVolumeClaim).get<PersistentVolumeClaim>(pod.ns(), *name);
    if (!c && v.ephemeral) {
      return fmt::format(
          "waiting for ephemeral volume controller to create the "
          "persistentvolumeclaim \"{}\"",
          *name);
    }
    if (!c) return not_found("persistentvolumeclaim", *name);
    if (c->status.phase == "Lost") {
      return fmt::format(
          "persistentvolumeclaim \"{}\" bound to non-existent persistentvolume "
          "\"{}\"",
          *name, c->spec.volume_name.view());
    }
    if (c->metadata.deletion_timestamp) {
      return fmt::format("persistentvolumeclaim \"{}\" is being deleted", *name);
    }
    if (!v.ephemeral) continue;
    std::string why = not_owned(*pod.pod, *c);
    if (!why.empty()) return why;
  }
  return {};
}

Status VolumeBinding::pre_filter(Cycle& cycle, std::optional<std::vector<api::Str>>*) {
  const PodInfo& pod = cycle.info();
  if (!pod.has_claims) return Status::skip();
  const client::ControlContext& ctx = cycle.ctx;
  bool any = false;
  const std::string why = check_claims(ctx, pod, &any);
  if (!why.empty()) return Status::unresolvable(why);
  if (!any) return Status::skip();
  Data& d = cycle.state->write<Data>(id());
  d.bound.clear();
  d.delayed.clear();
  d.candidates.clear();
  d.capacities.clear();
  d.found.clear();
  bool immediate = false;
  for (const api::Volume& v : pod.pod->spec.volumes) {
    const std::optional<std::string> name = api::claim_of(*pod.pod, v);
    if (!name) continue;
    Claim c = claim(ctx, pod.ns(), *name);
    if (api::is_fully_bound(*c)) {
      const Volume bound = volume(ctx, c->spec.volume_name);
      d.bound.push_back(bound ? std::optional<Access>(*bound) : std::nullopt);
      continue;
    }
    const api::Str class_name = api::class_of(*c);
    const auto* sc = ctx.cache(api::Kind::StorageClass).get<api::StorageClass>("", class_name);
    if (sc && sc->volume_binding_mode.empty()) {
      return Status::error(
          fmt::format("VolumeBindingMode not set for StorageClass \"{}\"", class_name.view()));
    }
    const bool waits = sc && sc->volume_binding_mode == "WaitForFirstConsumer";
    if (waits && c->spec.volume_name.empty()) {
      d.delayed.push_back(std::move(c));
    } else {
      immediate = true;
    }
  }
  if (immediate) {
    return Status::unresolvable(kUnboundImmediate);
  }
  if (!d.delayed.empty()) list_volumes(cycle, &d);
  return {};
}

// The volumes and capacities that the delayed claims may use.
void VolumeBinding::list_volumes(const Cycle& cycle, Data* d) const {
  for (const Claim& c : d->delayed) d->candidates[api::class_of(*c)];
  for (const api::ObjectRef& ref : cycle.ctx.cache(api::Kind::PersistentVolume).list()) {
    const auto& stored = api::as<PersistentVolume>(ref);
    const auto list = d->candidates.find(api::class_of(stored));
    if (list == d->candidates.end()) continue;
    Volume v = volume(cycle.ctx, stored.metadata.name);
    list->second.push_back({v, Reach::of(*v)});
  }
  for (auto& [name, list] : d->candidates) {
    std::sort(list.begin(), list.end(), [](const Candidate& a, const Candidate& b) {
      return a.volume->metadata.name < b.volume->metadata.name;
    });
  }
  for (const api::ObjectRef& ref : cycle.ctx.cache(api::Kind::CSIStorageCapacity).list()) {
    auto c = api::cast<api::CSIStorageCapacity>(ref);
    if (c->node_topology) d->capacities.push_back({c, Selector::of(*c->node_topology)});
  }
}

void VolumeBinding::match_volumes(const Data& d, const std::vector<Claim>& claims,
                                  const NodeInfo& node, PodVolumes* out,
                                  std::vector<Claim>* unmatched) const {
  std::vector<const Candidate*> taken;
  for (const Claim& c : claims) {
    const auto& candidates = d.candidates.at(api::class_of(*c));
    const Candidate* match = find_match(*c, candidates, *node.node, taken);
    if (match) {
      taken.push_back(match);
      out->bindings.push_back({match->volume, c});
    } else {
      unmatched->push_back(c);
    }
  }
}

VolumeBinding::Lack VolumeBinding::check_provisions(const client::ControlContext& ctx,
                                                    const Data& d, const std::vector<Claim>& claims,
                                                    const NodeInfo& node) const {
  const api::StrMap& labels = node.node->metadata.labels;
  for (const Claim& c : claims) {
    const api::Str class_name = api::class_of(*c);
    const auto* sc = ctx.cache(api::Kind::StorageClass).get<api::StorageClass>("", class_name);
    if (!sc || sc->provisioner.empty() || sc->provisioner == api::kNoProvisioner) {
      return Lack::kVolume;
    }
    if (!allows_topology(sc->allowed_topologies, labels)) return Lack::kVolume;
    const api::Quantity* size = c->spec.resources.requests.find("storage");
    const auto* driver = ctx.cache(api::Kind::CSIDriver).get<api::CSIDriver>("", sc->provisioner);
    if (!size || !driver || !driver->spec.storage_capacity.value_or(false)) continue;
    const bool room =
        std::any_of(d.capacities.begin(), d.capacities.end(), [&](const Data::Capacity& capacity) {
          if (capacity.object->storage_class_name != class_name) return false;
          const api::Quantity* limit = limit_of(*capacity.object);
          return limit && limit->value() >= size->value() && capacity.nodes.matches(labels);
        });
    if (!room) return Lack::kSpace;
  }
  return Lack::kNothing;
}

Status VolumeBinding::filter(const Cycle& cycle, const NodeInfo& node) const {
  Data& d = *cycle.state->find<Data>(id());
  bool reachable = true;
  bool all_there = true;
  for (const std::optional<Access>& access : d.bound) {
    std::string problem;
    all_there = access.has_value();
    reachable = !all_there || access->from(cycle.ctx, *node.node, &problem);
    if (!problem.empty()) return Status::error(problem);
    if (!all_there || !reachable) break;
  }
  if (reachable && all_there && d.delayed.empty()) return {};
  PodVolumes volumes;
  Lack lack = Lack::kNothing;
  std::vector<Claim> to_match;
  for (const Claim& c : d.delayed) {
    const api::Str* selected = c->metadata.annotations.find(api::kSelectedNode);
    if (selected && *selected != node.name) {
      lack = Lack::kVolume;
      break;
    }
    (selected ? volumes.provisions : to_match).push_back(c);
  }
  if (lack == Lack::kNothing) {
    std::stable_sort(to_match.begin(), to_match.end(), [](const Claim& a, const Claim& b) {
      return api::storage_of(a->spec.resources.requests) <
             api::storage_of(b->spec.resources.requests);
    });
    match_volumes(d, to_match, node, &volumes, &volumes.provisions);
    lack = check_provisions(cycle.ctx, d, volumes.provisions, node);
  }
  if (reachable && all_there && lack == Lack::kNothing) {
    d.found[node.id] = std::move(volumes);
    return {};
  }
  Status s(Code::kUnschedulableAndUnresolvable);
  if (!reachable) s.add_reason(reason_node_);
  if (lack == Lack::kVolume) s.add_reason(reason_bind_);
  if (lack == Lack::kSpace) s.add_reason(reason_space_);
  if (!all_there) s.add_reason(reason_gone_);
  return s;
}

Status VolumeBinding::pre_score(Cycle&, const NodeList&) { return Status::skip(); }
int64_t VolumeBinding::score(const Cycle&, const NodeInfo&) const { return 0; }

// ---- reserve and bind

Status VolumeBinding::reserve(Cycle& cycle, const PodInfo& pod, const NodeInfo& node) {
  Data* d = cycle.state->find<Data>(id());
  if (!d || d->delayed.empty()) return {};
  const auto found = d->found.find(node.id);
  if (found == d->found.end()) return {};
  Pending p;
  for (const Binding& b : found->second.bindings) {
    api::Ref<PersistentVolume> v = api::clone(*b.volume);
    api::bind_to(*v, *b.claim);
    assumed_volumes_[v->metadata.name] = v;
    p.volumes.bindings.push_back({v, b.claim});
  }
  for (const Claim& old : found->second.provisions) {
    api::Ref<PersistentVolumeClaim> c = api::clone(*old);
    c->metadata.annotations.set(api::kSelectedNode, node.name);
    assumed_claims_[api::namespaced_name(*c)] = c;
    p.volumes.provisions.push_back(c);
  }
  pending_[pod.uid()] = std::move(p);
  return {};
}

// Gives up what was assumed from the n-th volume on, unless the API has spoken since.
void VolumeBinding::restore(const PodVolumes& volumes, size_t from) {
  const auto drop = [](auto& assumed, const auto& key, const api::Object& o) {
    const auto it = assumed.find(key);
    if (it != assumed.end() &&
        it->second->metadata.resource_version == o.metadata.resource_version) {
      assumed.erase(it);
    }
  };
  const size_t bindings = volumes.bindings.size();
  for (size_t i = from; i < bindings; ++i) {
    const Volume& v = volumes.bindings[i].volume;
    drop(assumed_volumes_, v->metadata.name, *v);
  }
  for (size_t i = std::max(from, bindings) - bindings; i < volumes.provisions.size(); ++i) {
    drop(assumed_claims_, api::namespaced_name(*volumes.provisions[i]), *volumes.provisions[i]);
  }
}

void VolumeBinding::unreserve(client::ControlContext&, const PodInfo& pod, const api::Str&) {
  const auto it = pending_.find(pod.uid());
  if (it == pending_.end()) return;
  restore(it->second.volumes, 0);
  pending_.erase(it);
}

Status VolumeBinding::pre_bind_pre_flight(client::ControlContext&, const PodInfo& pod,
                                          const api::Str&) {
  return pending_.contains(pod.uid()) ? Status() : Status::skip();
}

Status VolumeBinding::pre_bind(client::ControlContext& ctx, const PodInfo& pod,
                               const api::Str& node, PreBindStep* step) {
  const auto it = pending_.find(pod.uid());
  if (it == pending_.end()) return {};
  Pending& p = it->second;
  std::vector<Binding>& bindings = p.volumes.bindings;
  std::vector<Claim>& provisions = p.volumes.provisions;
  if (step->outcome) {
    if (!step->outcome->ok()) {
      restore(p.volumes, p.written);
      return Status::error(step->outcome->message);
    }
    // The object as the API has it, to tell later news from older.
    const api::ObjectRef& now = step->outcome->object;
    if (p.written < bindings.size()) {
      bindings[p.written].volume = api::cast<PersistentVolume>(now);
    } else {
      provisions[p.written - bindings.size()] = api::cast<PersistentVolumeClaim>(now);
    }
    ++p.written;
  }
  if (p.written < bindings.size() + provisions.size()) {
    client::Request request;
    request.verb = client::Verb::kUpdate;
    request.body = p.written < bindings.size()
                       ? api::ObjectRef(bindings[p.written].volume)
                       : api::ObjectRef(provisions[p.written - bindings.size()]);
    request.kind = request.body->kind;
    request.ns = request.body->metadata.namespace_;
    request.name = request.body->metadata.name;
    step->request = std::move(request);
    return Status(Code::kWait);
  }
  if (!p.deadline) {
    p.deadline = ctx.now() + args_.bind_timeout;
    step->wait = kPollPeriod;
    return Status(Code::kWait);
  }
  Status s = check_bindings(ctx, pod, node, p.volumes);
  if (s.ok()) {
    // Whatever was assumed is in the API by now.
    restore(p.volumes, 0);
    pending_.erase(it);
    return {};
  }
  if (s.code() != Code::kWait) return Status::error("binding volumes: " + s.message());
  if (ctx.now() >= p.deadline) {
    return Status::error(kTimedOut);
  }
  step->wait = std::min(kPollPeriod, p.deadline - ctx.now());
  return s;
}

// kWait: not yet.
Status VolumeBinding::check_bindings(const client::ControlContext& ctx, const PodInfo& pod,
                                     const api::Str& node_name, const PodVolumes& volumes) const {
  const client::Cache& all_volumes = ctx.cache(api::Kind::PersistentVolume);
  const client::Cache& all_claims = ctx.cache(api::Kind::PersistentVolumeClaim);
  const auto* node = ctx.cache(api::Kind::Node).get<api::Node>("", node_name);
  if (!node) {
    return Status::error(fmt::format("failed to get node \"{}\": {}", node_name.view(),
                                     not_found("node", node_name)));
  }
  const api::Str& pod_name = pod.pod->metadata.name;
  const auto* live = ctx.cache(api::Kind::Pod).get<api::Pod>(pod.ns(), pod_name);
  if (!live || api::is_terminal(*live)) {
    return Status::error("pod does not exist any more: " + not_found("pod", pod_name));
  }
  // What is wrong with the node for a volume; empty if nothing is.
  const auto obstacle = [&](const PersistentVolume& v, std::string_view prefix) {
    std::string problem;
    const bool reachable = Access(v).from(ctx, *node, &problem);
    if (!problem.empty()) return std::string(prefix) + problem;
    if (reachable) return std::string();
    return fmt::format(
        "pv \"{}\" node affinity doesn't match node \"{}\": no matching NodeSelectorTerms",
        v.metadata.name.view(), node_name.view());
  };
  for (const Binding& b : volumes.bindings) {
    const auto* v = all_volumes.get<PersistentVolume>("", b.volume->metadata.name);
    if (!v) {
      return Status::error("failed to check binding: " +
                           not_found("persistentvolumes", b.volume->metadata.name));
    }
    const auto* c =
        all_claims.get<PersistentVolumeClaim>(b.claim->metadata.namespace_, b.claim->metadata.name);
    if (!c) {
      return Status::error("failed to check binding: " +
                           not_found("persistentvolumeclaims", api::namespaced_name(*b.claim)));
    }
    if (api::version_of(*b.volume) > api::version_of(*v)) return Status(Code::kWait);
    const std::string why = obstacle(*v, "failed to translate pv to csi: ");
    if (!why.empty()) return Status::error(why);
    if (!v->spec.claim_ref || v->spec.claim_ref->uid.empty()) {
      return Status::error(
          fmt::format("ClaimRef got reset for pv \"{}\"", v->metadata.name.view()));
    }
    if (!api::is_fully_bound(*c)) return Status(Code::kWait);
  }
  for (const Claim& wanted : volumes.provisions) {
    const auto* c =
        all_claims.get<PersistentVolumeClaim>(wanted->metadata.namespace_, wanted->metadata.name);
    if (!c) {
      return Status::error("failed to check provisioning pvc: " +
                           not_found("persistentvolumeclaims", api::namespaced_name(*wanted)));
    }
    if (api::version_of(*wanted) > api::version_of(*c)) return Status(Code::kWait);
    const std::string_view name = c->metadata.name.view();
    if (c->metadata.annotations.empty()) {
      return Status::error(fmt::format("selectedNode annotation reset for PVC \"{}\"", name));
    }
    const api::Str* selected = c->metadata.annotations.find(api::kSelectedNode);
    if (!selected || *selected != node_name) {
      return Status::error(fmt::format("provisioning failed for PVC \"{}\"", name));
    }
    if (!c->spec.volume_name.empty()) {
      const auto* v = all_volumes.get<PersistentVolume>("", c->spec.volume_name);
      if (!v) return Status(Code::kWait);
      const std::string why = obstacle(*v, "");
      if (!why.empty()) return Status::error(why);
    }
    if (!api::is_fully_bound(*c)) return Status(Code::kWait);
  }
  return {};
}

// ---- hints

std::vector<EventRegistration> VolumeBinding::events() const {
  return {{{Resource::kStorageClass, kAdd | kUpdate}, kClassHint},
          {{Resource::kPersistentVolumeClaim, kAdd | kUpdate}, kClaimHint},
          {{Resource::kPersistentVolume, kAdd | kUpdate}, EventRegistration::kAlways},
          {{Resource::kNode, kAdd | kUpdateNodeLabel}, EventRegistration::kAlways},
          {{Resource::kCsiNode, kAdd | kUpdate}, kCsiNodeHint},
          {{Resource::kCsiDriver, kUpdate}, kDriverHint},
          {{Resource::kCsiStorageCapacity, kAdd | kUpdate}, kCapacityHint}};
}

bool VolumeBinding::hint(uint8_t hint, const client::ControlContext&, const ClusterCache&,
                         const PodInfo& pod, const EventObjects& objects) const {
  const api::Object& is = *objects.new_object;
  if (hint == kClaimHint) return uses_claim(*pod.pod, is.metadata);
  if (!objects.old_object) return true;
  const api::Object& was = *objects.old_object;
  switch (hint) {
    case kClassHint:
      return !(api::as<api::StorageClass>(was).allowed_topologies ==
               api::as<api::StorageClass>(is).allowed_topologies);
    case kCsiNodeHint: {
      const auto migrated = [](const api::Object& o) {
        const api::Str* v = o.metadata.annotations.find(kMigratedPlugins);
        return v ? v->view() : std::string_view();
      };
      return migrated(was) != migrated(is);
    }
    case kDriverHint: {
      const bool counted = api::as<api::CSIDriver>(was).spec.storage_capacity.value_or(false);
      const bool counts = api::as<api::CSIDriver>(is).spec.storage_capacity.value_or(false);
      const auto& volumes = pod.pod->spec.volumes;
      return counted && !counts && std::any_of(volumes.begin(), volumes.end(), [&](const auto& v) {
               return v.csi && v.csi->driver == is.metadata.name;
             });
    }
    default: {
      const api::Quantity* old = limit_of(api::as<api::CSIStorageCapacity>(was));
      const api::Quantity* now = limit_of(api::as<api::CSIStorageCapacity>(is));
      return now && (!old || now->value() > old->value());
    }
  }
}

}  // namespace mainspring::scheduler

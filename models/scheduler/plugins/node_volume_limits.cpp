#include "models/scheduler/plugins/node_volume_limits.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "models/api/types/storage.h"
#include "models/scheduler/in_tree_volumes.h"
#include "models/scheduler/volumes.h"

namespace mainspring::scheduler {

namespace {
constexpr uint8_t kLimitHint = 0;
constexpr uint8_t kPodHint = 1;
constexpr uint8_t kClaimHint = 2;
constexpr uint8_t kAttachmentHint = 3;
constexpr std::string_view kUnprovisioned = "unprovisioned";

// "driver/handle" -> driver
using Volumes = std::map<std::string, std::string>;

void add(std::string_view driver, std::string_view handle, Volumes* out) {
  if (driver.empty() || handle.empty()) return;
  out->emplace(fmt::format("{}/{}", driver, handle), driver);
}

// What a claim has attached: a volume of a CSI driver, or of an in-tree plugin, which counts where
// the node leaves it to a driver.
struct Attached {
  std::string_view driver;
  std::string handle;
  const InTreePlugin* plugin = nullptr;

  bool counts(const api::CSINode* csi_node) const {
    return !driver.empty() && !handle.empty() && (!plugin || counts_as_csi(*plugin, csi_node));
  }
};

// A claim without a volume counts by its class.
Attached attached_by_class(const client::ControlContext& ctx,
                           const api::PersistentVolumeClaim& claim) {
  const auto* c =
      ctx.cache(api::Kind::StorageClass).get<api::StorageClass>("", api::class_of(claim));
  if (!c) return {};
  const InTreePlugin* plugin = find_in_tree_plugin(c->provisioner.view());
  return {plugin ? plugin->driver : c->provisioner.view(),
          fmt::format("{}-{}/{}", kUnprovisioned, claim.metadata.namespace_.view(),
                      claim.metadata.name.view()),
          plugin};
}

Attached attached_for(const client::ControlContext& ctx, const api::PersistentVolumeClaim& claim) {
  const auto* volume = claim.spec.volume_name.empty()
                           ? nullptr
                           : ctx.cache(api::Kind::PersistentVolume)
                                 .get<api::PersistentVolume>("", claim.spec.volume_name);
  if (!volume) return attached_by_class(ctx, claim);
  if (volume->spec.csi) {
    return {volume->spec.csi->driver.view(), volume->spec.csi->volume_handle.str()};
  }
  const InTreePlugin* plugin = in_tree_plugin_of(volume->spec.extra);
  if (!plugin) return {};
  return {plugin->driver, csi_handle(*plugin, volume->spec.extra, volume->metadata.labels).handle,
          plugin};
}

std::string not_translated(const api::Volume& v, const std::string& problem) {
  return fmt::format("converting volume({}) from inline to csi: {}", v.name.view(), problem);
}

// The attachable volumes of a pod. A new pod's claims must be there; others' are passed over.
Status add_pod_volumes(const client::ControlContext& ctx, const api::CSINode* csi_node,
                       const PodInfo& pod, bool new_pod, Volumes* out) {
  if (!pod.has_claims && !pod.has_disks) return {};
  for (const api::Volume& v : pod.pod->spec.volumes) {
    const std::optional<std::string> name = api::claim_of(*pod.pod, v);
    if (!name) {
      const InTreePlugin* plugin = in_tree_plugin_of(v.extra);
      if (!plugin || !counts_as_csi(*plugin, csi_node)) continue;
      const CsiHandle csi = csi_handle(*plugin, v.extra, {});
      if (!csi.problem.empty()) return Status::error(not_translated(v, csi.problem));
      add(plugin->driver, csi.handle, out);
      continue;
    }
    if (name->empty()) return Status::error(kNamelessClaim);
    const auto* claim = ctx.cache(api::Kind::PersistentVolumeClaim)
                            .get<api::PersistentVolumeClaim>(pod.ns(), *name);
    if (!claim) {
      if (!new_pod) continue;
      return Status::unresolvable(fmt::format("looking up PVC {}/{}: {}", pod.ns().view(), *name,
                                              not_found("persistentvolumeclaim", *name)));
    }
    if (v.ephemeral) {
      const std::string why = not_owned(*pod.pod, *claim);
      if (!why.empty()) return Status::error(why);
    }
    const Attached attached = attached_for(ctx, *claim);
    if (attached.counts(csi_node)) add(attached.driver, attached.handle, out);
  }
  return {};
}

bool attachable(const api::Volume& v) {
  return v.persistent_volume_claim || v.ephemeral || in_tree_plugin_of(v.extra);
}

int32_t limit_of(const api::CSINodeDriver& driver) {
  return driver.allocatable ? driver.allocatable->count.value_or(0) : 0;
}
}  // namespace

struct NodeVolumeLimits::Data final : CycleDataOf<Data> {
  std::map<api::Str, Volumes> attachments;  // by node
  // What the pod's claims have attached, where it has no other volumes and all are there.
  std::optional<std::vector<Attached>> wanted;

  // Whether the node has room even if no two claims shared a volume: mostly so, and told without a
  // look at the volumes of the pods there.
  bool surely_room(const NodeInfo& node, const api::CSINode& csi_node) const {
    if (!wanted || node.pods_with_odd_volumes > 0) return false;
    const auto here = attachments.find(node.name);
    const auto most = node.named_claims +
                      static_cast<int64_t>(here == attachments.end() ? 0 : here->second.size());
    const auto& drivers = csi_node.spec.drivers;
    return std::all_of(drivers.begin(), drivers.end(), [&](const api::CSINodeDriver& d) {
      if (!d.allocatable || !d.allocatable->count) return true;
      const auto added = std::count_if(wanted->begin(), wanted->end(), [&](const Attached& a) {
        return d.name == a.driver && a.counts(&csi_node);
      });
      return added == 0 || most + added <= *d.allocatable->count;
    });
  }
};

namespace {
// What VolumeAttachments say, by node.
std::map<api::Str, Volumes> attachments_of(const client::ControlContext& ctx) {
  std::map<api::Str, Volumes> out;
  const client::Cache& attachments = ctx.cache(api::Kind::VolumeAttachment);
  if (attachments.size() == 0) return out;
  for (const api::ObjectRef& ref : attachments.list()) {
    const auto& spec = api::as<api::VolumeAttachment>(ref).spec;
    if (spec.attacher.empty() || !spec.source.persistent_volume_name) continue;
    const auto* volume = ctx.cache(api::Kind::PersistentVolume)
                             .get<api::PersistentVolume>("", *spec.source.persistent_volume_name);
    if (!volume || !volume->spec.csi) continue;
    out[spec.node_name].emplace(spec.attacher.str() + "/" + volume->spec.csi->volume_handle.str(),
                                spec.attacher.str());
  }
  return out;
}
}  // namespace

Status NodeVolumeLimits::pre_filter(Cycle& cycle, std::optional<std::vector<api::Str>>*) {
  const PodInfo& pod = cycle.info();
  if (!pod.has_claims && !pod.has_disks) return Status::skip();
  const auto& volumes = pod.pod->spec.volumes;
  if (std::none_of(volumes.begin(), volumes.end(), attachable)) return Status::skip();
  Data& d = cycle.state->write<Data>(id());
  d.attachments = attachments_of(cycle.ctx);
  d.wanted.reset();
  if (pod.has_odd_claims || pod.has_disks) return {};
  std::vector<Attached> wanted;
  for (const api::Volume& v : volumes) {
    if (!v.persistent_volume_claim) continue;
    const auto* claim =
        cycle.ctx.cache(api::Kind::PersistentVolumeClaim)
            .get<api::PersistentVolumeClaim>(pod.ns(), v.persistent_volume_claim->claim_name);
    if (!claim) return {};
    wanted.push_back(attached_for(cycle.ctx, *claim));
  }
  d.wanted = std::move(wanted);
  return {};
}

Status NodeVolumeLimits::filter(const Cycle& cycle, const NodeInfo& node) const {
  const client::ControlContext& ctx = cycle.ctx;
  const auto* csi_node = ctx.cache(api::Kind::CSINode).get<api::CSINode>("", node.name);
  const Data* d = cycle.state->find<Data>(id());
  if (d && csi_node && d->surely_room(node, *csi_node)) return {};
  if (d && d->wanted && !csi_node) return {};
  Volumes wanted;
  Status s = add_pod_volumes(ctx, csi_node, cycle.info(), true, &wanted);
  if (!s.ok()) return s;
  if (wanted.empty() || !csi_node) return {};
  std::map<std::string_view, int64_t> limits;
  for (const api::CSINodeDriver& on : csi_node->spec.drivers) {
    if (on.allocatable && on.allocatable->count) limits[on.name] = *on.allocatable->count;
  }
  if (limits.empty()) return {};

  Volumes attached;
  for (const NodeInfo::Entry& e : node.pods) {
    s = add_pod_volumes(ctx, csi_node, *e.pod, false, &attached);
    if (!s.ok()) return s;
  }
  // Volumes that pods have already do not count as new; those that only an attachment names do
  // count as attached.
  for (const auto& [volume, driver] : attached) wanted.erase(volume);
  std::map<api::Str, Volumes> now;  // where PreFilter is not enabled
  if (!d) now = attachments_of(ctx);
  const auto& attachments = d ? d->attachments : now;
  const auto here = attachments.find(node.name);
  if (here != attachments.end()) attached.insert(here->second.begin(), here->second.end());
  std::map<std::string_view, int64_t> count;
  for (const auto& [volume, driver] : attached) ++count[driver];
  std::map<std::string_view, int64_t> added;
  for (const auto& [volume, driver] : wanted) ++added[driver];
  for (const auto& [driver, n] : added) {
    const auto limit = limits.find(driver);
    if (limit != limits.end() && count[driver] + n > limit->second) {
      return Status::unschedulable(reason_);
    }
  }
  return {};
}

std::vector<EventRegistration> NodeVolumeLimits::events() const {
  return {{{Resource::kCsiNode, kAdd}, EventRegistration::kAlways},
          {{Resource::kCsiNode, kUpdate}, kLimitHint},
          {{Resource::kAssignedPod, kDelete}, kPodHint},
          {{Resource::kPersistentVolumeClaim, kAdd}, kClaimHint},
          {{Resource::kVolumeAttachment, kDelete}, kAttachmentHint}};
}

bool NodeVolumeLimits::hint(uint8_t hint, const client::ControlContext&, const ClusterCache&,
                            const PodInfo& pod, const EventObjects& objects) const {
  const auto& volumes = pod.pod->spec.volumes;
  switch (hint) {
    case kLimitHint: {
      const auto& was = api::as<api::CSINode>(objects.old_object).spec.drivers;
      const auto& is = api::as<api::CSINode>(objects.new_object).spec.drivers;
      return std::any_of(is.begin(), is.end(), [&](const api::CSINodeDriver& d) {
        int32_t before = 0;
        for (const api::CSINodeDriver& o : was) {
          if (o.name == d.name) before = limit_of(o);
        }
        return limit_of(d) > before;
      });
    }
    case kPodHint: {
      if (!objects.old_pod) return false;
      const PodInfo& gone = *objects.old_pod;
      if (gone.node_name.empty() && gone.pod->status.nominated_node_name.empty()) return false;
      const auto& its = gone.pod->spec.volumes;
      return std::any_of(its.begin(), its.end(), attachable);
    }
    case kClaimHint:
      return uses_claim(*pod.pod, objects.new_object->metadata);
    default: {
      const api::Str& attacher = api::as<api::VolumeAttachment>(objects.old_object).spec.attacher;
      return std::any_of(volumes.begin(), volumes.end(), [&](const api::Volume& v) {
        if (v.persistent_volume_claim) return true;
        const InTreePlugin* plugin = in_tree_plugin_of(v.extra);
        if (!plugin) return false;
        return attacher == plugin->driver || !csi_handle(*plugin, v.extra, {}).problem.empty();
      });
    }
  }
}

}  // namespace mainspring::scheduler

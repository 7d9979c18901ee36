#include "models/scheduler/plugins/volume_restrictions.h"

#include <algorithm>
#include <set>

#include "models/scheduler/volumes.h"

namespace mainspring::scheduler {

namespace {
constexpr uint8_t kPodHint = 0;
constexpr uint8_t kClaimHint = 1;
constexpr std::string_view kNoState = "cannot read \"PreFilterVolumeRestrictions\" from cycleState";

constexpr std::array<const char*, 4> kDisks = {"gcePersistentDisk", "awsElasticBlockStore", "rbd",
                                               "iscsi"};

bool is_disk(const api::Volume& v) {
  return std::any_of(kDisks.begin(), kDisks.end(),
                     [&](const char* field) { return v.extra.contains(field); });
}

// Whether both sources of a kind name the same thing by a field.
bool same(const api::Json& a, const api::Json& b, const char* field, const char* otherwise = "") {
  const auto value = [&](const api::Json& source) {
    const std::string_view v = source[field].as_view();
    return v.empty() ? std::string_view(otherwise) : v;
  };
  return value(a) == value(b);
}

bool conflict(const api::Json& a, const api::Json& b) {
  const auto both = [&](const char* kind, auto&& clash) {
    const api::Json* x = a.find(kind);
    const api::Json* y = b.find(kind);
    return x && y && clash(*x, *y);
  };
  const auto read_only = [](const api::Json& x, const api::Json& y) {
    return x["readOnly"].as_bool() && y["readOnly"].as_bool();
  };
  if (both("gcePersistentDisk", [&](const api::Json& x, const api::Json& y) {
        return same(x, y, "pdName") && !read_only(x, y);
      })) {
    return true;
  }
  if (both("awsElasticBlockStore",
           [](const api::Json& x, const api::Json& y) { return same(x, y, "volumeID"); })) {
    return true;
  }
  if (both("iscsi", [&](const api::Json& x, const api::Json& y) {
        return same(x, y, "iqn") && !read_only(x, y);
      })) {
    return true;
  }
  return both("rbd", [&](const api::Json& x, const api::Json& y) {
    const auto xs = x["monitors"].items();
    const auto ys = y["monitors"].items();
    const bool meet = std::any_of(xs.begin(), xs.end(), [&](const api::Json& m) {
      return std::any_of(ys.begin(), ys.end(),
                         [&](const api::Json& n) { return m.as_view() == n.as_view(); });
    });
    return meet && same(x, y, "pool", "rbd") && same(x, y, "image") && !read_only(x, y);
  });
}

bool disks_conflict(const PodInfo& pod, const PodInfo& other) {
  if (!pod.has_disks || !other.has_disks) return false;
  for (const api::Volume& v : pod.pod->spec.volumes) {
    if (!is_disk(v)) continue;
    for (const api::Volume& w : other.pod->spec.volumes) {
      if (conflict(v.extra, w.extra)) return true;
    }
  }
  return false;
}
}  // namespace

struct VolumeRestrictions::Data final : CycleDataOf<Data> {
  std::set<api::Str> single;  // the pod's ReadWriteOncePod claims
  int64_t conflicts = 0;      // uses of them by pods on nodes
};

Status VolumeRestrictions::pre_filter(Cycle& cycle, std::optional<std::vector<api::Str>>*) {
  const PodInfo& pod = cycle.info();
  if (!pod.has_claims && !pod.has_disks) return Status::skip();
  const auto& volumes = pod.pod->spec.volumes;
  std::set<api::Str> single;
  for (const api::Volume& v : volumes) {
    if (!v.persistent_volume_claim) continue;
    const api::Str& name = v.persistent_volume_claim->claim_name;
    const auto* claim = cycle.ctx.cache(api::Kind::PersistentVolumeClaim)
                            .get<api::PersistentVolumeClaim>(pod.ns(), name);
    if (!claim) return Status::unresolvable(not_found("persistentvolumeclaim", name));
    const auto& modes = claim->spec.access_modes;
    if (std::find(modes.begin(), modes.end(), "ReadWriteOncePod") != modes.end()) {
      single.insert(name);
    }
  }
  // Claims that some pod on a node uses, each counted once.
  std::set<api::Str> used;
  for (const uint32_t slot : single.empty() ? std::span<const uint32_t>() : cycle.cluster.order()) {
    for (const NodeInfo::Entry& e : cycle.cluster.node(slot).pods) {
      if (!e.pod->has_claims || e.pod->ns() != pod.ns()) continue;
      for (const api::Volume& v : e.pod->pod->spec.volumes) {
        const std::optional<std::string> name = api::claim_of(*e.pod->pod, v);
        if (name && single.contains(api::Str(*name))) used.insert(api::Str(*name));
      }
    }
  }
  if (used.empty() && std::none_of(volumes.begin(), volumes.end(), is_disk)) {
    return Status::skip();
  }
  Data& d = cycle.state->write<Data>(id());
  d.conflicts = static_cast<int64_t>(used.size());
  d.single = std::move(single);
  return {};
}

void VolumeRestrictions::change(Cycle& cycle, const PodInfo& pod, int64_t by) const {
  Data* d = cycle.state->find<Data>(id());
  if (!d || !pod.has_claims || d->single.empty()) return;
  for (const api::Volume& v : pod.pod->spec.volumes) {
    if (v.persistent_volume_claim && d->single.contains(v.persistent_volume_claim->claim_name)) {
      d->conflicts += by;
    }
  }
}
void VolumeRestrictions::add_pod(Cycle& cycle, const PodInfo& pod, const NodeInfo&) const {
  change(cycle, pod, 1);
}
void VolumeRestrictions::remove_pod(Cycle& cycle, const PodInfo& pod, const NodeInfo&) const {
  change(cycle, pod, -1);
}

Status VolumeRestrictions::filter(const Cycle& cycle, const NodeInfo& node) const {
  for (const NodeInfo::Entry& e : node.pods) {
    if (disks_conflict(cycle.info(), *e.pod)) return Status::unschedulable(reason_disk_);
  }
  const Data* d = cycle.state->find<Data>(id());
  if (!d) return Status::error(kNoState);
  if (d->conflicts > 0) return Status::unschedulable(reason_in_use_);
  return {};
}

std::vector<EventRegistration> VolumeRestrictions::events() const {
  return {{{Resource::kAssignedPod, kDelete}, kPodHint},
          {{Resource::kNode, kAdd}, EventRegistration::kAlways},
          {{Resource::kPersistentVolumeClaim, kAdd}, kClaimHint}};
}

bool VolumeRestrictions::hint(uint8_t hint, const client::ControlContext&, const ClusterCache&,
                              const PodInfo& pod, const EventObjects& objects) const {
  const auto names = [&](const api::Str& claim) {
    const auto& volumes = pod.pod->spec.volumes;
    return std::any_of(volumes.begin(), volumes.end(), [&](const api::Volume& v) {
      return v.persistent_volume_claim && v.persistent_volume_claim->claim_name == claim;
    });
  };
  if (hint == kClaimHint) {
    const api::ObjectMeta& claim = objects.new_object->metadata;
    return claim.namespace_ == pod.ns() && names(claim.name);
  }
  if (!objects.old_pod || objects.old_pod->ns() != pod.ns()) return false;
  if (disks_conflict(pod, *objects.old_pod)) return true;
  const auto& gone = objects.old_pod->pod->spec.volumes;
  return std::any_of(gone.begin(), gone.end(), [&](const api::Volume& v) {
    return v.persistent_volume_claim && names(v.persistent_volume_claim->claim_name);
  });
}

}  // namespace mainspring::scheduler

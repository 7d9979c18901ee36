#include "models/scheduler/volumes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "models/api/pod_helpers.h"

namespace mainspring::scheduler {

namespace {
struct InTree {
  std::string_view field;  // of a volume source
  std::string_view plugin;
  std::string_view driver;  // empty: the migration is off by default, or counts elsewhere
};
// csi-translation-lib/translate.go; those whose migration nodevolumelimits/utils.go counts have a
// driver here.
constexpr std::array<InTree, 7> kInTree = {{
    {"awsElasticBlockStore", "kubernetes.io/aws-ebs", "ebs.csi.aws.com"},
    {"gcePersistentDisk", "kubernetes.io/gce-pd", "pd.csi.storage.gke.io"},
    {"cinder", "kubernetes.io/cinder", "cinder.csi.openstack.org"},
    {"azureDisk", "kubernetes.io/azure-disk", "disk.csi.azure.com"},
    {"azureFile", "kubernetes.io/azure-file", ""},
    {"vsphereVolume", "kubernetes.io/vsphere-volume", ""},
    {"portworxVolume", "kubernetes.io/portworx-volume", ""},
}};

// "aws://zone/vol-1" and "vol-1" are the same volume.
std::string ebs_handle(std::string_view id) {
  return std::string(id.starts_with("aws://") ? id.substr(id.rfind('/') + 1) : id);
}

std::string gce_handle(std::string_view disk, const api::StrMap& labels) {
  const api::Str* label = labels.find("failure-domain.beta.kubernetes.io/zone");
  if (!label || label->empty()) label = labels.find("topology.kubernetes.io/zone");
  const std::string zone = label ? label->str() : "";
  if (zone.find("__") != std::string::npos) {
    // A regional disk: its zones without their letter are the region.
    const std::string first = zone.substr(0, zone.find("__"));
    return fmt::format("projects/UNSPECIFIED/regions/{}/disks/{}",
                       first.substr(0, first.rfind('-')), disk);
  }
  return fmt::format("projects/UNSPECIFIED/zones/{}/disks/{}", zone.empty() ? "UNSPECIFIED" : zone,
                     disk);
}
}  // namespace

bool uses_claim(const api::Pod& pod, const api::ObjectMeta& claim) {
  if (pod.metadata.namespace_ != claim.namespace_) return false;
  return std::any_of(pod.spec.volumes.begin(), pod.spec.volumes.end(), [&](const auto& v) {
    const std::optional<std::string> name = api::claim_of(pod, v);
    return name && claim.name == std::string_view(*name);
  });
}

std::string not_owned(const api::Pod& pod, const api::PersistentVolumeClaim& claim) {
  const api::OwnerReference* owner = api::controller_of(claim);
  if (owner && owner->uid == pod.metadata.uid) return {};
  return fmt::format("PVC {}/{} was not created for pod {}/{} (pod is not owner)",
                     claim.metadata.namespace_.view(), claim.metadata.name.view(),
                     pod.metadata.namespace_.view(), pod.metadata.name.view());
}

std::string not_found(std::string_view resource, std::string_view name) {
  return fmt::format("{} \"{}\" not found", resource, name);
}

std::string_view in_tree_plugin(const api::Json& kept) {
  if (kept.is_null()) return {};
  for (const InTree& t : kInTree) {
    if (kept.contains(t.field)) return t.plugin;
  }
  return {};
}

std::string_view csi_driver_of(std::string_view in_tree_plugin) {
  for (const InTree& t : kInTree) {
    if (t.plugin == in_tree_plugin) return t.driver;
  }
  return {};
}

std::optional<CsiVolume> as_csi(const api::Json& kept, const api::StrMap& labels) {
  const std::string driver(csi_driver_of(in_tree_plugin(kept)));
  if (driver.empty()) return std::nullopt;
  if (const api::Json* v = kept.find("awsElasticBlockStore")) {
    return CsiVolume{driver, ebs_handle((*v)["volumeID"].as_view())};
  }
  if (const api::Json* v = kept.find("gcePersistentDisk")) {
    return CsiVolume{driver, gce_handle((*v)["pdName"].as_view(), labels)};
  }
  if (const api::Json* v = kept.find("cinder")) {
    return CsiVolume{driver, (*v)["volumeID"].as_str().str()};
  }
  return CsiVolume{driver, kept["azureDisk"]["diskURI"].as_str().str()};
}

bool allows_topology(const api::List<api::TopologySelectorTerm>& terms, const api::StrMap& labels) {
  if (terms.empty()) return true;
  return std::any_of(terms.begin(), terms.end(), [&](const api::TopologySelectorTerm& term) {
    const auto& all = term.match_label_expressions;
    return !all.empty() && std::all_of(all.begin(), all.end(), [&](const auto& e) {
      const api::Str* v = labels.find(e.key);
      return v && std::find(e.values.begin(), e.values.end(), *v) != e.values.end();
    });
  });
}

}  // namespace mainspring::scheduler

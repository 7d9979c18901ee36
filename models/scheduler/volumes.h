// What the volume plugins ask of pods, claims and volumes.
//
// In-tree volume kinds are read from the fields that the schema keeps unread. Of their move to CSI
// drivers the names and handles are modelled; not modelled: topology keys of in-tree volumes turned
// into those of the driver.
// Source: csi-translation-lib/plugins, component-helpers/storage/ephemeral (v1.35).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "models/api/volume_helpers.h"
#include "models/scheduler/pod_info.h"

namespace mainspring::scheduler {

// On CSINode: the in-tree plugins whose volumes a node's drivers serve.
inline constexpr std::string_view kMigratedPlugins = "storage.alpha.kubernetes.io/migrated-plugins";

// Whether a volume of the pod stands for the claim.
bool uses_claim(const api::Pod& pod, const api::ObjectMeta& claim);
// What is wrong with the claim of a generic ephemeral volume; empty when it is the pod's.
std::string not_owned(const api::Pod& pod, const api::PersistentVolumeClaim& claim);

// "persistentvolumeclaim "x" not found", as a lister says it.
std::string not_found(std::string_view resource, std::string_view name);

// A volume as a CSI driver knows it.
struct CsiVolume {
  std::string driver;
  std::string handle;
};
// The plugin that serves an inline volume or a PersistentVolume in-tree; empty if none does.
std::string_view in_tree_plugin(const api::Json& kept);
// Whether such volumes are served by CSI drivers now (migration that is on by default), and by
// which. Empty for plugins without one.
std::string_view csi_driver_of(std::string_view in_tree_plugin);
// A volume of an in-tree plugin as its driver's; nothing when it is not served by a driver.
std::optional<CsiVolume> as_csi(const api::Json& kept, const api::StrMap& labels);

// Whether a node's labels satisfy a storage class's allowedTopologies.
bool allows_topology(const api::List<api::TopologySelectorTerm>& terms, const api::StrMap& labels);

}  // namespace mainspring::scheduler

// In-tree kinds of volumes, and the CSI drivers that serve them now.
//
// The kinds are read from the fields that the schema keeps unread.
// Source: csi-translation-lib/{translate.go,plugins}, pkg/scheduler/framework/plugins/
// {nodevolumelimits/utils.go,volumebinding/binder.go} (v1.35).
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "models/api/types/core.h"
#include "models/api/types/storage.h"

namespace mainspring::scheduler {

// On CSINode: the in-tree plugins whose volumes a node's drivers serve.
inline constexpr std::string_view kMigratedPlugins = "storage.alpha.kubernetes.io/migrated-plugins";

struct InTreePlugin {
  // Whether volumes count as the driver's: never (the driver has no limits), on nodes that list the
  // plugin as migrated, or on all.
  enum class Counts : uint8_t { kNever, kWhereListed, kAlways };
  std::string_view field;  // of a volume source
  std::string_view name;
  std::string_view driver;
  std::string_view topology;  // the driver's label for zones; empty if it has none of its own
  Counts counts;
};

// The zones or regions that a volume's label names, without the space around them; "" is among them
// if one is empty.
std::set<std::string> zones_of(std::string_view label);

// The plugin of an inline volume or a PersistentVolume; null if it is of another kind.
const InTreePlugin* in_tree_plugin_of(const api::Json& kept);
const InTreePlugin* find_in_tree_plugin(std::string_view name);

// Whether the driver's limits on the node hold for volumes of the plugin. The node may have no
// CSINode.
bool counts_as_csi(const InTreePlugin& plugin, const api::CSINode* csi_node);
// Whether the node leaves volumes of the plugin to the driver.
bool is_migrated(const InTreePlugin& plugin, const api::CSINode* csi_node);

// A volume's handle as the driver's, or why it has none.
struct CsiHandle {
  std::string handle;
  std::string problem;
};
CsiHandle csi_handle(const InTreePlugin& plugin, const api::Json& kept, const api::StrMap& labels);

// The node affinity of a PersistentVolume in terms of the driver's topology; nothing if none is
// required.
std::optional<api::NodeSelector> csi_affinity(const InTreePlugin& plugin,
                                              const api::PersistentVolume& volume);

}  // namespace mainspring::scheduler

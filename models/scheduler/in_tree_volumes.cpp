#include "models/scheduler/in_tree_volumes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <vector>

#include "models/api/node_affinity.h"
#include "models/api/text.h"

namespace mainspring::scheduler {

namespace {
using Counts = InTreePlugin::Counts;

constexpr std::string_view kZone = "topology.kubernetes.io/zone";
constexpr std::string_view kRegion = "topology.kubernetes.io/region";
constexpr std::string_view kBetaZone = "failure-domain.beta.kubernetes.io/zone";
constexpr std::string_view kBetaRegion = "failure-domain.beta.kubernetes.io/region";
constexpr std::string_view kZoneDelimiter = "__";  // volumehelpers.LabelMultiZoneDelimiter

constexpr std::array<InTreePlugin, 7> kInTree = {{
    {"awsElasticBlockStore", "kubernetes.io/aws-ebs", "ebs.csi.aws.com",
     "topology.ebs.csi.aws.com/zone", Counts::kAlways},
    {"gcePersistentDisk", "kubernetes.io/gce-pd", "pd.csi.storage.gke.io", "topology.gke.io/zone",
     Counts::kAlways},
    {"cinder", "kubernetes.io/cinder", "cinder.csi.openstack.org",
     "topology.cinder.csi.openstack.org/zone", Counts::kAlways},
    {"azureDisk", "kubernetes.io/azure-disk", "disk.csi.azure.com", "", Counts::kAlways},
    {"portworxVolume", "kubernetes.io/portworx-volume", "pxd.portworx.com", "",
     Counts::kWhereListed},
    {"azureFile", "kubernetes.io/azure-file", "file.csi.azure.com", "", Counts::kNever},
    {"vsphereVolume", "kubernetes.io/vsphere-volume", "csi.vsphere.vmware.com", "", Counts::kNever},
}};

std::vector<std::string> split(std::string_view text, std::string_view by) {
  std::vector<std::string> out;
  for (size_t end = text.find(by); end != std::string_view::npos; end = text.find(by)) {
    out.emplace_back(text.substr(0, end));
    text.remove_prefix(end + by.size());
  }
  out.emplace_back(text);
  return out;
}

// "aws://zone/vol-1" and "vol-1" are the same volume.
CsiHandle ebs_handle(std::string_view id) {
  constexpr std::string_view kScheme = "aws://";
  if (!id.starts_with(kScheme)) return {std::string(id), {}};
  std::string_view path = id.substr(kScheme.size());
  path.remove_prefix(std::min(path.find('/'), path.size()));
  while (path.starts_with('/')) path.remove_prefix(1);
  while (path.ends_with('/')) path.remove_suffix(1);
  if (path.starts_with("vol-") && path.find('/') == std::string_view::npos) {
    return {std::string(path), {}};
  }
  return {{},
          fmt::format("failed to translate Kubernetes ID to EBS Volume ID Invalid format for AWS "
                      "volume ({})",
                      id)};
}

// A regional disk has several zones, whose names without the last part are that of the region.
CsiHandle gce_handle(std::string_view disk, const api::StrMap& labels) {
  const api::Str* label = labels.find(kBetaZone);
  if (!label || label->empty()) label = labels.find(kZone);
  const std::vector<std::string> zones =
      split(label ? label->view() : std::string_view(), kZoneDelimiter);
  if (zones.size() == 1) {
    return {fmt::format("projects/UNSPECIFIED/zones/{}/disks/{}",
                        zones[0].empty() ? "UNSPECIFIED" : zones[0], disk),
            {}};
  }
  std::set<std::string> regions;
  for (const std::string& zone : zones) {
    if (std::count(zone.begin(), zone.end(), '-') != 2) {
      return {{},
              fmt::format("failed to get region from zones: zone in unexpected format, expected: "
                          "{{locale}}-{{region}}-{{zone}}, got: {}",
                          zone)};
    }
    regions.insert(zone.substr(0, zone.rfind('-')));
  }
  if (regions.size() > 1) {
    return {{},
            fmt::format("failed to get region from zones: multiple or no regions gotten from "
                        "zones, got: map[{}:{{}}]",
                        fmt::join(regions, ":{} "))};
  }
  return {fmt::format("projects/UNSPECIFIED/regions/{}/disks/{}", *regions.begin(), disk), {}};
}

CsiHandle azure_handle(const api::Json& disk) {
  const std::string_view kind = disk["kind"].as_view();
  if (!kind.empty() && api::to_lower(kind) != "managed") {
    return {{}, fmt::format("kind({}) is not supported in csi migration", kind)};
  }
  return {std::string(disk["diskURI"].as_view()), {}};
}

template <typename F>
void for_each_expression(api::NodeSelector& selector, F&& f) {
  for (api::NodeSelectorTerm& term : selector.node_selector_terms.edit()) {
    for (api::NodeSelectorRequirement& e : term.match_expressions.edit()) f(e);
  }
}

// Whether an expression on the key exists, and whether one has values.
struct Use {
  bool is_key = false;
  bool has_values = false;
};
Use use_of(const api::NodeSelector& selector, std::string_view key) {
  Use u;
  for (const api::NodeSelectorTerm& term : selector.node_selector_terms) {
    for (const api::NodeSelectorRequirement& e : term.match_expressions) {
      if (e.key != key) continue;
      u.is_key = true;
      u.has_values = u.has_values || !e.values.empty();
    }
  }
  return u;
}

void rename(api::NodeSelector& selector, std::string_view from, std::string_view to) {
  for_each_expression(selector, [&](api::NodeSelectorRequirement& e) {
    if (e.key == from) e.key = to;
  });
}

// Requires one of the zones that a label names.
void add_zones(api::NodeSelector& selector, std::string_view key, std::string_view label) {
  std::set<std::string> zones = zones_of(label);
  zones.erase("");
  if (zones.empty()) return;
  api::List<api::Str> values;
  for (const std::string& zone : zones) values.push_back(api::Str(zone));
  const api::NodeSelectorRequirement in = api::requirement_in(key, std::move(values));
  if (selector.node_selector_terms.empty()) selector.node_selector_terms.push_back({});
  for (api::NodeSelectorTerm& term : selector.node_selector_terms.edit()) {
    term.match_expressions.push_back(in);
  }
}
}  // namespace

std::set<std::string> zones_of(std::string_view label) {
  constexpr std::string_view kSpace = " \t\n\v\f\r";
  std::set<std::string> zones;
  for (std::string& zone : split(label, kZoneDelimiter)) {
    zone.erase(zone.find_last_not_of(kSpace) + 1);
    zone.erase(0, zone.find_first_not_of(kSpace));
    zones.insert(std::move(zone));
  }
  return zones;
}

const InTreePlugin* in_tree_plugin_of(const api::Json& kept) {
  if (kept.is_null()) return nullptr;
  const auto it = std::find_if(kInTree.begin(), kInTree.end(),
                               [&](const InTreePlugin& p) { return kept.contains(p.field); });
  return it == kInTree.end() ? nullptr : &*it;
}

const InTreePlugin* find_in_tree_plugin(std::string_view name) {
  const auto it = std::find_if(kInTree.begin(), kInTree.end(),
                               [&](const InTreePlugin& p) { return p.name == name; });
  return it == kInTree.end() ? nullptr : &*it;
}

bool counts_as_csi(const InTreePlugin& plugin, const api::CSINode* csi_node) {
  if (!csi_node || plugin.counts == Counts::kNever) return false;
  return plugin.counts == Counts::kAlways || is_migrated(plugin, csi_node);
}

bool is_migrated(const InTreePlugin& plugin, const api::CSINode* csi_node) {
  if (!csi_node || plugin.counts == Counts::kNever) return false;
  const api::Str* list = csi_node->metadata.annotations.find(kMigratedPlugins);
  if (!list) return false;
  for (std::string_view left = list->view();;) {
    const size_t comma = left.find(',');
    if (left.substr(0, comma) == plugin.name) return true;
    if (comma == std::string_view::npos) return false;
    left.remove_prefix(comma + 1);
  }
}

CsiHandle csi_handle(const InTreePlugin& plugin, const api::Json& kept, const api::StrMap& labels) {
  const api::Json& source = kept[plugin.field];
  if (plugin.field == "awsElasticBlockStore") return ebs_handle(source["volumeID"].as_view());
  if (plugin.field == "gcePersistentDisk") return gce_handle(source["pdName"].as_view(), labels);
  if (plugin.field == "azureDisk") return azure_handle(source);
  return {std::string(source["volumeID"].as_view()), {}};
}

std::optional<api::NodeSelector> csi_affinity(const InTreePlugin& plugin,
                                              const api::PersistentVolume& volume) {
  const auto& affinity = volume.spec.node_affinity;
  const bool required = affinity && affinity->required;
  api::NodeSelector out = required ? *affinity->required : api::NodeSelector();
  const api::StrMap& labels = volume.metadata.labels;
  if (!plugin.topology.empty()) {
    const bool beta =
        !use_of(out, kZone).is_key &&
        (use_of(out, kBetaZone).is_key || (!labels.contains(kZone) && labels.contains(kBetaZone)));
    const std::string_view zone = beta ? kBetaZone : kZone;
    if (use_of(out, zone).has_values) {
      rename(out, zone, plugin.topology);
    } else if (const api::Str* label = labels.find(zone)) {
      add_zones(out, plugin.topology, label->view());
    }
    if (beta && use_of(out, kBetaRegion).has_values) rename(out, kBetaRegion, kRegion);
  }
  if (!required && out.node_selector_terms.empty()) return std::nullopt;
  return out;
}

}  // namespace mainspring::scheduler

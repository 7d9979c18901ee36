// The scheduler's own picture of nodes and pods: bound pods as the API reports them, plus the pods
// it has assumed onto nodes and not yet seen bound.
//
// The snapshot of a cycle is this cache itself (nothing changes it within a cycle) with two things
// that a real snapshot holds still: the node list, rebuilt only when a node comes or goes, and the
// per-image node counts, refreshed only for nodes that changed. Node order: fact sheet §2.
//
// A value; copies are independent and share the immutable objects. Single-threaded.
// Source: pkg/scheduler/backend/cache (v1.35).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/client/chunked_vector.h"
#include "models/client/flat_index.h"
#include "models/client/slot_table.h"
#include "models/scheduler/node_info.h"

namespace mainspring::scheduler {

// Node names grouped by zone, each zone in order of arrival.
class NodeTree {
 public:
  void add(const api::Str& zone, uint32_t node);
  void remove(const api::Str& zone, uint32_t node);
  size_t size() const { return size_; }
  // Round robin over the zones: first of each, second of each, ...
  void list(std::vector<uint32_t>* out) const;
  static std::string zone_of(const api::Node& node);

 private:
  struct Zone {
    api::Str key;
    std::vector<uint32_t> nodes;
  };
  std::vector<Zone> zones_;
  size_t size_ = 0;
};

class ClusterCache {
 public:
  ClusterCache();

  // What the scheduler needs of a pod; templates are shared between pods of equal spec.
  PodInfoRef make_pod_info(PodRef pod);
  // The same pod, assumed onto a node.
  PodInfoRef placed_on(const PodInfo& pod, const api::Str& node);

  void add_node(NodeRef node);
  void update_node(NodeRef node);
  void remove_node(const api::Str& name);

  // Pods that the API shows bound.
  void add_pod(PodInfoRef pod);
  void update_pod(PodInfoRef pod);
  void remove_pod(const api::Str& uid);
  // Pods that the scheduler has decided on. `pod->node_name` says where.
  void assume(PodInfoRef pod);
  void forget(const api::Str& uid);
  void finish_binding(const api::Str& uid);
  bool is_assumed(const api::Str& uid) const;
  bool has_pod(const api::Str& uid) const { return state_of(uid) != kNone; }
  // The pod as the cache holds it, or null.
  PodInfoRef find_pod(const api::Str& uid) const;

  // Makes the snapshot current.
  void refresh();
  // The nodes of the snapshot in list order.
  std::span<const uint32_t> order() const { return order_; }
  // Counts the lists that there were.
  uint64_t order_version() const { return order_version_; }
  size_t node_count() const { return order_.size(); }
  const NodeInfo& node(uint32_t id) const { return nodes_[id]; }
  const NodeInfo& at(size_t index) const { return nodes_[order_[index]]; }
  // A node of the snapshot by name, or null.
  const NodeInfo* find_node(std::string_view name) const;
  // Nodes (existing or not) by slot; the slots of all nodes ever seen together.
  size_t slots() const { return nodes_.size(); }

  // How many pods have affinity terms, so that cycles without any skip the search.
  int64_t pods_with_affinity() const { return pods_with_affinity_; }
  int64_t pods_with_required_anti_affinity() const { return pods_with_anti_; }

  struct ClassInfo {
    api::Str ns;
    api::StrMap labels;
    uint32_t users = 0;  // 0: the number is free
    uint64_t since = 0;  // changes when the number gets another meaning
  };
  std::span<const ClassInfo> classes() const { return classes_; }

  // Topology keys are numbered when first asked for; hostname and zone always are.
  static constexpr TopologyKey kHostname = 0;
  static constexpr TopologyKey kZone = 1;
  TopologyKey topology_key(const api::Str& key);
  const api::Str& topology_name(TopologyKey key) const { return topologies_[key].name; }
  // One more than the largest number of a value of the key.
  size_t topology_values(TopologyKey key) const { return topologies_[key].values; }
  // The number of a node's value of the key, by slot; -1 where the node has no such label.
  std::span<const int32_t> topology(TopologyKey key) const { return topologies_[key].of_slot; }
  int32_t topology_value(TopologyKey key, const NodeInfo& node) const {
    return topologies_[key].of_slot[node.id];
  }
  // The same for those who do not tell nodes without the label from ones whose value is empty: 0
  // for both, and one more than its number for any other value.
  int32_t loose_topology_value(TopologyKey key, uint32_t slot) const {
    const int32_t value = topologies_[key].of_slot[slot];
    return value == topologies_[key].empty ? 0 : value + 1;
  }
  // The number of an image name, or nothing if no node has it.
  std::optional<uint32_t> image(std::string_view name) const { return image_index_.find(name); }

  // Counts the changes of nodes that matter to plugins.
  uint64_t generation() const { return generation_; }
  // The slots that changed since generation() had a value, which must be at least first_change().
  uint64_t first_change() const { return generation_ - log_.size(); }
  std::span<const uint32_t> changes_since(uint64_t generation) const {
    return std::span(log_).subspan(static_cast<size_t>(generation - first_change()));
  }

 private:
  struct PodState {
    PodInfoRef pod;
    LabelClass label_class = kNoClass;
    bool assumed = false;
    bool binding_finished = false;
    uint32_t node = 0;   // slot of the node it is on
    uint32_t index = 0;  // in the node's list
  };
  struct Topology {
    api::Str name;
    client::FlatIndex index;
    size_t values = 0;
    int32_t empty = -1;  // the number of the empty value, if a node had it
    std::vector<int32_t> of_slot;
  };
  struct ImageState {
    int64_t size = 0;
    int32_t nodes = 0;
  };

  static constexpr uint32_t kNone = client::SlotTable::kNone;

  uint32_t slot_for(const api::Str& name);
  void release_if_empty(uint32_t slot);
  void changed(NodeInfo& node);
  void touch(NodeInfo& node);
  // The number of the pod's state, or kNone.
  uint32_t state_of(const api::Str& uid) const;
  void place(uint32_t state);
  void unplace(uint32_t state);
  bool replace(uint32_t state, const PodInfoRef& pod);
  void set_topology(NodeInfo& node);
  int32_t topology_value(Topology& topology, const api::Node& node);
  void set_images(NodeInfo& node, const api::Node* old);
  LabelClass acquire_class(const PodInfo& pod);
  void release_class(LabelClass label_class);
  api::Ref<const PodTemplate> template_for(const api::Pod& pod);
  void compile_pod_affinity(const api::Affinity& affinity, PodTemplate& t);
  void compile_spread(const api::Pod& pod, PodTemplate& t);
  AffinityTerm compile_term(const api::PodAffinityTerm& term, const api::Str& ns, int32_t weight);

  std::vector<NodeInfo> nodes_;
  std::vector<uint32_t> free_nodes_;
  client::FlatIndex node_index_;
  NodeTree tree_;
  std::vector<uint32_t> order_;
  uint64_t order_version_ = 0;
  std::vector<uint32_t> dirty_;
  uint64_t generation_ = 0;
  std::vector<uint32_t> log_;  // the slots of the latest changes, in order

  client::ChunkedVector<PodState> pods_;
  std::vector<uint32_t> free_pods_;
  client::SlotTable pod_index_;  // by uid
  int64_t pods_with_affinity_ = 0;
  int64_t pods_with_anti_ = 0;

  std::vector<ClassInfo> classes_;
  std::vector<LabelClass> free_classes_;
  client::FlatIndex class_index_;
  uint64_t classes_made_ = 0;
  LabelClass last_class_ = kNoClass;

  std::vector<Topology> topologies_;
  std::vector<ImageState> images_;
  client::FlatIndex image_index_;
  std::vector<api::Ref<const PodTemplate>> templates_;  // most recently used first
};

}  // namespace mainspring::scheduler

// What the scheduler knows of one node: what it has, what is taken, who runs there.
//
// The numbers that every cycle reads come first. A value: copies are what preemption and nominated
// pods simulate on. Source: framework.NodeInfo (v1.35).
#pragma once

#include <cstdint>
#include <vector>

#include "models/scheduler/pod_info.h"

namespace mainspring::scheduler {

// A dense number for pods of one namespace with equal labels; kNoClass for pods that were put on a
// copy of a node and have none.
using LabelClass = uint32_t;
inline constexpr LabelClass kNoClass = UINT32_MAX;

struct NodeInfo {
  // A pod on the node.
  struct Entry {
    PodInfoRef pod;
    LabelClass label_class = kNoClass;
    uint32_t state = 0;  // the pod's place in the ClusterCache
  };
  // How many pods of one label class the node has.
  struct ClassCount {
    LabelClass label_class = 0;
    int32_t pods = 0;
    int32_t terminating = 0;
  };
  // As the snapshot saw it when this node last changed.
  struct Image {
    uint32_t image = 0;  // number in the ClusterCache's table
    int64_t size = 0;
    int32_t nodes = 0;
  };

  Resources allocatable;
  Resources requested;
  int64_t nonzero_cpu = 0;
  int64_t nonzero_memory = 0;
  int32_t named_claims = 0;           // volumes of its pods that name a claim
  int32_t pods_with_odd_volumes = 0;  // those with odd claims or inline disks
  bool has_hard_taints = false;       // NoSchedule or NoExecute
  bool has_soft_taints = false;       // PreferNoSchedule
  bool unschedulable = false;
  bool in_snapshot = false;
  bool dirty = false;     // changed since the last snapshot
  uint32_t id = 0;        // its slot in the ClusterCache
  uint32_t position = 0;  // in the snapshot's list, if it is in the snapshot

  NodeRef node;  // null: pods name a node that the API does not have (any more)
  api::Str name;
  api::Str zone;  // key in the node tree
  std::vector<Entry> pods;
  std::vector<PodInfoRef> pods_with_affinity;
  std::vector<PodInfoRef> pods_with_required_anti_affinity;
  std::vector<HostPort> ports;
  std::vector<ClassCount> classes;
  std::vector<Image> images;

  void set_node(NodeRef n);
  void add_pod(PodInfoRef pod, LabelClass label_class, uint32_t state = 0);
  // Removes the pod at an index of `pods`; the last one takes its place.
  void remove_at(size_t index);
  // As if the pod at the index was removed and `pod`, which counts the same, was added.
  void replace_at(size_t index, PodInfoRef pod);

 private:
  void count(const PodInfo& pod, LabelClass label_class, int32_t sign);
};

bool ports_conflict(const std::vector<HostPort>& wanted, const std::vector<HostPort>& used);

}  // namespace mainspring::scheduler

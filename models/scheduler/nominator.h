// Which pods are promised to which nodes: preemptors waiting for their victims to go.
// Source: pkg/scheduler/backend/queue/nominator.go (v1.35).
#pragma once

#include <map>
#include <span>
#include <string_view>
#include <vector>

#include "models/scheduler/pod_info.h"

namespace mainspring::scheduler {

class Nominator {
 public:
  // Replaces what the pod was promised; an empty node only forgets.
  void set(const PodInfoRef& pod, const api::Str& node) {
    remove(pod->uid());
    if (node.empty()) return;
    by_node_[node].push_back(pod);
    node_of_[pod->uid()] = node;
  }
  void remove(const api::Str& uid) {
    const auto it = node_of_.find(uid);
    if (it == node_of_.end()) return;
    const auto list = by_node_.find(it->second);
    std::erase_if(list->second, [&](const PodInfoRef& p) { return p->uid() == uid; });
    if (list->second.empty()) by_node_.erase(list);
    node_of_.erase(it);
  }
  // Another state of a pod takes the place of the one that is promised a node, if it is.
  void replace(const PodInfoRef& pod) {
    const auto it = node_of_.find(pod->uid());
    if (it == node_of_.end()) return;
    for (PodInfoRef& p : by_node_.find(it->second)->second) {
      if (p->uid() == pod->uid()) p = pod;
    }
  }
  // The pods promised to a node, in order of their nomination.
  std::span<const PodInfoRef> on(const api::Str& node) const {
    if (by_node_.empty()) return {};
    const auto it = by_node_.find(node);
    return it == by_node_.end() ? std::span<const PodInfoRef>() : it->second;
  }
  // The node a pod is promised to; empty if none.
  api::Str node_of(const api::Str& uid) const {
    const auto it = node_of_.find(uid);
    return it == node_of_.end() ? api::Str() : it->second;
  }
  bool empty() const { return by_node_.empty(); }
  // Calls f(node, pods) for every node that is promised, by name.
  template <class F>
  void for_each(F&& f) const {
    for (const auto& [node, pods] : by_node_) f(node, std::span<const PodInfoRef>(pods));
  }

 private:
  std::map<api::Str, std::vector<PodInfoRef>> by_node_;
  std::map<api::Str, api::Str> node_of_;
};

}  // namespace mainspring::scheduler

// What the scheduler knows of one pod, computed once: what depends on the spec alone sits in a
// PodTemplate that all pods of equal spec share.
//
// Both are immutable and counted, shared by queue, cache, forks. Templates hold topology keys as
// numbers of the ClusterCache that made them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "models/scheduler/resources.h"
#include "models/scheduler/selectors.h"

namespace mainspring::scheduler {

using PodRef = api::Ref<const api::Pod>;
using NodeRef = api::Ref<const api::Node>;
// The number of a topology key in the ClusterCache's table.
using TopologyKey = uint16_t;

struct HostPort {
  api::Str ip;        // "0.0.0.0" by default
  api::Str protocol;  // "TCP" by default
  int32_t port = 0;
  friend bool operator==(const HostPort&, const HostPort&) = default;
};

// A term of pod affinity or anti-affinity.
struct AffinityTerm {
  std::vector<api::Str> namespaces;  // the pod's own if the term names none
  Selector labels;
  Selector namespace_labels = Selector::nothing();  // of namespaceSelector
  bool has_namespace_selector = false;
  TopologyKey key = 0;
  int64_t weight = 0;  // of a preferred term
};

struct SpreadConstraint {
  TopologyKey key = 0;
  int32_t max_skew = 1;
  int32_t min_domains = 1;
  bool hard = false;  // DoNotSchedule
  bool honor_affinity = true;
  bool honor_taints = false;
  Selector selector;
  friend struct PodTemplate;
};

struct PodTemplate {
  api::RefCount refs;

  // What the template was made from, to recognise pods that may share it.
  api::Str ns;
  api::StrMap labels;  // compared only when labels_matter
  bool labels_matter = false;
  api::List<api::Container> init_containers;
  api::List<api::Container> containers;
  api::StrMap node_selector;
  api::Opt<api::Affinity> affinity;
  api::List<api::Toleration> tolerations;
  api::List<api::TopologySpreadConstraint> topology_spread_constraints;
  api::ResourceList overhead;
  api::Opt<api::ResourceRequirements> pod_resources;

  // Requests: fact sheet §6 says which use counts what.
  Resources request;        // Fit's filter
  Resources node_request;   // NodeInfo.requested, and BalancedAllocation
  Resources score_request;  // Fit's score: defaults filled in, no pod-level resources
  int64_t nonzero_cpu = 0;  // NodeInfo.nonzero_*
  int64_t nonzero_memory = 0;

  std::vector<HostPort> host_ports;
  RequiredNodeAffinity required;
  std::vector<PreferredNodeTerm> preferred;
  bool has_preferred = false;     // some are given, blank ones too
  std::string preferred_problem;  // why they cannot be read; empty if they can
  // Names that required matchFields allow, if every term names some.
  std::optional<std::vector<api::Str>> node_names;

  bool has_pod_affinity = false;  // any podAffinity or podAntiAffinity object
  std::vector<AffinityTerm> required_affinity;
  std::vector<AffinityTerm> required_anti_affinity;
  std::vector<AffinityTerm> preferred_affinity;
  std::vector<AffinityTerm> preferred_anti_affinity;

  std::vector<SpreadConstraint> spread;
  std::vector<api::Str> images;  // of init containers and containers, normalised

  bool same_spec(const api::Pod& pod) const;
};

struct PodInfo {
  // What the container statuses say instead of the spec (in-place resize).
  struct Resized {
    Resources request;
    int64_t nonzero_cpu = 0;
    int64_t nonzero_memory = 0;
    friend bool operator==(const Resized&, const Resized&) = default;
  };

  api::RefCount refs;
  int32_t priority = 0;
  PodRef pod;
  api::Ref<const PodTemplate> t;
  api::Str node_name;  // spec.nodeName, or the node it is assumed on
  bool terminating = false;
  bool has_claims = false;      // a volume is a claim, or makes one (generic ephemeral)
  bool has_odd_claims = false;  // a volume makes its claim, or names none
  bool has_disks = false;       // a volume is one of the in-tree kinds that sit inline in a pod
  int32_t named_claims = 0;     // volumes that name a claim
  api::Opt<Resized> resized;    // of pods whose statuses say something else than the spec

  const api::Str& uid() const { return pod->metadata.uid; }
  const api::StrMap& labels() const { return pod->metadata.labels; }
  const api::Str& ns() const { return pod->metadata.namespace_; }
  const api::Str& name() const { return pod->metadata.name; }
  std::string key() const { return ns().str() + "/" + name().str(); }
  const Resources& node_request() const { return resized ? resized->request : t->node_request; }
  int64_t nonzero_cpu() const { return resized ? resized->nonzero_cpu : t->nonzero_cpu; }
  int64_t nonzero_memory() const { return resized ? resized->nonzero_memory : t->nonzero_memory; }
};
using PodInfoRef = api::Ref<const PodInfo>;

}  // namespace mainspring::scheduler

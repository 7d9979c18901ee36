// Label selectors, node selectors and tolerations, compiled once per pod template so that matching
// in the inner loops parses nothing. Semantics: scheduler fact sheet §7; apimachinery's pkg/labels
// and component-helpers/scheduling/corev1/nodeaffinity (v1.35).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/api/types/core.h"

namespace mainspring::scheduler {

// One requirement on a map of labels. kNever is a requirement that did not parse.
struct Requirement {
  enum class Op : uint8_t { kEquals, kIn, kNotIn, kExists, kDoesNotExist, kGt, kLt, kNever };
  Op op = Op::kNever;
  api::Str key;
  std::vector<api::Str> values;  // kEquals, kIn, kNotIn
  int64_t number = 0;            // kGt, kLt

  friend bool operator==(const Requirement&, const Requirement&) = default;
  bool matches(const api::StrMap& labels) const;
};

// All requirements hold. Without any it matches everything; `nothing` matches nothing.
class Selector {
 public:
  static Selector nothing() {
    Selector s;
    s.nothing_ = true;
    return s;
  }
  static Selector everything() { return {}; }
  // An absent selector matches nothing, an empty one everything.
  static Selector of(const api::Opt<api::LabelSelector>& selector);
  static Selector of(const api::LabelSelector& selector);
  static Selector of(const api::StrMap& labels);

  void require_equal(api::Str key, api::Str value);
  void add(const Selector& other);
  bool matches(const api::StrMap& labels) const {
    if (nothing_) return false;
    for (const Requirement& r : requirements_) {
      if (!r.matches(labels)) return false;
    }
    return true;
  }
  // Matches everything, because nothing is required.
  bool empty() const { return !nothing_ && requirements_.empty(); }
  friend bool operator==(const Selector&, const Selector&) = default;

 private:
  std::vector<Requirement> requirements_;
  bool nothing_ = false;
};

// One term of a node selector: expressions on labels and fields (metadata.name; others are empty).
struct NodeTerm {
  bool valid = false;  // parsed, and not empty
  std::vector<Requirement> labels;
  std::vector<Requirement> fields;  // of the name, kIn or kNotIn with one value

  static NodeTerm of(const api::NodeSelectorTerm& term);
  bool matches(const api::Node& node) const {
    return matches(node.metadata.labels, node.metadata.name);
  }
  // Where only a node's labels count its name is empty, and fields do not count either.
  bool matches(const api::StrMap& of_node, const api::Str& name) const;
  bool unreadable() const { return !valid && !(labels.empty() && fields.empty()); }
};

struct PreferredNodeTerm {
  int64_t weight = 0;
  NodeTerm term;
};
// Those that count; blank ones and ones without a weight do not. What is wrong with any of them is
// added to `problems`, in the words of NewPreferredSchedulingTerms.
std::vector<PreferredNodeTerm> compile_preferred(
    const api::List<api::PreferredSchedulingTerm>& terms, std::vector<std::string>* problems);

struct NodeTerms {
  std::vector<NodeTerm> terms;
  static NodeTerms of(const api::NodeSelector& selector);
  bool matches(const api::Node& node) const {
    return matches(node.metadata.labels, node.metadata.name);
  }
  bool matches(const api::StrMap& of_node, const api::Str& name) const {
    for (const NodeTerm& t : terms) {
      if (t.matches(of_node, name)) return true;
    }
    return false;
  }
};

// nodeSelector and required node affinity of a pod, together.
struct RequiredNodeAffinity {
  Selector node_selector;
  bool has_affinity = false;
  NodeTerms affinity;

  static RequiredNodeAffinity of(const api::PodSpec& spec);
  bool trivial() const { return node_selector.empty() && !has_affinity; }
  bool matches(const api::Node& node) const;
  // No term matches the node, and one cannot be read: an error in Kubernetes.
  bool undecided(const api::Node& node) const;
};

bool tolerates(const api::Toleration& toleration, const api::Taint& taint);
bool tolerates(const api::List<api::Toleration>& tolerations, const api::Taint& taint);
// The first NoSchedule or NoExecute taint that is not tolerated, or null.
const api::Taint* untolerated_taint(const api::List<api::Taint>& taints,
                                    const api::List<api::Toleration>& tolerations);

}  // namespace mainspring::scheduler

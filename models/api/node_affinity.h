// Node selectors: spec.nodeSelector, required node affinity and the terms of preferred node
// affinity, of pods and of persistent volumes. Rules of k8s.io/component-helpers/scheduling/
// corev1/nodeaffinity (v1.35):
//
//   - A term without expressions and fields matches nothing; terms are alternatives.
//   - A term with an error (unknown operator, wrong number of values, bad key or value, Gt/Lt
//     operand that is no integer, a field other than metadata.name) matches nothing, the others
//     still count.
#pragma once

#include <vector>

#include "models/api/labels.h"
#include "models/api/types/forward.h"
#include "models/api/validation.h"
#include "models/api/value.h"

namespace mainspring::api {

// "key in (values)", and the selector of one term.
NodeSelectorRequirement requirement_in(Str key, List<Str> values);
NodeSelector selector_of(NodeSelectorTerm term);

// What Kubernetes' parser of node selectors says against the term, by paths inside it.
std::vector<FieldError> node_term_problems(const NodeSelectorTerm& term);

bool matches(const NodeSelectorTerm& term, const StrMap& labels, std::string_view node_name);
// Any of the terms.
bool matches(const NodeSelector& selector, const StrMap& labels, std::string_view node_name);

// nodeSelector and the required node affinity of the pod.
bool matches_required_node_affinity(const PodSpec& spec, const StrMap& labels,
                                    std::string_view node_name);

}  // namespace mainspring::api

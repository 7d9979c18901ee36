#include "models/apiserver/label_keys.h"

#include <algorithm>

namespace mainspring::apiserver {

namespace {
bool names_keys(const api::PodAffinityTerm& t) {
  return !t.match_label_keys.empty() || !t.mismatch_label_keys.empty();
}
bool names_keys(const api::WeightedPodAffinityTerm& t) { return names_keys(t.pod_affinity_term); }
bool names_keys(const api::TopologySpreadConstraint& t) { return !t.match_label_keys.empty(); }
template <class T>
bool any_names_keys(const api::List<T>& terms) {
  return std::any_of(terms.begin(), terms.end(), [](const T& t) { return names_keys(t); });
}
template <class Affinity>  // of either kind
bool any_names_keys(const api::Opt<Affinity>& a) {
  return a && (any_names_keys(a->required_during_scheduling_ignored_during_execution) ||
               any_names_keys(a->preferred_during_scheduling_ignored_during_execution));
}
bool any_names_keys(const api::PodSpec& spec) {
  return any_names_keys(spec.topology_spread_constraints) ||
         (spec.affinity && (any_names_keys(spec.affinity->pod_affinity) ||
                            any_names_keys(spec.affinity->pod_anti_affinity)));
}

void merge(const api::StrMap& labels, const api::List<api::Str>& keys, std::string_view op,
           api::Opt<api::LabelSelector>& selector) {
  // No selector selects no pod, and so it stays.
  if (keys.empty() || !selector) return;
  for (const api::Str& key : keys) {
    const api::Str* value = labels.find(key);
    if (!value) continue;
    api::LabelSelectorRequirement r;
    r.key = key;
    r.operator_ = op;
    r.values = {*value};
    selector.edit().match_expressions.push_back(std::move(r));
  }
}
void merge(const api::StrMap& labels, api::PodAffinityTerm& t) {
  merge(labels, t.match_label_keys, api::label_selector_operator::kIn, t.label_selector);
  merge(labels, t.mismatch_label_keys, api::label_selector_operator::kNotIn, t.label_selector);
}
template <class Affinity>
void merge(const api::StrMap& labels, api::Opt<Affinity>& affinity) {
  if (!any_names_keys(affinity)) return;
  Affinity& a = affinity.edit();
  for (auto& t : a.required_during_scheduling_ignored_during_execution.edit()) merge(labels, t);
  for (auto& w : a.preferred_during_scheduling_ignored_during_execution.edit()) {
    merge(labels, w.pod_affinity_term);
  }
}
}  // namespace

void merge_label_keys(api::Pod& pod) {
  api::PodSpec& spec = pod.spec;
  // Most pods name none and share their spec with their like: what is not written stays shared.
  if (!any_names_keys(spec)) return;
  const api::StrMap& labels = pod.metadata.labels;
  if (spec.affinity) {
    api::Affinity& a = spec.affinity.edit();
    merge(labels, a.pod_affinity);
    merge(labels, a.pod_anti_affinity);
  }
  for (api::TopologySpreadConstraint& t : spec.topology_spread_constraints.edit()) {
    merge(labels, t.match_label_keys, api::label_selector_operator::kIn, t.label_selector);
  }
}

}  // namespace mainspring::apiserver

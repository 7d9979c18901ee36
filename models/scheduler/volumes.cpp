#include "models/scheduler/volumes.h"

#include <fmt/format.h>

#include <algorithm>

#include "models/api/pod_helpers.h"

namespace mainspring::scheduler {

bool uses_claim(const api::Pod& pod, const api::ObjectMeta& claim) {
  if (pod.metadata.namespace_ != claim.namespace_) return false;
  return std::any_of(pod.spec.volumes.begin(), pod.spec.volumes.end(), [&](const auto& v) {
    const std::optional<std::string> name = api::claim_of(pod, v);
    return name && claim.name == std::string_view(*name);
  });
}

std::string not_owned(const api::Pod& pod, const api::PersistentVolumeClaim& claim) {
  const api::OwnerReference* owner = api::controller_of(claim);
  if (owner && owner->uid == pod.metadata.uid) return {};
  return fmt::format("PVC {}/{} was not created for pod {}/{} (pod is not owner)",
                     claim.metadata.namespace_.view(), claim.metadata.name.view(),
                     pod.metadata.namespace_.view(), pod.metadata.name.view());
}

std::string not_found(std::string_view resource, std::string_view name) {
  return fmt::format("{} \"{}\" not found", resource, name);
}

bool allows_topology(const api::List<api::TopologySelectorTerm>& terms, const api::StrMap& labels) {
  if (terms.empty()) return true;
  return std::any_of(terms.begin(), terms.end(), [&](const api::TopologySelectorTerm& term) {
    const auto& all = term.match_label_expressions;
    return !all.empty() && std::all_of(all.begin(), all.end(), [&](const auto& e) {
      const api::Str* v = labels.find(e.key);
      return v && std::find(e.values.begin(), e.values.end(), *v) != e.values.end();
    });
  });
}

}  // namespace mainspring::scheduler

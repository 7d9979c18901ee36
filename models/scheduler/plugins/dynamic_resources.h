// The part of dynamic resource allocation that every pod's messages show. Claims themselves are not
// modelled: a pod with spec.resourceClaims is rejected.
// Source: pkg/scheduler/framework/plugins/dynamicresources (v1.35).
#pragma once

#include "models/scheduler/plugin.h"

namespace mainspring::scheduler {

class DynamicResources final : public PluginBase<DynamicResources> {
 public:
  static constexpr std::string_view kName = "DynamicResources";
  static constexpr Points kPoints = kPreFilter | kPostFilter | kScore;
  static constexpr Points kLocal = kScore;

  // Nothing that happens lets a rejected pod in.
  std::vector<EventRegistration> events() const override { return {}; }
  Status pre_filter(Cycle& cycle, std::optional<std::vector<api::Str>>* nodes) override;
  Status post_filter(Cycle& cycle, const NodeStatuses& statuses, Nominating* nominating) override;
  // Only alternatives of a claim's requests tell nodes apart.
  int64_t score(const Cycle&, const NodeInfo&) const { return 0; }

 private:
  struct Data;
};

}  // namespace mainspring::scheduler

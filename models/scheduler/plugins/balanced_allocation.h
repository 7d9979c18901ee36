// Prefers nodes whose resources would be used evenly.
// Source: pkg/scheduler/framework/plugins/noderesources/balanced_allocation.go (v1.35).
#pragma once

#include "models/scheduler/plugin.h"
#include "models/scheduler/plugin_args.h"

namespace mainspring::scheduler {

class NodeResourcesBalancedAllocation final : public PluginBase<NodeResourcesBalancedAllocation> {
 public:
  static constexpr std::string_view kName = "NodeResourcesBalancedAllocation";
  static constexpr Points kPoints = kPreScore | kScore;
  static constexpr Points kLocal = kScore;
  using Args = NodeResourcesBalancedAllocationArgs;

  explicit NodeResourcesBalancedAllocation(const Args& args);
  Status pre_score(Cycle& cycle, const NodeList& nodes) override;
  int64_t score(const Cycle& cycle, const NodeInfo& node) const;

 private:
  bool asks_for_any(const Resources& pod) const;

  std::vector<api::Str> resources_;
  bool plain_ = false;  // cpu and memory
};

}  // namespace mainspring::scheduler

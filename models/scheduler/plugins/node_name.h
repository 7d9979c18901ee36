// A pod that names its node goes nowhere else.
// Source: pkg/scheduler/framework/plugins/nodename (v1.35).
#pragma once

#include "models/scheduler/plugin.h"

namespace mainspring::scheduler {

class NodeName final : public PluginBase<NodeName> {
 public:
  static constexpr std::string_view kName = "NodeName";
  static constexpr Points kPoints = kFilter;
  static constexpr Points kLocal = kFilter;
  static constexpr std::string_view kReason = "node(s) didn't match the requested node name";

  std::vector<EventRegistration> events() const override {
    return {{{Resource::kNode, kAdd}, EventRegistration::kAlways}};
  }
  Status filter(const Cycle& cycle, const NodeInfo& node) const override {
    const api::Str& wanted = cycle.info().pod->spec.node_name;
    if (wanted.empty() || wanted == node.name) return {};
    return Status::unresolvable(reason_);
  }

 private:
  const api::Str reason_ = kReason;
};

}  // namespace mainspring::scheduler

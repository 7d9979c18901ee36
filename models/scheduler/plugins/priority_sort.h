// The order of the active queue: higher priority first, then the older one.
// Source: pkg/scheduler/framework/plugins/queuesort (v1.35). The queue itself compares so, with the
// sequence of arrival where virtual timestamps are equal.
#pragma once

#include "models/scheduler/plugin.h"

namespace mainspring::scheduler {

class PrioritySort final : public PluginBase<PrioritySort> {
 public:
  static constexpr std::string_view kName = "PrioritySort";
  static constexpr Points kPoints = kQueueSort;

  static bool less(const PodInfo& a, const PodInfo& b) { return a.priority > b.priority; }
};

}  // namespace mainspring::scheduler

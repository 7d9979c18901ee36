// The one place where the plugins there are, and the ones Kubernetes enables, are listed.
// Source: pkg/scheduler/framework/plugins/registry.go, apis/config/v1/default_plugins.go (v1.35).
#pragma once

#include "models/scheduler/framework.h"

namespace mainspring::scheduler {

void register_scheduler_plugins(Registry& registry);

// The plugins of Kubernetes' default profile with their weights, in order.
std::vector<PluginWeight> default_plugins();

}  // namespace mainspring::scheduler

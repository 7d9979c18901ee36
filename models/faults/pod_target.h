// The containers that a fault's target names.
#pragma once

#include <string>
#include <vector>

#include "models/faults/fault.h"

namespace mainspring::faults {

// Running containers (not init containers) of the pods that match, `count` pods of them; of each
// pod the container named, or its first.
std::vector<node::ContainerHandle> target_containers(const FaultContext& context,
                                                     const FaultTarget& target);
// "pod a" or "pods a, b and 3 more".
std::string pod_names(const FaultContext& context, const std::vector<node::ContainerHandle>& of);
// Machines that match and have power, `count` of them.
std::vector<node::NodeIndex> target_nodes(const FaultContext& context, const FaultTarget& target);
std::string node_names(const FaultContext& context, const std::vector<node::NodeIndex>& of);

}  // namespace mainspring::faults

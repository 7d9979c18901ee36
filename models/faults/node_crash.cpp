// node_crash: machines lose power; after the duration they have it again and boot.
#include <fmt/format.h>

#include "models/faults/pod_target.h"

namespace mainspring::faults {

namespace {

std::string check(const FaultSpec&) { return {}; }

std::string inject(FaultContext& context, const FaultSpec& spec, FaultState& state) {
  state.nodes = target_nodes(context, spec.target);
  for (const node::NodeIndex n : state.nodes) {
    context.fleet.crash(context.world, n, "the machine crashed");
  }
  if (state.nodes.empty()) return "No running node matches: nothing crashed.";
  return fmt::format("The power of {} failed.", node_names(context, state.nodes));
}

std::string recover(FaultContext& context, const FaultSpec&, FaultState& state) {
  for (const node::NodeIndex n : state.nodes) context.fleet.recover(context.world, n);
  return fmt::format("Power is back for {}.", node_names(context, state.nodes));
}

}  // namespace

const FaultType kNodeCrash{"node_crash",
                           "Machines lose power, and have it again after the duration.", check,
                           inject, recover};

}  // namespace mainspring::faults

// container_crash: the process in a container ends, once; the kubelet restarts it with back-off.
#include <fmt/format.h>

#include "models/faults/pod_target.h"

namespace mainspring::faults {

namespace {

std::string check(const FaultSpec& spec) {
  if (spec.exit_code < 0 || spec.exit_code > 255) return "exitCode must be between 0 and 255";
  return {};
}

std::string inject(FaultContext& context, const FaultSpec& spec, FaultState&) {
  const std::vector<node::ContainerHandle> targets = target_containers(context, spec.target);
  const std::string names = pod_names(context, targets);
  for (const node::ContainerHandle c : targets) {
    context.fleet.crash_container(context.world, c, spec.exit_code, spec.reason);
  }
  if (targets.empty()) return "No running container matches: nothing crashed.";
  return fmt::format("The process in {} crashed with exit code {}.", names, spec.exit_code);
}

std::string recover(FaultContext&, const FaultSpec&, FaultState&) {
  return "Nothing to undo: the kubelet restarts what crashed.";
}

}  // namespace

const FaultType kContainerCrash{"container_crash", "The process in a container ends.", check,
                                inject, recover};

}  // namespace mainspring::faults

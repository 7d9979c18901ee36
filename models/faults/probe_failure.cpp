// probe_failure: readiness (or liveness) probes of pods fail while their programs go on.
#include <fmt/format.h>

#include "models/faults/pod_target.h"

namespace mainspring::faults {

namespace {

std::string check(const FaultSpec&) { return {}; }

node::ProbeKind kind_of(const FaultSpec& spec) {
  return spec.liveness ? node::ProbeKind::kLiveness : node::ProbeKind::kReadiness;
}

std::string inject(FaultContext& context, const FaultSpec& spec, FaultState& state) {
  state.containers = target_containers(context, spec.target);
  const std::string names = pod_names(context, state.containers);
  for (const node::ContainerHandle c : state.containers) {
    context.fleet.force_probe(context.world, c, kind_of(spec), false);
  }
  return fmt::format("The {} probe of {} fails.", spec.liveness ? "liveness" : "readiness", names);
}

std::string recover(FaultContext& context, const FaultSpec& spec, FaultState& state) {
  for (const node::ContainerHandle c : state.containers) {
    context.fleet.force_probe(context.world, c, kind_of(spec), std::nullopt);
  }
  return fmt::format("The {} probe of {} answers as before.",
                     spec.liveness ? "liveness" : "readiness",
                     pod_names(context, state.containers));
}

}  // namespace

const FaultType kProbeFailure{"probe_failure", "Probes of pods fail while their programs go on.",
                              check, inject, recover};

}  // namespace mainspring::faults

// registry_outage: pulls from a registry fail; slow_registry: every pull takes longer.
#include <fmt/format.h>

#include "models/faults/fault.h"

namespace mainspring::faults {

namespace {

std::string_view host_of(const FaultSpec& spec) {
  return spec.host.empty() ? std::string_view("docker.io") : spec.host.view();
}

std::string check_outage(const FaultSpec&) { return {}; }

std::string outage(FaultContext& context, const FaultSpec& spec, FaultState&) {
  context.fleet.images().set_down(host_of(spec), true);
  return fmt::format("Registry {} is down.", host_of(spec));
}

std::string outage_over(FaultContext& context, const FaultSpec& spec, FaultState&) {
  context.fleet.images().set_down(host_of(spec), false);
  return fmt::format("Registry {} answers again.", host_of(spec));
}

std::string check_slow(const FaultSpec& spec) {
  return spec.factor_per_mille <= 0 ? "factor must be positive" : "";
}

std::string slow(FaultContext& context, const FaultSpec& spec, FaultState&) {
  context.fleet.images().set_slowdown(spec.factor_per_mille);
  const int64_t tenths = spec.factor_per_mille / 100;
  return fmt::format("Image pulls take {}.{} times as long.", tenths / 10, tenths % 10);
}

std::string slow_over(FaultContext& context, const FaultSpec&, FaultState&) {
  context.fleet.images().set_slowdown(1000);
  return "Image pulls have their usual speed again.";
}

}  // namespace

const FaultType kRegistryOutage{"registry_outage", "Pulls from a registry fail.", check_outage,
                                outage, outage_over};
const FaultType kSlowRegistry{"slow_registry", "Image pulls take longer.", check_slow, slow,
                              slow_over};

}  // namespace mainspring::faults

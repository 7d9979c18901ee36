// traffic_spike: users send more (or fewer) requests for a while.
#include <fmt/format.h>

#include "models/faults/fault.h"

namespace mainspring::faults {

namespace {

std::string check(const FaultSpec& spec) {
  if (spec.factor_per_mille < 0) return "factor must not be negative";
  if (spec.duration <= sim::Duration()) return "duration is required";
  return {};
}

// How many sources now have another rate.
size_t set_factor(FaultContext& context, const FaultSpec& spec, int64_t per_mille) {
  if (!context.traffic) return 0;
  traffic::RequestEngine& traffic = *context.traffic;
  size_t changed = 0;
  for (uint32_t s = 0; s < traffic.source_count(); ++s) {
    if (!spec.target.traffic.empty() && traffic.source_name(s) != spec.target.traffic) continue;
    traffic.set_factor(context.world, s, static_cast<double>(per_mille) / 1000.0, spec.ramp);
    ++changed;
  }
  return changed;
}

std::string who(const FaultSpec& spec) {
  return spec.target.traffic.empty() ? "Traffic"
                                     : fmt::format("Traffic of {}", spec.target.traffic.view());
}

std::string inject(FaultContext& context, const FaultSpec& spec, FaultState&) {
  if (set_factor(context, spec, spec.factor_per_mille) == 0) {
    return "No traffic matches: nothing changed.";
  }
  const int64_t tenths = spec.factor_per_mille / 100;
  return fmt::format("{} is multiplied by {}.{}.", who(spec), tenths / 10, tenths % 10);
}

std::string recover(FaultContext& context, const FaultSpec& spec, FaultState&) {
  set_factor(context, spec, 1000);
  return fmt::format("{} is back to normal.", who(spec));
}

}  // namespace

const FaultType kTrafficSpike{"traffic_spike", "Users send more requests for a while.", check,
                              inject, recover};

}  // namespace mainspring::faults

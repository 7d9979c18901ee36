// traffic_spike: users send more (or fewer) requests for a while. The traffic component does it;
// here is only the word.
#include <fmt/format.h>

#include "models/faults/fault.h"

namespace mainspring::faults {

namespace {

std::string check(const FaultSpec& spec) {
  if (spec.factor_per_mille < 0) return "factor must not be negative";
  if (spec.duration <= sim::Duration()) return "duration is required";
  return {};
}

void tell(FaultContext& context, const FaultSpec& spec, int64_t factor) {
  if (!context.traffic.component.valid()) return;
  context.world.schedule(sim::Duration(), context.traffic.component, context.traffic.kind,
                         spec.target.traffic, static_cast<uint64_t>(factor),
                         static_cast<uint32_t>(spec.ramp / sim::Duration::millis(1)));
}

std::string inject(FaultContext& context, const FaultSpec& spec, FaultState&) {
  tell(context, spec, spec.factor_per_mille);
  const int64_t tenths = spec.factor_per_mille / 100;
  return fmt::format("Traffic is multiplied by {}.{}.", tenths / 10, tenths % 10);
}

std::string recover(FaultContext& context, const FaultSpec& spec, FaultState&) {
  tell(context, spec, 1000);
  return "Traffic is back to normal.";
}

}  // namespace

const FaultType kTrafficSpike{"traffic_spike", "Users send more requests for a while.", check,
                              inject, recover};

}  // namespace mainspring::faults

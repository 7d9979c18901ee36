#include "models/faults/fault.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim/check.h"

namespace mainspring::faults {

const std::vector<FaultType>& fault_types() {
  static const std::vector<FaultType> all = {kContainerCrash, kNodeCrash,    kProbeFailure,
                                             kRegistryOutage, kSlowRegistry, kTrafficSpike,
                                             kZoneOutage};
  return all;
}

const FaultType* find_fault_type(std::string_view kind) {
  for (const FaultType& type : fault_types()) {
    if (type.kind == kind) return &type;
  }
  return nullptr;
}

std::vector<size_t> FaultContext::choose(size_t n, int32_t count) const {
  std::vector<size_t> chosen;
  if (count <= 0 || static_cast<size_t>(count) >= n) {
    for (size_t i = 0; i < n; ++i) chosen.push_back(i);
    return chosen;
  }
  // Selection sampling (Knuth 3.4.2 S): every subset is equally likely.
  sim::Rng rng = world.stream("faults").rng(number);
  size_t need = static_cast<size_t>(count);
  for (size_t i = 0; i < n && need > 0; ++i) {
    if (rng.below(n - i) < need) {
      chosen.push_back(i);
      --need;
    }
  }
  return chosen;
}

FaultInjector::FaultInjector(Options options)
    : options_(std::move(options)), states_(options_.faults.size()) {
  for (const FaultSpec& spec : options_.faults) {
    MAINSPRING_CHECK(find_fault_type(spec.kind), "no fault of kind {}", spec.kind.view());
  }
}

void FaultInjector::start(sim::World& world) {
  for (size_t i = 0; i < options_.faults.size(); ++i) {
    world.schedule(options_.faults[i].at, id(), kInject, i);
  }
}

void FaultInjector::handle(sim::World& world, const sim::Event& event) {
  const FaultSpec& spec = options_.faults[event.a];
  FaultState& state = states_[event.a];
  const FaultType& type = *find_fault_type(spec.kind);
  FaultContext context{world, world.get(options_.fleet),
                       options_.cloud.valid() ? &world.get(options_.cloud) : nullptr,
                       options_.traffic.valid() ? &world.get(options_.traffic) : nullptr,
                       static_cast<uint32_t>(event.a)};
  const std::string key =
      fmt::format("Fault/{}", spec.name.empty() ? spec.kind.view() : spec.name.view());
  if (event.kind == kInject) {
    state.active = true;
    const std::string sentence = type.inject(context, spec, state);
    world.record("fault.inject", key, sentence);
    if (spec.duration > sim::Duration()) {
      world.schedule(spec.duration, id(), kRecover, event.a);
    } else {
      state.active = false;
    }
    return;
  }
  const std::string sentence = type.recover(context, spec, state);
  world.record("fault.recover", key, sentence);
  state = FaultState();
}

}  // namespace mainspring::faults

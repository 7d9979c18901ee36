// zone_outage: every machine of a zone loses power, and the cloud gives no new ones there, until
// the zone is back.
#include <fmt/format.h>

#include "models/faults/pod_target.h"

namespace mainspring::faults {

namespace {

std::string check(const FaultSpec& spec) {
  return spec.target.zone.empty() ? "zone is required" : "";
}

std::string inject(FaultContext& context, const FaultSpec& spec, FaultState& state) {
  FaultTarget zone;
  zone.zone = spec.target.zone;
  state.nodes = target_nodes(context, zone);
  if (context.cloud) context.cloud->set_zone_down(zone.zone, true);
  for (const node::NodeIndex n : state.nodes) {
    context.fleet.crash(context.world, n, fmt::format("zone {} is out", zone.zone.view()));
  }
  return fmt::format("Zone {} went down with {} nodes.", zone.zone.view(), state.nodes.size());
}

std::string recover(FaultContext& context, const FaultSpec& spec, FaultState& state) {
  if (context.cloud) context.cloud->set_zone_down(spec.target.zone, false);
  for (const node::NodeIndex n : state.nodes) context.fleet.recover(context.world, n);
  return fmt::format("Zone {} has power again; its {} nodes boot.", spec.target.zone.view(),
                     state.nodes.size());
}

}  // namespace

const FaultType kZoneOutage{"zone_outage", "All machines of a zone lose power.", check, inject,
                            recover};

}  // namespace mainspring::faults

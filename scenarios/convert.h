// From the scenario's words to the models' options. The scenario has been checked by the loader.
#pragma once

#include <string_view>
#include <vector>

#include "models/autoscaling/registry.h"
#include "models/cloud/cloud.h"
#include "models/controllers/registry.h"
#include "models/faults/fault.h"
#include "models/node/node_fleet.h"
#include "models/traffic/options.h"
#include "scenarios/loader.h"

namespace mainspring::scenarios {

sim::Duration duration_or_zero(std::string_view text);

node::NodeFleet::Options convert_fleet(const LoadedScenario& scenario,
                                       sim::ComponentRef<apiserver::ApiServer> server);
cloud::Cloud::Options convert_cloud(const LoadedScenario& scenario,
                                    sim::ComponentRef<apiserver::ApiServer> server,
                                    sim::ComponentRef<node::NodeFleet> fleet);
traffic::TrafficOptions convert_traffic(const LoadedScenario& scenario);
std::vector<faults::FaultSpec> convert_faults(const LoadedScenario& scenario);
controllers::Options convert_controllers(const LoadedScenario& scenario);
autoscaling::Options convert_autoscaling(const LoadedScenario& scenario);

}  // namespace mainspring::scenarios

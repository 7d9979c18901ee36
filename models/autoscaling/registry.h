// The autoscalers that are modelled, in one place.
#pragma once

#include <memory>
#include <vector>

#include "models/autoscaling/horizontal_controller.h"
#include "models/client/control_loop.h"

namespace mainspring::autoscaling {

struct Options {
  HorizontalOptions horizontal;
};

// Appends one loop per autoscaler that runs inside kube-controller-manager.
void register_autoscalers(std::vector<std::unique_ptr<client::ControlLoop>>& loops,
                          const Options& options = {});

}  // namespace mainspring::autoscaling

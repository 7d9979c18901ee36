#include "models/autoscaling/registry.h"

#include "models/client/reconciler.h"

namespace mainspring::autoscaling {

void register_autoscalers(std::vector<std::unique_ptr<client::ControlLoop>>& loops,
                          const Options& options) {
  loops.push_back(
      std::make_unique<client::ReconcilerLoop>(make_horizontal_controller(options.horizontal)));
}

}  // namespace mainspring::autoscaling

#include "models/scheduler/plugins/dynamic_resources.h"

namespace mainspring::scheduler {

struct DynamicResources::Data final : CycleDataOf<Data> {};

Status DynamicResources::pre_filter(Cycle& cycle, std::optional<std::vector<api::Str>>*) {
  cycle.state->write<Data>(id());
  const auto& claims = cycle.info().pod->spec.resource_claims;
  if (claims.empty()) return Status::skip();
  return Status::unresolvable("resourceclaim \"" + claims[0].name.str() + "\" not found");
}

Status DynamicResources::post_filter(Cycle& cycle, const NodeStatuses&, Nominating*) {
  // A PreFilter plugin before this one ended the cycle: the plugin misses its state.
  if (!cycle.state->find<Data>(id())) return Status::error("not found");
  return Status::unschedulable(cycle.info().pod->spec.resource_claims.empty()
                                   ? "no new claims to deallocate"
                                   : "still not schedulable");
}

}  // namespace mainspring::scheduler

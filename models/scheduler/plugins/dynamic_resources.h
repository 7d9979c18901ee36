// Devices for the resource claims of pods: which nodes can give them, which are taken, and that it
// is written to the claims before the pod is bound.
//
// Claims that this scheduler has allocated and not yet written count as allocated, and what it has
// written counts before the informer shows it. Where Kubernetes picks one of several claims at
// random to give back, here it is the first. Not modelled: the wait for the answer when a claim is
// given back, and README.md of the folder above.
//
// A pod costs the claims on their way to the API server, those that changed since the last pod
// (DeviceMemory), and the search of DeviceAllocator on each node.
// Source: pkg/scheduler/framework/plugins/dynamicresources (v1.35) with the default feature gates.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "models/scheduler/device_allocator.h"
#include "models/scheduler/plugin.h"

namespace mainspring::scheduler {

class DynamicResources final : public PluginBase<DynamicResources> {
 public:
  static constexpr std::string_view kName = "DynamicResources";
  static constexpr Points kPoints =
      kPreEnqueue | kPreFilter | kFilter | kPostFilter | kScore | kReserve | kPreBind;
  // Of pods without claims, the only ones that are remembered.
  static constexpr Points kLocal = kScore;
  static constexpr std::string_view kReason = "cannot allocate all claims";

  std::vector<EventRegistration> events() const override;
  void follow(const client::ControlContext& ctx, const client::WatchEvent& event) override;
  bool hint(uint8_t hint, const client::ControlContext&, const ClusterCache&, const PodInfo& pod,
            const EventObjects& objects) const override;

  std::string_view misses_pre_filter() const override { return "not found"; }
  Status pre_enqueue(const client::ControlContext& ctx, const PodInfo& pod) override;
  Status pre_filter(Cycle& cycle, std::optional<std::vector<api::Str>>* nodes) override;
  Status filter(const Cycle& cycle, const NodeInfo& node) const override;
  Status post_filter(Cycle& cycle, const NodeStatuses& statuses, Nominating* nominating) override;
  // Only alternatives of a claim's requests tell nodes apart.
  void score_all(const Cycle& cycle, const NodeList& nodes, std::span<int64_t> scores) const;

  Status reserve(Cycle& cycle, const PodInfo& pod, const NodeInfo& node) override;
  void unreserve(client::ControlContext& ctx, const PodInfo& pod, const api::Str& node) override;
  Status pre_bind_pre_flight(client::ControlContext& ctx, const PodInfo& pod,
                             const api::Str& node) override;
  Status pre_bind(client::ControlContext& ctx, const PodInfo& pod, const api::Str& node,
                  PreBindStep* step) override;

 private:
  struct Cycled;
  struct Data;
  using Allocation = std::optional<api::AllocationResult>;
  // A pod on its way to a node.
  struct Pending {
    api::Str ns;  // of the pod
    api::Str name;
    std::vector<ClaimRef> claims;
    std::vector<Allocation> allocations;  // to be written, where the claim has none
    // Of the claim that is being written:
    enum class Asked : uint8_t { kNothing, kFinalizer, kStatus, kNewest, kPause };
    Asked asked = Asked::kNothing;
    size_t at = 0;
    int tries = 0;
    ClaimRef newest;
    bool done = false;  // all is written; kept until the pod has its node
  };

  ClaimRef claim(const client::ControlContext& ctx, std::string_view ns,
                 std::string_view name) const;
  std::string find_claims(const client::ControlContext& ctx, const api::Pod& pod,
                          std::vector<ClaimRef>* out) const;
  Status check_claim(const client::ControlContext& ctx, const api::ResourceClaim& claim,
                     Cycled* cycled) const;
  std::string missing_class(const client::ControlContext& ctx, const api::Str& name,
                            const std::string& request, Cycled* cycled) const;
  void prepare_search(Cycle& cycle, Cycled* cycled);

  static bool has_arrived(const client::ControlContext& ctx,
                          const std::pair<const api::Str, Pending>& entry);
  Status next_claim(const PodInfo& pod, Pending& p, PreBindStep* step);
  Status write_claim(const PodInfo& pod, Pending& p, PreBindStep* step);
  Status hear(client::ControlContext& ctx, const PodInfo& pod, Pending& p, PreBindStep* step);
  void forget(const Pending& p, size_t claim);

  std::map<api::Str, ClaimRef> in_flight_;                     // by uid, with their allocation
  std::map<std::pair<api::Str, api::Str>, ClaimRef> assumed_;  // written, by namespace and name
  std::map<api::Str, Pending> pending_;                        // by uid of the pod
  std::shared_ptr<const DeviceSlices> slices_;
  SelectorCache selectors_;
  DeviceMemory memory_;
  const api::Str reason_ = kReason;
};

}  // namespace mainspring::scheduler

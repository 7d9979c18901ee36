// Whether the pod's requests fit into what is left of the node, and how full the node would be.
// Source: pkg/scheduler/framework/plugins/noderesources/{fit,least_allocated,most_allocated,
// requested_to_capacity_ratio}.go (v1.35). Not modelled: requests served by DRA.
#pragma once

#include "models/scheduler/plugin.h"
#include "models/scheduler/plugin_args.h"

namespace mainspring::scheduler {

class NodeResourcesFit final : public PluginBase<NodeResourcesFit> {
 public:
  static constexpr std::string_view kName = "NodeResourcesFit";
  static constexpr Points kPoints = kPreFilter | kFilter | kPreScore | kScore;
  static constexpr Points kLocal = kFilter | kScore;
  static constexpr std::string_view kReasonPods = "Too many pods";
  static constexpr std::string_view kReasonCpu = "Insufficient cpu";
  static constexpr std::string_view kReasonMemory = "Insufficient memory";
  static constexpr std::string_view kReasonEphemeral = "Insufficient ephemeral-storage";
  using Args = NodeResourcesFitArgs;

  explicit NodeResourcesFit(Args args);

  std::vector<EventRegistration> events() const override;
  bool hint(uint8_t hint, const client::ControlContext& ctx, const ClusterCache& cluster,
            const PodInfo& pod, const EventObjects& objects) const override;
  Status pre_filter(Cycle& cycle, std::optional<std::vector<api::Str>>* nodes) override;
  Status filter(const Cycle& cycle, const NodeInfo& node) const override;
  std::string_view misses_pre_filter() const override {
    return "error reading \"PreFilterNodeResourcesFit\" from cycleState: not found";
  }
  Status pre_score(Cycle& cycle, const NodeList& nodes) override;
  int64_t score(const Cycle& cycle, const NodeInfo& node) const;

  // The strategies on one resource; `requested` includes the pod.
  static int64_t least(int64_t requested, int64_t allocatable) {
    return requested > allocatable ? 0 : percent(allocatable - requested, allocatable);
  }
  static int64_t most(int64_t requested, int64_t allocatable) {
    return percent(std::min(requested, allocatable), allocatable);
  }
  int64_t ratio(int64_t requested, int64_t allocatable) const;

 private:
  // The product wraps round as Go's does, from 82 PiB on; the score is refused then.
  static int64_t percent(int64_t part, int64_t whole) {
    return static_cast<int64_t>(static_cast<uint64_t>(part) * uint64_t{kMaxNodeScore}) / whole;
  }
  struct Item {
    enum class Kind : uint8_t { kCpu, kMemory, kEphemeral, kScalar } kind;
    api::Str name;
    int64_t weight;
  };
  bool ignored(std::string_view scalar) const;
  int64_t one(int64_t requested, int64_t allocatable) const;
  Status reject(const Resources& request, const NodeInfo& node) const;

  Args args_;
  std::vector<Item> items_;
  bool plain_ = false;  // cpu and memory, LeastAllocated
  const api::Str too_many_pods_ = kReasonPods;
  const api::Str cpu_ = kReasonCpu;
  const api::Str memory_ = kReasonMemory;
  const api::Str ephemeral_ = kReasonEphemeral;
};

}  // namespace mainspring::scheduler

// Finds volumes for the claims of a pod: bound ones must be reachable from the node; unbound ones
// whose class waits for a consumer are matched to a PersistentVolume or to the provisioner, which
// must have room for them near the node. Reserves what it found, and before the pod is bound writes
// it to the API and waits until the volumes are.
//
// Keeps between cycles what it assumed of volumes and claims, until the API shows something newer,
// and what pods on their way to a node wait for. Volumes of one class are tried in order of name
// (Kubernetes: of a map). Not modelled: scores by storage capacity (StorageCapacityScoring, off by
// default), so that it never scores.
// Source: pkg/scheduler/framework/plugins/volumebinding (v1.35).
#pragma once

#include <map>

#include "models/api/types/storage.h"
#include "models/scheduler/plugin.h"
#include "models/scheduler/plugin_args.h"

namespace mainspring::scheduler {

class VolumeBinding final : public PluginBase<VolumeBinding> {
 public:
  static constexpr std::string_view kName = "VolumeBinding";
  static constexpr Points kPoints = kPreFilter | kFilter | kPreScore | kScore | kReserve | kPreBind;
  static constexpr std::string_view kReasonNode =
      "node(s) didn't match PersistentVolume's node affinity";
  static constexpr std::string_view kReasonBind =
      "node(s) didn't find available persistent volumes to bind";
  static constexpr std::string_view kReasonSpace = "node(s) did not have enough free storage";
  static constexpr std::string_view kReasonGone =
      "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)";
  using Args = VolumeBindingArgs;
  // Between two looks at whether the volumes are bound (BindPodVolumes).
  static constexpr api::Duration kPollPeriod = api::Duration::seconds(1);

  explicit VolumeBinding(const Args& args) : args_(args) {}

  std::vector<EventRegistration> events() const override;
  bool hint(uint8_t hint, const client::ControlContext& ctx, const ClusterCache& cluster,
            const PodInfo& pod, const EventObjects& objects) const override;
  Status pre_filter(Cycle& cycle, std::optional<std::vector<api::Str>>* nodes) override;
  Status filter(const Cycle& cycle, const NodeInfo& node) const override;
  std::string_view misses_pre_filter() const override { return "not found"; }
  Status pre_score(Cycle& cycle, const NodeList& nodes) override;
  int64_t score(const Cycle& cycle, const NodeInfo& node) const;
  Status reserve(Cycle& cycle, const PodInfo& pod, const NodeInfo& node) override;
  void unreserve(client::ControlContext& ctx, const PodInfo& pod, const api::Str& node) override;
  Status pre_bind_pre_flight(client::ControlContext& ctx, const PodInfo& pod,
                             const api::Str& node) override;
  Status pre_bind(client::ControlContext& ctx, const PodInfo& pod, const api::Str& node,
                  PreBindStep* step) override;

 private:
  using Claim = api::Ref<const api::PersistentVolumeClaim>;
  using Volume = api::Ref<const api::PersistentVolume>;
  struct Binding {
    Volume volume;
    Claim claim;
  };
  // What a pod's claims come to on a node.
  struct PodVolumes {
    std::vector<Binding> bindings;
    std::vector<Claim> provisions;
  };
  // A pod whose volumes are being bound.
  struct Pending {
    PodVolumes volumes;
    size_t written = 0;  // requests that succeeded: bindings first, then provisions
    api::Time deadline;  // set once all are written
  };
  struct Data;

  // As assumed, unless the API has something newer.
  Claim claim(const client::ControlContext& ctx, std::string_view ns, std::string_view name) const;
  Volume volume(const client::ControlContext& ctx, std::string_view name) const;
  std::string check_claims(const client::ControlContext& ctx, const PodInfo& pod, bool* any) const;
  void list_volumes(const Cycle& cycle, Data* d) const;
  void match_volumes(const Data& d, const std::vector<Claim>& claims, const NodeInfo& node,
                     PodVolumes* out, std::vector<Claim>* unmatched) const;
  // What is lacking; nothing when every claim can be provisioned for the node.
  enum class Lack : uint8_t { kNothing, kVolume, kSpace };
  Lack check_provisions(const client::ControlContext& ctx, const Data& d,
                        const std::vector<Claim>& claims, const NodeInfo& node) const;
  void restore(const PodVolumes& volumes, size_t from);
  Status check_bindings(const client::ControlContext& ctx, const PodInfo& pod, const api::Str& node,
                        const PodVolumes& volumes) const;

  Args args_;
  std::map<api::Str, Volume> assumed_volumes_;   // by name
  std::map<std::string, Claim> assumed_claims_;  // by "namespace/name"
  std::map<api::Str, Pending> pending_;          // by uid of the pod
  const api::Str reason_node_ = kReasonNode;
  const api::Str reason_bind_ = kReasonBind;
  const api::Str reason_space_ = kReasonSpace;
  const api::Str reason_gone_ = kReasonGone;
};

}  // namespace mainspring::scheduler

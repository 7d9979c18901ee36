// Volumes that only one pod may use: ReadWriteOncePod claims, and in-tree disks that sit inline in
// pods (GCE PD, EBS, iSCSI, RBD).
// Source: pkg/scheduler/framework/plugins/volumerestrictions (v1.35), with its oversight: when pods
// are put on or taken from nodes in a simulation, claims are compared by name alone.
#pragma once

#include "models/scheduler/plugin.h"

namespace mainspring::scheduler {

class VolumeRestrictions final : public PluginBase<VolumeRestrictions> {
 public:
  static constexpr std::string_view kName = "VolumeRestrictions";
  static constexpr Points kPoints = kPreFilter | kFilter;
  static constexpr std::string_view kReasonDisk = "node(s) had no available disk";
  static constexpr std::string_view kReasonInUse =
      "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already "
      "in-use by another pod";

  std::vector<EventRegistration> events() const override;
  bool hint(uint8_t hint, const client::ControlContext& ctx, const ClusterCache& cluster,
            const PodInfo& pod, const EventObjects& objects) const override;
  Status pre_filter(Cycle& cycle, std::optional<std::vector<api::Str>>* nodes) override;
  void add_pod(Cycle& cycle, const PodInfo& pod, const NodeInfo& node) const override;
  void remove_pod(Cycle& cycle, const PodInfo& pod, const NodeInfo& node) const override;
  Status filter(const Cycle& cycle, const NodeInfo& node) const override;

 private:
  struct Data;
  void change(Cycle& cycle, const PodInfo& pod, int64_t by) const;

  const api::Str reason_disk_ = kReasonDisk;
  const api::Str reason_in_use_ = kReasonInUse;
};

}  // namespace mainspring::scheduler

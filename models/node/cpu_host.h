// The processors of one machine, shared by the containers that want to run: a fluid model.
//
// Every container has a demand (how many cores it would use if alone), a weight (from its request)
// and a limit of the moment (what its CFS quota lets it use now, see cfs_quota.h). The machine's
// capacity is shared as the kernel's scheduler does over time: at each level of the cgroup tree
// (node, QoS class, pod, container) by weight among those that want more, nobody above demand or
// limit, nothing left idle while wanted.
//
// Units: MicroCores (integers: sums are exact and no order of additions matters). A change on a
// machine that is not short of CPU costs O(1); otherwise O(containers that want CPU).
// Weights: cpu.shares = clamp(milli * 1024 / 1000, 2, 262144), as cgroup v1 (proportional to
// requests); kubelet pkg/kubelet/cm/helpers_linux.go MilliCPUToShares.
// Not modelled: per-CPU run queues, pod-level limits, exclusive CPUs, frequency scaling.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "models/node/types.h"

namespace mainspring::node {

enum class QosClass : uint8_t { kGuaranteed, kBurstable, kBestEffort };

int32_t cpu_shares(int64_t request_milli);

class CpuHost {
 public:
  struct Entry {
    uint32_t container = UINT32_MAX;  // slot of the container
    uint32_t pod = UINT32_MAX;        // slot of the pod
    int32_t shares = 2;
    QosClass qos = QosClass::kBestEffort;
    MicroCores limit{INT64_MAX};
    MicroCores demand;
    MicroCores rate;
  };
  struct Change {
    uint32_t container;
    MicroCores rate;
  };

  explicit CpuHost(MicroCores capacity) : capacity_(capacity) {}

  MicroCores capacity() const { return capacity_; }
  // What would be used if the machine were big enough, and what is used.
  MicroCores wanted() const { return wanted_; }
  MicroCores used() const;
  bool contended() const { return wanted_ > capacity_; }

  // Entries are named by position; remove() may move the last entry into the hole, whose new
  // position the caller learns from moved_container (UINT32_MAX: none).
  uint32_t add(const Entry& entry);
  uint32_t remove(uint32_t position, std::vector<Change>& changes);
  // Changes the demand of one entry; `changes` gets the containers whose rate changed, the entry's
  // own included, in order of position.
  void set_demand(uint32_t position, MicroCores demand, std::vector<Change>& changes) {
    set_demand(position, demand, entries_[position].limit, changes);
  }
  // And its limit.
  void set_demand(uint32_t position, MicroCores demand, MicroCores limit,
                  std::vector<Change>& changes);
  void set_capacity(MicroCores capacity, std::vector<Change>& changes);
  const Entry& entry(uint32_t position) const { return entries_[position]; }
  size_t size() const { return entries_.size(); }

 private:
  static MicroCores effective(const Entry& e) { return e.demand < e.limit ? e.demand : e.limit; }
  void share_out(std::vector<Change>& changes);

  MicroCores capacity_;
  MicroCores wanted_;
  bool shared_out_ = false;  // rates may differ from effective demand
  std::vector<Entry> entries_;
};

}  // namespace mainspring::node

// What the search for devices builds on from cycle to cycle: who holds each device, what each node
// sees of them, and what selectors said of each. So a cycle costs the claims that changed since the
// last one; where slices changed, all is found out anew.
//
// All of it follows from the informers' caches: this is memory, not state, and copies start empty.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "models/scheduler/device_slices.h"
#include "models/scheduler/node_info.h"

namespace mainspring::scheduler {

// Compiled selectors by their text; null ones do not compile, for the reason beside them.
class SelectorCache {
 public:
  struct Entry {
    std::shared_ptr<const api::CelSelector> selector;
    std::string error;
  };
  const Entry& get(const api::Str& expression);

 private:
  std::map<api::Str, Entry> entries_;
};

// What a list of selectors said of devices so far. That it failed is not noted: it ends the pod's
// attempt, with a message that names the claim.
struct DeviceVerdicts {
  enum Verdict : uint8_t { kUnknown, kYes, kNo };
  std::vector<SelectorCache::Entry> selectors;
  std::vector<Verdict> of_device;
};

class DeviceMemory {
 public:
  DeviceMemory() = default;
  DeviceMemory(const DeviceMemory&) {}
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  void clear();
  // A change of a claim that the cache shows. Others may be missed: then update() counts anew.
  void follow(const client::Cache& claims, const client::WatchEvent& event);
  // Makes it true of the slices and the claims as they are now.
  void update(std::shared_ptr<const DeviceSlices> slices, const client::Cache& claims);
  // Counts (1) or passes over (-1) the devices of a claim until the next update().
  void count_for_now(const api::ResourceClaim& claim, int32_t by);

  const DeviceSlices& slices() const { return *slices_; }
  // How many hold each device. A search may count its own too, if it gives them back.
  std::vector<int32_t>& holders() { return holders_; }
  // Valid until the next call.
  const NodeDevices& on(const NodeInfo& node);
  // Of the selectors with these texts, in this order.
  std::shared_ptr<DeviceVerdicts> verdicts(const std::vector<api::Str>& selectors,
                                           SelectorCache* compiled);

 private:
  struct Seen {
    NodeRef by;
    NodeDevices devices;
  };

  std::shared_ptr<const DeviceSlices> slices_;  // null: nothing is known
  uint64_t changes_ = 0;                        // of the cache of claims that are worked in
  std::vector<int32_t> holders_;                // by device
  std::vector<std::pair<uint32_t, int32_t>> for_now_;
  std::vector<Seen> nodes_;  // by slot of the ClusterCache
  std::map<std::vector<api::Str>, std::shared_ptr<DeviceVerdicts>> verdicts_;
};

}  // namespace mainspring::scheduler

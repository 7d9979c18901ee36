// "sample.cluster" records of the journal: what no change of an object tells, once every
// kSamplePeriod of virtual time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sim/time.h"

namespace mainspring::scenarios {

inline constexpr sim::Duration kSamplePeriod = sim::Duration::seconds(10);

struct ClusterSample {
  int64_t cpu_used_milli = 0;         // by containers, over all machines
  int64_t cpu_capacity_milli = 0;     // of machines that are up
  int64_t memory_used_bytes = 0;      // working sets
  int64_t cost_micro_usd = 0;         // since the start
  int64_t cost_rate_micro_usd_h = 0;  // of the machines that exist now
  friend bool operator==(const ClusterSample&, const ClusterSample&) = default;
};

// Compact encoding (five zigzag varints) and back; false on bytes that are no sample.
std::string encode_sample(const ClusterSample& sample);
bool decode_sample(std::string_view bytes, ClusterSample& sample);

}  // namespace mainspring::scenarios

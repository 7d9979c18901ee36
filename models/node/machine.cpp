#include "models/node/machine.h"

#include <algorithm>

#include "models/node/kubelet_config.h"

namespace mainspring::node {

namespace {

constexpr int64_t kMi = 1 << 20;
constexpr int64_t kGi = 1 << 30;

// Takes `percent` of what of `bytes` lies in the next `width` bytes.
int64_t slice(int64_t& bytes, int64_t width, int64_t percent) {
  const int64_t part = std::min(bytes, width);
  bytes -= part;
  return part * percent / 100;
}

// GKE: 25 % of the first 4 Gi, 20 % of the next 4, 10 % of the next 8, 6 % of the next 112, 2 %
// above; 255 Mi on machines below 1 Gi.
int64_t gke_memory(int64_t bytes) {
  if (bytes < kGi) return 255 * kMi;
  int64_t rest = bytes;
  int64_t sum = slice(rest, 4 * kGi, 25);
  sum += slice(rest, 4 * kGi, 20);
  sum += slice(rest, 8 * kGi, 10);
  sum += slice(rest, 112 * kGi, 6);
  return sum + rest * 2 / 100;
}

// GKE and EKS: 6 % of the first core, 1 % of the second, 0.5 % of the next two, 0.25 % above.
int64_t reserved_cpu(int64_t milli) {
  int64_t rest = milli * 10;  // ten-thousandths of a core
  int64_t sum = slice(rest, 10'000, 6) * 100;
  sum += slice(rest, 10'000, 1) * 100;
  const int64_t next = std::min<int64_t>(rest, 20'000);
  sum += next * 50 / 100;
  rest -= next;
  sum += rest * 25 / 100;
  return sum / 1000;
}

}  // namespace

Allocatable allocatable(const MachineSpec& spec, const KubeletConfig& config) {
  int64_t cpu = 0;
  int64_t memory = 0;
  switch (spec.reservation) {
    case Reservation::kNone:
      break;
    case Reservation::kGke:
      cpu = reserved_cpu(spec.cpu_milli);
      memory = gke_memory(spec.memory_bytes);
      break;
    case Reservation::kEks:
      cpu = reserved_cpu(spec.cpu_milli);
      memory = 255 * kMi + 11 * kMi * spec.max_pods;
      break;
    case Reservation::kAks:
      cpu = reserved_cpu(spec.cpu_milli);
      memory = std::min(20 * kMi * spec.max_pods + 50 * kMi, spec.memory_bytes / 4);
      break;
  }
  Allocatable a;
  a.cpu_milli = std::max<int64_t>(spec.cpu_milli - cpu, 0);
  a.memory_bytes =
      std::max<int64_t>(spec.memory_bytes - memory - config.eviction_memory_available, 0);
  a.disk_bytes = spec.disk_bytes - spec.disk_bytes / 10;  // nodefs.available < 10 %
  return a;
}

}  // namespace mainspring::node

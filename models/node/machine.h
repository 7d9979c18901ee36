// A machine: what it has, and how much of that pods may use.
// Sources: kubelet's node allocatable; reservations as the managed services document them.
#pragma once

#include <cstdint>

#include "models/api/types/core.h"
#include "models/api/value.h"

namespace mainspring::node {

struct KubeletConfig;

// How much of a machine the kubelet keeps back from pods (kube-reserved), besides 100Mi for hard
// eviction.
enum class Reservation : uint8_t { kNone, kGke, kEks, kAks };

struct MachineSpec {
  api::Str name;
  api::Str pool;
  api::Str instance_type;
  api::Str zone;
  api::Str region;
  api::Str os = "linux";
  api::Str arch = "amd64";
  int64_t cpu_milli = 4000;
  int64_t memory_bytes = 16LL << 30;
  int64_t disk_bytes = 100LL << 30;
  int32_t max_pods = 110;           // at most 250: a node has 253 pod addresses
  api::Map<api::Quantity> devices;  // extended resources: "nvidia.com/gpu"
  Reservation reservation = Reservation::kNone;
  api::StrMap labels;
  api::List<api::Taint> taints;
};

struct Allocatable {
  int64_t cpu_milli = 0;
  int64_t memory_bytes = 0;
  int64_t disk_bytes = 0;
};
Allocatable allocatable(const MachineSpec& spec, const KubeletConfig& config);

enum class MachineState : uint8_t {
  kBooting,  // powered on, kubelet not started
  kUp,       // kubelet runs
  kDown,     // crashed or without power
  kGone,     // removed for good
};

}  // namespace mainspring::node

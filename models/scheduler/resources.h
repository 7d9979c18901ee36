// What pods ask for and nodes have, as the scheduler counts it: integers. CPU in milli, memory and
// everything else in units, each rounded up. Source: framework.Resource and schedutil (v1.35).
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "models/api/pod_helpers.h"

namespace mainspring::scheduler {

// What a container that says nothing is taken to need when nodes are scored.
inline constexpr int64_t kDefaultMilliCpu = 100;
inline constexpr int64_t kDefaultMemory = 200 * 1024 * 1024;

struct Resources {
  int64_t milli_cpu = 0;
  int64_t memory = 0;
  int64_t ephemeral_storage = 0;
  int64_t pods = 0;  // of allocatable only
  // Extended resources, hugepages and attachable volumes, sorted by name.
  std::vector<std::pair<api::Str, int64_t>> scalars;

  static Resources of(const api::ResourceList& list);
  int64_t scalar(std::string_view name) const;
  bool has_scalar(std::string_view name) const;
  // Any resource by its name; `pods` and unknown ones count as scalars.
  int64_t get(std::string_view name) const;
  bool none() const {
    return milli_cpu == 0 && memory == 0 && ephemeral_storage == 0 && scalars.empty();
  }
  void add(const Resources& o, int64_t sign = 1);
  friend bool operator==(const Resources&, const Resources&) = default;
};

// Whether the scheduler keeps a resource of this name among the scalars.
bool is_scalar_resource(std::string_view name);
// Whether it is an extended resource ("example.com/gpu").
bool is_extended_resource(std::string_view name);

}  // namespace mainspring::scheduler

#include "models/scheduler/resources.h"

#include <algorithm>

namespace mainspring::scheduler {

namespace {
auto find_scalar(const std::vector<std::pair<api::Str, int64_t>>& v, std::string_view name) {
  return std::lower_bound(v.begin(), v.end(), name,
                          [](const auto& e, std::string_view n) { return e.first.view() < n; });
}
}  // namespace

bool is_extended_resource(std::string_view name) {
  return name.find('/') != std::string_view::npos &&
         name.find("kubernetes.io/") == std::string_view::npos && !name.starts_with("requests.");
}

bool is_scalar_resource(std::string_view name) {
  return is_extended_resource(name) || name.starts_with("hugepages-") ||
         name.find("kubernetes.io/") != std::string_view::npos ||
         name.starts_with("attachable-volumes-");
}

Resources Resources::of(const api::ResourceList& list) {
  Resources r;
  for (const auto& [name, quantity] : list) {
    if (name == "cpu") {
      r.milli_cpu = quantity.milli_value();
    } else if (name == "memory") {
      r.memory = quantity.value();
    } else if (name == "ephemeral-storage") {
      r.ephemeral_storage = quantity.value();
    } else if (name == "pods") {
      r.pods = quantity.value();
    } else if (is_scalar_resource(name)) {
      r.scalars.emplace_back(name, quantity.value());
    }
  }
  return r;
}

int64_t Resources::scalar(std::string_view name) const {
  const auto it = find_scalar(scalars, name);
  return it != scalars.end() && it->first == name ? it->second : 0;
}

bool Resources::has_scalar(std::string_view name) const {
  const auto it = find_scalar(scalars, name);
  return it != scalars.end() && it->first == name;
}

int64_t Resources::get(std::string_view name) const {
  if (name == "cpu") return milli_cpu;
  if (name == "memory") return memory;
  if (name == "ephemeral-storage") return ephemeral_storage;
  return scalar(name);
}

void Resources::add(const Resources& o, int64_t sign) {
  milli_cpu += sign * o.milli_cpu;
  memory += sign * o.memory;
  ephemeral_storage += sign * o.ephemeral_storage;
  for (const auto& [name, amount] : o.scalars) {
    const auto it = find_scalar(scalars, name);
    if (it != scalars.end() && it->first == name) {
      scalars[static_cast<size_t>(it - scalars.begin())].second += sign * amount;
    } else {
      scalars.insert(it, {name, sign * amount});
    }
  }
}

}  // namespace mainspring::scheduler

#include "models/scheduler/device_slices.h"

#include <algorithm>
#include <set>
#include <span>

namespace mainspring::scheduler {

namespace {

std::shared_ptr<const DeviceSlice> prepare(SliceRef object) {
  auto slice = std::make_shared<DeviceSlice>();
  const api::ResourceSliceSpec& spec = object->spec;
  if (spec.node_selector) slice->nodes = NodeTerms::of(*spec.node_selector);
  for (const api::Device& d : spec.devices) slice->devices.emplace_back(spec.driver, d);
  slice->object = std::move(object);
  return slice;
}

PoolId pool_of(const DeviceSlice& slice) { return {slice.spec().driver, slice.spec().pool.name}; }

bool is_local(const DeviceSlice& slice) {
  return slice.spec().node_name && !slice.spec().node_name->empty();
}

}  // namespace

bool DeviceSlice::serves(const api::Node& node) const {
  if (is_local(*this)) return *spec().node_name == node.metadata.name;
  if (spec().all_nodes.value_or(false)) return true;
  return spec().node_selector && nodes.matches(node);
}

std::shared_ptr<const DeviceSlices> DeviceSlices::of(
    const client::Cache& cache, const std::shared_ptr<const DeviceSlices>& before) {
  if (before && before->changes_ == cache.changes()) return before;
  auto out = std::make_shared<DeviceSlices>();
  out->changes_ = cache.changes();
  std::vector<api::ObjectRef> objects = cache.list();
  std::sort(objects.begin(), objects.end(),
            [](const auto& a, const auto& b) { return a->metadata.name < b->metadata.name; });
  std::span<const std::shared_ptr<const DeviceSlice>> known;
  if (before) known = before->slices_;
  size_t old = 0;
  for (const api::ObjectRef& ref : objects) {
    SliceRef object = api::cast<api::ResourceSlice>(ref);
    while (old < known.size() && known[old]->object->metadata.name < object->metadata.name) ++old;
    const bool same = old < known.size() && known[old]->object == object;
    auto slice = same ? known[old] : prepare(std::move(object));
    const auto index = static_cast<uint32_t>(out->slices_.size());
    (is_local(*slice) ? out->local_[*slice->spec().node_name] : out->wide_).push_back(index);
    out->pools_[pool_of(*slice)].push_back(index);
    out->slices_.push_back(std::move(slice));
  }
  return out;
}

// Whether all slices of the pool's generation are there, wherever they serve.
bool DeviceSlices::complete(const DevicePool& pool, bool* obsolete) const {
  const api::ResourcePool& wanted = pool.slices[0]->spec().pool;
  int64_t there = 0;
  for (uint32_t i : pools_.at(pool.id)) {
    const int64_t generation = slices_[i]->spec().pool.generation;
    // The node sees none of the newer slices: what it sees is being replaced.
    if (generation > wanted.generation) *obsolete = true;
    there += generation == wanted.generation;
  }
  return there == wanted.resource_slice_count;
}

std::vector<DevicePool> DeviceSlices::pools(const api::Node& node) const {
  std::map<PoolId, DevicePool> found;
  const auto add = [&](uint32_t index) {
    const DeviceSlice& slice = *slices_[index];
    DevicePool& pool = found[pool_of(slice)];
    const int64_t generation = slice.spec().pool.generation;
    const int64_t newest = pool.slices.empty() ? -1 : pool.slices[0]->spec().pool.generation;
    if (generation < newest) return;
    if (generation > newest) pool.slices.clear();
    pool.slices.push_back(&slice);
  };
  std::span<const uint32_t> local;
  if (const auto it = local_.find(node.metadata.name); it != local_.end()) local = it->second;
  for (size_t l = 0, w = 0; l < local.size() || w < wide_.size();) {
    if (w == wide_.size() || (l < local.size() && local[l] < wide_[w])) {
      add(local[l++]);
      continue;
    }
    if (slices_[wide_[w]]->serves(node)) add(wide_[w]);
    ++w;
  }
  std::vector<DevicePool> out;
  for (auto& [id, pool] : found) {
    pool.id = id;
    const auto seen = static_cast<int64_t>(pool.slices.size());
    if (seen != pool.slices[0]->spec().pool.resource_slice_count) {
      bool obsolete = false;
      pool.incomplete = !complete(pool, &obsolete);
      if (obsolete) continue;
    }
    std::set<std::string_view> names;
    for (const DeviceSlice* slice : pool.slices) {
      for (const api::Device& d : slice->spec().devices) {
        pool.invalid = !names.insert(d.name).second || pool.invalid;
      }
    }
    pool.invalid = pool.invalid && !pool.incomplete;
    out.push_back(std::move(pool));
  }
  return out;
}

}  // namespace mainspring::scheduler

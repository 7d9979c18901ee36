#include "models/scheduler/device_slices.h"

#include <numeric>
#include <set>
#include <span>
#include <tuple>

namespace mainspring::scheduler {

namespace {

std::shared_ptr<const DeviceSlice> prepare(SliceRef object) {
  auto slice = std::make_shared<DeviceSlice>();
  const api::ResourceSliceSpec& spec = object->spec;
  if (spec.node_selector) slice->nodes = NodeTerms::of(*spec.node_selector);
  for (const api::Device& d : spec.devices) slice->devices.emplace_back(spec.driver, d);
  slice->by_name.resize(spec.devices.size());
  std::iota(slice->by_name.begin(), slice->by_name.end(), 0U);
  std::sort(slice->by_name.begin(), slice->by_name.end(), [&](uint32_t a, uint32_t b) {
    return std::tie(spec.devices[a].name, a) < std::tie(spec.devices[b].name, b);
  });
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
    out->first_.push_back(out->devices_);
    out->devices_ += static_cast<uint32_t>(slice->devices.size());
    out->slices_.push_back(std::move(slice));
  }
  return out;
}

// Whether all slices of the pool's generation are there, wherever they serve.
bool DeviceSlices::complete(const PoolId& id, const View& seen, bool* obsolete) const {
  const api::ResourcePool& wanted = pool(seen.slices[0]);
  int64_t there = 0;
  for (const uint32_t s : pools_.at(id)) {
    const int64_t generation = pool(s).generation;
    // The node sees none of the newer slices: what it sees is being replaced.
    if (generation > wanted.generation) *obsolete = true;
    there += generation == wanted.generation;
  }
  return there == wanted.resource_slice_count;
}

// Whether two devices have one name.
bool DeviceSlices::has_twins(const View& seen) const {
  std::set<std::string_view> names;
  for (const uint32_t s : seen.slices) {
    for (const api::Device& d : slices_[s]->spec().devices) {
      if (!names.insert(d.name).second) return true;
    }
  }
  return false;
}

NodeDevices DeviceSlices::on(const api::Node& node) const {
  std::map<PoolId, View> pools;
  const auto add = [&](uint32_t slice) {
    View& seen = pools[pool_of(*slices_[slice])];
    const int64_t generation = pool(slice).generation;
    const int64_t newest = seen.slices.empty() ? -1 : pool(seen.slices[0]).generation;
    if (generation < newest) return;
    if (generation > newest) seen.slices.clear();
    seen.slices.push_back(slice);
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
  NodeDevices out;
  for (auto& [id, seen] : pools) {
    const auto there = static_cast<int64_t>(seen.slices.size());
    if (there != pool(seen.slices[0]).resource_slice_count) {
      bool obsolete = false;
      seen.incomplete = !complete(id, seen, &obsolete);
      if (obsolete) continue;
    }
    seen.invalid = !seen.incomplete && has_twins(seen);
    out.invalid = out.invalid || seen.invalid;
    if (seen.incomplete || seen.invalid) {
      if (!out.unusable) out.unusable = {id, seen.incomplete, out.runs.size()};
      continue;
    }
    for (const uint32_t s : seen.slices) {
      out.runs.push_back({s, first_[s], static_cast<uint32_t>(slices_[s]->devices.size())});
    }
  }
  return out;
}

}  // namespace mainspring::scheduler

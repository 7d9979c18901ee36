#include "models/scheduler/device_memory.h"

namespace mainspring::scheduler {

namespace {

constexpr size_t kMaxSelectors = 10'000;
constexpr size_t kMaxVerdicts = 256;  // each has a byte for every device

// The devices that the claim holds for itself; those of admin access are anybody's.
template <class F>
void for_each_held(const DeviceSlices& slices, const api::ResourceClaim& claim, F&& f) {
  if (!claim.status.allocation) return;
  for (const api::DeviceRequestAllocationResult& r : claim.status.allocation->devices.results) {
    if (!r.admin_access.value_or(false)) slices.for_each_device({r.driver, r.pool}, r.device, f);
  }
}

}  // namespace

const SelectorCache::Entry& SelectorCache::get(const api::Str& expression) {
  const auto it = entries_.find(expression);
  if (it != entries_.end()) return it->second;
  if (entries_.size() >= kMaxSelectors) entries_.clear();
  Entry e;
  e.selector = api::CelSelector::compile(expression, &e.error);
  return entries_.emplace(expression, std::move(e)).first->second;
}

void DeviceMemory::clear() {
  slices_.reset();
  holders_.clear();
  for_now_.clear();
  nodes_.clear();
  verdicts_.clear();
}

void DeviceMemory::follow(const client::Cache& claims, const client::WatchEvent& event) {
  if (!slices_ || changes_ + 1 != claims.changes()) return;
  const auto count = [&](const api::ObjectRef& claim, int32_t by) {
    for_each_held(*slices_, api::as<api::ResourceClaim>(*claim),
                  [&](uint32_t device) { holders_[device] += by; });
  };
  if (event.old) count(event.old, -1);
  if (event.type != client::WatchType::kDeleted) count(event.object, 1);
  changes_ = claims.changes();
}

void DeviceMemory::update(std::shared_ptr<const DeviceSlices> slices, const client::Cache& claims) {
  for (const auto& [device, by] : for_now_) holders_[device] -= by;
  for_now_.clear();
  if (slices == slices_ && changes_ == claims.changes()) return;
  if (slices != slices_) {
    clear();
    slices_ = std::move(slices);
  }
  holders_.assign(slices_->devices(), 0);
  for (const api::ObjectRef& claim : claims.list()) {
    for_each_held(*slices_, api::as<api::ResourceClaim>(*claim),
                  [&](uint32_t device) { ++holders_[device]; });
  }
  changes_ = claims.changes();
}

void DeviceMemory::count_for_now(const api::ResourceClaim& claim, int32_t by) {
  for_each_held(*slices_, claim, [&](uint32_t device) {
    holders_[device] += by;
    for_now_.emplace_back(device, by);
  });
}

const NodeDevices& DeviceMemory::on(const NodeInfo& node) {
  if (node.id >= nodes_.size()) nodes_.resize(node.id + 1);
  Seen& seen = nodes_[node.id];
  if (seen.by != node.node) seen = {node.node, slices_->on(*node.node)};
  return seen.devices;
}

std::shared_ptr<DeviceVerdicts> DeviceMemory::verdicts(const std::vector<api::Str>& selectors,
                                                       SelectorCache* compiled) {
  const auto it = verdicts_.find(selectors);
  if (it != verdicts_.end()) return it->second;
  if (verdicts_.size() >= kMaxVerdicts) verdicts_.clear();
  auto made = std::make_shared<DeviceVerdicts>();
  for (const api::Str& s : selectors) made->selectors.push_back(compiled->get(s));
  made->of_device.resize(slices_->devices());
  verdicts_.emplace(selectors, made);
  return made;
}

}  // namespace mainspring::scheduler

#include "models/client/cache.h"

#include <algorithm>
#include <charconv>
#include <string>

#include "models/api/pod_helpers.h"
#include "models/api/types/core.h"
#include "sim/check.h"

namespace mainspring::client {

namespace {
std::string name_key(std::string_view ns, std::string_view name) {
  std::string key;
  key.reserve(ns.size() + 1 + name.size());
  key.append(ns).append("/").append(name);
  return key;
}

uint64_t version_of(const api::Object& o) {
  const std::string_view text = o.metadata.resource_version.view();
  uint64_t v = 0;
  std::from_chars(text.data(), text.data() + text.size(), v);
  return v;
}
}  // namespace

const api::ObjectRef* Cache::find(std::string_view ns, std::string_view name) const {
  const std::optional<uint32_t> slot = by_name_.find(name_key(ns, name));
  return slot ? &slots_[*slot].object : nullptr;
}

std::vector<api::ObjectRef> Cache::list() const {
  std::vector<const Slot*> used;
  used.reserve(size());
  for (const Slot& s : slots_) {
    if (s.object) used.push_back(&s);
  }
  std::sort(used.begin(), used.end(),
            [](const Slot* a, const Slot* b) { return a->arrival < b->arrival; });
  std::vector<api::ObjectRef> out;
  out.reserve(used.size());
  for (const Slot* s : used) out.push_back(s->object);
  return out;
}

std::span<const api::ObjectRef> Cache::by(IndexBy index, std::string_view key) const {
  const Index& i = indexes_[static_cast<size_t>(index)];
  MAINSPRING_CHECK(i.on, "cache was asked for an index that its watcher did not name");
  const std::optional<uint32_t> bucket = i.keys.find(key);
  if (!bucket) return {};
  return i.buckets[*bucket].objects;
}

void Cache::add_index(IndexBy by) {
  const size_t n = static_cast<size_t>(by);
  if (indexes_[n].on) return;
  indexes_[n].on = true;
  std::vector<Slot*> used;
  for (Slot& s : slots_) {
    if (s.object) used.push_back(&s);
  }
  std::sort(used.begin(), used.end(),
            [](const Slot* a, const Slot* b) { return a->arrival < b->arrival; });
  for (Slot* s : used) index_insert(n, *s);
}

std::string Cache::index_key(IndexBy by, const api::Object& o) {
  switch (by) {
    case IndexBy::kNamespace:
      return o.metadata.namespace_.str();
    case IndexBy::kControllerUid: {
      const api::OwnerReference* owner = api::controller_of(o.metadata);
      return owner ? owner->uid.str() : std::string();
    }
    case IndexBy::kNodeName:
      return o.kind == api::Kind::Pod ? api::as<api::Pod>(o).spec.node_name.str() : std::string();
    case IndexBy::kServiceName:
      return name_key(o.metadata.namespace_, o.metadata.labels.get("kubernetes.io/service-name"));
    case IndexBy::kCount:
      break;
  }
  return {};
}

void Cache::index_insert(size_t n, Slot& slot) {
  Index& index = indexes_[n];
  const std::string key = index_key(static_cast<IndexBy>(n), *slot.object);
  std::optional<uint32_t> bucket = index.keys.find(key);
  if (!bucket) {
    bucket = static_cast<uint32_t>(index.buckets.size());
    index.buckets.emplace_back();
    index.keys.set(key, *bucket);
  }
  slot.order[n] = ++arrivals_;
  index.buckets[*bucket].objects.push_back(slot.object);
  index.buckets[*bucket].order.push_back(slot.order[n]);
}

void Cache::index_erase(size_t n, const Slot& slot) {
  Index& index = indexes_[n];
  const std::optional<uint32_t> key =
      index.keys.find(index_key(static_cast<IndexBy>(n), *slot.object));
  Bucket& bucket = index.buckets[*key];
  const auto at = std::lower_bound(bucket.order.begin(), bucket.order.end(), slot.order[n]);
  bucket.objects.erase(bucket.objects.begin() + (at - bucket.order.begin()));
  bucket.order.erase(at);
}

// Puts `now` where the slot's object stood, or under its new key.
void Cache::index_replace(size_t n, Slot& slot, const api::ObjectRef& now) {
  const IndexBy by = static_cast<IndexBy>(n);
  const std::string before = index_key(by, *slot.object);
  if (before != index_key(by, *now)) {
    index_erase(n, slot);
    Slot moved{now, slot.arrival, slot.order};
    index_insert(n, moved);
    slot.order[n] = moved.order[n];
    return;
  }
  Bucket& bucket = indexes_[n].buckets[*indexes_[n].keys.find(before)];
  const auto at = std::lower_bound(bucket.order.begin(), bucket.order.end(), slot.order[n]);
  bucket.objects[static_cast<size_t>(at - bucket.order.begin())] = now;
}

WatchEvent Cache::apply(WatchType type, api::ObjectRef object) {
  const std::string key = name_key(object->metadata.namespace_, object->metadata.name);
  ++changes_;
  resource_version_ = std::max(resource_version_, version_of(*object));
  const std::optional<uint32_t> at = by_name_.find(key);
  WatchEvent event{type, object, at ? slots_[*at].object : api::ObjectRef()};
  if (type == WatchType::kDeleted) {
    if (!at) return event;
    for (size_t i = 0; i < kIndexes; ++i) {
      if (indexes_[i].on) index_erase(i, slots_[*at]);
    }
    slots_[*at] = Slot{};
    free_.push_back(*at);
    by_name_.erase(key);
    return event;
  }
  if (at) {
    event.type = WatchType::kModified;
    Slot& slot = slots_[*at];
    for (size_t i = 0; i < kIndexes; ++i) {
      if (indexes_[i].on) index_replace(i, slot, object);
    }
    slot.object = std::move(object);
    return event;
  }
  event.type = WatchType::kAdded;
  uint32_t n;
  if (!free_.empty()) {
    n = free_.back();
    free_.pop_back();
  } else {
    n = static_cast<uint32_t>(slots_.size());
    slots_.emplace_back();
  }
  slots_[n] = Slot{std::move(object), ++arrivals_, {}};
  by_name_.set(key, n);
  for (size_t i = 0; i < kIndexes; ++i) {
    if (indexes_[i].on) index_insert(i, slots_[n]);
  }
  return event;
}

}  // namespace mainspring::client

#include "models/client/cache.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <string>
#include <utility>

#include "models/api/pod_helpers.h"
#include "models/api/types/core.h"
#include "sim/check.h"

namespace mainspring::client {

namespace {
// The key of an object under an index: a part of the object, or made of parts.
class IndexKey {
 public:
  explicit IndexKey(std::string_view part) : part_(part) {}
  IndexKey(std::string_view ns, std::string_view name) {
    made_.reserve(ns.size() + 1 + name.size());
    made_.append(ns).append("/").append(name);
  }
  std::string_view view() const { return made_.empty() ? part_ : made_; }

 private:
  std::string_view part_;
  std::string made_;
};

IndexKey index_key(IndexBy by, const api::Object& o) {
  switch (by) {
    case IndexBy::kNamespace:
      return IndexKey(o.metadata.namespace_);
    case IndexBy::kControllerUid: {
      const api::OwnerReference* owner = api::controller_of(o.metadata);
      return IndexKey(owner ? owner->uid.view() : std::string_view());
    }
    case IndexBy::kNodeName:
      return IndexKey(o.kind == api::Kind::Pod ? api::as<api::Pod>(o).spec.node_name.view()
                                               : std::string_view());
    case IndexBy::kServiceName: {
      const api::Str* service = o.metadata.labels.find("kubernetes.io/service-name");
      return {o.metadata.namespace_, service ? service->view() : std::string_view()};
    }
    case IndexBy::kCount:
      break;
  }
  return IndexKey(std::string_view());
}

// A reference is one pointer, so those behind the erased one are moved as bits: buckets hold
// thousands.
void erase_at(std::vector<api::ObjectRef>& v, size_t i) {
  static_assert(sizeof(api::ObjectRef) == sizeof(void*));
  v[i] = nullptr;
  std::memmove(static_cast<void*>(v.data() + i), static_cast<const void*>(v.data() + i + 1),
               (v.size() - i - 1) * sizeof(api::ObjectRef));
  new (&v.back()) api::ObjectRef();
  v.pop_back();
}

}  // namespace

uint32_t Cache::slot_of(std::string_view ns, std::string_view name) const {
  return by_name_.find(name_hash(ns, name),
                       [&](uint32_t slot) { return is_named(*slots_[slot].object, ns, name); });
}

const api::ObjectRef* Cache::find(std::string_view ns, std::string_view name) const {
  const uint32_t slot = slot_of(ns, name);
  return slot == SlotTable::kNone ? nullptr : &slots_[slot].object;
}

std::vector<api::ObjectRef> Cache::list() const {
  std::vector<const Slot*> used;
  used.reserve(size());
  for (uint32_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].object) used.push_back(&slots_[i]);
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
  while (indexes_[n].order.size() < slots_.size()) indexes_[n].order.emplace_back();
  std::vector<uint32_t> used;
  for (uint32_t s = 0; s < slots_.size(); ++s) {
    if (slots_[s].object) used.push_back(s);
  }
  std::sort(used.begin(), used.end(),
            [this](uint32_t a, uint32_t b) { return slots_[a].arrival < slots_[b].arrival; });
  for (const uint32_t s : used) index_insert(n, s);
}

size_t Cache::place_in(const Bucket& bucket, uint64_t order) {
  return static_cast<size_t>(std::lower_bound(bucket.order.begin(), bucket.order.end(), order) -
                             bucket.order.begin());
}

Cache::Bucket& Cache::bucket_of(Index& index, std::string_view key) {
  std::optional<uint32_t> bucket = index.keys.find(key);
  if (!bucket) {
    bucket = static_cast<uint32_t>(index.buckets.size());
    index.buckets.emplace_back();
    index.keys.set(key, *bucket);
  }
  return index.buckets[*bucket];
}

void Cache::index_insert(size_t n, uint32_t slot) {
  Index& index = indexes_[n];
  const api::ObjectRef& object = slots_[slot].object;
  Bucket& bucket = bucket_of(index, index_key(static_cast<IndexBy>(n), *object).view());
  index.order[slot] = ++arrivals_;
  bucket.objects.push_back(object);
  bucket.order.push_back(index.order[slot]);
}

void Cache::index_erase(size_t n, uint32_t slot) {
  Index& index = indexes_[n];
  const api::Object& object = *slots_[slot].object;
  Bucket& bucket = bucket_of(index, index_key(static_cast<IndexBy>(n), object).view());
  const size_t at = place_in(bucket, index.order[slot]);
  erase_at(bucket.objects, at);
  bucket.order.erase(bucket.order.begin() + static_cast<ptrdiff_t>(at));
  if (bucket.objects.empty()) bucket = Bucket{};
}

// Puts `now` where the slot's object stood, or under its new key.
void Cache::index_replace(size_t n, uint32_t slot, const api::ObjectRef& now) {
  const IndexBy by = static_cast<IndexBy>(n);
  const IndexKey before = index_key(by, *slots_[slot].object);
  if (before.view() != index_key(by, *now).view()) {
    index_erase(n, slot);
    const api::ObjectRef old = std::exchange(slots_[slot].object, now);
    index_insert(n, slot);
    slots_[slot].object = old;  // other indexes have still to see it
    return;
  }
  Bucket& bucket = bucket_of(indexes_[n], before.view());
  bucket.objects[place_in(bucket, indexes_[n].order[slot])] = now;
}

uint32_t Cache::new_slot() {
  if (!free_.empty()) {
    const uint32_t slot = free_.back();
    free_.pop_back();
    return slot;
  }
  slots_.emplace_back();
  for (Index& index : indexes_) {
    if (index.on) index.order.emplace_back();
  }
  return static_cast<uint32_t>(slots_.size() - 1);
}

WatchEvent Cache::apply(WatchType type, api::ObjectRef object) {
  ++changes_;
  const uint64_t hash = name_hash(*object);
  resource_version_ = std::max(resource_version_, api::version_of(*object));
  const uint32_t at = slot_of(object->metadata.namespace_, object->metadata.name);
  const bool known = at != SlotTable::kNone;
  WatchEvent event{type, object, known ? slots_[at].object : api::ObjectRef()};
  if (type == WatchType::kDeleted) {
    if (!known) return event;
    for (size_t i = 0; i < kIndexes; ++i) {
      if (indexes_[i].on) index_erase(i, at);
    }
    by_name_.erase(hash, at);
    slots_[at] = Slot{};
    free_.push_back(at);
    return event;
  }
  if (known) {
    event.type = WatchType::kModified;
    for (size_t i = 0; i < kIndexes; ++i) {
      if (indexes_[i].on) index_replace(i, at, object);
    }
    slots_[at].object = std::move(object);
    return event;
  }
  event.type = WatchType::kAdded;
  const uint32_t slot = new_slot();
  slots_[slot] = Slot{std::move(object), ++arrivals_};
  by_name_.insert(hash, slot);
  for (size_t i = 0; i < kIndexes; ++i) {
    if (indexes_[i].on) index_insert(i, slot);
  }
  return event;
}

}  // namespace mainspring::client

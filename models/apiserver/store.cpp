#include "models/apiserver/store.h"

#include <algorithm>
#include <utility>

namespace mainspring::apiserver {

namespace {
void sort_by_key(std::vector<api::ObjectRef>& objects) {
  std::sort(objects.begin(), objects.end(), [](const api::ObjectRef& a, const api::ObjectRef& b) {
    const auto order = a->metadata.namespace_ <=> b->metadata.namespace_;
    return order != 0 ? order < 0 : a->metadata.name < b->metadata.name;
  });
}
}  // namespace

Store::Store() : tables_(api::kKindCount) {}

uint32_t Store::slot_of(const Table& t, std::string_view ns, std::string_view name) {
  return t.index.find(client::name_hash(ns, name),
                      [&](uint32_t slot) { return client::is_named(*t.slots[slot], ns, name); });
}

const api::ObjectRef* Store::find(api::Kind kind, std::string_view ns,
                                  std::string_view name) const {
  const Table& t = table(kind);
  const uint32_t slot = slot_of(t, ns, name);
  return slot == client::SlotTable::kNone ? nullptr : &t.slots[slot];
}

std::vector<api::ObjectRef> Store::list(api::Kind kind) const {
  std::vector<api::ObjectRef> all = table(kind).slots;
  sort_by_key(all);
  return all;
}

std::vector<api::ObjectRef> Store::list(api::Kind kind, std::string_view ns) const {
  std::vector<api::ObjectRef> some;
  for (const api::ObjectRef& o : table(kind).slots) {
    if (o->metadata.namespace_ == ns) some.push_back(o);
  }
  sort_by_key(some);
  return some;
}

void Store::put(api::ObjectRef object) {
  Table& t = tables_[static_cast<size_t>(object->kind)];
  const api::ObjectMeta& meta = object->metadata;
  const uint32_t known = slot_of(t, meta.namespace_, meta.name);
  if (known != client::SlotTable::kNone) {
    t.slots[known] = std::move(object);
    return;
  }
  t.index.insert(client::name_hash(*object), static_cast<uint32_t>(t.slots.size()));
  t.slots.push_back(std::move(object));
}

void Store::erase(const api::Object& object) {
  Table& t = tables_[static_cast<size_t>(object.kind)];
  const uint32_t slot = slot_of(t, object.metadata.namespace_, object.metadata.name);
  if (slot == client::SlotTable::kNone) return;
  t.index.erase(client::name_hash(object), slot);
  const uint32_t last = static_cast<uint32_t>(t.slots.size() - 1);
  if (slot != last) {
    const uint64_t hash = client::name_hash(*t.slots[last]);
    t.index.erase(hash, last);
    t.index.insert(hash, slot);
    t.slots[slot] = std::move(t.slots[last]);
  }
  t.slots.pop_back();
  if (t.slots.size() * 4 < t.slots.capacity()) t.slots.shrink_to_fit();
}

}  // namespace mainspring::apiserver

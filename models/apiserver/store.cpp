#include "models/apiserver/store.h"

namespace mainspring::apiserver {

Store::Store() : tables_(api::kKindCount) {}

const api::ObjectRef* Store::find(api::Kind kind, const api::Str& ns, const api::Str& name) const {
  const Table& t = table(kind);
  const auto found = t.find(Name(ns, name));
  return found == t.end() ? nullptr : &found->second;
}

void Store::put(api::ObjectRef object) {
  Table& t = tables_[static_cast<size_t>(object->kind)];
  Name key(object->metadata.namespace_, object->metadata.name);
  t[std::move(key)] = std::move(object);
}

void Store::erase(const api::Object& object) {
  tables_[static_cast<size_t>(object.kind)].erase(
      Name(object.metadata.namespace_, object.metadata.name));
}

}  // namespace mainspring::apiserver

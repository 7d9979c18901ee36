// What differs between two objects, a hash of their contents, the compact delta that the journal
// stores, and access to a field by its path. All walk the schema's descriptors; parts that two
// versions share are skipped without being looked at.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "models/api/object.h"

namespace mainspring::api {

struct FieldChange {
  std::string path;  // "spec.containers[0].image"
  Json before;       // null: was absent
  Json after;        // null: is absent
};
// The leaves that differ, in the order of the schema. Elements of lists are compared by position.
// Objects of different kinds differ as a whole (path "").
std::vector<FieldChange> diff(const Object& before, const Object& after);

// XXH64 over kind and fields in the order of the schema. Equal objects have equal hashes, however
// they are represented.
uint64_t hash64(const Object& object);
uint64_t hash64_of(const TypeInfo& type, const void* value);
template <class T>
uint64_t hash64_of(const T& value) {
  return hash64_of(T::kType, &value);
}
uint64_t xxh64(std::string_view bytes, uint64_t seed = 0);

// Appends the fields of `now` that differ from `old` (null: from an empty object of the kind).
// Only a program with the same schema_fingerprint() can read it.
void encode_delta(const Object* old, const Object& now, std::string& out);
// Null if the bytes are not a delta against `old`.
Ref<Object> apply_delta(const Object* old, std::string_view bytes);
uint64_t schema_fingerprint();

// The value at "status.readyReplicas", "metadata.labels['app.kubernetes.io/name']",
// "spec.containers[0].image", "status.conditions[type=Ready].status"; a leading dot or "{...}" as
// in JSONPath is accepted. Null if there is nothing.
Json get_field(const Object& object, std::string_view path);

}  // namespace mainspring::api

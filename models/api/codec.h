// Objects from trees and back.
//
// decode() is lossless: a field that the schema does not know is kept in `extra` of the struct it
// stands in, with a warning (fields that Kubernetes has and this schema only keeps give none); a
// kind that the schema does not have becomes Unstructured. Names are matched exactly, null is
// absent, and a value of a wrong type is an error with its place, its path, what was expected and
// what was found; the rest of the object is decoded all the same. autoscaling/v1 is converted.
// Versions that Kubernetes no longer serves are errors that name the version to use.
// decode() does not default and does not validate: defaulting.h, validation.h.
//
// encode() gives the tree that the API server would print: its order of fields, canonical
// quantities, RFC 3339 times, empty fields left out where Kubernetes leaves them out.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "models/api/json.h"
#include "models/api/object.h"

namespace mainspring::api {

class Diagnostics;

// Null if the tree has no known place for an object (no kind, no apiVersion, not a mapping, a
// removed version); each of these is an error. With other errors the object holds what was good.
ObjectRef decode(const Json& tree, Diagnostics& diagnostics);

// Appends the object, or those of a list (kind: List, or ...List with items), in order; to
// `places`, where given, the place of each.
void decode_all(const Json& tree, Diagnostics& diagnostics, std::vector<ObjectRef>* out,
                std::vector<Position>* places = nullptr);

Json encode(const Object& object);

// A list as the API server gives it: {"kind":"PodList","apiVersion":"v1","metadata":{...},
// "items":[...]}, for the kind of `info`.
Json encode_list(const KindInfo& info, std::string_view resource_version,
                 const std::vector<ObjectRef>& items);

// What a field that the schema does not know is: kept with a warning, as in objects, or an error.
enum class UnknownFields : uint8_t { kKeep, kRefuse };

// One struct of the schema; `path` is where it stands, for messages.
void decode_struct(const TypeInfo& type, const Json& tree, void* out, Diagnostics& diagnostics,
                   std::string_view path = {}, UnknownFields unknown = UnknownFields::kKeep);
Json encode_struct(const TypeInfo& type, const void* value);

template <class T>
T decode_as(const Json& tree, Diagnostics& diagnostics, std::string_view path = {}) {
  T value;
  decode_struct(T::kType, tree, &value, diagnostics, path);
  return value;
}
template <class T>
Json encode_as(const T& value) {
  return encode_struct(T::kType, &value);
}

}  // namespace mainspring::api

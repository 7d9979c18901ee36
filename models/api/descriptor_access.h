// How the generic algorithms reach the fields that descriptors speak of.
#pragma once

#include <cstring>
#include <optional>
#include <type_traits>

#include "models/api/descriptor.h"
#include "models/api/int_or_string.h"
#include "models/api/json.h"
#include "models/api/quantity.h"
#include "models/api/value.h"

namespace mainspring::api {

inline const void* at_offset(const void* base, size_t offset) {
  return static_cast<const std::byte*>(base) + offset;
}
inline void* at_offset(void* base, size_t offset) { return static_cast<std::byte*>(base) + offset; }
inline const void* field_of(const void* base, const FieldInfo& f) {
  return at_offset(base, f.offset);
}
inline void* field_of(void* base, const FieldInfo& f) { return at_offset(base, f.offset); }

inline const Json& extra_of(const TypeInfo& type, const void* base) {
  return *static_cast<const Json*>(at_offset(base, type.extra_offset));
}
inline Json& extra_of(const TypeInfo& type, void* base) {
  return *static_cast<Json*>(at_offset(base, type.extra_offset));
}

// Calls f with std::type_identity of the C++ type of a scalar.
template <class F>
decltype(auto) with_scalar(FieldType type, F&& f) {
  switch (type) {
    case FieldType::kBool:
      return f(std::type_identity<bool>());
    case FieldType::kInt32:
      return f(std::type_identity<int32_t>());
    case FieldType::kInt64:
      return f(std::type_identity<int64_t>());
    case FieldType::kDouble:
      return f(std::type_identity<double>());
    case FieldType::kQuantity:
      return f(std::type_identity<Quantity>());
    case FieldType::kIntOrString:
      return f(std::type_identity<IntOrString>());
    case FieldType::kTime:
    case FieldType::kMicroTime:
      return f(std::type_identity<Time>());
    case FieldType::kJson:
      return f(std::type_identity<Json>());
    case FieldType::kString:
    case FieldType::kStruct:
      break;  // structs do not come here
  }
  return f(std::type_identity<Str>());
}

// Whether two lists, maps, texts or optional structs share one representation, which is a single
// pointer in all of them.
inline bool same_pointer(const void* a, const void* b) {
  static_assert(sizeof(List<Str>) == sizeof(void*) && sizeof(Str) == sizeof(void*) &&
                sizeof(StrMap) == sizeof(void*) && sizeof(Json) == sizeof(void*));
  return std::memcmp(a, b, sizeof(void*)) == 0;
}

// Kubernetes' notion of a zero value, which omitempty leaves out.
inline bool is_zero(const Str& v) { return v.empty(); }
inline bool is_zero(bool v) { return !v; }
inline bool is_zero(int32_t v) { return v == 0; }
inline bool is_zero(int64_t v) { return v == 0; }
inline bool is_zero(double v) { return v == 0; }
inline bool is_zero(Time v) { return v.is_zero(); }
inline bool is_zero(const Json& v) { return v.is_null(); }
// Structs in Go, which omitempty never leaves out.
inline bool is_zero(const Quantity&) { return false; }
inline bool is_zero(const IntOrString&) { return false; }

// Whether the field holds nothing: absent, empty or zero. Structs held by value are never absent.
inline bool is_absent(const FieldInfo& f, const void* field) {
  switch (f.shape) {
    case Shape::kList:
    case Shape::kMap: {
      if (f.shape == Shape::kList) return f.list->size(field) == 0;
      return with_scalar(f.type, [field]<class T>(std::type_identity<T>) {
        return static_cast<const Map<T>*>(field)->empty();
      });
    }
    case Shape::kOptional:
      if (f.type == FieldType::kStruct) return f.opt->get(field) == nullptr;
      return with_scalar(f.type, [field]<class T>(std::type_identity<T>) {
        return !static_cast<const std::optional<T>*>(field)->has_value();
      });
    case Shape::kValue:
      break;
  }
  if (f.type == FieldType::kStruct) return false;
  return with_scalar(f.type, [field]<class T>(std::type_identity<T>) {
    return is_zero(*static_cast<const T*>(field));
  });
}

// The tree of one field; null for what is absent.
Json encode_field(const FieldInfo& f, const void* field);
// Equality of two structs of the type, with shared parts skipped.
bool equal_value(const TypeInfo& type, const void* a, const void* b);

}  // namespace mainspring::api

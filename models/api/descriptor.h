// What a type of the schema looks like at run time. Decoding, defaulting, validation, encoding,
// diff, patch, hash and the views of other languages all walk these tables; the tables are made
// from models/api/schema by its generator.
//
// All tables are constants. Offsets are in bytes from the start of the struct.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace mainspring::api {

class ValidateContext;
struct TypeInfo;

enum class FieldType : uint8_t {
  kString,       // Str
  kBool,         // bool
  kInt32,        // int32_t
  kInt64,        // int64_t
  kDouble,       // double
  kQuantity,     // Quantity
  kIntOrString,  // IntOrString
  kTime,         // Time, seconds
  kMicroTime,    // Time, microseconds
  kJson,         // Json
  kStruct,       // a struct of the schema
};

enum class Shape : uint8_t {
  kValue,     // the type itself
  kOptional,  // std::optional<scalar> or Opt<struct>
  kList,      // List<type>
  kMap,       // Map<type> by string
};

// Rules on text that have a name in Kubernetes.
enum class Format : uint8_t {
  kNone,
  dns_label,       // RFC 1123 label
  dns_subdomain,   // RFC 1123 subdomain
  port,            // 1 to 65535
  port_name,       // IANA service name
  labels,          // a map of labels
  annotations,     // a map of annotations
  qualified_name,  // [prefix/]name
  label_value,
};

struct EnumInfo {
  std::string_view name;
  std::span<const std::string_view> values;  // sorted
  bool open;                                 // other values are allowed
};

struct ListOps {
  size_t (*size)(const void* list);
  const void* (*data)(const void* list);
  // Unshares the list, makes it n elements long and returns the first.
  void* (*resize)(void* list, size_t n);
  void (*erase)(void* list, size_t i);
  size_t stride;
};

struct OptOps {
  const void* (*get)(const void* opt);  // null when absent
  void* (*edit)(void* opt);             // makes it present and unshared
  void (*reset)(void* opt);
};

struct FieldInfo {
  static constexpr uint16_t kRequired = 1;    // must be given and not empty
  static constexpr uint16_t kAlways = 2;      // encoded even when empty
  static constexpr uint16_t kSet = 4;         // strategic merge: union of primitives
  static constexpr uint16_t kRetainKeys = 8;  // strategic merge: takes $retainKeys
  static constexpr uint16_t kReplace = 16;    // strategic merge: never merged
  static constexpr uint16_t kNumber = 32;     // text that may be written as a plain number

  std::string_view name;  // in JSON
  uint32_t offset = 0;
  FieldType type = FieldType::kString;
  Shape shape = Shape::kValue;
  Format format = Format::kNone;
  uint16_t flags = 0;
  const TypeInfo* type_info = nullptr;  // for kStruct
  const EnumInfo* enum_info = nullptr;  // for kString with a set of values
  const ListOps* list = nullptr;        // for kList
  const OptOps* opt = nullptr;          // for kOptional of kStruct
  bool has_default = false;
  std::string_view default_value = {};  // as text; "{}" makes an empty struct
  bool has_min = false;
  int64_t min = 0;
  bool has_max = false;
  int64_t max = 0;
  std::string_view merge_key = {};  // strategic merge of a list of structs: name of the key
  std::string_view doc = {};

  bool has(uint16_t flag) const { return (flags & flag) != 0; }
};

struct TypeInfo {
  std::string_view name;  // as in Kubernetes' Go types
  std::string_view doc;
  uint32_t size = 0;
  uint32_t extra_offset = 0;
  std::span<const FieldInfo> fields;  // in the order in which the API server prints them
  // Fields that Kubernetes has and this schema leaves in `extra`.
  std::span<const std::string_view> kept;
  bool has_defaults = false;  // the struct or something in it can need a default
  // Written by hand: what depends on several fields. Whether it would change anything, and doing.
  bool (*needs_defaults)(const void* value) = nullptr;
  void (*defaults)(void* value) = nullptr;
  void (*validate)(const void* value, ValidateContext& context) = nullptr;

  const FieldInfo* find(std::string_view json_name) const {
    for (const FieldInfo& f : fields) {
      if (f.name == json_name) return &f;
    }
    return nullptr;
  }
};

// The description of a struct of the schema, as type_info_of<PodSpec>().
template <class T>
const TypeInfo& type_info_of() {
  return T::kType;
}

}  // namespace mainspring::api

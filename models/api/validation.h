// Kubernetes' validation (v1.35) of whole objects and of updates, in Kubernetes' words:
// "spec.replicas: Invalid value: -1: must be greater than or equal to 0".
//
// Objects are taken as defaulted. Validated is what the simulated parts rely on and what people
// get wrong; the package README lists what is not checked.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "models/api/object.h"

namespace mainspring::api {

class Diagnostics;

// A cause of a Status of reason Invalid.
struct FieldError {
  enum class Type : uint8_t {
    kInvalid,       // "Invalid value"
    kRequired,      // "Required value"
    kDuplicate,     // "Duplicate value"
    kNotSupported,  // "Unsupported value"
    kForbidden,     // "Forbidden"
    kTooLong,       // "Too long"
    kTooMany,       // "Too many"
    kNotFound,      // "Not found"
  };
  Type type = Type::kInvalid;
  std::string field;   // "spec.containers[0].name"
  std::string detail;  // everything after the field and ": "

  std::string text() const { return field + ": " + detail; }
  std::string_view reason() const;  // "FieldValueInvalid"
};

std::vector<FieldError> validate(const Object& object);
// The same as errors with a place: that of the field (or of what it stands in) in `source`, the
// tree that the object was decoded from, if given.
void validate(const Object& object, Diagnostics& diagnostics, const Json* source = nullptr);
// One struct of the schema, as defaulted and decoded from `source`; `path` is where it stands.
void validate_struct(const TypeInfo& type, const void* value, Diagnostics& diagnostics,
                     const Json& source, std::string_view path = {});
// The place of "spec.containers[0].name" in a tree, or that of what it would stand in.
Position place_of(const Json& tree, std::string_view path);
// Errors as one, as apimachinery's Aggregate words them.
std::string aggregate(const std::vector<std::string>& errors);

// What an update may not change (pod specs, selectors, ...), besides validate(now).
std::vector<FieldError> validate_update(const Object& old, const Object& now);

// `Pod "x" is invalid: spec.a: Required value` or `... is invalid: [a, b]`, as the API server says.
std::string invalid_message(const Object& object, const std::vector<FieldError>& errors);

// Empty if good, else Kubernetes' explanation.
std::string_view check_dns_label(std::string_view text);
std::string_view check_dns_subdomain(std::string_view text);
std::string_view check_label_value(std::string_view text);
std::string_view check_qualified_name(std::string_view text);

}  // namespace mainspring::api

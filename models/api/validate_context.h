// Where a validator stands and what it has found. For validation.cpp, validate_fields() and the
// checks of scheduler plugins' arguments.
#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/api/json.h"
#include "models/api/validation.h"

namespace mainspring::api {

class ValidateContext {
 public:
  using Type = FieldError::Type;

  std::vector<FieldError> errors;

  // Steps into a field ("spec") or an element ("[3]") until the end of the scope.
  class Scope {
   public:
    Scope(ValidateContext& c, std::string_view step) : context_(c), size_(c.path_.size()) {
      c.path_ = c.path(step);
    }
    Scope(ValidateContext& c, std::string_view list, size_t index)
        : Scope(c, std::string(list) + '[' + std::to_string(index) + ']') {}
    ~Scope() { context_.path_.resize(size_); }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    ValidateContext& context_;
    size_t size_;
  };

  // The whole path of a field that lies below; empty: the place itself.
  std::string path(std::string_view field) const {
    if (field.empty()) return path_;
    if (path_.empty()) return std::string(field);
    return field.starts_with('[') ? path_ + std::string(field) : path_ + '.' + std::string(field);
  }

  void add(Type type, std::string_view field, std::string detail) {
    errors.push_back({type, path(field), std::move(detail)});
  }
  void required(std::string_view field, std::string_view why = {}) {
    add(Type::kRequired, field, with("Required value", why));
  }
  void forbidden(std::string_view field, std::string_view why) {
    add(Type::kForbidden, field, with("Forbidden", why));
  }
  void invalid(std::string_view field, const Json& value, std::string_view why) {
    add(Type::kInvalid, field, with("Invalid value: " + to_sorted_json(value), why));
  }
  void duplicate(std::string_view field, const Json& value) {
    add(Type::kDuplicate, field, "Duplicate value: " + to_sorted_json(value));
  }
  void not_found(std::string_view field, const Json& value) {
    add(Type::kNotFound, field, "Not found: " + to_sorted_json(value));
  }
  void unsupported(std::string_view field, const Json& value,
                   std::span<const std::string_view> supported) {
    std::string detail = "Unsupported value: " + to_sorted_json(value) + ": supported values: ";
    bool first = true;
    for (std::string_view s : supported) {
      if (!first) detail += ", ";
      first = false;
      detail += '"' + std::string(s) + '"';
    }
    add(Type::kNotSupported, field, std::move(detail));
  }
  void unsupported(std::string_view field, const Json& value,
                   std::initializer_list<std::string_view> supported) {
    unsupported(field, value,
                std::span<const std::string_view>(supported.begin(), supported.size()));
  }
  // Nothing if the explanation is empty.
  void check(std::string_view field, std::string_view value, std::string_view why) {
    if (!why.empty()) invalid(field, Json(value), why);
  }

 private:
  static std::string with(std::string text, std::string_view why);

  std::string path_;
};

}  // namespace mainspring::api

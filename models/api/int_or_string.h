// Kubernetes' IntOrString: a number, a percentage such as "25%", or a name (of a port).
// Semantics of apimachinery's pkg/util/intstr (v1.35).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "models/api/value.h"

namespace mainspring::api {

class IntOrString {
 public:
  IntOrString() = default;                       // the number 0
  IntOrString(int32_t value) : value_(value) {}  // NOLINT: implicit, it is one of the two
  IntOrString(Str text) : text_(std::move(text)), is_string_(true) {}  // NOLINT
  IntOrString(const char* text) : IntOrString(Str(text)) {}            // NOLINT
  // A number if the text is a decimal int32, else the text.
  static IntOrString parse(std::string_view text);

  bool is_string() const { return is_string_; }
  bool is_int() const { return !is_string_; }
  int32_t int_value() const { return value_; }  // 0 for a string
  const Str& string_value() const { return text_; }
  bool is_percent() const { return is_string_ && text_.view().ends_with('%'); }
  // "5", "25%" or "http".
  std::string to_string() const { return is_string_ ? text_.str() : std::to_string(value_); }

  // The number, or the percentage of the total, rounded up or down. Nothing for text that is not
  // a percentage, and then *error (if given) is Kubernetes' message.
  std::optional<int64_t> scaled(int64_t total, bool round_up, std::string* error = nullptr) const;

  friend bool operator==(const IntOrString& a, const IntOrString& b) {
    return a.is_string_ == b.is_string_ && a.value_ == b.value_ && a.text_ == b.text_;
  }

 private:
  Str text_;
  int32_t value_ = 0;
  bool is_string_ = false;
};

}  // namespace mainspring::api

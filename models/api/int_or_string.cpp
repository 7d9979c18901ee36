#include "models/api/int_or_string.h"

#include <charconv>

#include "models/api/json.h"

namespace mainspring::api {
namespace {

// Go's strconv.Atoi: decimal with an optional sign, nothing else.
std::optional<int64_t> read_int(std::string_view s) {
  if (s.starts_with('+') && !s.starts_with("+-")) s.remove_prefix(1);
  int64_t value = 0;
  const auto [end, problem] = std::from_chars(s.data(), s.data() + s.size(), value);
  if (problem != std::errc() || end != s.data() + s.size()) return std::nullopt;
  return value;
}

}  // namespace

IntOrString IntOrString::parse(std::string_view text) {
  const std::optional<int64_t> value = read_int(text);
  if (!value || *value < INT32_MIN || *value > INT32_MAX) return IntOrString(Str(text));
  return IntOrString(static_cast<int32_t>(*value));
}

std::optional<int64_t> IntOrString::scaled(int64_t total, bool round_up, std::string* error) const {
  if (is_int()) return value_;
  if (!is_percent()) {
    if (error) {
      *error = "invalid value for IntOrString: invalid type: string is not a percentage";
    }
    return std::nullopt;
  }
  const std::string_view digits = text_.view().substr(0, text_.size() - 1);
  const std::optional<int64_t> percent = read_int(digits);
  int64_t product = 0;
  if (!percent || __builtin_mul_overflow(*percent, total, &product)) {
    if (error) {
      std::string whole;
      std::string number;
      write_json_string(text_, &whole);
      write_json_string(digits, &number);
      *error = "invalid value for IntOrString: invalid value " + whole +
               ": strconv.Atoi: parsing " + number + ": invalid syntax";
    }
    return std::nullopt;
  }
  const int64_t quotient = product / 100;
  const int64_t rest = product % 100;
  if (round_up) return quotient + (rest > 0 ? 1 : 0);
  return quotient - (rest < 0 ? 1 : 0);
}

}  // namespace mainspring::api

// Text as Go's standard library has it: the case of ASCII letters, base64.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mainspring::api {

// Only ASCII letters change.
constexpr char to_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
std::string to_lower(std::string_view text);

// encoding/base64's StdEncoding, and RawStdEncoding if not `padded`: line breaks are passed over,
// bits that the last letter has too many are not looked at.
std::string encode_base64(std::string_view bytes);
std::optional<std::string> decode_base64(std::string_view text, bool padded = true);

}  // namespace mainspring::api

// Any text that reads as a quantity must print to text that reads as the same quantity.
#include "models/api/quantity.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sim/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using mainspring::api::Quantity;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::optional<Quantity> q = Quantity::parse(text);
  if (!q) {
    return 0;
  }
  const std::string printed = q->to_string();
  const std::optional<Quantity> again = Quantity::parse(printed);
  MAINSPRING_CHECK(again.has_value(), "'{}' prints as '{}', which does not read", text, printed);
  MAINSPRING_CHECK(*again == *q, "'{}' prints as '{}', another number", text, printed);
  // 320000 in the binary family prints without a suffix, and then reads as decimal: 320k.
  if (again->format() == q->format()) {
    MAINSPRING_CHECK(again->to_string() == printed, "'{}' is not canonical", printed);
  }
  return 0;
}

// Any bytes parse as selectors or do not; what parses survives a round trip through its text.
#include <cstdlib>

#include "models/api/labels.h"

using namespace mainspring::api;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto s = Selector::parse(text)) {
    const auto again = Selector::parse(s->to_string());
    if (!again || !(*again == *s)) std::abort();
    s->matches({{"a", "b"}});
  }
  if (const auto f = FieldSelector::parse(text)) {
    f->matches([](std::string_view) { return std::string_view("x"); });
  }
  return 0;
}

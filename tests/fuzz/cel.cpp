// Any text compiles as a selector of devices or is refused with a reason; what compiles evaluates
// to an answer or a reason, and twice to the same.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "models/api/cel.h"
#include "models/api/types/all.h"
#include "sim/check.h"

using namespace mainspring::api;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::string error;
  const auto selector = CelSelector::compile(text, &error);
  if (!selector) {
    MAINSPRING_CHECK(!error.empty(), "'{}' is refused without a reason", text);
    return 0;
  }
  Device d;
  d.attributes.set("model", Json::object({{"string", "A100"}}));
  d.attributes.set("index", Json::object({{"int", 3}}));
  d.attributes.set("version", Json::object({{"version", "1.2.3"}}));
  d.capacity.set("memory", Json::object({{"value", "80Gi"}}));
  const CelDevice device("gpu.example.com", d);
  std::string again;
  const bool first = selector->matches(device, &error);
  const bool second = selector->matches(device, &again);
  MAINSPRING_CHECK(first == second && error == again, "'{}' has two answers", text);
  return 0;
}

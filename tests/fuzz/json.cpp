// Any bytes are read as JSON or refused with a place, and what was read is written and read alike.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "models/api/yaml.h"
#include "sim/check.h"

using namespace mainspring::api;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Diagnostics diagnostics;
  const JsonText read = read_json(text, diagnostics.add_file("fuzz.json"), &diagnostics);
  MAINSPRING_CHECK(read.ok || read.error_offset <= size);
  for (const Json& value : read.values) {
    bool ok = false;
    const Json again = parse_json(to_json(value), &ok);
    MAINSPRING_CHECK(ok && again == value, "{}", to_json(value));
  }
  return 0;
}

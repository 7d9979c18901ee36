// Any scenario file is loaded or refused. Lines at the start of the form "--set path=value" are
// overrides.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/api/diagnostics.h"
#include "scenarios/loader.h"
#include "tests/fuzz/file.h"

using namespace mainspring;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  // A glob may walk the whole machine, and an alias stand for more than is worth reading.
  if (text.find('*') != std::string_view::npos) return 0;
  std::vector<std::pair<std::string, std::string>> overrides;
  while (text.starts_with("--set ")) {
    const std::string_view line = text.substr(6, text.find('\n') - 6);
    text.remove_prefix(std::min(text.size(), line.size() + 7));
    const size_t equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    overrides.emplace_back(line.substr(0, equals), line.substr(equals + 1));
  }
  api::Diagnostics diagnostics;
  scenarios::load_scenario(fuzz::file_with(text, "scenario.yaml"), overrides, diagnostics);
  diagnostics.to_text();
  diagnostics.to_json_value();
  return 0;
}

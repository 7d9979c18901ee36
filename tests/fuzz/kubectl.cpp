// Any line is a kubectl command or is refused with a reason.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "scenarios/kubectl/command.h"
#include "sim/check.h"

using namespace mainspring;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view line(reinterpret_cast<const char*>(data), size);
  std::string error;
  const auto command = scenarios::parse_kubectl(line, error);
  MAINSPRING_CHECK(command || !error.empty(), "'{}' is refused without a reason", line);
  if (!command) return 0;
  std::vector<scenarios::KubectlTarget> targets;
  api::Kind kind{};
  scenarios::resolve_names(command->words, targets, kind, error);
  return 0;
}

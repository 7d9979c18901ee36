// Any KubeSchedulerConfiguration is accepted or refused with its errors; a scheduler starts with
// what was accepted.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "models/scheduler/configuration.h"

using namespace mainspring;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  // Aliases (&a, *a) can stand for more than is worth reading. A star alone may be a plugin's name.
  constexpr auto kNone = std::string_view::npos;
  if (text.find('&') != kNone && text.find('*') != kNone) return 0;
  static const scheduler::Registry registry = [] {
    scheduler::Registry r;
    scheduler::register_scheduler_plugins(r);
    return r;
  }();
  api::Diagnostics diagnostics;
  const uint16_t file = diagnostics.add_file("fuzz.yaml");
  auto options = scheduler::read_configuration(text, file, registry, diagnostics);
  diagnostics.to_text();
  if (diagnostics.ok()) scheduler::Scheduler(std::move(options)).watches();
  return 0;
}

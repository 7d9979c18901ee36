// Any KubeSchedulerConfiguration is accepted or refused with its errors; a scheduler starts with
// what was accepted.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "models/api/yaml.h"
#include "models/scheduler/configuration.h"

using namespace mainspring;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  // Aliases can stand for more than is worth reading.
  if (text.find('*') != std::string_view::npos) return 0;
  static const scheduler::Registry registry = [] {
    scheduler::Registry r;
    scheduler::register_scheduler_plugins(r);
    return r;
  }();
  api::Diagnostics diagnostics;
  const uint16_t file = diagnostics.add_file("fuzz.yaml");
  for (const api::Json& document : api::read_documents(text, file, &diagnostics)) {
    api::Diagnostics of_document;
    auto options = scheduler::read_configuration(document, registry, of_document);
    of_document.to_text();
    if (of_document.ok()) scheduler::Scheduler(std::move(options)).watches();
  }
  diagnostics.to_text();
  return 0;
}

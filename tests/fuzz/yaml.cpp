// Any bytes are read without a crash or a hang, and what was read can be written and read again.
#include <cstdlib>

#include "models/api/yaml.h"

using namespace mainspring::api;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Diagnostics diagnostics;
  const uint16_t file = diagnostics.add_file("fuzz.yaml");
  const std::vector<Json> documents = read_documents(text, file, &diagnostics);
  diagnostics.to_text();
  // Aliases can stand for more than is worth writing out.
  if (text.find('*') != std::string_view::npos) return 0;
  for (const Json& document : documents) {
    Diagnostics again;
    const std::vector<Json> back = read_documents(to_yaml(document), file, &again);
    if (!again.ok()) std::abort();
    if (document.is_object() && (back.size() != 1 || !(back[0] == document))) std::abort();
    const std::string json = to_json(document);
    bool ok = false;
    if (!(parse_json(json, &ok) == document) || !ok) std::abort();
  }
  return 0;
}

// Any manifest is decoded, defaulted and validated or refused. What was decoded survives its own
// encoding and the journal's, and defaulting twice is defaulting once.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "models/api/codec.h"
#include "models/api/compare.h"
#include "models/api/defaulting.h"
#include "models/api/validation.h"
#include "models/api/yaml.h"
#include "sim/check.h"

using namespace mainspring::api;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  // Aliases can stand for more than is worth writing out.
  if (text.find('*') != std::string_view::npos) return 0;
  Diagnostics diagnostics;
  const uint16_t file = diagnostics.add_file("fuzz.yaml");
  std::vector<ObjectRef> objects;
  for (const Json& document : read_documents(text, file, &diagnostics)) {
    decode_all(document, diagnostics, &objects);
  }
  const bool good = diagnostics.ok();
  for (const ObjectRef& object : objects) {
    validate(*object, diagnostics);
    std::string delta;
    encode_delta(nullptr, *object, delta);
    const Ref<Object> back = apply_delta(nullptr, delta);
    MAINSPRING_CHECK(back && equal(*back, *object), "the journal loses something");
    MAINSPRING_CHECK(hash64(*back) == hash64(*object));

    const Ref<Object> once = clone(*object);
    set_defaults(*once);
    const Ref<Object> twice = clone(*once);
    set_defaults(*twice);
    MAINSPRING_CHECK(equal(*once, *twice), "defaults are not idempotent");
    validate(*once, diagnostics);
    validate_update(*object, *once);
    diff(*object, *once);

    if (!good) continue;
    Diagnostics again;
    const Json tree = encode(*object);
    const ObjectRef decoded = decode(tree, again);
    MAINSPRING_CHECK(decoded && again.ok(), "{}", again.to_text());
    MAINSPRING_CHECK(encode(*decoded) == tree, "{}", to_json(tree));
  }
  diagnostics.to_text();
  return 0;
}

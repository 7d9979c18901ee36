// Objects out of YAML text, for the tests of this folder.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "models/api/codec.h"
#include "models/api/defaulting.h"
#include "models/api/diagnostics.h"
#include "models/api/object.h"
#include "models/api/yaml.h"

namespace mainspring::api {

inline Json yaml(std::string_view text) {
  Diagnostics diagnostics;
  std::vector<Json> documents = read_documents(text, 0, &diagnostics);
  EXPECT_TRUE(diagnostics.empty()) << diagnostics.to_text();
  return documents.empty() ? Json() : documents[0];
}

// Decoded without a complaint.
inline ObjectRef parse(std::string_view text) {
  Diagnostics diagnostics;
  ObjectRef object = decode(yaml(text), diagnostics);
  EXPECT_TRUE(diagnostics.empty()) << diagnostics.to_text();
  return object;
}

template <class T>
Ref<T> parse_as(std::string_view text) {
  return clone(as<T>(parse(text)));
}

inline Ref<Object> defaulted(std::string_view text) {
  Ref<Object> object = clone(*parse(text));
  set_defaults(*object);
  return object;
}

}  // namespace mainspring::api

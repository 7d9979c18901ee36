// Any case of the scheduler's conformance tests is refused or answered, with remembered verdicts as
// on the plain path.
#include <cstddef>
#include <cstdint>

#include "models/api/yaml.h"
#include "sim/check.h"
#include "tests/conformance/scheduler/case_runner.h"

using namespace mainspring;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  bool is_json = false;
  const api::Json the_case = api::parse_json({reinterpret_cast<const char*>(data), size}, &is_json);
  if (!is_json) return 0;
  const api::Json plain = conformance::answer_case(the_case, conformance::Path::kPlain);
  const api::Json fast = conformance::answer_case(the_case, conformance::Path::kFast);
  MAINSPRING_CHECK(conformance::without_plugin_scores(plain) == fast, "{}\n{}", to_json(plain),
                   to_json(fast));
  return 0;
}

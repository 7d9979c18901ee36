// Answers a case of the scheduler's conformance tests: the scheduler with an API server that
// answers at once. README.md says what cases and answers hold.
#pragma once

#include "models/api/json.h"
#include "models/scheduler/scheduler.h"

namespace mainspring::conformance {

// The plain path reports every plugin's scores and remembers nothing; the fast one is that of a
// run, whose answers lack the plugins' scores (not the totals).
enum class Path : uint8_t { kPlain, kFast };
api::Json answer_case(const api::Json& the_case, Path path);
// The answer as the fast path can give it: totals without the plugins' scores.
api::Json without_plugin_scores(api::Json answer);

// How many pods a second of CPU time the scheduler places in the last `measured` steps; steps put
// objects or reap.
double bench_case(const api::Json& the_case);

}  // namespace mainspring::conformance

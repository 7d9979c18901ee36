// Any CSV text is a trace of rates or is refused; rates are never negative, and time never goes
// back. The first line is the name of the column.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "scenarios/trace_file.h"
#include "sim/check.h"

using namespace mainspring;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t line = text.find('\n');
  if (line == std::string_view::npos) return 0;
  std::vector<traffic::RatePoint> rows;
  std::string error;
  if (!scenarios::parse_rate_trace(std::string(text.substr(line + 1)),
                                   std::string(text.substr(0, line)), rows, error)) {
    MAINSPRING_CHECK(!error.empty(), "refused without a reason");
    return 0;
  }
  for (size_t i = 0; i < rows.size(); ++i) {
    MAINSPRING_CHECK(rows[i].rate >= 0, "{}", rows[i].rate);
    MAINSPRING_CHECK(i == 0 || rows[i - 1].at <= rows[i].at);
  }
  return 0;
}

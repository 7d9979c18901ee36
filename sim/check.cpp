#include "sim/check.h"

namespace mainspring::sim {

void check_failed(const char* condition, const char* file, int line, const std::string& detail) {
  std::string text = fmt::format("broken invariant: {} at {}:{}", condition, file, line);
  if (!detail.empty()) text += ": " + detail;
  throw InvariantBroken(std::move(text));
}

}  // namespace mainspring::sim

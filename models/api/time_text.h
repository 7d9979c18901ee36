// RFC 3339 as Kubernetes reads and writes it: metav1.Time to the second, metav1.MicroTime with six
// digits, always written in UTC with Z.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "models/api/value.h"

namespace mainspring::api {

// Any offset and any number of fractional digits (beyond nanoseconds they are cut). Nothing for
// other text, dates that do not exist, and years outside 1678 to 2261.
std::optional<Time> parse_time(std::string_view text);

std::string format_time(Time t);        // "2025-01-02T15:04:05Z"; empty for an absent time
std::string format_micro_time(Time t);  // "2025-01-02T15:04:05.000000Z"

}  // namespace mainspring::api

// Amounts as people write them in scenario files: durations, probabilities, rates.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sim/distributions.h"
#include "sim/time.h"

namespace mainspring::scenarios {

// "90s", "1h30m", "500ms"; nothing for other text.
std::optional<sim::Duration> parse_duration(std::string_view text);
// A duration that is none only because it is longer than 292 years.
bool is_too_long(std::string_view text);
// "30%", "3/10", "0.3" as parts per billion, 0 to 1e9.
std::optional<int64_t> parse_probability(std::string_view text);
// A decimal number of at least 0, such as "120" or "0.5".
std::optional<double> parse_number(std::string_view text);
// "100MB/s", "1Gi/s", "25000000": bytes per second.
std::optional<int64_t> parse_bandwidth(std::string_view text);
// The nearest integer; halves go up.
int64_t nearest_integer(double x);
// "2m3s", "45s", "1h5m", "350ms": how durations are shown.
std::string format_duration(sim::Duration d);
// The same without rounding, "2m3.0405s": parse_duration() gives the duration back.
std::string format_exactly(sim::Duration d);

}  // namespace mainspring::scenarios

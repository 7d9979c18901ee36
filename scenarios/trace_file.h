// Rates over time from a CSV file: a column of seconds and a column of requests per second.
#pragma once

#include <string>
#include <vector>

#include "models/traffic/options.h"
#include "scenarios/loader.h"

namespace mainspring::scenarios {

// Reads the rows of a CSV text: times in the first column (seconds, from 0 at the first row), rates
// in `column` (by name; default the second). A first row without numbers is the header. False with
// the reason, and the line, in `error`.
bool parse_rate_trace(const std::string& text, const std::string& column,
                      std::vector<traffic::RatePoint>& rows, std::string& error);

// The rows of a traffic entry's file, which the loader has checked.
std::vector<traffic::RatePoint> read_rate_trace(const LoadedScenario& scenario,
                                                const spec::TrafficSpec& entry);

}  // namespace mainspring::scenarios

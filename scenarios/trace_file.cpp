#include "scenarios/trace_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string_view>

#include "scenarios/units.h"

namespace mainspring::scenarios {

namespace {
std::vector<std::string_view> cells(std::string_view line) {
  std::vector<std::string_view> out;
  while (true) {
    const size_t comma = std::min(line.find(','), line.size());
    std::string_view cell = line.substr(0, comma);
    while (!cell.empty() && (cell.front() == ' ' || cell.front() == '"')) cell.remove_prefix(1);
    while (!cell.empty() && (cell.back() == ' ' || cell.back() == '"' || cell.back() == '\r')) {
      cell.remove_suffix(1);
    }
    out.push_back(cell);
    if (comma == line.size()) return out;
    line.remove_prefix(comma + 1);
  }
}
}  // namespace

bool parse_rate_trace(const std::string& text, const std::string& column,
                      std::vector<traffic::RatePoint>& rows, std::string& error) {
  size_t rate_at = 1;
  std::optional<double> first;
  size_t number = 0;
  for (std::string_view rest = text; !rest.empty();) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    ++number;
    if (line.empty() || line == "\r" || line.front() == '#') continue;
    const std::vector<std::string_view> row = cells(line);
    const std::optional<double> t = parse_number(row.front());
    if (!t && rows.empty() && !first) {
      if (column.empty()) continue;
      const auto found = std::find(row.begin(), row.end(), column);
      if (found == row.end()) {
        error = fmt::format("line {}: no column \"{}\"", number, column);
        return false;
      }
      rate_at = static_cast<size_t>(found - row.begin());
      continue;
    }
    const std::optional<double> rate =
        rate_at < row.size() ? parse_number(row[rate_at]) : std::nullopt;
    if (!t || !rate) {
      error = fmt::format("line {}: expected seconds and a rate, got \"{}\"", number, line);
      return false;
    }
    if (!first) first = t;
    const double seconds = *t - *first;
    // 1e9 s are 31 years, and far from what the clock holds.
    const bool in_range = seconds >= 0 && seconds <= 1e9;
    const sim::SimTime at =
        sim::SimTime::from_ns(in_range ? static_cast<int64_t>(seconds * 1e9) : 0);
    if (!in_range || (!rows.empty() && at <= rows.back().at)) {
      error = fmt::format("line {}: times must rise", number);
      return false;
    }
    rows.push_back({at, *rate});
  }
  if (rows.empty()) error = "no rows";
  return !rows.empty();
}

std::vector<traffic::RatePoint> read_rate_trace(const LoadedScenario& scenario,
                                                const spec::TrafficSpec& entry) {
  std::vector<traffic::RatePoint> rows;
  std::string text, error;
  const std::string path =
      (std::filesystem::path(scenario.file).parent_path() / entry.file.str()).string();
  if (read_file(path, text)) parse_rate_trace(text, entry.column.str(), rows, error);
  return rows;
}

}  // namespace mainspring::scenarios

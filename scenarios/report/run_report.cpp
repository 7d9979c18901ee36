#include "scenarios/report/run_report.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace mainspring::scenarios {
namespace {

void keep(const std::vector<size_t>& indexes, Series& s) {
  for (size_t i = 0; i < indexes.size(); ++i) {
    s.t_seconds[i] = s.t_seconds[indexes[i]];
    s.value[i] = s.value[indexes[i]];
  }
  s.t_seconds.resize(indexes.size());
  s.value.resize(indexes.size());
}

bool same_value(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

void drop_repeated(Series& s) {
  std::vector<size_t> kept;
  for (size_t i = 0; i < s.value.size(); ++i) {
    const bool last = i + 1 == s.value.size();
    if (i == 0 || last || !same_value(s.value[i], s.value[i - 1])) kept.push_back(i);
  }
  keep(kept, s);
}

}  // namespace

void downsample(Series& s, size_t max_points) {
  const size_t n = std::min(s.t_seconds.size(), s.value.size());
  s.t_seconds.resize(n);
  s.value.resize(n);
  if (s.kind == SeriesKind::kStep) drop_repeated(s);
  if (s.value.size() <= max_points) return;

  // Four points a bucket at most.
  const size_t buckets = std::max<size_t>(1, max_points / 4);
  const double start = s.t_seconds.front();
  const double width = (s.t_seconds.back() - start) / static_cast<double>(buckets);
  std::vector<size_t> kept;
  size_t i = 0;
  for (size_t b = 0; b < buckets && i < s.value.size(); ++b) {
    const bool last_bucket = b + 1 == buckets;
    const double end = start + width * static_cast<double>(b + 1);
    const size_t first = i;
    size_t low = i;
    size_t high = i;
    while (i < s.value.size() && (last_bucket || s.t_seconds[i] < end)) {
      if (std::isnan(s.value[low]) || s.value[i] < s.value[low]) low = i;
      if (std::isnan(s.value[high]) || s.value[i] > s.value[high]) high = i;
      ++i;
    }
    if (i == first) continue;
    std::array<size_t, 4> picks{first, low, high, i - 1};
    std::sort(picks.begin(), picks.end());
    for (const size_t p : picks) {
      if (kept.empty() || kept.back() < p) kept.push_back(p);
    }
  }
  keep(kept, s);
}

bool passed(const RunReport& report) {
  return std::all_of(report.expectations.begin(), report.expectations.end(),
                     [](const auto& e) { return e.outcome == Outcome::kPassed; });
}

std::string_view name_of(MarkKind kind) {
  switch (kind) {
    case MarkKind::kFault:
      return "fault";
    case MarkKind::kRecovery:
      return "recovery";
    case MarkKind::kAction:
      return "action";
    case MarkKind::kScale:
      return "scale";
    case MarkKind::kIncident:
      return "incident";
  }
  return "";
}

std::string_view name_of(NodeState state) {
  switch (state) {
    case NodeState::kBooting:
      return "booting";
    case NodeState::kReady:
      return "ready";
    case NodeState::kNotReady:
      return "notReady";
    case NodeState::kUnreachable:
      return "unreachable";
    case NodeState::kCordoned:
      return "cordoned";
    case NodeState::kGone:
      return "gone";
  }
  return "";
}

std::string_view name_of(PodState state) {
  switch (state) {
    case PodState::kPending:
      return "pending";
    case PodState::kStarting:
      return "starting";
    case PodState::kReady:
      return "ready";
    case PodState::kNotReady:
      return "notReady";
    case PodState::kCrashLoop:
      return "crashLoop";
    case PodState::kTerminating:
      return "terminating";
    case PodState::kSucceeded:
      return "succeeded";
    case PodState::kFailed:
      return "failed";
  }
  return "";
}

std::string_view name_of(Severity severity) {
  switch (severity) {
    case Severity::kGood:
      return "good";
    case Severity::kInfo:
      return "info";
    case Severity::kWarning:
      return "warning";
    case Severity::kBad:
      return "bad";
  }
  return "";
}

std::string_view name_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::kPassed:
      return "passed";
    case Outcome::kFailed:
      return "failed";
    case Outcome::kNotEvaluated:
      return "notEvaluated";
  }
  return "";
}

std::string_view name_of(SeriesKind kind) { return kind == SeriesKind::kStep ? "step" : "sampled"; }

}  // namespace mainspring::scenarios

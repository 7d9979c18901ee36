#include <fmt/format.h>

#include "scenarios/report/text.h"
#include "scenarios/report/writers.h"

namespace mainspring::scenarios {
namespace {

std::string measured_of(const ExpectationResult& e) {
  const std::string bound = fmt::format("expected {} {}", e.op, format_value(e.bound, e.unit));
  return e.measured ? fmt::format("measured {}, {}", format_value(*e.measured, e.unit), bound)
                    : "nothing was measured, " + bound;
}

void property(std::string& out, const char* name, std::string_view value) {
  if (value.empty()) return;
  out += fmt::format("      <property name=\"{}\" value=\"{}\"/>\n", name, escape_xml(value));
}

void test_case(std::string& out, const std::string& suite, const std::string& name,
               const std::string& body) {
  out += fmt::format("    <testcase classname=\"{}\" name=\"{}\" time=\"0\"", escape_xml(suite),
                     escape_xml(name));
  out += body.empty() ? "/>\n" : ">\n" + body + "    </testcase>\n";
}

std::string outcome_of(const ExpectationResult& e, const ReportMeta& meta) {
  if (e.outcome == Outcome::kPassed) return "";
  if (e.outcome == Outcome::kNotEvaluated) {
    const std::string why = e.explanation.empty() ? "not evaluated" : e.explanation;
    return fmt::format("      <error type=\"not-evaluated\" message=\"{}\"/>\n", escape_xml(why));
  }
  std::string text = measured_of(e);
  if (!e.explanation.empty()) text += "\n" + e.explanation;
  if (e.t_seconds) text += "\nfirst at " + format_time(*e.t_seconds) + " of virtual time";
  if (!meta.reproduce.empty()) text += "\nreproduce: " + meta.reproduce;
  return fmt::format("      <failure type=\"expectation\" message=\"{}\">{}</failure>\n",
                     escape_xml(measured_of(e)), escape_xml(text));
}

}  // namespace

std::string render_junit_xml(const RunReport& r) {
  size_t failures = 0;
  size_t errors = r.meta.interrupted ? 1 : 0;
  for (const ExpectationResult& e : r.expectations) {
    failures += e.outcome == Outcome::kFailed;
    errors += e.outcome == Outcome::kNotEvaluated;
  }
  // Reaching the horizon is a test of its own, so that no suite is empty and a run that was cut
  // short does not look like a good one.
  const std::string counts =
      fmt::format("tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"0\" time=\"{:.3f}\"",
                  r.expectations.size() + 1, failures, errors, r.meta.ended_seconds);
  const std::string suite = r.meta.scenario.empty() ? "scenario" : r.meta.scenario;
  std::string out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
  out += fmt::format("<testsuites name=\"mainspring\" {}>\n", counts);
  out += fmt::format("  <testsuite name=\"{}\" {}>\n    <properties>\n", escape_xml(suite), counts);
  property(out, "description", r.meta.description);
  property(out, "file", r.meta.file);
  property(out, "seed", std::to_string(r.meta.seed));
  property(out, "digest", r.meta.digest);
  property(out, "version", r.meta.version);
  property(out, "reproduce", r.meta.reproduce);
  out += "    </properties>\n";
  std::string horizon;
  if (r.meta.interrupted) {
    horizon = fmt::format("      <error type=\"interrupted\" message=\"stopped at {} of {}\"/>\n",
                          format_time(r.meta.ended_seconds), format_time(r.meta.horizon_seconds));
  }
  test_case(out, suite, "the run reaches its horizon", horizon);
  for (const ExpectationResult& e : r.expectations) {
    test_case(out, suite, e.name, outcome_of(e, r.meta));
  }
  return out + "  </testsuite>\n</testsuites>\n";
}

bool write_junit_xml(const RunReport& report, const std::string& path) {
  return write_file(path, render_junit_xml(report));
}

}  // namespace mainspring::scenarios

// JSON and JUnit, against small goldens and a JSON parser that is not ours (Python's).
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "scenarios/report/writers.h"
#include "tests/scenarios/report/demo_report.h"

namespace mainspring::scenarios {
namespace {

RunReport small() {
  RunReport r;
  r.meta = {.scenario = "hello & <goodbye>",
            .digest = "00ff",
            .reproduce = "mainspring run 'hello.yaml'",
            .seed = 18'446'744'073'709'551'615U,
            .horizon_seconds = 60,
            .ended_seconds = 60,
            .events = 12,
            .wall_seconds = 3.5};
  r.expectations = {
      {"p99 \"fast\"", Outcome::kFailed, 812.5, "<=", 500, "ms", "line 1\nline 2", 30},
      {"drained", Outcome::kNotEvaluated, {}, "==", 0, "", "", {}},
      {"availability", Outcome::kPassed, 99.5, ">=", 99, "%", "", {}}};
  r.series = {{"cost", "USD", {}, SeriesKind::kStep, {0, 1.5}, {0.25, std::nan("")}}};
  r.nodes = {{"n1", "a", "p", "big", {{0, 60, NodeState::kReady}}}};
  return r;
}

std::string golden(const std::string& name) {
  std::ifstream in(std::string(MAINSPRING_SOURCE_DIR "/tests/scenarios/report/golden/") + name);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

TEST(ResultsJson, Golden) { EXPECT_EQ(render_results_json(small()), golden("small.results.json")); }

TEST(ResultsJson, WallClockDoesNotShow) {
  RunReport a = DemoReport::make();
  RunReport b = a;
  b.meta.wall_seconds = 99;
  EXPECT_EQ(render_results_json(a), render_results_json(b));
  EXPECT_EQ(render_junit_xml(a), render_junit_xml(b));
}

// Runs a few lines of Python on the file; true if they succeed.
bool python_accepts(const std::string& path, const char* code) {
  const std::string command = fmt::format("python3 -c \"{}\" '{}'", code, path);
  return std::system(command.c_str()) == 0;
}

TEST(Results, OtherParsersReadThem) {
  RunReport r = DemoReport::make();
  const std::string evil = "<&>\"' \x01\x1b \xFF\xC0 ]]> \xF0\x9F\x92\xA5 \xED\xA0\x80";
  r.meta.scenario = evil;
  r.expectations[1].name = evil;
  r.expectations[1].explanation = evil;
  r.pods[0].name = evil;
  const std::string dir = testing::TempDir();
  const std::string json = dir + "report_test_results.json";
  const std::string xml = dir + "report_test_junit.xml";
  ASSERT_TRUE(write_results_json(r, json));
  ASSERT_TRUE(write_junit_xml(r, xml));
  EXPECT_TRUE(python_accepts(json,
                             "import json,sys; d=json.load(open(sys.argv[1])); "
                             "assert list(d)==sorted(d) and d['verdict']=='failed'"));
  EXPECT_TRUE(python_accepts(
      xml,
      "import sys; from xml.etree import ElementTree as E; s=E.parse(sys.argv[1]).getroot()[0]; "
      "c=s.findall('testcase'); f=s.findall('testcase/failure'); "
      "assert len(c)==7==int(s.get('tests')) and len(f)==1==int(s.get('failures')); "
      "assert s.get('name').startswith('<&>')"));
  std::filesystem::remove(json);
  std::filesystem::remove(xml);
}

TEST(Results, UnwritablePathIsReported) {
  EXPECT_FALSE(write_results_json(small(), "/nonexistent/dir/results.json"));
}

TEST(Junit, Golden) { EXPECT_EQ(render_junit_xml(small()), golden("small.junit.xml")); }

TEST(Junit, InterruptedRunIsAnError) {
  RunReport r = small();
  r.meta.interrupted = true;
  r.meta.ended_seconds = 12;
  const std::string xml = render_junit_xml(r);
  EXPECT_NE(xml.find("errors=\"2\""), std::string::npos);
  EXPECT_NE(xml.find("message=\"stopped at 12s of 1m00s\""), std::string::npos);
}

}  // namespace
}  // namespace mainspring::scenarios

// JSON and JUnit, against small goldens and a JSON parser that is not ours (Python's).
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

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

TEST(ResultsJson, Golden) {
  EXPECT_EQ(render_results_json(small()), R"({
  "apiVersion": "mainspring.dev/v1",
  "expectations": [
    {"bound":500,"explanation":"line 1\nline 2","firstViolatedSeconds":30,"measured":812.5,"name":"p99 \"fast\"","op":"<=","outcome":"failed","unit":"ms"},
    {"bound":0,"name":"drained","op":"==","outcome":"notEvaluated","unit":""},
    {"bound":99,"measured":99.5,"name":"availability","op":">=","outcome":"passed","unit":"%"}
  ],
  "hints": [],
  "kind": "RunResults",
  "marks": [],
  "metadata": {"description":"","digest":"00ff","endedSeconds":60,"epochUnixSeconds":0,"events":12,"file":"","horizonSeconds":60,"interrupted":false,"name":"hello & <goodbye>","reproduce":"mainspring run 'hello.yaml'","seed":"18446744073709551615","version":""},
  "nodes": [
    {"instanceType":"big","name":"n1","pool":"p","segments":[{"endSeconds":60,"startSeconds":0,"state":"ready"}],"zone":"a"}
  ],
  "notes": [],
  "numbers": [],
  "pods": [],
  "series": [
    {"kind":"step","labels":{},"metric":"cost","timesSeconds":[0,1.5],"unit":"USD","values":[0.25,null]}
  ],
  "story": [],
  "tables": [],
  "verdict": "failed"
}
)");
}

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

TEST(Junit, Golden) {
  EXPECT_EQ(render_junit_xml(small()), R"(<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="mainspring" tests="4" failures="1" errors="0" skipped="1" time="60.000">
  <testsuite name="hello &amp; &lt;goodbye&gt;" tests="4" failures="1" errors="0" skipped="1" time="60.000">
    <properties>
      <property name="seed" value="18446744073709551615"/>
      <property name="digest" value="00ff"/>
      <property name="reproduce" value="mainspring run &apos;hello.yaml&apos;"/>
    </properties>
    <testcase classname="hello &amp; &lt;goodbye&gt;" name="the run reaches its horizon" time="0"/>
    <testcase classname="hello &amp; &lt;goodbye&gt;" name="p99 &quot;fast&quot;" time="0">
      <failure type="expectation" message="measured 812.5 ms, expected &lt;= 500 ms">measured 812.5 ms, expected &lt;= 500 ms&#10;line 1&#10;line 2&#10;first at 30s of virtual time&#10;reproduce: mainspring run &apos;hello.yaml&apos;</failure>
    </testcase>
    <testcase classname="hello &amp; &lt;goodbye&gt;" name="drained" time="0">
      <skipped message="not evaluated"/>
    </testcase>
    <testcase classname="hello &amp; &lt;goodbye&gt;" name="availability" time="0"/>
  </testsuite>
</testsuites>
)");
}

TEST(Junit, InterruptedRunIsAnError) {
  RunReport r = small();
  r.meta.interrupted = true;
  r.meta.ended_seconds = 12;
  const std::string xml = render_junit_xml(r);
  EXPECT_NE(xml.find("errors=\"1\""), std::string::npos);
  EXPECT_NE(xml.find("message=\"stopped at 12s of 1m00s\""), std::string::npos);
}

}  // namespace
}  // namespace mainspring::scenarios

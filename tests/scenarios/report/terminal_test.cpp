#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <sstream>

#include "scenarios/report/text.h"
#include "scenarios/report/writers.h"
#include "tests/scenarios/report/demo_report.h"

namespace mainspring::scenarios {
namespace {

int widest_line(const std::string& text) {
  std::istringstream in(text);
  int widest = 0;
  for (std::string line; std::getline(in, line);) widest = std::max(widest, display_width(line));
  return widest;
}

RunReport small() {
  RunReport r;
  r.meta = {.scenario = "hello",
            .description = "",
            .digest = "00ff",
            .reproduce = "mainspring run hello.yaml --seed 7",
            .seed = 7,
            .horizon_seconds = 60,
            .ended_seconds = 60,
            .events = 1234,
            .wall_seconds = 0.5};
  r.numbers = {{"requests answered", 99.5, "%", "3 of 600 failed", Severity::kGood}};
  r.expectations = {{"availability", Outcome::kPassed, 99.5, ">=", 99, "%", "", {}},
                    {"p99", Outcome::kFailed, 812, "<=", 500, "ms", "worst minute", 30}};
  r.series = {
      {"requests_ok", "/s", {{"service", "web"}}, SeriesKind::kSampled, {0, 30}, {10, 20}},
      {"replicas_ready", "pods", {{"workload", "web"}}, SeriesKind::kStep, {0, 15}, {1, 4}}};
  r.marks = {{"f", 30, 45, MarkKind::kFault, "node down", "", ""}};
  r.story = {{30, {}, Severity::kBad, "Requests fail.", {{"a node died", {}, "f", ""}}}};
  r.hints = {{"look", "mainspring get pods"}};
  return r;
}

TEST(Terminal, Golden) {
  // 60 columns leave 60 - 13 - 2 - 17 = 28 for the axis: 30 s of 60 s is column 14.
  EXPECT_EQ(render_terminal_summary(small(), {.width = 60, .color = false, .unicode = true}), R"(
 hello                                              ✗ FAILED
 1m00s simulated in 0.5 s (120 × real time), 1,234 events

 99.5 %  requests answered
         3 of 600 failed

 Checks
  ✓ availability  99.5 %  ≥ 99 %
  ✗ p99           812 ms  ≤ 500 ms
    worst minute; first at 30s

 Timeline
               0s     15s    30s    45s      1m00s
  requests/s   ▅▅▅▅▅▅▅▅▅▅▅▅▅▅██████████████  peak 20
  pods ready   ▃▃▃▃▃▃▃█████████████████████  1 to 4
  faults       ··············▲━━━━━━━······  1

 What happened and why
  30s  Requests fail.
       ↳ a node died

 Next
  • look
    mainspring get pods

 seed 7   digest 00ff
 again mainspring run hello.yaml --seed 7
)");
}

TEST(Terminal, AsciiHoldsNothingElse) {
  const std::string text =
      render_terminal_summary(small(), {.width = 80, .color = false, .unicode = false});
  for (const char c : text) EXPECT_TRUE(c == '\n' || (c >= 0x20 && c < 0x7F)) << text;
}

TEST(Terminal, FitsAndColoursOnlyWhenAsked) {
  const RunReport r = DemoReport::make();
  for (const int width : {60, 80, 120}) {
    // Commands are not wrapped, so they alone may be longer.
    RunReport short_commands = r;
    short_commands.hints.clear();
    short_commands.meta.reproduce.clear();
    const std::string plain = render_terminal_summary(short_commands, {.width = width});
    EXPECT_LE(widest_line(plain), width) << plain;
    EXPECT_EQ(plain.find('\x1b'), std::string::npos);
  }
  EXPECT_NE(render_terminal_summary(r, {.color = true}).find("\x1b[31m"), std::string::npos);
  if (std::getenv("MAINSPRING_DEMO_TERMINAL")) {
    std::cout << render_terminal_summary(r, {.color = true});
  }
}

TEST(Terminal, ColouringDoesNotChangeTheText) {
  const std::string plain = render_terminal_summary(DemoReport::make(), {.color = false});
  std::string colored = render_terminal_summary(DemoReport::make(), {.color = true});
  for (size_t at; (at = colored.find('\x1b')) != std::string::npos;) {
    colored.erase(at, colored.find('m', at) - at + 1);
  }
  // Trailing spaces end up inside the colours.
  std::string trimmed;
  std::istringstream in(colored);
  for (std::string line; std::getline(in, line);) {
    trimmed += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  EXPECT_EQ(trimmed, plain);
}

TEST(Terminal, NamesCannotDriveTheTerminal) {
  RunReport r = small();
  r.meta.scenario = "evil\x1b[2J\x07\xC2\x9B\xE2\x80\xAEname";
  r.expectations[0].name = "a\r\nb";
  const std::string text = render_terminal_summary(r, {});
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_EQ(text.find('\x07'), std::string::npos);
  EXPECT_EQ(text.find('\r'), std::string::npos);
  EXPECT_NE(text.find(" evil[2Jname"), std::string::npos) << text;
}

TEST(Terminal, EmptyReport) {
  EXPECT_NE(render_terminal_summary(RunReport{}, {}).find("PASSED"), std::string::npos);
}

TEST(Text, Time) {
  const std::pair<double, const char*> cases[] = {{0, "0s"},
                                                  {12.5, "12.5s"},
                                                  {59.96, "1m00s"},
                                                  {60, "1m00s"},
                                                  {3599.6, "1h00m00s"},
                                                  {3723, "1h02m03s"},
                                                  {90061, "1d01h01m01s"},
                                                  {-5, "-5s"}};
  for (const auto& [seconds, text] : cases) EXPECT_EQ(format_time(seconds), text);
}

TEST(Text, Value) {
  struct Case {
    double value;
    const char* unit;
    const char* text;
  };
  const Case cases[] = {{99.8714, "%", "99.871 %"},
                        {100, "%", "100 %"},
                        {12.345, "%", "12.35 %"},
                        {1840, "ms", "1,840 ms"},
                        {12'345, "ms", "12.35 s"},
                        {128, "s", "2m08s"},
                        {1.375, "USD", "$1.38"},
                        {0.0125, "USD/h", "$0.013/h"},
                        {1'234'567, "pods", "1,234,567 pods"},
                        {0.12345, "", "0.123"},
                        {std::nan(""), "ms", "-"},
                        {-1234.5, "", "-1,234"},
                        {0, "", "0"}};
  for (const Case& c : cases) EXPECT_EQ(format_value(c.value, c.unit), c.text);
}

TEST(Text, Truncate) {
  EXPECT_EQ(truncate("frontend", 8, true), "frontend");
  EXPECT_EQ(truncate("frontend", 5, true), "fron…");
  EXPECT_EQ(truncate("frontend", 5, false), "fr...");
  EXPECT_EQ(truncate("äöüß€", 3, true), "äö…");
}

}  // namespace
}  // namespace mainspring::scenarios

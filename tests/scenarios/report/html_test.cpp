#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <regex>
#include <sstream>

#include "scenarios/report/assets.h"
#include "scenarios/report/writers.h"
#include "tests/scenarios/report/demo_report.h"

namespace mainspring::scenarios {
namespace {

// Pages are too long for a matcher that prints them.
bool holds(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

// The text of the element that holds the data.
std::string data_of(const std::string& page) {
  const std::string open = R"(<script type="application/json" id="data">)";
  const size_t at = page.find(open);
  const size_t end = page.find("</script>", at);
  EXPECT_NE(at, std::string::npos);
  return at == std::string::npos ? "" : page.substr(at + open.size(), end - at - open.size());
}

TEST(Html, HoldsPartsAndData) {
  const std::string page = render_html(DemoReport::make());
  EXPECT_TRUE(holds(page, "uPlot=function"));
  EXPECT_TRUE(holds(page, asset("report.js")));
  EXPECT_TRUE(holds(page, asset("report.css")));
  EXPECT_FALSE(holds(page, "{{"));
  const std::string data = data_of(page);
  EXPECT_TRUE(holds(data, "boutique-black-friday"));
  EXPECT_TRUE(holds(data, "zone europe-west1-c down"));
  EXPECT_TRUE(holds(page, "<title>Failed: boutique-black-friday"));
  EXPECT_LT(page.size(), 1'500'000U);
  // For looking at it in a browser.
  if (const char* path = std::getenv("MAINSPRING_DEMO_REPORT")) {
    EXPECT_TRUE(write_html(DemoReport::make(), path));
  }
}

TEST(Html, MakesNoRequests) {
  const std::string page = render_html(DemoReport::make());
  EXPECT_TRUE(holds(page, "default-src 'none'"));
  // The only addresses are names: of an XML namespace, and of uPlot's home in its licence line.
  const std::regex url(R"((https?:)?//[a-z0-9.-]+\.[a-z]{2,}[^\s"')]*)");
  for (std::sregex_iterator it(page.begin(), page.end(), url), end; it != end; ++it) {
    EXPECT_TRUE(it->str() == "http://www.w3.org/2000/svg" ||
                it->str() == "https://github.com/leeoniya/uPlot")
        << it->str();
  }
  EXPECT_FALSE(holds(page, "@import"));
  EXPECT_FALSE(std::regex_search(page, std::regex(R"(<(script|img|iframe)[^>]* src=)")));
}

TEST(Html, HostileTextStaysText) {
  const std::string evil =
      "</script><script>alert(1)</script><!-- \"' \\ \u2028 \xF0\x9F\x92\xA5 \xFF";
  RunReport r = DemoReport::make();
  r.meta.scenario = evil;
  r.marks[0].title = evil;
  r.story[0].text = evil;
  r.pods[0].name = evil;
  r.series[0].labels["service"] = evil;
  r.tables[0].rows[0][0] = evil;
  const std::string page = render_html(r);
  EXPECT_FALSE(holds(page, "alert(1)</script>"));
  EXPECT_TRUE(holds(page, "&lt;/script&gt;&lt;script&gt;alert(1)"));
  const std::string data = data_of(page);
  EXPECT_EQ(data.find('<'), std::string::npos);
  EXPECT_TRUE(holds(data, R"(\u003c/script>\u003cscript>alert(1)\u003c/script>\u003c!-- \"' \\)"));
  EXPECT_TRUE(holds(data, "\xF0\x9F\x92\xA5 \\ufffd"));  // the bad byte
}

TEST(Html, EmptyReportIsAPage) {
  const std::string page = render_html(RunReport{});
  EXPECT_TRUE(holds(data_of(page), R"("series":[])"));
}

TEST(Html, SharesTimesAndRoundsValues) {
  RunReport r;
  const double nan = std::nan("");
  r.series = {{"a", "x", {}, SeriesKind::kStep, {0, 0.5, 1.00049}, {1, nan, 0.12345678}},
              {"b", "x", {{"k", "v"}}, SeriesKind::kSampled, {0, 0.5, 1.00049}, {1e9, 2.5, 3}}};
  EXPECT_TRUE(holds(data_of(render_html(r)),
                    R"("times":[[0,0.5,1]],"series":[)"
                    R"({"m":"a","u":"x","l":{},"k":1,"t":0,"v":[1,null,0.123457]},)"
                    R"({"m":"b","u":"x","l":{"k":"v"},"k":0,"t":0,"v":[1000000000,2.5,3]}])"));
}

}  // namespace
}  // namespace mainspring::scenarios

#include "models/api/json.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "models/api/yaml.h"

namespace mainspring::api {
namespace {

Json sample() {
  return Json::object({{"name", "web"}, {"replicas", 3}, {"ports", Json::array({80, 443})}});
}

TEST(Json, KeepsTheOrderOfKeysAndComparesWithoutIt) {
  Json a = sample();
  EXPECT_EQ(to_json(a), R"({"name":"web","replicas":3,"ports":[80,443]})");
  EXPECT_EQ(to_sorted_json(a), R"({"name":"web","ports":[80,443],"replicas":3})");
  Json b = Json::object({{"ports", Json::array({80, 443})}, {"replicas", 3}, {"name", "web"}});
  EXPECT_EQ(a, b);
  b.set("replicas", 4);
  EXPECT_FALSE(a == b);
  b = a;
  b.set("extra", nullptr);
  EXPECT_FALSE(a == b);
}

TEST(Json, CopiesAreIndependent) {
  const Json a = sample();
  Json b = a;
  EXPECT_TRUE(b.same(a));
  b.edit("ports").push_back(8080);
  b.edit("new").set("x", true);
  EXPECT_EQ(a, sample());
  EXPECT_EQ(to_json(b), R"({"name":"web","replicas":3,"ports":[80,443,8080],"new":{"x":true}})");
  EXPECT_TRUE(b["name"].same(a["name"]));  // untouched parts stay shared
  EXPECT_TRUE(b.erase("name"));
  EXPECT_FALSE(b.erase("name"));
  EXPECT_TRUE(a.contains("name"));
}

TEST(Json, MissingThingsAreNull) {
  const Json a = sample();
  EXPECT_TRUE(a["nothing"]["at"]["all"].is_null());
  EXPECT_TRUE(a["ports"][2].is_null());
  EXPECT_EQ(a["ports"][1].as_int(), 443);
  EXPECT_EQ(a["name"].as_int(7), 7);
  EXPECT_TRUE(a["replicas"].as_str().empty());
  EXPECT_EQ(a["replicas"].as_double(), 3.0);
}

TEST(Json, PlacesDoNotTakePartInComparisons) {
  Json a = sample();
  Json b = sample();
  a.set_position(Position(2, 41, 9));
  a.edit("name").set_position(Position(2, 42, 3));
  EXPECT_EQ(a, b);
  EXPECT_EQ(a.position().file(), 2);
  EXPECT_EQ(a.position().line(), 41u);
  EXPECT_EQ(a["name"].position().column(), 3u);
  EXPECT_FALSE(b.position().known());
  const Position far(1, 1ull << 40, 1ull << 40);
  EXPECT_EQ(far.line(), Position::kMax);
  EXPECT_EQ(far.column(), Position::kMax);
  EXPECT_EQ(sizeof(Position), 8u);
  EXPECT_EQ(sizeof(Json), sizeof(void*));
}

TEST(Json, NumbersAreWrittenAsGoDoes) {
  const struct {
    double value;
    const char* text;
  } cases[] = {
      {1.0, "1"},
      {0.1, "0.1"},
      {-2.5, "-2.5"},
      {1e20, "100000000000000000000"},
      {1e21, "1e+21"},
      {1e-6, "0.000001"},
      {1e-7, "1e-7"},
      {1.5e300, "1.5e+300"},
      {123456789.125, "123456789.125"},
      {0.0, "0"},
      {100, "100"},
      {5e-324, "5e-324"},
      {0.30000000000000004, "0.30000000000000004"},
  };
  for (const auto& c : cases) EXPECT_EQ(to_json(Json(c.value)), c.text);
  EXPECT_EQ(to_json(std::numeric_limits<double>::infinity()), "null");
  EXPECT_EQ(to_json(INT64_MIN), "-9223372036854775808");
  EXPECT_EQ(to_json(UINT64_MAX), "18446744073709551615");
  EXPECT_EQ(to_json(Json::number(1.1, "1.10")), "1.10");
  EXPECT_EQ(Json(1), Json(1.0));
  EXPECT_FALSE(Json(1) == Json("1"));
}

TEST(Json, StringsAreEscaped) {
  EXPECT_EQ(to_json(std::string_view("a\"b\\c\n\t\x01\0<é", 12)),
            "\"a\\\"b\\\\c\\n\\t\\u0001\\u0000<é\"");
  EXPECT_EQ(to_json("\xff z \xc3"), "\"\\ufffd z \\ufffd\"");
  EXPECT_EQ(to_json("\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\"");  // a lone surrogate
}

TEST(Json, BytesThatAreNotUtf8AreRefusedWhereTheyStand) {
  const std::string text =
      "{\"a\": \"\\n\xce"
      "3\"}";
  const JsonText read = read_json(text, 0, nullptr);
  EXPECT_FALSE(read.ok);
  EXPECT_EQ(read.error_offset, text.find('\xce'));
  EXPECT_EQ(read.error, "expected UTF-8 text, got other bytes");
  // Characters that are none are text all the same, written as they are or escaped.
  EXPECT_TRUE(read_json("\"\xce\x83 \\uffff \xef\xbf\xbf\"", 0, nullptr).ok);
}

TEST(Json, PrettyForm) {
  EXPECT_EQ(to_pretty_json(Json::object({{"a", Json::array({1})}, {"b", Json::object()}})),
            "{\n    \"a\": [\n        1\n    ],\n    \"b\": {}\n}");
}

}  // namespace
}  // namespace mainspring::api

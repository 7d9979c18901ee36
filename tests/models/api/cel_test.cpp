#include "models/api/cel.h"

#include <gmock/gmock.h>

#include <string>

#include "models/api/types/all.h"

namespace mainspring::api {
namespace {

using ::testing::HasSubstr;

// A GPU of driver gpu.example.com, as drivers publish them.
CelDevice gpu() {
  Device d;
  d.name = "gpu-0";
  const auto attribute = [&d](const char* name, const char* type, Json value) {
    d.attributes.set(name, Json::object({{type, std::move(value)}}));
  };
  attribute("model", "string", "A100-SXM4-80GB");
  attribute("index", "int", 3);
  attribute("ecc", "bool", true);
  attribute("driverVersion", "version", "550.54.14");
  attribute("resource.example.org/pcieRoot", "string", "pci0000:00");
  d.capacity.set("memory", Json::object({{"value", "80Gi"}}));
  d.capacity.set("cores", Json::object({{"value", 108}}));
  return CelDevice("gpu.example.com", d);
}

// "true", "false", or the error.
std::string value_of(std::string_view expression) {
  std::string error;
  const auto selector = CelSelector::compile(expression, &error);
  if (!selector) return "compile: " + error;
  const bool matches = selector->matches(gpu(), &error);
  return error.empty() ? (matches ? "true" : "false") : "error: " + error;
}

TEST(Cel, WhatDriversDocument) {
  for (const char* expression : {
           R"(device.driver == "gpu.example.com")",
           R"(device.attributes["gpu.example.com"].model == "A100-SXM4-80GB")",
           R"(device.attributes["gpu.example.com"].model.startsWith("A100"))",
           R"(device.attributes["gpu.example.com"].model.endsWith('80GB'))",
           R"(device.attributes["gpu.example.com"].model.contains("SXM4"))",
           R"(device.attributes["gpu.example.com"].model.lowerAscii().matches("^a100.*gb$"))",
           R"(device.attributes["gpu.example.com"].model in ["H100", "A100-SXM4-80GB"])",
           R"(["H100", "A100"].exists(m, device.attributes["gpu.example.com"].model.contains(m)))",
           R"(["A", "1"].all(m, device.attributes["gpu.example.com"].model.contains(m)))",
           R"([1, 3, 5].exists_one(i, i == device.attributes["gpu.example.com"].index))",
           R"(device.attributes["gpu.example.com"].index % 2 == 1)",
           R"(device.attributes["gpu.example.com"].index > 2.5)",
           R"(device.attributes["gpu.example.com"].ecc)",
           R"(device.attributes["resource.example.org"].pcieRoot != "")",
           R"(device.capacity["gpu.example.com"].memory.compareTo(quantity("40Gi")) > 0)",
           R"(device.capacity["gpu.example.com"].memory.isGreaterThan(quantity("79Gi")))",
           R"(!device.capacity["gpu.example.com"].memory.isLessThan(quantity("80Gi")))",
           R"(device.capacity["gpu.example.com"].memory == quantity("81920Mi"))",
           R"(device.capacity["gpu.example.com"].cores.asInteger() >= 100)",
           R"(device.capacity["gpu.example.com"].cores.sub(8).compareTo(quantity("100")) == 0)",
           R"(device.attributes["gpu.example.com"].driverVersion.compareTo(semver("550.0.0")) > 0)",
           R"(device.attributes["gpu.example.com"].driverVersion.major() == 550)",
           R"(device.attributes["gpu.example.com"].driverVersion.isLessThan(semver("v551", true)))",
           R"(has(device.attributes["gpu.example.com"].model) ? true : false)",
           R"(!has(device.attributes["other.example.com"].model))",
           R"("gpu.example.com" in device.attributes && !("x" in device.attributes))",
           R"(cel.bind(gpu, device.attributes["gpu.example.com"], gpu.ecc && gpu.index == 3))",
           R"(size(device.attributes["gpu.example.com"]) == 4 && "äö".size() == 2)",
       }) {
    EXPECT_EQ(value_of(expression), "true") << expression;
  }
}

TEST(Cel, ErrorsPassWhereTheOtherSideDecides) {
  const std::string missing = R"(device.attributes["gpu.example.com"].nothing)";
  EXPECT_EQ(value_of(missing), "error: no such key: nothing");
  EXPECT_EQ(value_of(missing + " && false"), "false");
  EXPECT_EQ(value_of("true || " + missing), "true");
  EXPECT_EQ(value_of(missing + " && true"), "error: no such key: nothing");
  EXPECT_EQ(value_of("false ? " + missing + " : true"), "true");
}

TEST(Cel, EvaluationFailsInTheWordsOfCel) {
  EXPECT_EQ(value_of("1 / (2 - 2) == 1"), "error: division by zero");
  EXPECT_EQ(value_of("9223372036854775807 + 1 > 0"), "error: integer overflow");
  EXPECT_EQ(value_of(R"(device.attributes["gpu.example.com"].model)"),
            "error: CEL result of type string could not be converted to bool: unsupported native "
            "conversion from string to 'bool'");
  EXPECT_EQ(value_of(R"(device.attributes["gpu.example.com"].model < 1)"),
            "error: no such overload");
  EXPECT_EQ(value_of(R"(sign(quantity("1x")) == 1)"),
            "error: quantities must match the regular expression "
            "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
  // Of different types, values are different.
  EXPECT_EQ(value_of(R"(device.attributes["gpu.example.com"].index == "3")"), "false");
  EXPECT_EQ(value_of(R"(device.attributes["gpu.example.com"].index == 3.0)"), "true");
}

TEST(Cel, WhatDoesNotCompileIsShownInItsPlace) {
  EXPECT_EQ(value_of("1 + 1"), "compile: must evaluate to bool or the unknown type, not int");
  EXPECT_EQ(value_of("device.driver == 1"),
            "compile: compilation failed: ERROR: <input>:1:15: found no matching overload for "
            "'_==_' applied to '(string, int)'\n | device.driver == 1\n | ..............^");
  EXPECT_EQ(value_of("true &&\n  nobody"),
            "compile: compilation failed: ERROR: <input>:2:3: undeclared reference to 'nobody' (in "
            "container '')\n |   nobody\n | ..^");
  EXPECT_THAT(value_of("device.model"), HasSubstr("<input>:1:7: undefined field 'model'"));
  EXPECT_THAT(value_of("device.driver.x == 1"),
              HasSubstr("type 'string' does not support field selection"));
  EXPECT_THAT(value_of("device.driver.startsWith(1)"),
              HasSubstr("'startsWith' applied to 'string.(int)'"));
  EXPECT_THAT(value_of("true &&"), HasSubstr("Syntax error: unexpected '<EOF>'"));
  EXPECT_THAT(value_of("device.driver == \"x"), HasSubstr("Syntax error: token recognition error"));
  EXPECT_THAT(value_of(R"("a".matches("("))"), HasSubstr("invalid matches argument"));
  EXPECT_THAT(value_of(std::string(300, '(') + "true" + std::string(300, ')')),
              HasSubstr("expression recursion limit exceeded: 250"));
}

// Kubernetes evaluates these; here they are refused by name rather than misread.
TEST(Cel, WhatIsOutsideTheSubsetIsNamed) {
  const struct {
    const char* expression;
    const char* named;
  } cases[] = {
      {R"(device.driver.split(".").size() == 3)", "the function 'split'"},
      {R"(device.attributes["a"].exists(k, k == "b"))", "the macro 'exists' of a map"},
      {R"(device.attributes["a"].?b.orValue(true))", "optional fields ('.?')"},
      {"{'a': 1}['a'] == 1", "map literals"},
      {"1u == 1u", "uint literals"},
      {"b'a' == b'a'", "bytes literals"},
      {"int('1') == 1", "the function 'int'"},
      {"sets.contains([1], [1])", "the functions of 'sets'"},
      {"['a'].map(x, x).size() == 1", "the function 'map'"},
      {"type(1) == int", "the function 'type'"},
  };
  for (const auto& c : cases) {
    EXPECT_THAT(value_of(c.expression),
                HasSubstr(std::string("Mainspring does not evaluate ") + c.named))
        << c.expression;
  }
}

TEST(Cel, LiteralsAndPrecedence) {
  for (const char* expression : {
           "1 + 2 * 3 == 7",
           "(1 + 2) * 3 == 9",
           "10 - 3 - 2 == 5",
           "-7 / 2 == -3",
           "-7 % 2 == -1",
           "- -1 == 1",
           "!!true",
           "0x10 == 16",
           "1.5e1 == 15.0",
           "-9223372036854775808 < 0",
           R"('a\'b' == "a'b" && r'\d' == "\\d" && "\u00e4" == "ä" && '''a"'b''' == 'a"\'b')",
           "true || false && false",
           "1 < 2 == true",
           "true ? (false ? false : true) : false",
           "[1, 2][1] == 2 && [1] + [2] == [1, 2] && 1 in [1,]",
           "null == null // and a comment",
           "'b' > 'a' && 'a' + 'b' == 'ab'",
       }) {
    EXPECT_EQ(value_of(expression), "true") << expression;
  }
}

TEST(Cel, ADeviceWithABadVersionIsAnError) {
  Device d;
  d.attributes.set("v", Json::object({{"version", "1.x"}}));
  std::string error;
  EXPECT_FALSE(CelSelector::compile("true")->matches(CelDevice("a", d), &error));
  EXPECT_EQ(error, "attribute v: parse semantic version: No Major.Minor.Patch elements found");
}

TEST(Semver, OrderIsThatOfTheSpecification) {
  const char* ordered[] = {"0.9.0",        "1.0.0-alpha",   "1.0.0-alpha.1", "1.0.0-alpha.beta",
                           "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0",         "1.0.1",
                           "1.10.0",       "2.0.0"};
  for (size_t i = 1; i < std::size(ordered); ++i) {
    EXPECT_LT(*Semver::parse(ordered[i - 1]), *Semver::parse(ordered[i])) << ordered[i];
  }
  EXPECT_EQ(*Semver::parse("1.0.0+a"), *Semver::parse("1.0.0+b"));
}

TEST(Semver, ReadsStrictlyUnlessAskedToNormalize) {
  for (const char* bad :
       {"", "1", "1.2", "v1.2.3", "01.2.3", "1.2.3-", "1.2.3-01", "1.2.3+", "a.b.c"}) {
    EXPECT_FALSE(Semver::parse(bad)) << bad;
  }
  EXPECT_EQ(*Semver::parse_normalized("v01.2"), *Semver::parse("1.2.0"));
  EXPECT_FALSE(Semver::parse_normalized("1.2-rc"));
}

}  // namespace
}  // namespace mainspring::api

#include "models/api/cel.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "models/api/types/all.h"

namespace mainspring::api {
namespace {

using ::testing::EndsWith;
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
  // Types without an operator name it.
  const std::string ecc = R"(device.attributes["gpu.example.com"].ecc)";
  const std::string version = R"(device.attributes["gpu.example.com"].driverVersion)";
  EXPECT_EQ(value_of(ecc + " + 1 == 2"), "error: no such overload: _+_");
  EXPECT_EQ(value_of("size(" + version + ") == 1"), "error: no such overload: size");
  EXPECT_EQ(value_of(version + " < " + version), "error: no such overload: _<_");
  EXPECT_EQ(value_of(version + " % " + version + " == true"), "error: no such overload: _%_");
  // Of different types, values are different.
  EXPECT_EQ(value_of(R"(device.attributes["gpu.example.com"].index == "3")"), "false");
  EXPECT_EQ(value_of(R"(device.attributes["gpu.example.com"].index == 3.0)"), "true");
}

// An int against a double is a double, so that some that differ are equal.
TEST(Cel, IntegersAreComparedWithDoublesAsDoubles) {
  Device d;
  d.attributes.set("i", Json::object({{"int", 9007199254740993}}));
  d.attributes.set("max", Json::object({{"int", INT64_MAX}}));
  const CelDevice device("d", d);
  for (const char* expression : {
           R"(device.attributes["d"].i == 9007199254740992.0)",
           R"(device.attributes["d"].i <= 9007199254740992.0)",
           R"(device.attributes["d"].i != 9007199254740992)",
           R"(device.attributes["d"].max == 9223372036854775808.0)",
           "!(9223372036854775807 < 9223372036854775808.0)",
           "9223372036854775807 < 9223372036854777856.0",
       }) {
    std::string error;
    EXPECT_TRUE(CelSelector::compile(expression)->matches(device, &error)) << expression << error;
  }
}

TEST(Cel, MapsAreEqualByWhatTheyHold) {
  // A device of any type, known only when it is evaluated.
  const std::string any = R"((false ? device.attributes["a"].b : device))";
  for (const std::string& expression : std::vector<std::string>{
           R"(device.attributes["x"] == device.attributes["y"])",
           R"(device.attributes["x"] == device.capacity["y"])",
           R"(device.attributes["gpu.example.com"] == device.attributes["gpu.example.com"])",
           R"(device.attributes["gpu.example.com"] != device.attributes["resource.example.org"])",
           R"(device.attributes["gpu.example.com"] != device.capacity["gpu.example.com"])",
           R"(device.attributes != device.capacity && device.attributes == device.attributes)",
           R"(device.attributes["x"] in [device.attributes["y"]])",
           R"([device.attributes["x"]] == [device.capacity["x"]])",
           "device == device && size(" + any + ") == 4 && !has(" + any + ".nothing)",
           any + R"(.driver == "gpu.example.com" && "allowMultipleAllocations" in )" + any,
           any + " == " + any + R"( && device.capacity["gpu.example.com"] != )" + any,
       }) {
    EXPECT_EQ(value_of(expression), "true") << expression;
  }
  EXPECT_THAT(
      value_of(R"(device.capacity == device.capacity["a"])"),
      HasSubstr("found no matching overload for '_==_' applied to '(map(string, map(string, "
                "kubernetes.Quantity)), map(string, kubernetes.Quantity))'"));
}

// cel.bind(v0, `first`, cel.bind(v1, `next` of v0, ... `last` of the variable before)), where $ is
// the variable before.
std::string chain(const std::string& first, const std::string& next, const std::string& last,
                  int length) {
  const auto with = [](std::string text, int i) {
    for (size_t at = text.find('$'); at != std::string::npos; at = text.find('$')) {
      text.replace(at, 1, "v" + std::to_string(i));
    }
    return text;
  };
  std::string text = "cel.bind(v0, " + first + ", ";
  for (int i = 1; i < length; ++i) {
    text += "cel.bind(v" + std::to_string(i) + ", " + with(next, i - 1) + ", ";
  }
  return text + with(last, length - 1) + std::string(static_cast<size_t>(length), ')');
}

// Few nodes can double a value many times.
TEST(Cel, WorkIsBoundedWhateverTheSizeOfValues) {
  const std::string text = R"("xxxxxxxx")";
  const std::string exceeded = "error: operation cancelled: actual cost limit exceeded";
  const std::string tenfold = "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10].all(i, ";
  const std::string often = tenfold + tenfold + tenfold;
  for (const std::string& expression : std::vector<std::string>{
           chain(text, "$ + $", "$ == ''", 60),
           chain("[1]", "$ + $", "$ == [1]", 60),
           chain("[1]", "[$, $]", "$ == $", 60),
           chain("[1]", "[$, $]", "$ in [$]", 60),
           chain("[1]", "[$, $]", "$ != $", 60),
           chain("[1]", "[$, $]", "[1].exists(x, $ != $) || true", 60),
           // Each of the functions, a thousand times.
           chain(text, "$ + $", often + "$ + 'a' != '')))", 12),
           chain(text, "$ + $", often + "$ == $)))", 12),
           chain(text, "$ + $", often + "$ <= $)))", 12),
           chain(text, "$ + $", often + "$.size() > 0)))", 12),
           chain(text, "$ + $", often + "$.contains('xx'))))", 12),
           chain(text, "$ + $", often + "!$.contains($ + 'y'))))", 7),
           chain(text, "$ + $", often + "$.startsWith($))))", 12),
           chain(text, "$ + $", often + "$.endsWith($))))", 12),
           chain(text, "$ + $", often + "$.lowerAscii() != '')))", 12),
           chain(text, "$ + $", often + "$.upperAscii() != '')))", 12),
           chain(text, "$ + $", often + "!isQuantity($))))", 12),
           chain(text, "$ + $", often + "!isSemver($))))", 9),
           chain(text, "$ + $", often + "!$.matches('y'))))", 12),
           chain(text, "$ + $", often + "!'y'.matches($))))", 7),
           chain(text, "$ + $", often + "!$.matches('((y{9}){9}){9}'))))", 6),
           chain("'1.0.0-x'", "$ + '.' + $",
                 "cel.bind(s, semver($), " + often + "s == s && s.compareTo(s) == 0))))", 11),
           chain("[1]", "$ + $", often + "!(2 in $))))", 12),
           chain(text, "$ + $", often + R"(device.attributes["gpu.example.com"][$] || i > 0))))",
                 12),
       }) {
    EXPECT_EQ(value_of(expression), exceeded) << expression;
  }
  // What is within the bound is evaluated.
  EXPECT_EQ(value_of(chain(text, "$ + $", "size($) == 4096", 10)), "true");
  EXPECT_EQ(value_of(chain("[1]", "[$, $]", "$ == $", 15)), "true");
  EXPECT_EQ(value_of(often + "'abc'.matches('b') && 'ab' + 'c' == 'abc')))"), "true");
}

TEST(Cel, ListsInListsHaveABottom) {
  EXPECT_EQ(value_of(chain("[1]", "[$]", "$ == $", 100)), "true");
  EXPECT_THAT(value_of(chain("[1]", "[[[$]]]", "$ == $", 100)),
              HasSubstr("Mainspring does not evaluate lists nested deeper than 250"));
}

TEST(Cel, WhatDoesNotCompileIsShownInItsPlace) {
  EXPECT_EQ(value_of("1 + 1"), "compile: must evaluate to bool or the unknown type, not int");
  EXPECT_EQ(value_of(R"(device.attributes["a"].b + device.attributes["a"].c)"),
            "compile: must evaluate to bool or the unknown type, not dyn");
  EXPECT_EQ(value_of(R"(device.attributes["a"].b.c)"),
            "compile: must evaluate to bool or the unknown type, not dyn");
  EXPECT_EQ(value_of("device.driver == 1"),
            "compile: compilation failed: ERROR: <input>:1:15: found no matching overload for "
            "'_==_' applied to '(string, int)'\n | device.driver == 1\n | ..............^");
  EXPECT_EQ(value_of("true &&\n  nobody"),
            "compile: compilation failed: ERROR: <input>:2:3: undeclared reference to 'nobody' (in "
            "container '')\n |   nobody\n | ..^");
  EXPECT_THAT(value_of("'äö' == nobody"), HasSubstr("<input>:1:9: "));
  EXPECT_THAT(value_of("'äö' == nobody"), EndsWith("\n | 'äö' == nobody\n | .．．.....^"));
  EXPECT_THAT(value_of("é"), HasSubstr("error at: 'é'\n | é\n | ＾"));
  EXPECT_THAT(value_of("device.model"), HasSubstr("<input>:1:7: undefined field 'model'"));
  EXPECT_THAT(value_of("device.driver.x == 1"),
              HasSubstr("type 'string' does not support field selection"));
  EXPECT_THAT(
      value_of("1.all(x, true)"),
      HasSubstr("<input>:1:1: expression of type 'int' cannot be range of a comprehension"));
  EXPECT_THAT(value_of(R"(device.attributes["a"].b.all(x, true))"),
              HasSubstr("<input>:1:23: expression of type 'any' cannot be range"));
  EXPECT_THAT(value_of("has(device.foo.x)"), HasSubstr("<input>:1:11: undefined field 'foo'"));
  EXPECT_THAT(value_of("has(device.foo)"), HasSubstr("<input>:1:4: undefined field 'foo'"));
  EXPECT_THAT(value_of("[1, has(device.driver)] == []"), HasSubstr("<input>:1:8: expected type"));
  EXPECT_THAT(value_of("(1 && true) == 1"), EndsWith("'int'\n | (1 && true) == 1\n | .^"));
  // What is joined is as general as the more general part; what is wrong says nothing more.
  EXPECT_THAT(value_of("(true ? 'a' : nobody) == 1"),
              HasSubstr("'_==_' applied to '(string, int)'"));
  EXPECT_THAT(value_of("['a', nobody] == 1"), HasSubstr("applied to '(list(!error!), int)'"));
  EXPECT_THAT(value_of("device.driver.startsWith(1)"),
              HasSubstr("'startsWith' applied to 'string.(int)'"));
  EXPECT_THAT(value_of("true &&"), HasSubstr("Syntax error: unexpected '<EOF>'"));
  EXPECT_THAT(value_of("device.driver == \"x"), HasSubstr("Syntax error: token recognition error"));
  EXPECT_THAT(value_of(R"("a".matches("("))"), HasSubstr("invalid matches argument"));
  EXPECT_THAT(value_of(std::string(300, '(') + "true" + std::string(300, ')')),
              HasSubstr("expression recursion limit exceeded: 250"));
}

TEST(Cel, AHundredProblemsAreShown) {
  const auto many = [](const std::string& part, size_t n) {
    std::string text = part;
    for (size_t i = 1; i < n; ++i) text += " || " + part;
    return value_of(text);
  };
  const auto count = [](std::string_view text) {
    size_t n = 0;
    for (size_t at = text.find("ERROR: "); at != text.npos; at = text.find("ERROR: ", at + 1)) ++n;
    return n;
  };
  EXPECT_EQ(count(many("x", 100)), 100u);
  EXPECT_THAT(many("x", 100), EndsWith("^"));
  EXPECT_EQ(count(many("x", 101)), 100u);
  EXPECT_THAT(many("x", 101), EndsWith("^\n1 more errors were truncated"));
  EXPECT_THAT(many("[1, 'a'] == []", 120), EndsWith("^\n20 more errors were truncated"));
  EXPECT_LT(many("x", 5000).size(), 4'000'000u);
  // Lines beyond 16384 bytes are not shown.
  EXPECT_THAT(many("x", 5000), HasSubstr("'x' (in container '')\nERROR: <input>:1:6: "));
}

TEST(Cel, ADotBeforeANameMakesItAbsolute) {
  EXPECT_EQ(value_of(R"(.device.driver == "gpu.example.com" && has(.device.driver))"), "true");
  EXPECT_EQ(value_of(R"(.size("a") == 1 && cel.bind(x, 1, .x == 1) && .5 == 0.5)"), "true");
  EXPECT_THAT(value_of(".nobody"), HasSubstr("<input>:1:2: undeclared reference to '.nobody'"));
  EXPECT_THAT(value_of(".has(device.driver)"),
              HasSubstr("<input>:1:5: undeclared reference to '.has'"));
  EXPECT_THAT(value_of(".cel.bind(x, 1, true)"),
              HasSubstr("<input>:1:2: undeclared reference to '.cel'"));
  EXPECT_THAT(value_of(".size(1) == 1"), HasSubstr("overload for 'size' applied to '(int)'"));
  // Words of the language are no names.
  EXPECT_THAT(value_of(".true"), HasSubstr("Syntax error: unexpected 'true'"));
  EXPECT_THAT(value_of(R"(device.attributes["x"].in == 1)"),
              HasSubstr("Syntax error: unexpected 'in'"));
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
           "[[true]][0][0] && (true ? [true] : [])[0] && ([] + [true])[0]",
           "[[true]][0][0]",
           "([] + [true])[0]",
           "[[], [true]][1][0]",
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

#include "models/api/yaml.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace mainspring::api {
namespace {

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The documents, and what was said about them.
struct Reading {
  std::vector<Json> documents;
  std::string problems;
};
Reading read(std::string_view text) {
  Diagnostics diagnostics;
  const uint16_t file = diagnostics.add_file("f");
  Reading out;
  out.documents = read_documents(text, file, &diagnostics);
  out.problems = diagnostics.to_text();
  return out;
}
std::string as_json(std::string_view text) {
  const Reading r = read(text);
  std::string out = r.problems;
  for (const Json& d : r.documents) out += to_json(d) + "\n";
  return out;
}

// The answers were recorded from kubectl 1.35 by tests/conformance/yaml/record.py.
TEST(Yaml, ReadsWhatKubectlReads) {
  const std::filesystem::path folder =
      std::filesystem::path(MAINSPRING_SOURCE_DIR) / "tests/data/yaml";
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".yaml") continue;
    ++files;
    std::filesystem::path recorded = entry.path();
    recorded.replace_extension(".json");
    bool ok = false;
    const Json expected = parse_json(read_file(recorded), &ok);
    ASSERT_TRUE(ok) << recorded;
    Diagnostics diagnostics;
    const Json got =
        Json::array(expand_lists(read_documents(read_file(entry.path()), 0, &diagnostics)));
    EXPECT_TRUE(diagnostics.ok()) << diagnostics.to_text();
    ASSERT_EQ(got.size(), expected.size()) << entry.path();
    for (size_t i = 0; i < got.size(); ++i) {
      // By the line, so that a failure can be read.
      for (const Json::Member& m : expected[i]["data"].members()) {
        EXPECT_EQ(got[i]["data"][m.key], m.value)
            << entry.path() << " " << m.key.view() << ": got " << to_json(got[i]["data"][m.key])
            << ", expected " << to_json(m.value);
      }
      EXPECT_EQ(got[i], expected[i]) << entry.path();
      // Written out and read again it is the same.
      Diagnostics again;
      const std::vector<Json> back = read_documents(to_yaml(got[i]), 0, &again);
      ASSERT_TRUE(again.empty()) << again.to_text() << to_yaml(got[i]);
      ASSERT_EQ(back.size(), 1u);
      EXPECT_EQ(back[0], got[i]) << to_yaml(got[i]);
    }
  }
  EXPECT_GE(files, 5);
}

TEST(Yaml, NodesAndKeysCarryTheirPlace) {
  const Reading r = read("a: 1\nlist:\n  - x\n  - {k: \"é\", l: v}\n---\nb:\n    c: deep\n");
  ASSERT_EQ(r.documents.size(), 2u);
  const auto at = [](const Json& v) {
    return std::to_string(v.position().line()) + ":" + std::to_string(v.position().column());
  };
  const Json& first = r.documents[0];
  EXPECT_EQ(at(first), "1:1");
  EXPECT_EQ(at(first["a"]), "1:4");
  EXPECT_EQ(at(first["list"]), "3:3");
  EXPECT_EQ(at(first["list"][0]), "3:5");
  EXPECT_EQ(at(first["list"][1]), "4:5");
  EXPECT_EQ(at(first["list"][1]["l"]), "4:17");  // characters, not bytes
  EXPECT_EQ(first["list"][1].key_position("l").column(), 14u);
  EXPECT_EQ(at(r.documents[1]["b"]["c"]), "7:8");
  EXPECT_EQ(r.documents[1].key_position("b").line(), 6u);
  EXPECT_TRUE(first["list"][1]["k"].quoted());
  EXPECT_FALSE(first["list"][0].quoted());

  const Json json = read(" {\"a\": [1,\n  \"é\", {\"b\": true}]}").documents.at(0);
  EXPECT_EQ(at(json), "1:2");
  EXPECT_EQ(at(json["a"]), "1:8");
  EXPECT_EQ(at(json["a"][1]), "2:3");
  EXPECT_EQ(at(json["a"][2]["b"]), "2:14");
  EXPECT_EQ(json["a"][2].key_position("b").column(), 9u);
}

TEST(Yaml, ErrorsSayWhereAndWhatWasExpected) {
  const struct {
    const char* text;
    const char* message;
  } cases[] = {
      {"a: \"x\nb: 1\n", "f:1:4: the quote \" that opens here is never closed\n"},
      {"a: 'x\nb: 1", "f:1:4: the quote ' that opens here is never closed\n"},
      {"a: [1, 2\nb: 1\n", "f:1:4: the bracket '[' that opens here is never closed\n"},
      {"a: {b: 1\n", "f:1:4: the bracket '{' that opens here is never closed\n"},
      {"a:\n\tb: 1\n",
       "f:2:1: expected spaces, got a tab (YAML does not allow tabs for indentation)\n"},
      {"a: b: c\n",
       "f:1:5: a second ': ' in this place; quote the text if the colon belongs to it\n"},
      {"a:\n  b: 1\n c: 2\n",
       "f:3:2: expected a key or the end of the map (check the indentation)\n"},
      {"a: 1\n- b\n", "f:2:1: expected a key or the end of the map (check the indentation)\n"},
      {"a: *missing\n", "f:1:4: the anchor of this alias is not defined\n"},
      {"a: &x [*x]\n", "f:1:8: an alias stands inside the value that it repeats\n"},
      {"a: .nan\n", "f:1:4: expected a finite number, got .nan (quote it if it is text)\n"},
      {"~: 1\n", "f:1:1: expected a key, got null\n"},
      {"? [a]\n: 1\n", "f:1:3: a list cannot be a key\n"},
      {"<<: 1\n", "f:1:5: expected a map or a list of maps to merge\n"},
      {"a: !!int x\n", "f:1:4: cannot read \"x\" as !!int\n"},
      {"a: !!binary '*'\n", "f:1:4: !!binary value contains invalid base64 data\n"},
      {"image: {{ .Values.image }}\n",
       "f:1:9: a map cannot be a key; this looks like an unrendered Helm template; render it with "
       "`helm template` first\n"},
      {"{{- if .Values.x }}\na: 1\n{{- end }}\n",
       "f:1:3: a list entry '-' is not allowed here (check the indentation); this looks like an "
       "unrendered Helm template; render it with "
       "`helm template` first\n"},
      {"a: x\x01y\n", "f:1:5: expected text, got the control character with code 1\n"},
      {"a: \xff\n", "f:1:4: expected UTF-8 text, got other bytes\n"},
      {"{\"a\": 1,\n \"b\" 2}", "f:2:6: expected ':', got '2'\n"},
      {"{\"a\": 1}\n{\"b\":", "f:2:6: expected a JSON value, got the end of the text\n"},
      {"{\"a\": 1,}x", "f:1:10: expected the end of the document (check the indentation)\n"},
      {"- a\nb: c\n", "f:2:1: expected the end of the document (check the indentation)\n"},
      {"a: 1\n]\n", "f:2:1: a closing bracket without an opening one\n"},
  };
  for (const auto& c : cases) EXPECT_EQ(read(c.text).problems, c.message) << c.text;
}

TEST(Yaml, TextsOfAFewBytesAreRead) {
  for (const std::string_view text : {"5", "42", "1.5", "no", "a"}) {
    Diagnostics diagnostics;
    const std::vector<Json> documents = read_documents(text, 0, &diagnostics);
    ASSERT_EQ(documents.size(), 1u) << text;
    EXPECT_EQ(documents[0], resolve_scalar(text)) << text;
  }
}

TEST(Yaml, OneBrokenDocumentDoesNotHideTheOthers) {
  const Reading r = read("a: 1\n---\nb: [\n---\nc: 'x\n---\nd: 4\n");
  EXPECT_EQ(r.problems,
            "f:3:4: the bracket '[' that opens here is never closed\n"
            "f:5:4: the quote ' that opens here is never closed\n");
  ASSERT_EQ(r.documents.size(), 2u);
  EXPECT_EQ(to_json(r.documents[1]), R"({"d":4})");
}

TEST(Yaml, DuplicateKeysWarnAndTheLastOneCounts) {
  EXPECT_EQ(as_json("a: 1\nb: 2\na: 3\n"),
            "f:3:1: warning: key \"a\" is given twice, the last one counts (first in line 1)\n"
            "{\"a\":3,\"b\":2}\n");
  EXPECT_EQ(as_json("{\"a\": 1, \"a\": 2}"),
            "f:1:10: warning: key \"a\" is given twice, the last one counts (first in line 1)\n"
            "{\"a\":2}\n");
  std::string many;
  for (int i = 0; i < 40; ++i)
    many += "k" + std::to_string(i % 39) + ": " + std::to_string(i) + "\n";
  const Reading r = read(many);
  EXPECT_EQ(r.problems,
            "f:40:1: warning: key \"k0\" is given twice, the last one counts (first in line 1)\n");
  EXPECT_EQ(r.documents[0].size(), 39u);
  EXPECT_EQ(r.documents[0]["k0"].as_int(), 39);
}

TEST(Yaml, BinaryThatIsNoTextBecomesReplacementCharacters) {
  EXPECT_EQ(read("a: !!binary /w==\nb: !!binary aGVsbG8=\n").documents.at(0)["a"].as_view(),
            "\xEF\xBF\xBD");
}

TEST(Yaml, EmptyDocumentsAreDropped) {
  EXPECT_EQ(as_json(""), "");
  EXPECT_EQ(as_json("\xEF\xBB\xBF\r\n"), "");
  EXPECT_EQ(as_json("# only a comment\n---\n# another\n---\n"), "");
  EXPECT_EQ(as_json("---\na: 1\n...\n---\n---\nb: 2\n"), "{\"a\":1}\n{\"b\":2}\n");
  EXPECT_EQ(as_json("%YAML 1.1\n---\na: 1\n"), "{\"a\":1}\n");
  EXPECT_EQ(as_json("{\"a\":1} {\"b\":2}\nnull"), "{\"a\":1}\n{\"b\":2}\n");
  EXPECT_EQ(as_json("{a: 1, b: [x,],}"), "{\"a\":1,\"b\":[\"x\"]}\n");
}

TEST(Yaml, NestingAndAliasesAreBounded) {
  const auto nested = [](int depth) {
    return std::string(static_cast<size_t>(depth), '[') + "1" +
           std::string(static_cast<size_t>(depth), ']');
  };
  EXPECT_EQ(read("a: " + nested(kMaxDepth - 1)).problems, "");
  EXPECT_EQ(read("a: " + nested(kMaxDepth)).problems, "f:1:203: nested deeper than 200 levels\n");
  EXPECT_EQ(read(nested(kMaxDepth)).problems, "");
  EXPECT_NE(read(nested(kMaxDepth + 1)).problems, "");
  EXPECT_NE(read("a: " + nested(100000)).problems, "");
  EXPECT_NE(read(std::string(100000, '[')).problems, "");
  std::string bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
    for (int k = 0; k < 9; ++k) bomb += "," + before;
    bomb += "]\n";
  }
  EXPECT_NE(read(bomb).problems.find("document contains excessive aliasing"), std::string::npos);
}

TEST(Yaml, ListsAreExpanded) {
  const Reading r = read(
      "kind: PodList\napiVersion: v1\nitems:\n- metadata: {name: a}\n- kind: List\n  items:\n"
      "  - {kind: Node}\n---\nkind: AccessList\nitemz: []\n");
  const std::vector<Json> all = expand_lists(r.documents);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(to_json(all[0]), R"({"metadata":{"name":"a"},"kind":"Pod","apiVersion":"v1"})");
  EXPECT_EQ(to_json(all[1]), R"({"kind":"Node"})");
  EXPECT_EQ(all[2]["kind"].as_view(), "AccessList");
}

TEST(Yaml, WritesAsKubectlDoes) {
  const Json value = parse_json(R"({
    "spec": {"ports": [{"port": 80, "name": "http"}, []], "empty": {}, "n": null, "f": 1.5},
    "data": {"yes": "yes", "num": "8080", "oct": "0o7", "date": "2026-01-01", "time": "12:30:45",
             "plain": "a b", "colon": "a: b", "hash": "a #b", "dash": "- x", "lead": " x",
             "trail": "x ", "text": "one\ntwo\n", "strip": "one\ntwo", "keep": "one\n\n",
             "odd": "a \nb", "tab": "a\tb", "empty": "", "star": "*x", "null": "null", "é": "é",
             "at": "@x", "quote": "it's", "percent": "50%", "url": "http://x", "brace": "{x"}
  })");
  EXPECT_EQ(to_yaml(value),
            R"(data:
  at: '@x'
  brace: '{x'
  colon: 'a: b'
  dash: '- x'
  date: "2026-01-01"
  empty: ""
  hash: 'a #b'
  keep: |+
    one

  lead: ' x'
  "null": "null"
  num: "8080"
  oct: "0o7"
  odd: "a \nb"
  percent: 50%
  plain: a b
  quote: it's
  star: '*x'
  strip: |-
    one
    two
  tab: "a\tb"
  text: |
    one
    two
  time: "12:30:45"
  trail: 'x '
  url: http://x
  "yes": "yes"
  é: é
spec:
  empty: {}
  f: 1.5
  "n": null
  ports:
  - name: http
    port: 80
  - []
)");
  EXPECT_EQ(to_yaml(Json::object({{"b", 1}, {"a", Json::array({Json::array({1, 2})})}}),
                    {.sorted = false}),
            "b: 1\na:\n- - 1\n  - 2\n");
}

TEST(Yaml, OddCharactersAreEscaped) {
  const Json value = "\xC2\x82 \xC2\x85 \xC2\xA0 \xEF\xBF\xBE \x01 é";
  EXPECT_EQ(to_yaml(value), "\"\\x82 \\N \\_ \\uFFFE \\x01 é\"\n");
  EXPECT_EQ(read("a: " + to_yaml(value)).documents.at(0)["a"], value);
}

TEST(Json, ReadsStrictly) {
  const struct {
    const char* text;
    const char* canonical;
  } good[] = {
      {"1", "1"},
      {"-0", "0"},
      {"1.50", "1.50"},
      {"1e3", "1e3"},
      {"1.5", "1.5"},
      {"123456789012345678901", "123456789012345678901"},
      {"1e-400", "1e-400"},
      {" [ ] ", "[]"},
      {"{ }", "{}"},
      {"\"\\u00e9\\ud83d\\ude00\\ud83d\\n\\/\"", "\"é😀\xEF\xBF\xBD\\n/\""},
      {"[true,false,null]", "[true,false,null]"},
  };
  for (const auto& c : good) {
    bool ok = false;
    EXPECT_EQ(to_json(parse_json(c.text, &ok)), c.canonical);
    EXPECT_TRUE(ok) << c.text;
  }
  for (const char* bad :
       {"", "01", "1.", ".5", "+1", "1e", "nul", "[1,]", "{\"a\" 1}", "{a:1}", "\"", "\"\n\"",
        "\"\\x\"", "\"\\u12\"", "[1", "1 2", "1e999", "'a'", "// x"}) {
    bool ok = true;
    parse_json(bad, &ok);
    EXPECT_FALSE(ok) << bad;
  }
}

// Whatever the bytes: an answer, and what is read can be written and read again.
TEST(Yaml, DamagedTextsNeverCrash) {
  const std::string_view seeds[] = {
      "a: &x {b: [1, 'two', \"three\\n\"], <<: {c: 0x1f}}\nd: |\n  text\n  more\ne: *x\n---\nf: "
      "~\n",
      "{\"a\": [1, 2.5e3, \"x\\u00e9\"], \"b\": {\"c\": null, \"d\": true}}",
      "- a\n-   - b: 1\n      c: >-\n        folded\n\n        text\n- ? k\n  : v\n# end\n",
  };
  const std::string_view pieces[] = {"{", "}",    "[",     "]",      ":",  "- ",   "\n", "\"",
                                     "'", "&a ",  "*a",    "!!int ", "|",  ">",    "\t", "? ",
                                     "#", "<<: ", "---\n", "%",      "{{", "\xc3", " "};
  uint64_t state = 7;
  const auto draw = [&](size_t n) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return static_cast<size_t>(state >> 33) % n;
  };
  int good = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string text(seeds[draw(std::size(seeds))]);
    for (size_t k = 1 + draw(3); k > 0; --k) {
      const size_t at = draw(text.size() + 1);
      switch (draw(3)) {
        case 0:
          text.insert(at, pieces[draw(std::size(pieces))]);
          break;
        case 1:
          text.erase(at, draw(8));
          break;
        default:
          text.insert(at, text.substr(draw(text.size() + 1), draw(20)));
      }
    }
    Diagnostics diagnostics;
    for (const Json& d : read_documents(text, 0, &diagnostics)) {
      const std::string yaml = to_yaml(d);
      Diagnostics again;
      const std::vector<Json> back = read_documents(yaml, 0, &again);
      ASSERT_TRUE(again.ok()) << text << "\n=>\n" << yaml << again.to_text();
      if (d.is_array() || d.is_object()) {
        ASSERT_EQ(back.size(), 1u);
        ASSERT_EQ(back[0], d) << text << "\n=>\n" << yaml;
        ++good;
      }
    }
  }
  EXPECT_GT(good, 500);
}

}  // namespace
}  // namespace mainspring::api

#include "models/api/labels.h"

#include <gtest/gtest.h>

#include <map>

#include "models/api/node_affinity.h"
#include "models/api/tolerations.h"
#include "models/api/types/core.h"
#include "models/api/types/meta.h"

namespace mainspring::api {
namespace {

const StrMap kWeb = {{"app", "web"}, {"tier", "front"}, {"cpus", "8"}, {"empty", ""}};

TEST(Labels, TextFormSelectsAsKubernetesDoes) {
  const struct {
    const char* text;
    const char* canonical;
    bool matches;
  } cases[] = {
      {"", "", true},
      {"app=web", "app=web", true},
      {" app = web , tier==front ", "app=web,tier==front", true},
      {"app!=web", "app!=web", false},
      {"missing!=x", "missing!=x", true},
      {"app in (web,api)", "app in (api,web)", true},
      {"app in(web)", "app in (web)", true},
      {"app notin (web)", "app notin (web)", false},
      {"missing notin (a)", "missing notin (a)", true},
      {"missing in (a)", "missing in (a)", false},
      {"app", "app", true},
      {"!app", "!app", false},
      {"! missing", "!missing", true},
      {"tier=front,app=web", "app=web,tier=front", true},
      {"empty=", "empty=", true},
      {"empty=,app=web", "app=web,empty=", true},
      {"empty in (,x)", "empty in (,x)", true},
      {"empty in ()", "empty in ()", true},
      {"app in (web,,)", "app in (,web)", true},
      {"cpus>4", "cpus>4", true},
      {"cpus<4", "cpus<4", false},
      {"app>4", "app>4", false},
      {"in=in", "in=in", false},
      {"x in (in,notin)", "x in (in,notin)", false},
      {"example.com/app", "example.com/app", false},
  };
  for (const auto& c : cases) {
    std::string error;
    const auto s = Selector::parse(c.text, &error);
    ASSERT_TRUE(s) << c.text << ": " << error;
    EXPECT_EQ(s->to_string(), c.canonical) << c.text;
    EXPECT_EQ(s->matches(kWeb), c.matches) << c.text;
    EXPECT_EQ(Selector::parse(s->to_string()), s) << c.text;
    EXPECT_EQ(matches_selector_text(c.text, kWeb), c.matches);
  }
}

TEST(Labels, TextErrorsAreKubernetesWords) {
  const struct {
    const char* text;
    const char* error;
  } cases[] = {
      {"=a", "found '=', expected: !, identifier, or 'end of string'"},
      {"a=b,", "found '', expected: identifier after ','"},
      {"a=b c", "found 'c', expected: ',' or 'end of string'"},
      {"!a=b", "found '=', expected: ',' or 'end of string'"},
      {"a in b", "unable to parse requirement: found 'b' expected: '('"},
      {"a in (b", "unable to parse requirement: found '', expected: ',' or ')'"},
      {"a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"},
      {"a==(x)", "unable to parse requirement: found '(', expected: identifier"},
      {"a>b",
       "unable to parse requirement: values[0]: Invalid value: \"b\": for 'Gt', 'Lt' operators, "
       "the value must be an integer"},
      {"a=-b",
       "unable to parse requirement: values[0][a]: Invalid value: \"-b\": a valid label must be an "
       "empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
       "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex "
       "used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"},
      {"a//b=c",
       "unable to parse requirement: <nil>: Invalid value: \"a//b\": a qualified name must consist "
       "of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
       "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
       "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' "
       "(e.g. 'example.com/MyName')"},
  };
  for (const auto& c : cases) {
    std::string error;
    EXPECT_FALSE(Selector::parse(c.text, &error)) << c.text;
    EXPECT_EQ(error, c.error) << c.text;
    EXPECT_FALSE(matches_selector_text(c.text, kWeb));
  }
}

LabelSelector expression(const char* key, const char* op, std::vector<Str> values) {
  LabelSelector s;
  LabelSelectorRequirement r;
  r.key = key;
  r.operator_ = op;
  r.values = List<Str>(std::move(values));
  s.match_expressions.push_back(r);
  return s;
}

TEST(Labels, AbsentSelectsNothingAndEmptyEverything) {
  const Opt<LabelSelector> absent;
  const Opt<LabelSelector> empty = LabelSelector();
  EXPECT_FALSE(matches(absent, kWeb));
  EXPECT_TRUE(matches(empty, kWeb));
  EXPECT_FALSE(Selector::compile(absent)->matches(kWeb));
  EXPECT_TRUE(Selector::compile(empty)->matches(StrMap()));
  EXPECT_TRUE(Selector::of(StrMap()).selects_everything());
  EXPECT_EQ(format_selector(absent), "<none>");
}

TEST(Labels, ExpressionsAreAndedWithLabels) {
  const struct {
    LabelSelector selector;
    bool matches;
    bool valid;
  } cases[] = {
      {expression("app", "In", {"api", "web"}), true, true},
      {expression("app", "NotIn", {"web"}), false, true},
      {expression("missing", "NotIn", {"web"}), true, true},
      {expression("app", "Exists", {}), true, true},
      {expression("app", "DoesNotExist", {}), false, true},
      {expression("missing", "DoesNotExist", {}), true, true},
      {expression("app", "In", {}), false, false},
      {expression("app", "Exists", {"x"}), false, false},
      {expression("app", "in", {"web"}), false, false},
      {expression("app", "Gt", {"1"}), false, false},
  };
  for (const auto& c : cases) {
    const auto compiled = Selector::compile(c.selector);
    EXPECT_EQ(compiled.has_value(), c.valid);
    EXPECT_EQ(matches(c.selector, kWeb), c.matches);
    if (compiled) {
      EXPECT_EQ(compiled->matches(kWeb), c.matches);
    }
    LabelSelector both = c.selector;
    both.match_labels.set("tier", "back");
    EXPECT_FALSE(matches(both, kWeb));
  }
  std::string error;
  Selector::compile(expression("app", "in", {"web"}), &error);
  EXPECT_EQ(error, "\"in\" is not a valid label selector operator");
  LabelSelector s = expression("b", "In", {"y", "x"});
  s.match_labels.set("c", "1");
  EXPECT_EQ(format_selector(s), "b in (x,y),c=1");
  EXPECT_EQ(Selector::compile(s)->required_value("c"), Str("1"));
  EXPECT_EQ(Selector::compile(s)->required_value("b"), std::nullopt);
}

TEST(Labels, KeysAndValuesAreValidated) {
  const std::string long_name(64, 'a');
  const std::string long_prefix = std::string(254, 'a') + "/b";
  for (const char* good : {"a", "a.b_c-d", "A1", "example.com/x", "kubernetes.io/hostname"}) {
    EXPECT_EQ(label_key_problem(good), "") << good;
  }
  for (const std::string& bad : {std::string(), long_name, std::string("-a"), std::string("a-"),
                                 std::string("a/b/c"), std::string("/a"), std::string("A.com/a"),
                                 std::string("a b"), std::string("a/"), long_prefix}) {
    EXPECT_NE(label_key_problem(bad), "") << bad;
  }
  for (const char* good : {"", "a", "1.2", "a_b"}) EXPECT_EQ(label_value_problem(good), "");
  for (const std::string& bad :
       {long_name, std::string("a/b"), std::string("-"), std::string("é")}) {
    EXPECT_NE(label_value_problem(bad), "") << bad;
  }
  EXPECT_EQ(label_value_problem(long_name), "must be no more than 63 characters");
}

TEST(FieldSelectors, CompareFields) {
  const std::map<std::string, std::string, std::less<>> pod = {{"spec.nodeName", "n1"},
                                                               {"metadata.name", "a,b"}};
  const auto get = [&](std::string_view field) -> std::string_view {
    const auto found = pod.find(field);
    return found == pod.end() ? std::string_view() : std::string_view(found->second);
  };
  const struct {
    const char* text;
    bool matches;
  } cases[] = {
      {"", true},
      {"spec.nodeName=n1", true},
      {"spec.nodeName==n1", true},
      {"spec.nodeName!=n1", false},
      {"spec.nodeName=", false},
      {"status.phase=", true},
      {"status.phase!=Running,spec.nodeName=n1", true},
      {"metadata.name=a\\,b", true},
      {",,spec.nodeName=n1,", true},
  };
  for (const auto& c : cases) {
    const auto s = FieldSelector::parse(c.text);
    ASSERT_TRUE(s) << c.text;
    EXPECT_EQ(s->matches(get), c.matches) << c.text;
  }
  std::string error;
  EXPECT_FALSE(FieldSelector::parse("a=b,c", &error));
  EXPECT_EQ(error, "invalid selector: 'a=b,c'; can't understand 'c'");
  EXPECT_FALSE(FieldSelector::parse("a=b=c"));
  EXPECT_FALSE(FieldSelector::parse("a=\\x"));
  EXPECT_FALSE(FieldSelector::parse("a=\\"));
}

NodeSelectorRequirement node_requirement(const char* key, const char* op, std::vector<Str> values) {
  NodeSelectorRequirement r;
  r.key = key;
  r.operator_ = op;
  r.values = List<Str>(std::move(values));
  return r;
}

TEST(NodeAffinity, TermsFollowTheSchedulersRules) {
  const struct {
    NodeSelectorRequirement expression;
    bool matches;
  } cases[] = {
      {node_requirement("app", "In", {"x", "web"}), true},
      {node_requirement("app", "NotIn", {"x"}), true},
      {node_requirement("missing", "NotIn", {"x"}), true},
      {node_requirement("missing", "In", {"x"}), false},
      {node_requirement("app", "Exists", {}), true},
      {node_requirement("app", "DoesNotExist", {}), false},
      {node_requirement("cpus", "Gt", {"7"}), true},
      {node_requirement("cpus", "Gt", {"8"}), false},
      {node_requirement("cpus", "Lt", {"9"}), true},
      {node_requirement("app", "Gt", {"1"}), false},  // label is no number
      {node_requirement("missing", "Lt", {"1"}), false},
      {node_requirement("cpus", "Gt", {"x"}), false},  // error: the term matches nothing
      {node_requirement("cpus", "Gt", {"1", "2"}), false},
      {node_requirement("app", "In", {}), false},
      {node_requirement("app", "Exists", {"x"}), false},
      {node_requirement("app", "Is", {"web"}), false},
      {node_requirement("-", "DoesNotExist", {}), false},
  };
  NodeSelector any;
  EXPECT_FALSE(matches(any, kWeb, "n1"));  // no terms
  any.node_selector_terms.push_back(NodeSelectorTerm());
  EXPECT_FALSE(matches(any, kWeb, "n1"));  // an empty term
  for (const auto& c : cases) {
    NodeSelectorTerm term;
    term.match_expressions.push_back(c.expression);
    EXPECT_EQ(matches(term, kWeb, "n1"), c.matches)
        << c.expression.key.view() << " " << c.expression.operator_.view();
    NodeSelector selector = any;  // an empty term before it does not matter
    selector.node_selector_terms.push_back(term);
    EXPECT_EQ(matches(selector, kWeb, "n1"), c.matches);
  }
}

TEST(NodeAffinity, FieldsTakeOnlyTheName) {
  const auto term = [](NodeSelectorRequirement r) {
    NodeSelectorTerm t;
    t.match_fields.push_back(r);
    return t;
  };
  EXPECT_TRUE(matches(term(node_requirement("metadata.name", "In", {"n1"})), kWeb, "n1"));
  EXPECT_FALSE(matches(term(node_requirement("metadata.name", "In", {"n1"})), kWeb, "n2"));
  EXPECT_TRUE(matches(term(node_requirement("metadata.name", "NotIn", {"n1"})), kWeb, "n2"));
  EXPECT_FALSE(matches(term(node_requirement("metadata.name", "In", {"n1", "n2"})), kWeb, "n1"));
  EXPECT_FALSE(matches(term(node_requirement("metadata.name", "Exists", {})), kWeb, "n1"));
  EXPECT_FALSE(matches(term(node_requirement("spec.x", "In", {"n1"})), kWeb, "n1"));
}

TEST(NodeAffinity, SaysWhatIsWrongWithATerm) {
  NodeSelectorTerm t;
  t.match_expressions = {node_requirement("a", "In", {"b"}), node_requirement("a", "=", {"b"}),
                         node_requirement("a", "Lt", {"1", "x"})};
  t.match_fields = {node_requirement("a", "In", {"b"}), node_requirement("a", "In", {}),
                    node_requirement("a", "Exists", {})};
  std::vector<std::string> said;
  for (const FieldError& e : node_term_problems(t)) said.push_back(e.text());
  EXPECT_EQ(
      said,
      (std::vector<std::string>{
          "matchExpressions[1].operator: Unsupported value: \"=\": supported values: \"In\", "
          "\"NotIn\", \"Exists\", \"DoesNotExist\", \"Gt\", \"Lt\"",
          "matchExpressions[2].values: Invalid value: [\"1\",\"x\"]: for 'Gt', 'Lt' operators, "
          "exactly one value is required",
          "matchExpressions[2].values[1]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the "
          "value "
          "must be an integer",
          "matchFields[1].values: Invalid value: null: must have one element",
          "matchFields[2].operator: Unsupported value: \"Exists\": supported values: \"In\", "
          "\"NotIn\""}));
}

TEST(Tolerations, AcceptTaints) {
  const auto toleration = [](const char* key, const char* op, const char* value,
                             const char* effect) {
    Toleration t;
    t.key = key;
    t.operator_ = op;
    t.value = value;
    t.effect = effect;
    return t;
  };
  Taint taint;
  taint.key = "k";
  taint.value = "v";
  taint.effect = "NoSchedule";
  const struct {
    Toleration toleration;
    bool tolerates;
  } cases[] = {
      {toleration("k", "Equal", "v", "NoSchedule"), true},
      {toleration("k", "", "v", "NoSchedule"), true},
      {toleration("k", "", "v", ""), true},
      {toleration("k", "Equal", "w", "NoSchedule"), false},
      {toleration("k", "Equal", "v", "NoExecute"), false},
      {toleration("other", "Exists", "", ""), false},
      {toleration("k", "Exists", "", ""), true},
      {toleration("", "Exists", "", ""), true},
      {toleration("", "", "v", ""), true},
      {toleration("k", "Lt", "v", ""), false},
  };
  for (const auto& c : cases) EXPECT_EQ(tolerates(c.toleration, taint), c.tolerates);
  Taint soft = taint;
  soft.effect = "PreferNoSchedule";
  EXPECT_EQ(find_untolerated_for_scheduling({soft}, {}), nullptr);
  const List<Taint> both = {soft, taint};
  EXPECT_EQ(find_untolerated_for_scheduling(both, {}), &both[1]);
  EXPECT_EQ(find_untolerated_for_scheduling(both, {toleration("k", "Exists", "", "")}), nullptr);
}

}  // namespace
}  // namespace mainspring::api

#include "models/api/node_affinity.h"

#include <algorithm>
#include <optional>

#include "models/api/codec.h"
#include "models/api/types/core.h"
#include "models/api/validate_context.h"

namespace mainspring::api {
namespace {

using Op = Requirement::Op;

std::optional<Op> node_op(std::string_view name) {
  if (name == "In") return Op::kIn;
  if (name == "NotIn") return Op::kNotIn;
  if (name == "Exists") return Op::kExists;
  if (name == "DoesNotExist") return Op::kDoesNotExist;
  if (name == "Gt") return Op::kGreaterThan;
  if (name == "Lt") return Op::kLessThan;
  return std::nullopt;
}

// Whether labels.NewRequirement would take it.
bool is_valid(const NodeSelectorRequirement& e, Op op) {
  switch (op) {
    case Op::kIn:
    case Op::kNotIn:
      if (e.values.empty()) return false;
      break;
    case Op::kExists:
    case Op::kDoesNotExist:
      if (!e.values.empty()) return false;
      break;
    default:
      if (e.values.size() != 1 || !parse_decimal(e.values[0])) return false;
  }
  return label_key_problem(e.key).empty() &&
         std::all_of(e.values.begin(), e.values.end(),
                     [](const Str& v) { return label_value_problem(v).empty(); });
}

bool is_valid_field(const NodeSelectorRequirement& f) {
  return f.key == "metadata.name" && (f.operator_ == "In" || f.operator_ == "NotIn") &&
         f.values.size() == 1;
}

bool holds(const NodeSelectorRequirement& e, Op op, const StrMap& labels) {
  const Str* have = labels.find(e.key);
  switch (op) {
    case Op::kIn:
      return have && std::find(e.values.begin(), e.values.end(), *have) != e.values.end();
    case Op::kNotIn:
      return !have || std::find(e.values.begin(), e.values.end(), *have) == e.values.end();
    case Op::kExists:
      return have;
    case Op::kDoesNotExist:
      return !have;
    default:
      break;
  }
  if (!have) return false;
  const std::optional<int64_t> left = parse_decimal(*have);
  const std::optional<int64_t> right = parse_decimal(e.values[0]);
  if (!left || !right) return false;
  return op == Op::kGreaterThan ? *left > *right : *left < *right;
}

}  // namespace

NodeSelectorRequirement requirement_in(Str key, List<Str> values) {
  NodeSelectorRequirement r;
  r.key = std::move(key);
  r.operator_ = node_selector_operator::kIn;
  r.values = std::move(values);
  return r;
}

NodeSelector selector_of(NodeSelectorTerm term) {
  NodeSelector s;
  s.node_selector_terms = {std::move(term)};
  return s;
}

std::vector<FieldError> node_term_problems(const NodeSelectorTerm& term) {
  ValidateContext c;
  for (size_t i = 0; i < term.match_expressions.size(); ++i) {
    const ValidateContext::Scope here(c, "matchExpressions", i);
    const NodeSelectorRequirement& e = term.match_expressions[i];
    const std::optional<Op> op = node_op(e.operator_);
    if (!op) {
      c.unsupported("operator", Json(e.operator_),
                    {"In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"});
      continue;
    }
    const Requirement r = {e.key, *op, std::vector<Str>(e.values.begin(), e.values.end())};
    for (RequirementProblem& p : requirement_problems(r)) {
      c.add(FieldError::Type::kInvalid, p.field, std::move(p.detail));
    }
  }
  for (size_t i = 0; i < term.match_fields.size(); ++i) {
    const ValidateContext::Scope here(c, "matchFields", i);
    const NodeSelectorRequirement& f = term.match_fields[i];
    if (f.operator_ != "In" && f.operator_ != "NotIn") {
      c.unsupported("operator", Json(f.operator_), {"In", "NotIn"});
    } else if (f.values.size() != 1) {
      c.invalid("values", encode_as(f)["values"], "must have one element");
    }
  }
  return c.errors;
}

bool matches(const NodeSelectorTerm& term, const StrMap& labels, std::string_view node_name) {
  if (term.match_expressions.empty() && term.match_fields.empty()) return false;
  bool all = true;
  for (const NodeSelectorRequirement& e : term.match_expressions) {
    const std::optional<Op> op = node_op(e.operator_);
    if (!op || !is_valid(e, *op)) return false;
    all = all && holds(e, *op, labels);
  }
  for (const NodeSelectorRequirement& f : term.match_fields) {
    if (!is_valid_field(f)) return false;
    all = all && (f.values[0] == node_name) == (f.operator_ == "In");
  }
  return all;
}

bool matches(const NodeSelector& selector, const StrMap& labels, std::string_view node_name) {
  return std::any_of(
      selector.node_selector_terms.begin(), selector.node_selector_terms.end(),
      [&](const NodeSelectorTerm& term) { return matches(term, labels, node_name); });
}

bool matches_required_node_affinity(const PodSpec& spec, const StrMap& labels,
                                    std::string_view node_name) {
  if (!matches_all(spec.node_selector, labels)) return false;
  if (!spec.affinity || !spec.affinity->node_affinity) return true;
  const auto& required =
      spec.affinity->node_affinity->required_during_scheduling_ignored_during_execution;
  return !required || matches(*required, labels, node_name);
}

}  // namespace mainspring::api

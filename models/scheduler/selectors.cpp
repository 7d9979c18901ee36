#include "models/scheduler/selectors.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "models/api/node_affinity.h"

namespace mainspring::scheduler {

namespace {

bool parse_int(std::string_view text, int64_t* out) {
  if (!text.empty() && text[0] == '+') text.remove_prefix(1);
  if (text.empty() || text[0] == '+') return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out);
  return error == std::errc() && end == text.data() + text.size();
}

bool has_value(const std::vector<api::Str>& values, std::string_view v) {
  return std::any_of(values.begin(), values.end(), [&](const api::Str& x) { return x == v; });
}

// A label value: empty, or up to 63 of [A-Za-z0-9._-] that start and end with a letter or digit.
bool valid_label_value(std::string_view v) {
  if (v.empty()) return true;
  if (v.size() > 63) return false;
  const auto alnum = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  if (!alnum(v.front()) || !alnum(v.back())) return false;
  return std::all_of(v.begin(), v.end(),
                     [&](char c) { return alnum(c) || c == '-' || c == '_' || c == '.'; });
}

std::vector<api::Str> copy(const api::List<api::Str>& values) {
  return {values.begin(), values.end()};
}

Requirement node_requirement(const api::NodeSelectorRequirement& r) {
  Requirement out;
  out.key = r.key;
  out.values = copy(r.values);
  using Op = Requirement::Op;
  if (r.operator_ == "In" || r.operator_ == "NotIn") {
    if (!out.values.empty()) out.op = r.operator_ == "In" ? Op::kIn : Op::kNotIn;
  } else if (r.operator_ == "Exists" || r.operator_ == "DoesNotExist") {
    if (out.values.empty()) out.op = r.operator_ == "Exists" ? Op::kExists : Op::kDoesNotExist;
  } else if (r.operator_ == "Gt" || r.operator_ == "Lt") {
    if (out.values.size() == 1 && parse_int(out.values[0], &out.number)) {
      out.op = r.operator_ == "Gt" ? Op::kGt : Op::kLt;
    }
  }
  for (const api::Str& v : out.values) {
    if (!valid_label_value(v)) out.op = Op::kNever;
  }
  return out;
}

}  // namespace

bool Requirement::matches(const api::StrMap& labels) const {
  const api::Str* v = labels.find(key);
  switch (op) {
    case Op::kEquals:
      return v && *v == values[0];
    case Op::kIn:
      return v && has_value(values, *v);
    case Op::kNotIn:
      return !v || !has_value(values, *v);
    case Op::kExists:
      return v != nullptr;
    case Op::kDoesNotExist:
      return v == nullptr;
    case Op::kGt:
    case Op::kLt: {
      int64_t n = 0;
      if (!v || !parse_int(*v, &n)) return false;
      return op == Op::kGt ? n > number : n < number;
    }
    case Op::kNever:
      return false;
  }
  return false;
}

Selector Selector::of(const api::Opt<api::LabelSelector>& selector) {
  return selector ? of(*selector) : nothing();
}

Selector Selector::of(const api::LabelSelector& selector) {
  Selector out = of(selector.match_labels);
  for (const api::LabelSelectorRequirement& r : selector.match_expressions) {
    Requirement q;
    q.key = r.key;
    q.values = copy(r.values);
    using Op = Requirement::Op;
    if (r.operator_ == "In") q.op = Op::kIn;
    if (r.operator_ == "NotIn") q.op = Op::kNotIn;
    if (r.operator_ == "Exists") q.op = Op::kExists;
    if (r.operator_ == "DoesNotExist") q.op = Op::kDoesNotExist;
    const bool set_op = q.op == Op::kIn || q.op == Op::kNotIn;
    // A selector that cannot be read matches nothing.
    if (q.op == Op::kNever || set_op == q.values.empty()) return nothing();
    out.requirements_.push_back(std::move(q));
  }
  return out;
}

Selector Selector::of(const api::StrMap& labels) {
  Selector out;
  for (const auto& [key, value] : labels) out.require_equal(key, value);
  return out;
}

void Selector::require_equal(api::Str key, api::Str value) {
  Requirement q;
  q.op = Requirement::Op::kEquals;
  q.key = std::move(key);
  q.values.push_back(std::move(value));
  requirements_.push_back(std::move(q));
}

void Selector::add(const Selector& other) {
  nothing_ = nothing_ || other.nothing_;
  requirements_.insert(requirements_.end(), other.requirements_.begin(), other.requirements_.end());
}

std::vector<PreferredNodeTerm> compile_preferred(
    const api::List<api::PreferredSchedulingTerm>& terms, std::vector<std::string>* problems) {
  std::vector<PreferredNodeTerm> out;
  for (size_t i = 0; i < terms.size(); ++i) {
    const api::NodeSelectorTerm& term = terms[i].preference;
    const bool blank = term.match_expressions.empty() && term.match_fields.empty();
    if (terms[i].weight == 0 || blank) continue;
    for (const api::FieldError& e : api::node_term_problems(term)) {
      problems->push_back(fmt::format("[{}].{}", i, e.text()));
    }
    out.push_back({terms[i].weight, NodeTerm::of(term)});
  }
  return out;
}

NodeTerm NodeTerm::of(const api::NodeSelectorTerm& term) {
  NodeTerm out;
  out.valid = !term.match_expressions.empty() || !term.match_fields.empty();
  for (const api::NodeSelectorRequirement& r : term.match_expressions) {
    out.labels.push_back(node_requirement(r));
    if (out.labels.back().op == Requirement::Op::kNever) out.valid = false;
  }
  for (const api::NodeSelectorRequirement& r : term.match_fields) {
    Requirement q;
    q.key = r.key;
    q.values = copy(r.values);
    bool in = r.operator_ == "In";
    if ((!in && r.operator_ != "NotIn") || q.values.size() != 1) {
      out.valid = false;
    } else {
      // All other fields of a node are empty, so it is known who matches: everybody or nobody.
      if (q.key != "metadata.name") {
        in = q.values[0].empty() != in;
        q.values = {api::Str()};
      }
      q.op = in ? Requirement::Op::kIn : Requirement::Op::kNotIn;
    }
    out.fields.push_back(std::move(q));
  }
  return out;
}

bool NodeTerm::matches(const api::StrMap& of_node, const api::Str& name) const {
  if (!valid) return false;
  for (const Requirement& r : labels) {
    if (!r.matches(of_node)) return false;
  }
  if (name.empty()) return true;
  for (const Requirement& r : fields) {
    if ((r.values[0] == name) != (r.op == Requirement::Op::kIn)) return false;
  }
  return true;
}

NodeTerms NodeTerms::of(const api::NodeSelector& selector) {
  NodeTerms out;
  for (const api::NodeSelectorTerm& t : selector.node_selector_terms) {
    out.terms.push_back(NodeTerm::of(t));
  }
  return out;
}

RequiredNodeAffinity RequiredNodeAffinity::of(const api::PodSpec& spec) {
  RequiredNodeAffinity out;
  out.node_selector = Selector::of(spec.node_selector);
  if (spec.affinity && spec.affinity->node_affinity) {
    const auto& required =
        spec.affinity->node_affinity->required_during_scheduling_ignored_during_execution;
    if (required) {
      out.has_affinity = true;
      out.affinity = NodeTerms::of(*required);
    }
  }
  return out;
}

bool RequiredNodeAffinity::matches(const api::Node& node) const {
  return node_selector.matches(node.metadata.labels) && (!has_affinity || affinity.matches(node));
}

bool RequiredNodeAffinity::undecided(const api::Node& node) const {
  const auto& terms = affinity.terms;
  return has_affinity && node_selector.matches(node.metadata.labels) && !affinity.matches(node) &&
         std::any_of(terms.begin(), terms.end(), [](const NodeTerm& t) { return t.unreadable(); });
}

bool tolerates(const api::Toleration& t, const api::Taint& taint) {
  if (!t.effect.empty() && t.effect != taint.effect) return false;
  if (!t.key.empty() && t.key != taint.key) return false;
  if (t.operator_.empty() || t.operator_ == "Equal") return t.value == taint.value;
  return t.operator_ == "Exists";
}

bool tolerates(const api::List<api::Toleration>& tolerations, const api::Taint& taint) {
  for (const api::Toleration& t : tolerations) {
    if (tolerates(t, taint)) return true;
  }
  return false;
}

const api::Taint* untolerated_taint(const api::List<api::Taint>& taints,
                                    const api::List<api::Toleration>& tolerations) {
  for (const api::Taint& taint : taints) {
    if (taint.effect != "NoSchedule" && taint.effect != "NoExecute") continue;
    if (!tolerates(tolerations, taint)) return &taint;
  }
  return nullptr;
}

}  // namespace mainspring::scheduler

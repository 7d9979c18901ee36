#include "models/api/labels.h"

#include <algorithm>
#include <charconv>

#include "models/api/json.h"
#include "models/api/types/meta.h"

namespace mainspring::api {
namespace {

using Op = Requirement::Op;

std::string quoted(std::string_view text) {
  std::string out;
  write_json_string(text, &out);
  return out;
}

bool is_alphanumeric(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

// ([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]
bool is_name(std::string_view s) {
  return !s.empty() && is_alphanumeric(s.front()) && is_alphanumeric(s.back()) &&
         std::all_of(s.begin(), s.end(),
                     [](char c) { return is_alphanumeric(c) || c == '-' || c == '_' || c == '.'; });
}

bool is_subdomain(std::string_view s) {
  while (true) {
    const size_t dot = s.find('.');
    const std::string_view part = s.substr(0, dot);
    const auto lower = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
    if (part.empty() || !lower(part.front()) || !lower(part.back())) return false;
    if (!std::all_of(part.begin(), part.end(), [&](char c) { return lower(c) || c == '-'; })) {
      return false;
    }
    if (dot == std::string_view::npos) return true;
    s.remove_prefix(dot + 1);
  }
}

constexpr size_t kMaxName = 63;
constexpr size_t kMaxSubdomain = 253;
constexpr std::string_view kNameRule =
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
    "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
constexpr std::string_view kSubdomainRule =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    "for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
constexpr std::string_view kValueRule =
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  "
    "or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

bool holds(Op op, const Str* have, const auto& values) {
  const auto among = [&] { return std::find(values.begin(), values.end(), *have) != values.end(); };
  switch (op) {
    case Op::kIn:
    case Op::kEquals:
    case Op::kDoubleEquals:
      return have && among();
    case Op::kNotIn:
    case Op::kNotEquals:
      return !have || !among();
    case Op::kExists:
      return have;
    case Op::kDoesNotExist:
      return !have;
    case Op::kGreaterThan:
    case Op::kLessThan: {
      if (!have || values.size() != 1) return false;
      const std::optional<int64_t> left = parse_decimal(*have);
      const std::optional<int64_t> right = parse_decimal(*values.begin());
      if (!left || !right) return false;
      return op == Op::kGreaterThan ? *left > *right : *left < *right;
    }
  }
  return false;
}

std::optional<Op> selector_op(std::string_view name) {
  if (name == "In") return Op::kIn;
  if (name == "NotIn") return Op::kNotIn;
  if (name == "Exists") return Op::kExists;
  if (name == "DoesNotExist") return Op::kDoesNotExist;
  return std::nullopt;
}

// As Go shows a slice; an empty one is mostly a nil one.
std::string values_text(const std::vector<Str>& values) {
  if (values.empty()) return "null";
  std::string out = "[";
  for (size_t i = 0; i < values.size(); ++i) out += (i ? "," : "") + quoted(values[i]);
  return out + "]";
}

// As one text; empty if the requirement is good.
std::string requirement_problem(const Requirement& r) {
  std::string out;
  const std::vector<RequirementProblem> problems = requirement_problems(r);
  for (const RequirementProblem& p : problems) {
    out += (out.empty() ? "" : ", ") + p.field + ": " + p.detail;
  }
  return problems.size() > 1 ? "[" + out + "]" : out;
}

// The text form's grammar, as labels.Parse has it.
class TextParser {
 public:
  explicit TextParser(std::string_view text) : text_(text) { next(); }

  bool parse(std::vector<Requirement>* out) {
    while (true) {
      if (kind_ == Kind::kEnd) return true;
      if (!is_identifier() && kind_ != Kind::kNot) {
        return fail("found '" + token_ + "', expected: !, identifier, or 'end of string'");
      }
      Requirement r;
      if (!parse_requirement(&r)) {
        error_ = "unable to parse requirement: " + error_;
        return false;
      }
      out->push_back(std::move(r));
      if (kind_ == Kind::kEnd) return true;
      if (kind_ != Kind::kComma) {
        return fail("found '" + token_ + "', expected: ',' or 'end of string'");
      }
      next();
      if (!is_identifier() && kind_ != Kind::kNot) {
        return fail("found '" + token_ + "', expected: identifier after ','");
      }
    }
  }
  const std::string& error() const { return error_; }

 private:
  enum class Kind { kEnd, kIdentifier, kIn, kNotIn, kComma, kOpen, kClose, kNot, kOperator, kBad };

  static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
  static bool is_special(char c) { return std::string_view("=!(),><").find(c) != npos; }
  static constexpr size_t npos = std::string_view::npos;

  bool fail(std::string message) {
    error_ = std::move(message);
    return false;
  }
  // Among values, "in" and "notin" are words like others.
  bool is_identifier() const {
    return kind_ == Kind::kIdentifier || kind_ == Kind::kIn || kind_ == Kind::kNotIn;
  }

  void next() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
    token_.clear();
    if (at_ >= text_.size() || text_[at_] == '\0') {
      kind_ = Kind::kEnd;
      return;
    }
    const std::string_view rest = text_.substr(at_);
    for (const std::string_view two : {"==", "!="}) {
      if (rest.starts_with(two)) return take(two, Kind::kOperator);
    }
    switch (rest[0]) {
      case ',':
        return take(",", Kind::kComma);
      case '(':
        return take("(", Kind::kOpen);
      case ')':
        return take(")", Kind::kClose);
      case '!':
        return take("!", Kind::kNot);
      case '=':
      case '<':
      case '>':
        return take(rest.substr(0, 1), Kind::kOperator);
      default:
        break;
    }
    size_t n = 0;
    while (n < rest.size() && rest[n] != '\0' && !is_special(rest[n]) && !is_space(rest[n])) ++n;
    const std::string_view word = rest.substr(0, n);
    take(word, word == "in" ? Kind::kIn : word == "notin" ? Kind::kNotIn : Kind::kIdentifier);
  }
  void take(std::string_view token, Kind kind) {
    token_ = token;
    kind_ = kind;
    at_ += token.size();
  }

  bool parse_requirement(Requirement* r) {
    bool negated = false;
    if (kind_ == Kind::kNot) {
      negated = true;
      next();
    }
    if (!is_identifier()) return fail("found '" + token_ + "', expected: identifier");
    r->key = Str(token_);
    if (const std::string p = label_key_problem(token_); !p.empty()) {
      return fail("<nil>: Invalid value: " + quoted(token_) + ": " + p);
    }
    next();
    if (negated || kind_ == Kind::kEnd || kind_ == Kind::kComma) {
      // "!a = b" is refused where the comma is expected.
      r->op = negated ? Op::kDoesNotExist : Op::kExists;
      return true;
    }
    if (!parse_operator(r)) return false;
    const std::string problem = requirement_problem(*r);
    return problem.empty() || fail(problem);
  }

  bool parse_operator(Requirement* r) {
    if (kind_ == Kind::kIn || kind_ == Kind::kNotIn) {
      r->op = kind_ == Kind::kIn ? Op::kIn : Op::kNotIn;
      next();
      return parse_set(r);
    }
    if (kind_ != Kind::kOperator) {
      return fail("found '" + token_ + "', expected: in, notin, =, ==, !=, gt, lt");
    }
    r->op = token_ == "="    ? Op::kEquals
            : token_ == "==" ? Op::kDoubleEquals
            : token_ == "!=" ? Op::kNotEquals
            : token_ == ">"  ? Op::kGreaterThan
                             : Op::kLessThan;
    next();
    if (kind_ == Kind::kEnd || kind_ == Kind::kComma) {
      r->values.emplace_back();
      return true;
    }
    if (!is_identifier()) return fail("found '" + token_ + "', expected: identifier");
    r->values.emplace_back(token_);
    next();
    return true;
  }

  // (x,y): a missing value is the empty one.
  bool parse_set(Requirement* r) {
    if (kind_ != Kind::kOpen) return fail("found '" + token_ + "' expected: '('");
    next();
    if (!is_identifier() && kind_ != Kind::kComma && kind_ != Kind::kClose) {
      return fail("found '" + token_ + "', expected: ',', ')' or identifier");
    }
    bool after_value = false;
    while (kind_ != Kind::kClose) {
      if (is_identifier()) {
        if (after_value) return fail("found '" + token_ + "', expected: ',' or ')'");
        r->values.emplace_back(token_);
        after_value = true;
      } else if (kind_ == Kind::kComma) {
        if (!after_value) r->values.emplace_back();
        after_value = false;
      } else if (after_value) {
        return fail("found '" + token_ + "', expected: ',' or ')'");
      } else {
        return fail("found '" + token_ + "', expected: ',', or identifier");
      }
      next();
    }
    if (!after_value) r->values.emplace_back();
    std::sort(r->values.begin(), r->values.end());
    r->values.erase(std::unique(r->values.begin(), r->values.end()), r->values.end());
    next();
    return true;
  }

  std::string_view text_;
  size_t at_ = 0;
  Kind kind_ = Kind::kEnd;
  std::string token_;
  std::string error_;
};

}  // namespace

std::optional<int64_t> parse_decimal(std::string_view s) {
  if (s.starts_with('+') && !s.starts_with("+-")) s.remove_prefix(1);
  int64_t value = 0;
  const auto [end, problem] = std::from_chars(s.data(), s.data() + s.size(), value);
  if (problem != std::errc() || end != s.data() + s.size()) return std::nullopt;
  return value;
}

std::vector<RequirementProblem> requirement_problems(const Requirement& r) {
  std::vector<RequirementProblem> out;
  const auto bad = [&](std::string field, const std::string& value, std::string_view why) {
    out.push_back({std::move(field), "Invalid value: " + value + ": " + std::string(why)});
  };
  const auto value_field = [](size_t i) { return "values[" + std::to_string(i) + "]"; };
  if (const std::string p = label_key_problem(r.key); !p.empty()) bad("key", quoted(r.key), p);
  const auto bad_values = [&](std::string_view why) { bad("values", values_text(r.values), why); };
  switch (r.op) {
    case Op::kIn:
    case Op::kNotIn:
      if (r.values.empty()) bad_values("for 'in', 'notin' operators, values set can't be empty");
      break;
    case Op::kEquals:
    case Op::kDoubleEquals:
    case Op::kNotEquals:
      if (r.values.size() != 1) bad_values("exact-match compatibility requires one single value");
      break;
    case Op::kExists:
    case Op::kDoesNotExist:
      if (!r.values.empty()) bad_values("values set must be empty for exists and does not exist");
      break;
    case Op::kGreaterThan:
    case Op::kLessThan:
      if (r.values.size() != 1) {
        bad_values("for 'Gt', 'Lt' operators, exactly one value is required");
      }
      for (size_t i = 0; i < r.values.size(); ++i) {
        if (parse_decimal(r.values[i])) continue;
        bad(value_field(i), quoted(r.values[i]),
            "for 'Gt', 'Lt' operators, the value must be an integer");
      }
  }
  for (size_t i = 0; i < r.values.size(); ++i) {
    if (const std::string p = label_value_problem(r.values[i]); !p.empty()) {
      bad(value_field(i) + "[" + r.key.str() + "]", quoted(r.values[i]), p);
    }
  }
  return out;
}

std::string label_key_problem(std::string_view key) {
  std::vector<std::string> problems;
  std::string_view name = key;
  const size_t slash = key.find('/');
  if (slash != std::string_view::npos) {
    const std::string_view prefix = key.substr(0, slash);
    name = key.substr(slash + 1);
    if (name.find('/') != std::string_view::npos) {
      return "a qualified name " + std::string(kNameRule) +
             " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
    }
    if (prefix.empty()) {
      problems.emplace_back("prefix part must be non-empty");
    } else {
      if (prefix.size() > kMaxSubdomain) {
        problems.emplace_back("prefix part must be no more than 253 characters");
      }
      if (!is_subdomain(prefix)) problems.push_back("prefix part " + std::string(kSubdomainRule));
    }
  }
  if (name.empty()) {
    problems.emplace_back("name part must be non-empty");
  } else if (name.size() > kMaxName) {
    problems.emplace_back("name part must be no more than 63 characters");
  }
  if (!is_name(name)) problems.push_back("name part " + std::string(kNameRule));
  std::string out;
  for (size_t i = 0; i < problems.size(); ++i) out += (i ? "; " : "") + problems[i];
  return out;
}

std::string label_value_problem(std::string_view value) {
  std::string out;
  if (value.size() > kMaxName) out = "must be no more than 63 characters";
  if (!value.empty() && !is_name(value)) out += (out.empty() ? "" : "; ") + std::string(kValueRule);
  return out;
}

bool Requirement::matches(const StrMap& labels) const {
  return holds(op, labels.find(key), values);
}

std::string Requirement::to_string() const {
  std::string out = op == Op::kDoesNotExist ? "!" : "";
  out += key.view();
  std::string_view sign;
  switch (op) {
    case Op::kIn:
      sign = " in ";
      break;
    case Op::kNotIn:
      sign = " notin ";
      break;
    case Op::kEquals:
      sign = "=";
      break;
    case Op::kDoubleEquals:
      sign = "==";
      break;
    case Op::kNotEquals:
      sign = "!=";
      break;
    case Op::kGreaterThan:
      sign = ">";
      break;
    case Op::kLessThan:
      sign = "<";
      break;
    case Op::kExists:
    case Op::kDoesNotExist:
      return out;
  }
  out += sign;
  std::vector<Str> sorted = values;
  std::sort(sorted.begin(), sorted.end());
  const bool set = op == Op::kIn || op == Op::kNotIn;
  if (set) out += '(';
  for (size_t i = 0; i < sorted.size(); ++i) {
    if (i) out += ',';
    out += sorted[i].view();
  }
  if (set) out += ')';
  return out;
}

Selector Selector::nothing() {
  Selector s;
  s.nothing_ = true;
  return s;
}

Selector Selector::of(const StrMap& labels) {
  Selector s;
  for (const auto& [key, value] : labels) {
    s.requirements_.push_back({key, Op::kEquals, {value}});
  }
  return s;
}

std::optional<Selector> Selector::parse(std::string_view text, std::string* error) {
  TextParser parser(text);
  Selector s;
  std::vector<Requirement> requirements;
  if (!parser.parse(&requirements)) {
    if (error) *error = parser.error();
    return std::nullopt;
  }
  for (Requirement& r : requirements) s.add(std::move(r));
  return s;
}

std::optional<Selector> Selector::compile(const LabelSelector& selector, std::string* error) {
  Selector s;
  const auto add = [&](Requirement r) {
    const std::string problem = requirement_problem(r);
    if (!problem.empty()) {
      if (error) *error = problem;
      return false;
    }
    s.add(std::move(r));
    return true;
  };
  for (const auto& [key, value] : selector.match_labels) {
    if (!add({key, Op::kEquals, {value}})) return std::nullopt;
  }
  for (const LabelSelectorRequirement& e : selector.match_expressions) {
    const std::optional<Op> op = selector_op(e.operator_);
    if (!op) {
      if (error) *error = quoted(e.operator_) + " is not a valid label selector operator";
      return std::nullopt;
    }
    if (!add({e.key, *op, std::vector<Str>(e.values.begin(), e.values.end())})) {
      return std::nullopt;
    }
  }
  return s;
}

std::optional<Selector> Selector::compile(const Opt<LabelSelector>& selector, std::string* error) {
  return selector ? compile(*selector, error) : nothing();
}

bool Selector::matches(const StrMap& labels) const {
  return !nothing_ && std::all_of(requirements_.begin(), requirements_.end(),
                                  [&](const Requirement& r) { return r.matches(labels); });
}

void Selector::add(Requirement requirement) {
  const auto at =
      std::upper_bound(requirements_.begin(), requirements_.end(), requirement,
                       [](const Requirement& a, const Requirement& b) { return a.key < b.key; });
  requirements_.insert(at, std::move(requirement));
}

std::optional<Str> Selector::required_value(std::string_view key) const {
  for (const Requirement& r : requirements_) {
    if (r.key != key) continue;
    const bool exact = r.op == Op::kEquals || r.op == Op::kDoubleEquals || r.op == Op::kIn;
    if (exact && r.values.size() == 1) return r.values[0];
    return std::nullopt;
  }
  return std::nullopt;
}

std::string Selector::to_string() const {
  std::string out;
  for (size_t i = 0; i < requirements_.size(); ++i) {
    if (i) out += ',';
    out += requirements_[i].to_string();
  }
  return out;
}

bool matches(const LabelSelector& selector, const StrMap& labels) {
  if (!matches_all(selector.match_labels, labels)) return false;
  for (const LabelSelectorRequirement& e : selector.match_expressions) {
    const std::optional<Op> op = selector_op(e.operator_);
    if (!op) return false;
    const bool set = *op == Op::kIn || *op == Op::kNotIn;
    if (set == e.values.empty() || !holds(*op, labels.find(e.key), e.values)) return false;
  }
  return true;
}

bool matches(const Opt<LabelSelector>& selector, const StrMap& labels) {
  return selector && matches(*selector, labels);
}

bool matches_all(const StrMap& wanted, const StrMap& labels) {
  for (const auto& [key, value] : wanted) {
    const Str* have = labels.find(key);
    if (!have || *have != value) return false;
  }
  return true;
}

bool matches_selector_text(std::string_view text, const StrMap& labels) {
  const std::optional<Selector> selector = Selector::parse(text);
  return selector && selector->matches(labels);
}

std::string format_selector(const Opt<LabelSelector>& selector) {
  const std::optional<Selector> compiled = Selector::compile(selector);
  if (!compiled) return "<error>";
  const std::string text = compiled->to_string();
  return text.empty() ? "<none>" : text;
}

std::optional<FieldSelector> FieldSelector::parse(std::string_view text, std::string* error) {
  const auto fail = [&](std::string message) {
    if (error) *error = std::move(message);
    return std::nullopt;
  };
  // Split at commas that are not escaped.
  std::vector<std::string_view> terms;
  size_t from = 0;
  const auto cut = [&](size_t end) {
    if (end > from) terms.push_back(text.substr(from, end - from));
    from = end + 1;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == ',') {
      cut(i);
    }
  }
  cut(text.size());
  std::sort(terms.begin(), terms.end());
  FieldSelector out;
  for (const std::string_view term : terms) {
    size_t at = 0;
    size_t length = 0;
    for (; at < term.size() && length == 0; ++at) {
      const std::string_view rest = term.substr(at);
      length = rest.starts_with("!=") || rest.starts_with("==") ? 2 : rest[0] == '=' ? 1 : 0;
      if (length != 0) break;
    }
    if (length == 0) {
      return fail("invalid selector: '" + std::string(text) + "'; can't understand '" +
                  std::string(term) + "'");
    }
    FieldRequirement r;
    r.field = term.substr(0, at);
    r.equals = term[at] == '=';
    const std::string_view value = term.substr(at + length);
    for (size_t i = 0; i < value.size(); ++i) {
      if (value[i] == '\\') {
        ++i;
        if (i == value.size() || (value[i] != '\\' && value[i] != ',' && value[i] != '=')) {
          return fail("invalid field selector: invalid escape sequence in value: " +
                      std::string(value));
        }
      } else if (value[i] == ',' || value[i] == '=') {
        return fail("invalid field selector: unescaped character in value: " + std::string(value));
      }
      r.value += value[i];
    }
    out.requirements_.push_back(std::move(r));
  }
  return out;
}

}  // namespace mainspring::api

// Label and field selectors, with the semantics and messages of apimachinery's pkg/labels,
// pkg/fields and metav1.LabelSelectorAsSelector (v1.35).
//
// An absent LabelSelector selects nothing, an empty one everything; an empty selector text selects
// everything. Selector is the compiled form; matches() evaluates a LabelSelector as it is, without
// allocating. Values, thread-compatible.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/api/types/forward.h"
#include "models/api/value.h"

namespace mainspring::api {

struct Requirement {
  enum class Op : uint8_t {
    kIn,
    kNotIn,
    kEquals,        // a=b
    kDoubleEquals,  // a==b
    kNotEquals,
    kExists,
    kDoesNotExist,
    kGreaterThan,  // both sides decimal int64, else false
    kLessThan,
  };
  Str key;
  Op op = Op::kExists;
  std::vector<Str> values = {};

  bool matches(const StrMap& labels) const;
  std::string to_string() const;
  bool operator==(const Requirement&) const = default;
};

class Selector {
 public:
  Selector() = default;  // everything
  static Selector nothing();
  // Exactly these labels; everything if there are none (Service, ReplicationController).
  static Selector of(const StrMap& labels);
  // The text form: a=b,c!=d,e in (x,y),!f. *error is Kubernetes' message.
  static std::optional<Selector> parse(std::string_view text, std::string* error = nullptr);
  // Nothing on a bad operator, arity, key or value, with the reason in *error.
  static std::optional<Selector> compile(const LabelSelector& selector,
                                         std::string* error = nullptr);
  // Absent compiles to nothing().
  static std::optional<Selector> compile(const Opt<LabelSelector>& selector,
                                         std::string* error = nullptr);

  bool matches(const StrMap& labels) const;
  bool selects_everything() const { return !nothing_ && requirements_.empty(); }
  bool selects_nothing() const { return nothing_; }
  const std::vector<Requirement>& requirements() const { return requirements_; }
  void add(Requirement requirement);
  // The only value that the label may have, if the selector says so.
  std::optional<Str> required_value(std::string_view key) const;
  // "a=b,c in (x,y)"; empty for everything and nothing.
  std::string to_string() const;
  bool operator==(const Selector&) const = default;

 private:
  std::vector<Requirement> requirements_;  // sorted by key
  bool nothing_ = false;
};

// Without compiling. A requirement that Kubernetes would reject matches nothing.
bool matches(const LabelSelector& selector, const StrMap& labels);
bool matches(const Opt<LabelSelector>& selector, const StrMap& labels);
// All pairs of `wanted` are there (nodeSelector). An empty map matches.
bool matches_all(const StrMap& wanted, const StrMap& labels);
// For text that was checked before; bad text matches nothing.
bool matches_selector_text(std::string_view text, const StrMap& labels);
// As kubectl shows it: "a=b,c in (x)", "<none>" for an empty or absent one, "<error>".
std::string format_selector(const Opt<LabelSelector>& selector);

// Field selectors: k=v, k==v and k!=v, joined by commas; \\ \, \= are escapes.
struct FieldRequirement {
  std::string field;
  std::string value;
  bool equals = true;
};
class FieldSelector {
 public:
  static std::optional<FieldSelector> parse(std::string_view text, std::string* error = nullptr);
  const std::vector<FieldRequirement>& requirements() const { return requirements_; }
  bool empty() const { return requirements_.empty(); }
  // `get(field)` returns the value of the object's field, empty if it has none.
  template <class Get>
  bool matches(Get&& get) const {
    for (const FieldRequirement& r : requirements_) {
      if ((std::string_view(get(std::string_view(r.field))) == r.value) != r.equals) return false;
    }
    return true;
  }

 private:
  std::vector<FieldRequirement> requirements_;
};

// What labels.NewRequirement says against the requirement.
struct RequirementProblem {
  std::string field;  // "key", "values", "values[0]"
  std::string detail;
};
std::vector<RequirementProblem> requirement_problems(const Requirement& r);

// Empty if good, else Kubernetes' explanation.
std::string label_key_problem(std::string_view key);
std::string label_value_problem(std::string_view value);

// Go's strconv.ParseInt(text, 10, 64).
std::optional<int64_t> parse_decimal(std::string_view text);

}  // namespace mainspring::api

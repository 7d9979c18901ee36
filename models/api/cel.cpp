#include "models/api/cel.h"

#include <re2/re2.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "models/api/cel_program.h"
#include "models/api/text.h"
#include "models/api/types/all.h"

// Evaluation, as interpreter/ and common/types/ of cel-go v0.26 and apiserver/pkg/cel/library of
// v1.35 do it.
namespace mainspring::api {

namespace cel {

namespace {

// Steps of one evaluation: a node is one, and what grows with the size of values is more.
// CELSelectorExpressionMaxCost of resource.k8s.io/v1 in Kubernetes' units, which are of the same
// order.
constexpr size_t kMaxSteps = 1'000'000;
// Bytes of text that a step goes through (StringTraversalCostFactor in cel-go's common/cost.go).
constexpr size_t kBytesPerStep = 10;
// Of patterns: cel-go charges their length, but RE2 works by the size of the program that they
// become, whose parts it may all try at each byte.
constexpr size_t kProgramBytesPerStep = 64;
// Reading a pattern: a byte can become a thousand parts ("a{1000}"), and one that is refused has
// been read as far as RE2 goes.
constexpr size_t kStepsPerPatternByte = 64;
constexpr size_t kStepsOfBadPattern = 10'000;

// Thrown where the steps are used up.
struct TooManySteps {};

using SemverPtr = std::shared_ptr<const Semver>;

Value fail(std::string_view message) { return Error{message}; }
Value no_overload() { return fail("no such overload"); }
bool failed(const Value& v) { return std::holds_alternative<Error>(v); }

template <class T>
const T* get(const Value& v) {
  return std::get_if<T>(&v);
}

std::string_view type_name(const Value& v) {
  if (get<bool>(v)) return "bool";
  if (get<int64_t>(v)) return "int";
  if (get<double>(v)) return "double";
  if (get<Str>(v)) return "string";
  if (get<Quantity>(v)) return "kubernetes.Quantity";
  if (get<SemverPtr>(v)) return "kubernetes.Semver";
  if (get<ValueList>(v)) return "list";
  if (get<DevicePart>(v)) return "map";
  return "null_type";
}

// A number of either kind against another, as doubles unless both are integers (cel-go's
// common/types/compare.go); nothing if one is NaN or none is a number.
std::optional<int> compare_numbers(const Value& a, const Value& b) {
  const auto order = [](auto x, auto y) { return x < y ? -1 : x > y ? 1 : 0; };
  if (get<int64_t>(a) && get<int64_t>(b)) return order(*get<int64_t>(a), *get<int64_t>(b));
  const auto number = [](const Value& v) -> std::optional<double> {
    if (const int64_t* i = get<int64_t>(v)) return static_cast<double>(*i);
    if (const double* d = get<double>(v)) {
      if (!std::isnan(*d)) return *d;
    }
    return std::nullopt;
  };
  const auto x = number(a);
  const auto y = number(b);
  if (!x || !y) return std::nullopt;
  return order(*x, *y);
}

bool is_number(const Value& v) { return get<int64_t>(v) || get<double>(v); }

// Whether the value's type has the operator at all: its traits in cel-go's common/types.
bool has_operator(Op op, const Value& v) {
  if (get<Str>(v)) return true;  // a string takes any call, to refuse it itself
  if (op >= Op::kLess && op <= Op::kGreaterEqual) return get<bool>(v) || is_number(v);
  if (op == Op::kNegate) return get<bool>(v) || is_number(v);
  if (op == Op::kModulo) return get<int64_t>(v);
  return is_number(v) || (op == Op::kAdd && get<ValueList>(v));
}

Value integer_arithmetic(Op op, int64_t a, int64_t b) {
  int64_t out = 0;
  bool overflow = false;
  switch (op) {
    case Op::kAdd:
      overflow = __builtin_add_overflow(a, b, &out);
      break;
    case Op::kSubtract:
      overflow = __builtin_sub_overflow(a, b, &out);
      break;
    case Op::kMultiply:
      overflow = __builtin_mul_overflow(a, b, &out);
      break;
    default:
      if (b == 0) return fail(op == Op::kDivide ? "division by zero" : "modulus by zero");
      overflow = a == std::numeric_limits<int64_t>::min() && b == -1;
      if (!overflow) out = op == Op::kDivide ? a / b : a % b;
  }
  if (overflow) return fail("integer overflow");
  return out;
}

Value in_ascii(const Str& text, bool upper) {
  if (!upper) return Str(to_lower(text));
  std::string out = text.str();
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return Str(out);
}

int64_t characters(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; });
}

bool has_integer(const Quantity& q) {
  const int64_t value = q.value();
  return Quantity::from_value(value) == q;
}

template <class T>
Value ordered(Op op, const T& a, const T& b) {
  const auto order = a <=> b;
  if (op == Op::kIsGreaterThan) return order > 0;
  if (op == Op::kIsLessThan) return order < 0;
  return int64_t{order < 0 ? -1 : order > 0 ? 1 : 0};
}

Value make_semver(Op op, const Str& text, bool normalize) {
  std::string error;
  auto version = normalize ? Semver::parse_normalized(text, &error) : Semver::parse(text, &error);
  if (op == Op::kIsSemver) return version.has_value();
  if (!version) return fail(error);
  return std::make_shared<const Semver>(std::move(*version));
}

std::optional<Value> of_quantity(Op op, const Quantity& a, const Value* b) {
  const Quantity* other = b ? get<Quantity>(*b) : nullptr;
  const int64_t* number = b ? get<int64_t>(*b) : nullptr;
  switch (op) {
    case Op::kSign:
      return int64_t{a.sign()};
    case Op::kIsInteger:
      return has_integer(a);
    case Op::kAsInteger:
      if (!has_integer(a)) return fail("cannot convert value to integer");
      return a.value();
    case Op::kAsApproximateFloat:
      return a.to_double();
    case Op::kAddTo:
    case Op::kSubtractFrom: {
      if (!other && !number) break;
      const Quantity change = other ? *other : Quantity::from_value(*number);
      return op == Op::kAddTo ? a + change : a - change;
    }
    case Op::kIsGreaterThan:
    case Op::kIsLessThan:
    case Op::kCompareTo:
      if (other) return ordered(op, a, *other);
      break;
    default:
      break;
  }
  return std::nullopt;
}

class Evaluation {
 public:
  Evaluation(const Program& program, const CelDevice& device)
      : program_(program), device_(device), variables_(program.variables) {}

  // Throws TooManySteps.
  Value operator()(NodeId id) {
    charge(1);
    const Node& n = program_.nodes[id];
    switch (n.op) {
      case Op::kConstant:
        return n.value;
      case Op::kDevice:
        return DevicePart{};
      case Op::kVariable:
        return variables_[n.variable];
      case Op::kSelect:
      case Op::kHas: {
        const Value operand = (*this)(n.args[0]);
        return failed(operand) ? operand : select(operand, Value(n.name), n.op == Op::kHas);
      }
      case Op::kList: {
        std::vector<Value> items;
        for (NodeId arg : n.args) {
          items.push_back((*this)(arg));
          if (failed(items.back())) return items.back();
        }
        return std::make_shared<const std::vector<Value>>(std::move(items));
      }
      case Op::kAnd:
      case Op::kOr:
        return junction(n);
      case Op::kConditional: {
        Value condition = (*this)(n.args[0]);
        if (failed(condition)) return condition;
        const bool* yes = get<bool>(condition);
        return yes ? (*this)(n.args[*yes ? 1 : 2]) : no_overload();
      }
      case Op::kBind:
        variables_[n.variable] = (*this)(n.args[0]);
        return (*this)(n.args[1]);
      case Op::kAll:
      case Op::kExists:
      case Op::kExistsOne:
        return comprehension(n);
      default:
        return strict(n);
    }
  }

 private:
  void charge(size_t steps) {
    steps_ += steps;
    if (steps_ > kMaxSteps) throw TooManySteps();
  }
  void charge_text(size_t bytes) { charge(bytes / kBytesPerStep); }

  // One value that decides is enough; an error counts only where none decides.
  Value junction(const Node& n) {
    const bool decides = n.op == Op::kOr;
    std::optional<Value> error;
    for (NodeId arg : n.args) {
      Value v = (*this)(arg);
      const bool* b = get<bool>(v);
      if (b && *b == decides) return decides;
      if (!b && !error) error = failed(v) ? std::move(v) : no_overload();
    }
    if (error) return *error;
    return !decides;
  }

  Value comprehension(const Node& n) {
    Value range = (*this)(n.args[0]);
    if (failed(range)) return range;
    const ValueList* list = get<ValueList>(range);
    if (!list) return fail("got '" + std::string(type_name(range)) + "', expected iterable type");
    std::optional<Value> error;
    int64_t found = 0;
    for (const Value& item : **list) {
      variables_[n.variable] = item;
      Value v = (*this)(n.args[1]);
      const bool* b = get<bool>(v);
      if (!b) {
        if (!failed(v)) v = no_overload();
        if (n.op == Op::kExistsOne) return v;
        if (!error) error = std::move(v);
      } else if (n.op == Op::kExistsOne) {
        found += *b;
      } else if (*b == (n.op == Op::kExists)) {
        return *b;
      }
    }
    if (error) return *error;
    if (n.op == Op::kExistsOne) return found == 1;
    return n.op == Op::kAll;
  }

  // value.name or value[name]; has(value.name).
  Value select(const Value& value, const Value& key, bool has) {
    if (const ValueList* list = get<ValueList>(value)) {
      const int64_t* index = get<int64_t>(key);
      if (!index) {
        return fail("unsupported index type '" + std::string(type_name(key)) + "' in list");
      }
      const auto size = static_cast<int64_t>((*list)->size());
      if (*index >= 0 && *index < size) return (**list)[static_cast<size_t>(*index)];
      return fail("index out of bounds: " + std::to_string(*index));
    }
    const DevicePart* part = get<DevicePart>(value);
    const Str* name = get<Str>(key);
    if (!part || !name) {
      if (has) return false;
      return name ? no_such_key(*name) : no_overload();
    }
    std::optional<Value> found = find(*part, *name);
    if (has) return found.has_value();
    return found ? *found : no_such_key(*name);
  }

  Value no_such_key(const Str& name) {
    charge_text(name.size());
    return fail("no such key: " + name.str());
  }

  // --- parts of the device, which are maps ---

  static bool is_of_capacities(const DevicePart& part) {
    return part.kind == DevicePart::Kind::kCapacities ||
           part.kind == DevicePart::Kind::kCapacityNames;
  }

  std::optional<Value> find(const DevicePart& part, const Str& name) const {
    using Kind = DevicePart::Kind;
    switch (part.kind) {
      case Kind::kDevice:
        if (name == "driver") return device_.driver();
        if (name == "allowMultipleAllocations") return false;  // alpha, so never
        if (name == "attributes") return DevicePart{Kind::kAttributes, Str()};
        if (name == "capacity") return DevicePart{Kind::kCapacities, Str()};
        return std::nullopt;
      // Every domain can be had; an unknown one is empty.
      case Kind::kAttributes:
        return DevicePart{Kind::kAttributeNames, name};
      case Kind::kCapacities:
        return DevicePart{Kind::kCapacityNames, name};
      case Kind::kAttributeNames:
      case Kind::kCapacityNames:
        break;
    }
    const Value* found = device_.find(is_of_capacities(part), part.domain, name);
    return found ? std::optional(*found) : std::nullopt;
  }

  std::vector<Str> keys(const DevicePart& part) const {
    using Kind = DevicePart::Kind;
    switch (part.kind) {
      case Kind::kDevice:
        return {"driver", "allowMultipleAllocations", "attributes", "capacity"};
      case Kind::kAttributes:
      case Kind::kCapacities:
        return device_.domains(is_of_capacities(part));
      default:
        return device_.names(is_of_capacities(part), part.domain);
    }
  }

  // --- equality and order ---

  // True, false or an error.
  Value equal(const Value& a, const Value& b) {
    const bool null = std::holds_alternative<std::monostate>(a);
    if (null || std::holds_alternative<std::monostate>(b)) return null && a.index() == b.index();
    if (is_number(a) && is_number(b)) return compare_numbers(a, b) == 0;
    if (a.index() != b.index()) {
      // Kubernetes' own types refuse others, but only on the left side.
      if (get<Quantity>(a) || get<SemverPtr>(a)) return no_overload();
      return false;
    }
    if (const bool* x = get<bool>(a)) return *x == *get<bool>(b);
    if (const Quantity* x = get<Quantity>(a)) return *x == *get<Quantity>(b);
    if (const Str* x = get<Str>(a)) {
      const Str& y = *get<Str>(b);
      charge_text(std::min(x->size(), y.size()));
      return *x == y;
    }
    if (const SemverPtr* x = get<SemverPtr>(a)) {
      const Semver& y = **get<SemverPtr>(b);
      charge_text(std::min((*x)->size(), y.size()));
      return **x == y;
    }
    if (const ValueList* x = get<ValueList>(a)) return equal_lists(**x, **get<ValueList>(b));
    return equal_maps(*get<DevicePart>(a), *get<DevicePart>(b));
  }

  // Lists and maps are unlike only where an element is; one that cannot be compared is not.
  bool unlike(const Value& a, const Value& b) {
    const Value same = equal(a, b);
    return get<bool>(same) && !*get<bool>(same);
  }

  bool equal_lists(const std::vector<Value>& a, const std::vector<Value>& b) {
    if (a.size() != b.size()) return false;
    for (size_t i = 0; i < a.size(); ++i) {
      charge(1);
      if (unlike(a[i], b[i])) return false;
    }
    return true;
  }

  bool equal_maps(const DevicePart& a, const DevicePart& b) {
    const std::vector<Str> names = keys(a);
    charge(names.size());
    if (names.size() != keys(b).size()) return false;
    return std::none_of(names.begin(), names.end(), [&](const Str& name) {
      const std::optional<Value> other = find(b, name);
      return !other || unlike(*find(a, name), *other);
    });
  }

  Value compare(Op op, const Value& a, const Value& b) {
    std::optional<int> order;
    if (is_number(a) && is_number(b)) {
      order = compare_numbers(a, b);
      if (!order) return fail("NaN values cannot be ordered");
    } else if (get<Str>(a) && get<Str>(b)) {
      charge_text(std::min(get<Str>(a)->size(), get<Str>(b)->size()));
      order = get<Str>(a)->view().compare(get<Str>(b)->view());
    } else if (get<bool>(a) && get<bool>(b)) {
      order = int{*get<bool>(a)} - int{*get<bool>(b)};
    } else {
      return no_overload();
    }
    switch (op) {
      case Op::kLess:
        return *order < 0;
      case Op::kLessEqual:
        return *order <= 0;
      case Op::kGreater:
        return *order > 0;
      default:
        return *order >= 0;
    }
  }

  // --- functions ---

  Value arithmetic(Op op, const Value& a, const Value& b) {
    if (get<int64_t>(a) && get<int64_t>(b)) {
      return integer_arithmetic(op, *get<int64_t>(a), *get<int64_t>(b));
    }
    if (get<double>(a) && get<double>(b) && op != Op::kModulo) {
      const double x = *get<double>(a);
      const double y = *get<double>(b);
      return op == Op::kAdd        ? x + y
             : op == Op::kSubtract ? x - y
             : op == Op::kMultiply ? x * y
                                   : x / y;
    }
    if (op != Op::kAdd) return no_overload();
    if (get<Str>(a) && get<Str>(b)) {
      charge_text(get<Str>(a)->size() + get<Str>(b)->size());
      return Str(get<Str>(a)->str() + get<Str>(b)->str());
    }
    if (get<ValueList>(a) && get<ValueList>(b)) {
      const std::vector<Value>& tail = **get<ValueList>(b);
      charge((*get<ValueList>(a))->size() + tail.size());
      std::vector<Value> all = **get<ValueList>(a);
      all.insert(all.end(), tail.begin(), tail.end());
      return std::make_shared<const std::vector<Value>>(std::move(all));
    }
    return no_overload();
  }

  Value matches(const Node& node, const Str& text, const Str& pattern) {
    std::shared_ptr<const re2::RE2> compiled = node.pattern;
    if (!compiled) {
      charge(pattern.size() * kStepsPerPatternByte);
      std::string error;
      compiled = compile_pattern(pattern.view(), &error);
      charge(compiled ? static_cast<size_t>(compiled->ProgramSize()) : kStepsOfBadPattern);
      if (!compiled) return fail(error);
    }
    const auto program = static_cast<size_t>(compiled->ProgramSize());
    charge((text.size() + 1) * program / kProgramBytesPerStep);
    return re2::RE2::PartialMatch(re2::StringPiece(text.view().data(), text.size()), *compiled);
  }

  // The functions of a string; nothing if the arguments are of other types.
  std::optional<Value> of_string(const Node& node, const Str& a, const Value* b) {
    const Str* other = b ? get<Str>(*b) : nullptr;
    switch (node.op) {
      case Op::kContains:
        if (!other) break;
        charge((a.size() / kBytesPerStep + 1) * (other->size() / kBytesPerStep + 1) - 1);
        return a.view().find(other->view()) != std::string_view::npos;
      case Op::kStartsWith:
      case Op::kEndsWith:
        if (!other) break;
        charge_text(std::min(a.size(), other->size()));
        return node.op == Op::kStartsWith ? a.view().starts_with(other->view())
                                          : a.view().ends_with(other->view());
      case Op::kMatches:
        if (!other) break;
        return matches(node, a, *other);
      case Op::kLowerAscii:
      case Op::kUpperAscii:
        charge_text(a.size());
        return in_ascii(a, node.op == Op::kUpperAscii);
      case Op::kIsQuantity:
        charge_text(a.size());
        return Quantity::parse(a).has_value();
      case Op::kQuantity: {
        charge_text(a.size());
        std::string_view error;
        const auto q = Quantity::parse(a, &error);
        if (!q) return fail(error);
        return *q;
      }
      case Op::kSemver:
      case Op::kIsSemver:
        if (b && !get<bool>(*b)) break;
        charge(a.size());  // which becomes many times as much
        return make_semver(node.op, a, b && *get<bool>(*b));
      default:
        break;
    }
    return std::nullopt;
  }

  std::optional<Value> of_semver(Op op, const Semver& a, const Value* b) {
    const SemverPtr* other = b ? get<SemverPtr>(*b) : nullptr;
    switch (op) {
      case Op::kMajor:
        return static_cast<int64_t>(a.major());
      case Op::kMinor:
        return static_cast<int64_t>(a.minor());
      case Op::kPatch:
        return static_cast<int64_t>(a.patch());
      case Op::kIsGreaterThan:
      case Op::kIsLessThan:
      case Op::kCompareTo:
        if (!other) break;
        charge_text(std::min(a.size(), (*other)->size()));
        return ordered(op, a, **other);
      default:
        break;
    }
    return std::nullopt;
  }

  Value contains(const Value& in, const Value& what) {
    if (const ValueList* list = get<ValueList>(in)) {
      for (const Value& item : **list) {
        charge(1);
        const Value same = equal(what, item);
        if (get<bool>(same) && *get<bool>(same)) return true;
      }
      return false;
    }
    const DevicePart* part = get<DevicePart>(in);
    if (!part) return no_overload();
    const Str* name = get<Str>(what);
    if (!name) return false;
    using Kind = DevicePart::Kind;
    if (part->kind == Kind::kAttributes || part->kind == Kind::kCapacities) {
      return device_.has_domain(is_of_capacities(*part), *name);
    }
    return find(*part, *name).has_value();
  }

  Value size(const Value& of) {
    if (const Str* text = get<Str>(of)) {
      charge_text(text->size());
      return characters(*text);
    }
    if (const ValueList* list = get<ValueList>(of)) return static_cast<int64_t>((*list)->size());
    const DevicePart* part = get<DevicePart>(of);
    if (!part) return fail("no such overload: size");
    return static_cast<int64_t>(keys(*part).size());
  }

  // What looks at its arguments' values, all of them good.
  Value strict(const Node& n) {
    Value a = (*this)(n.args[0]);
    if (failed(a)) return a;
    Value second;
    const Value* b = nullptr;
    if (n.args.size() > 1) {
      second = (*this)(n.args[1]);
      if (failed(second)) return second;
      b = &second;
    }
    const bool is_operator = n.op == Op::kNegate || (n.op >= Op::kLess && n.op <= Op::kModulo);
    if (is_operator && n.op != Op::kIn && !has_operator(n.op, a)) {
      return fail("no such overload: " + std::string(n.function));
    }
    switch (n.op) {
      case Op::kIndex:
        return select(a, second, false);
      case Op::kNot:
        return get<bool>(a) ? Value(!*get<bool>(a)) : no_overload();
      case Op::kNegate:
        if (get<int64_t>(a)) return integer_arithmetic(Op::kSubtract, 0, *get<int64_t>(a));
        return get<double>(a) ? Value(-*get<double>(a)) : no_overload();
      case Op::kEqual:
        return equal(a, second);
      case Op::kNotEqual: {
        // What cannot be compared is unlike.
        const Value same = equal(a, second);
        return !get<bool>(same) || !*get<bool>(same);
      }
      case Op::kLess:
      case Op::kLessEqual:
      case Op::kGreater:
      case Op::kGreaterEqual:
        return compare(n.op, a, second);
      case Op::kIn:
        return contains(second, a);
      case Op::kAdd:
      case Op::kSubtract:
      case Op::kMultiply:
      case Op::kDivide:
      case Op::kModulo:
        return arithmetic(n.op, a, second);
      case Op::kSize:
        return size(a);
      default:
        return function(n, a, b);
    }
  }

  Value function(const Node& n, const Value& a, const Value* b) {
    std::optional<Value> result;
    if (get<Str>(a)) result = of_string(n, *get<Str>(a), b);
    if (get<Quantity>(a)) result = of_quantity(n.op, *get<Quantity>(a), b);
    if (get<SemverPtr>(a)) result = of_semver(n.op, **get<SemverPtr>(a), b);
    if (result) return *result;
    // Of strings, cel-go asks the value alone.
    if (n.op >= Op::kContains && n.op <= Op::kMatches) return no_overload();
    std::string types(type_name(a));
    if (b) types += ", " + std::string(type_name(*b));
    return fail("no such overload: " + std::string(n.function) + '(' + types + ')');
  }

  const Program& program_;
  const CelDevice& device_;
  std::vector<Value> variables_;
  size_t steps_ = 0;
};

// The Go type that a result which is no bool cannot be turned into.
std::string conversion_problem(const Value& v) {
  const std::string type(type_name(v));
  const std::string text = "CEL result of type " + type + " could not be converted to bool: ";
  if (get<Str>(v)) return text + "unsupported native conversion from string to 'bool'";
  if (get<int64_t>(v)) return text + "unsupported type conversion from 'int' to bool";
  if (get<double>(v)) return text + "type conversion error from Double to 'bool'";
  if (get<SemverPtr>(v)) return text + "type conversion error from 'Semver' to 'bool'";
  return text + "type conversion error from " + type + " to 'bool'";
}

}  // namespace

}  // namespace cel

// --- devices ---

namespace {

// "domain/name", or a name of the driver's.
CelDevice::Entry named(std::string_view name, const Str& driver) {
  const size_t slash = name.find('/');
  if (slash == std::string_view::npos) return {driver, Str(name), {}};
  return {Str(name.substr(0, slash)), Str(name.substr(slash + 1)), {}};
}

bool before(const CelDevice::Entry& a, const CelDevice::Entry& b) {
  return a.domain != b.domain ? a.domain < b.domain : a.name < b.name;
}

}  // namespace

CelDevice::CelDevice(Str driver, const Device& device) : driver_(std::move(driver)) {
  for (const auto& [name, attribute] : device.attributes) {
    Entry entry = named(name, driver_);
    if (const Json* v = attribute.find("int")) {
      entry.value = v->as_int();
    } else if (const Json* b = attribute.find("bool")) {
      entry.value = b->as_bool();
    } else if (const Json* s = attribute.find("string")) {
      entry.value = s->as_str();
    } else if (const Json* version = attribute.find("version")) {
      std::string why;
      auto parsed = Semver::parse(version->as_view(), &why);
      if (!parsed) {
        error_ = "attribute " + name.str() + ": parse semantic version: " + why;
        return;
      }
      entry.value = std::make_shared<const Semver>(std::move(*parsed));
    } else {
      error_ = "attribute " + name.str() + ": unsupported attribute value";
      return;
    }
    attributes_.push_back(std::move(entry));
  }
  for (const auto& [name, capacity] : device.capacity) {
    Entry entry = named(name, driver_);
    const Json& value = capacity["value"];
    const std::string text = value.is_string() ? value.as_str().str() : value.number_text();
    entry.value = Quantity::parse(text).value_or(Quantity());
    capacities_.push_back(std::move(entry));
  }
  std::stable_sort(attributes_.begin(), attributes_.end(), before);
  std::stable_sort(capacities_.begin(), capacities_.end(), before);
}

const cel::Value* CelDevice::find(bool capacity, std::string_view domain,
                                  std::string_view name) const {
  for (const Entry& e : capacity ? capacities_ : attributes_) {
    if (e.name == name && e.domain == domain) return &e.value;
  }
  return nullptr;
}

bool CelDevice::has_domain(bool capacity, std::string_view domain) const {
  const std::vector<Entry>& entries = capacity ? capacities_ : attributes_;
  return std::any_of(entries.begin(), entries.end(),
                     [domain](const Entry& e) { return e.domain == domain; });
}

std::vector<Str> CelDevice::domains(bool capacity) const {
  std::vector<Str> out;
  for (const Entry& e : capacity ? capacities_ : attributes_) {
    if (out.empty() || e.domain != out.back()) out.push_back(e.domain);
  }
  return out;
}

std::vector<Str> CelDevice::names(bool capacity, std::string_view domain) const {
  std::vector<Str> out;
  for (const Entry& e : capacity ? capacities_ : attributes_) {
    if (e.domain == domain) out.push_back(e.name);
  }
  return out;
}

// --- selectors ---

CelSelector::CelSelector(std::unique_ptr<const cel::Program> program)
    : program_(std::move(program)) {}
CelSelector::~CelSelector() = default;

std::shared_ptr<const CelSelector> CelSelector::compile(std::string_view expression,
                                                        std::string* error) {
  std::string why;
  auto program = cel::compile(expression, &why);
  if (!program) {
    if (error) *error = std::move(why);
    return nullptr;
  }
  return std::shared_ptr<const CelSelector>(new CelSelector(std::move(program)));
}

bool CelSelector::matches(const CelDevice& device, std::string* error) const {
  error->clear();
  if (!device.error().empty()) {
    *error = device.error();
    return false;
  }
  cel::Evaluation evaluate(*program_, device);
  cel::Value result;
  try {
    result = evaluate(program_->root);
  } catch (const cel::TooManySteps&) {
    result = cel::fail("operation cancelled: actual cost limit exceeded");
  }
  if (const bool* b = std::get_if<bool>(&result)) return *b;
  const auto* failure = std::get_if<cel::Error>(&result);
  *error = failure ? failure->message.str() : cel::conversion_problem(result);
  return false;
}

}  // namespace mainspring::api

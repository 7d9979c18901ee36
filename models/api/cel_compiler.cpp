#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <optional>

#include "models/api/cel_program.h"
#include "models/api/utf8.h"

// Reads and checks expressions: grammar of cel-spec, types and messages of cel-go v0.26. Problems
// of types are all reported, in the order of their places, then those of literals; of syntax the
// first one alone.
namespace mainspring::api::cel {

namespace {

// cel-go's default (parser.Options).
constexpr uint16_t kMaxDepth = 250;
// Of lists in lists; what walks through values goes as deep.
constexpr uint32_t kMaxListDepth = 250;
// cel-go counts what is beyond, and shows no longer lines (common/errors.go, common/error.go).
constexpr size_t kMaxProblems = 100;
constexpr size_t kMaxSnippet = 16384;
// resource.k8s.io/v1 CELSelectorExpressionMaxCost bounds a compiled pattern too.
constexpr int64_t kPatternMemory = 1 << 20;

// --- types ---

enum class Base : uint8_t {
  kNone,     // not a type
  kAny,      // known only when it is evaluated
  kDyn,      // likewise, of what has several types
  kUnknown,  // not followed here: in an empty list, in lists of lists
  kError,    // of what has no type: whatever is made of it is not complained about again
  kBool,
  kInt,
  kUint,  // no value's; operators have it too
  kDouble,
  kString,
  kNull,
  kQuantity,
  kSemver,
  kDevice,
  kAttributes,
  kCapacities,
  kAttributeNames,
  kCapacityNames,
  kMap,  // in parameters: any of the four above
  kList,
};

struct Type {
  Base base = Base::kAny;
  Base element = Base::kUnknown;                                               // of a list
  Type(Base b = Base::kAny, Base e = Base::kUnknown) : base(b), element(e) {}  // NOLINT: implicit
  friend bool operator==(Type a, Type b) = default;
};

std::string name_of(Base base) {
  switch (base) {
    case Base::kNone:
      return "";
    case Base::kAny:
      return "any";
    case Base::kDyn:
    case Base::kUnknown:
      return "dyn";
    case Base::kError:
      return "!error!";
    case Base::kBool:
      return "bool";
    case Base::kInt:
      return "int";
    case Base::kUint:
      return "uint";
    case Base::kDouble:
      return "double";
    case Base::kString:
      return "string";
    case Base::kNull:
      return "null";
    case Base::kQuantity:
      return "kubernetes.Quantity";
    case Base::kSemver:
      return "kubernetes.Semver";
    case Base::kDevice:
      return "kubernetes.DRADevice";
    case Base::kAttributes:
      return "map(string, map(string, any))";
    case Base::kCapacities:
      return "map(string, map(string, kubernetes.Quantity))";
    case Base::kAttributeNames:
      return "map(string, any)";
    case Base::kCapacityNames:
      return "map(string, kubernetes.Quantity)";
    case Base::kMap:
      return "map";
    case Base::kList:
      return "list(dyn)";
  }
  return {};
}

std::string name_of(Type t) {
  return t.base == Base::kList ? "list(" + name_of(t.element) + ')' : name_of(t.base);
}

bool is_open(Type t) { return t.base >= Base::kAny && t.base <= Base::kError; }
bool is_map(Base b) { return b >= Base::kAttributes && b <= Base::kMap; }

// What an index or a selection of a map is.
Type value_type(Base map) {
  switch (map) {
    case Base::kAttributes:
      return Base::kAttributeNames;
    case Base::kCapacities:
      return Base::kCapacityNames;
    case Base::kCapacityNames:
      return Base::kQuantity;
    default:
      return Base::kAny;
  }
}

// Whether a value of type `t` can stand for one of type `want`, as far as is known.
bool fits(Type t, Type want) {
  if (is_open(t) || is_open(want)) return true;
  if (is_map(t.base) && is_map(want.base)) {
    return want.base == Base::kMap || fits(value_type(t.base), value_type(want.base));
  }
  if (t.base != want.base) return false;
  return t.base != Base::kList || fits(t.element, want.element);
}

// Of two types that fit each other, the one of which less is known: the second, if neither is.
// cel-go's mostGeneral(), checker/types.go.
bool says_no_more(Type a, Type b) {
  const auto is_dynamic = [](Type t) { return t.base == Base::kAny || t.base == Base::kDyn; };
  if (a.base == Base::kUnknown || b.base == Base::kUnknown) return b.base == Base::kUnknown;
  if (is_dynamic(a) || is_dynamic(b)) return is_dynamic(a);
  if (is_map(a.base) && is_map(b.base)) {
    return says_no_more(value_type(a.base), value_type(b.base));
  }
  if (a.base != b.base) return false;
  return a.base != Base::kList || says_no_more(a.element, b.element);
}
Type most_general(Type a, Type b) { return says_no_more(a, b) ? a : b; }

// --- functions ---

struct Overload {
  std::string_view name;
  bool member;
  Op op;
  Type result;
  std::array<Type, 2> params;  // the receiver first
};

constexpr std::string_view kOrderNames[] = {"_<_", "_<=_", "_>_", "_>=_"};
constexpr Op kOrderOps[] = {Op::kLess, Op::kLessEqual, Op::kGreater, Op::kGreaterEqual};

std::vector<Overload> make_overloads() {
  using B = Base;
  std::vector<Overload> out;
  for (size_t i = 0; i < 4; ++i) {
    for (const auto& [a, b] : {std::pair(B::kBool, B::kBool),
                               {B::kInt, B::kInt},
                               {B::kDouble, B::kDouble},
                               {B::kString, B::kString},
                               {B::kInt, B::kDouble},
                               {B::kDouble, B::kInt}}) {
      out.push_back({kOrderNames[i], false, kOrderOps[i], B::kBool, {a, b}});
    }
  }
  const auto arithmetic = [&out](std::string_view name, Op op, std::initializer_list<B> types) {
    for (B t : types) out.push_back({name, false, op, t, {t, t}});
  };
  arithmetic("_+_", Op::kAdd, {B::kInt, B::kDouble, B::kString, B::kList});
  arithmetic("_-_", Op::kSubtract, {B::kInt, B::kDouble});
  arithmetic("_*_", Op::kMultiply, {B::kInt, B::kDouble});
  arithmetic("_/_", Op::kDivide, {B::kInt, B::kDouble});
  arithmetic("_%_", Op::kModulo, {B::kInt, B::kUint});
  out.push_back({"-_", false, Op::kNegate, B::kInt, {B::kInt, B::kNone}});
  out.push_back({"-_", false, Op::kNegate, B::kDouble, {B::kDouble, B::kNone}});
  out.push_back({"!_", false, Op::kNot, B::kBool, {B::kBool, B::kNone}});
  for (bool member : {false, true}) {
    for (B t : {B::kString, B::kList, B::kMap}) {
      out.push_back({"size", member, Op::kSize, B::kInt, {t, B::kNone}});
    }
    out.push_back({"matches", member, Op::kMatches, B::kBool, {B::kString, B::kString}});
  }
  const auto of = [&out](B receiver, std::string_view name, Op op, B result, B arg = B::kNone) {
    out.push_back({name, true, op, result, {receiver, arg}});
  };
  of(B::kString, "contains", Op::kContains, B::kBool, B::kString);
  of(B::kString, "startsWith", Op::kStartsWith, B::kBool, B::kString);
  of(B::kString, "endsWith", Op::kEndsWith, B::kBool, B::kString);
  of(B::kString, "lowerAscii", Op::kLowerAscii, B::kString);
  of(B::kString, "upperAscii", Op::kUpperAscii, B::kString);
  out.push_back({"quantity", false, Op::kQuantity, B::kQuantity, {B::kString, B::kNone}});
  out.push_back({"isQuantity", false, Op::kIsQuantity, B::kBool, {B::kString, B::kNone}});
  out.push_back({"sign", false, Op::kSign, B::kInt, {B::kQuantity, B::kNone}});
  of(B::kQuantity, "isInteger", Op::kIsInteger, B::kBool);
  of(B::kQuantity, "asInteger", Op::kAsInteger, B::kInt);
  of(B::kQuantity, "asApproximateFloat", Op::kAsApproximateFloat, B::kDouble);
  for (B t : {B::kQuantity, B::kInt}) {
    of(B::kQuantity, "add", Op::kAddTo, B::kQuantity, t);
    of(B::kQuantity, "sub", Op::kSubtractFrom, B::kQuantity, t);
  }
  for (B t : {B::kQuantity, B::kSemver}) {
    of(t, "isGreaterThan", Op::kIsGreaterThan, B::kBool, t);
    of(t, "isLessThan", Op::kIsLessThan, B::kBool, t);
    of(t, "compareTo", Op::kCompareTo, B::kInt, t);
  }
  for (B normalize : {B::kNone, B::kBool}) {
    out.push_back({"semver", false, Op::kSemver, B::kSemver, {B::kString, normalize}});
    out.push_back({"isSemver", false, Op::kIsSemver, B::kBool, {B::kString, normalize}});
  }
  of(B::kSemver, "major", Op::kMajor, B::kInt);
  of(B::kSemver, "minor", Op::kMinor, B::kInt);
  of(B::kSemver, "patch", Op::kPatch, B::kInt);
  return out;
}

// Of the environment that Kubernetes gives expressions (apiserver/pkg/cel/environment), and not
// evaluated here. Sorted.
constexpr std::string_view kOtherFunctions[] = {
    "bool",          "bytes",        "charAt",      "cidr",      "containsCIDR", "containsIP",
    "distinct",      "double",       "duration",    "dyn",       "filter",       "find",
    "findAll",       "flatten",      "format",      "getDate",   "getHours",     "hasValue",
    "indexOf",       "int",          "ip",          "isCIDR",    "isIP",         "isSorted",
    "isURL",         "join",         "lastIndexOf", "lists",     "map",          "max",
    "min",           "or",           "orValue",     "replace",   "reverse",      "slice",
    "sort",          "split",        "string",      "substring", "sum",          "timestamp",
    "transformList", "transformMap", "trim",        "type",      "uint",         "url",
    "validate",      "value"};
constexpr std::string_view kOtherNamespaces[] = {"base64", "format",   "google", "lists",  "math",
                                                 "net",    "optional", "sets",   "strings"};
// Words that cannot be names.
constexpr std::string_view kKeywords[] = {"false", "in", "null", "true"};
// Names reserved by the language. Sorted.
constexpr std::string_view kReserved[] = {
    "as",  "break", "const",     "continue", "else",   "for", "function", "if",   "import",
    "let", "loop",  "namespace", "package",  "return", "var", "void",     "while"};

// --- tokens ---

enum class TokenKind : uint8_t { kEnd, kIdent, kInt, kDouble, kString, kSymbol };

struct Token {
  TokenKind kind = TokenKind::kEnd;
  uint32_t at = 0;
  std::string_view text;  // of identifiers, numbers and symbols
  std::string value;      // of strings, without quotes and escapes
};

// What stops the reading of an expression.
struct Failure {
  uint32_t at;
  std::string message;
};

// Problems that do not stop it.
struct Problems {
  std::vector<Failure> first;  // kMaxProblems of them
  size_t count = 0;

  void add(uint32_t at, std::string message) {
    if (++count <= kMaxProblems) first.push_back({at, std::move(message)});
  }
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool is_tail(char c) { return (c & 0xC0) == 0x80; }  // of a character of several bytes
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  std::optional<Failure> failure;

  Token next() {
    skip_space();
    Token t;
    t.at = static_cast<uint32_t>(pos_);
    if (pos_ == text_.size() || failure) return t;
    const char c = text_[pos_];
    const char following = pos_ + 1 < text_.size() ? text_[pos_ + 1] : '\0';
    if (c == '"' || c == '\'') return read_string(t, false);
    if ((c == 'r' || c == 'R') && (following == '"' || following == '\'')) {
      ++pos_;
      return read_string(t, true);
    }
    if ((c == 'b' || c == 'B') && (following == '"' || following == '\'')) {
      return fail(t, "Mainspring does not evaluate bytes literals");
    }
    if (is_digit(c) || (c == '.' && is_digit(following))) return read_number(t);
    if (is_letter(c)) {
      size_t end = pos_;
      while (end < text_.size() && (is_letter(text_[end]) || is_digit(text_[end]))) ++end;
      return take(t, TokenKind::kIdent, end);
    }
    for (std::string_view two : {"&&", "||", "==", "!=", "<=", ">=", ".?", "[?"}) {
      if (text_.substr(pos_).starts_with(two)) return take(t, TokenKind::kSymbol, pos_ + 2);
    }
    if (std::string_view("+-*/%<>!?:.,()[]{}").find(c) == std::string_view::npos) {
      size_t end = pos_ + 1;
      while (end < text_.size() && is_tail(text_[end])) ++end;
      return fail(t, "Syntax error: token recognition error at: '" +
                         std::string(text_.substr(pos_, end - pos_)) + "'");
    }
    return take(t, TokenKind::kSymbol, pos_ + 1);
  }

 private:
  void skip_space() {
    while (pos_ < text_.size()) {
      if (std::string_view(" \t\r\n\f").find(text_[pos_]) != std::string_view::npos) {
        ++pos_;
      } else if (text_.substr(pos_).starts_with("//")) {
        pos_ = std::min(text_.find('\n', pos_), text_.size());
      } else {
        return;
      }
    }
  }

  Token fail(Token t, std::string message) {
    failure = Failure{t.at, std::move(message)};
    return t;
  }
  Token take(Token t, TokenKind kind, size_t end) {
    t.kind = kind;
    t.text = text_.substr(pos_, end - pos_);
    pos_ = end;
    return t;
  }

  Token read_number(const Token& t) {
    size_t end = pos_;
    const auto digits = [&] {
      const size_t from = end;
      while (end < text_.size() && is_digit(text_[end])) ++end;
      return end > from;
    };
    bool is_double = false;
    if (text_.substr(pos_).starts_with("0x")) {
      end += 2;
      while (end < text_.size() && is_hex(text_[end])) ++end;
    } else {
      digits();
      if (end + 1 < text_.size() && text_[end] == '.' && is_digit(text_[end + 1])) {
        is_double = true;
        ++end;
        digits();
      }
      if (end < text_.size() && (text_[end] == 'e' || text_[end] == 'E')) {
        const size_t mantissa = end++;
        if (end < text_.size() && (text_[end] == '+' || text_[end] == '-')) ++end;
        if (digits()) {
          is_double = true;
        } else {
          end = mantissa;
        }
      }
    }
    if (!is_double && end < text_.size() && (text_[end] == 'u' || text_[end] == 'U')) {
      return fail(t, "Mainspring does not evaluate uint literals");
    }
    return take(t, is_double ? TokenKind::kDouble : TokenKind::kInt, end);
  }

  Token read_string(Token t, bool raw) {
    const char quote = text_[pos_];
    std::string close(1, quote);
    if (text_.substr(pos_).starts_with(std::string(3, quote))) close = std::string(3, quote);
    const bool multiline = close.size() == 3;
    pos_ += close.size();
    while (!text_.substr(pos_).starts_with(close)) {
      bool good = pos_ < text_.size() && (multiline || text_[pos_] != '\n');
      if (good && text_[pos_] == '\\' && !raw) {
        good = read_escape(t.value);
      } else if (good) {
        t.value += text_[pos_++];
      }
      if (!good) {
        return fail(t, "Syntax error: token recognition error at: '" +
                           std::string(text_.substr(t.at)) + "'");
      }
    }
    pos_ += close.size();
    t.kind = TokenKind::kString;
    return t;
  }

  // A backslash and what it stands for. False if it is none that the language has.
  bool read_escape(std::string& out) {
    if (pos_ + 1 >= text_.size()) return false;
    const char c = text_[pos_ + 1];
    constexpr std::string_view kFrom = "abfnrtv\\?\"'`";
    constexpr std::string_view kTo = "\a\b\f\n\r\t\v\\?\"'`";
    if (const size_t i = kFrom.find(c); i != std::string_view::npos) {
      out += kTo[i];
      pos_ += 2;
      return true;
    }
    const bool octal = c >= '0' && c <= '3';
    const size_t n = c == 'x' || c == 'X' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : octal ? 3 : 0;
    const size_t from = pos_ + (octal ? 1 : 2);
    if (n == 0 || from + n > text_.size()) return false;
    uint32_t rune = 0;
    const char* first = text_.data() + from;
    const auto [end, ec] = std::from_chars(first, first + n, rune, octal ? 8 : 16);
    const bool valid = rune <= 0x10FFFF && !(rune >= 0xD800 && rune <= 0xDFFF);
    if (ec != std::errc() || end != first + n || !valid) return false;
    append_utf8(rune, out);
    pos_ = from + n;
    return true;
  }

  std::string_view text_;
  size_t pos_ = 0;
};

// --- parser and checker ---

class Compiler {
 public:
  explicit Compiler(std::string_view text) : text_(text), lexer_(text) { advance(); }

  std::unique_ptr<const Program> compile(std::string* error) {
    const NodeId root = expression();
    if (!syntax_ && token_.kind != TokenKind::kEnd) unexpected();
    Problems problems = type_problems_.count == 0 ? literal_problems_ : type_problems_;
    if (syntax_) problems = {{*syntax_}, 1};
    if (lexer_.failure) problems = {{*lexer_.failure}, 1};
    if (problems.count > 0) {
      *error = "compilation failed: " + shown(std::move(problems));
      return nullptr;
    }
    const Base result = types_[root].base;
    if (result != Base::kBool && result != Base::kAny && result != Base::kUnknown) {
      const std::string name = result == Base::kNull ? "null_type" : name_of(types_[root]);
      *error = "must evaluate to bool or the unknown type, not " + name;
      return nullptr;
    }
    program_->root = root;
    return std::move(program_);
  }

 private:
  struct Variable {
    std::string_view name;
    uint32_t slot;
    Type type;
    uint32_t list_depth;
  };

  // --- problems ---

  void syntax_problem(uint32_t at, std::string message) {
    if (!syntax_) syntax_ = Failure{at, std::move(message)};
    token_ = Token();  // reading ends
    token_.at = at;
  }
  void unexpected() {
    const bool end = token_.kind == TokenKind::kEnd;
    const std::string what = end                                 ? "<EOF>"
                             : token_.kind == TokenKind::kString ? "string"
                                                                 : std::string(token_.text);
    syntax_problem(token_.at, "Syntax error: unexpected '" + what + "'");
  }
  void type_problem(uint32_t at, std::string message) {
    type_problems_.add(at, std::move(message));
  }
  void refused(uint32_t at, std::string_view what) {
    type_problem(at, "Mainspring does not evaluate " + std::string(what));
  }

  std::string shown(Problems problems) const {
    std::stable_sort(problems.first.begin(), problems.first.end(),
                     [](const Failure& a, const Failure& b) { return a.at < b.at; });
    std::string text;
    for (const Failure& f : problems.first) text += (text.empty() ? "" : "\n") + shown(f);
    if (problems.count > kMaxProblems) {
      text += '\n' + std::to_string(problems.count - kMaxProblems) + " more errors were truncated";
    }
    return text;
  }

  // As cel-go shows it: place, message, the line and a mark below, wide below wide characters.
  std::string shown(const Failure& f) const {
    const size_t at = std::min<size_t>(f.at, text_.size());
    const std::string_view before = text_.substr(0, at);
    const size_t line_number = static_cast<size_t>(std::count(before.begin(), before.end(), '\n'));
    const size_t from = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
    const std::string_view line =
        text_.substr(from, std::min(text_.find('\n', from), text_.size()) - from);
    const auto is_wide = [&](size_t i) { return i + 1 < text_.size() && is_tail(text_[i + 1]); };
    std::string marks;
    size_t column = 1;
    for (size_t i = from; i < at; ++i) {
      if (is_tail(text_[i])) continue;
      ++column;
      marks += is_wide(i) ? "\uff0e" : ".";
    }
    marks += is_wide(at) ? "\uff3e" : "^";
    std::string text = "ERROR: <input>:" + std::to_string(line_number + 1) + ':' +
                       std::to_string(column) + ": " + f.message;
    if (line.size() > kMaxSnippet) return text;
    std::string snippet(line);
    std::replace(snippet.begin(), snippet.end(), '\t', ' ');
    return text + "\n | " + snippet + "\n | " + marks;
  }

  // --- tokens ---

  void advance() {
    token_ = lexer_.next();
    if (syntax_) token_.kind = TokenKind::kEnd;
  }
  bool at_symbol(std::string_view s) const {
    return token_.kind == TokenKind::kSymbol && token_.text == s;
  }
  bool accept(std::string_view s) {
    if (!at_symbol(s)) return false;
    advance();
    return true;
  }
  void expect(std::string_view s) {
    if (!accept(s)) unexpected();
  }

  // --- nodes ---

  NodeId add(Op op, uint32_t at, std::vector<NodeId> args, Type type) {
    Node node;
    node.op = op;
    node.at = at;
    uint32_t list_depth = 0;
    for (NodeId id : args) {
      node.depth =
          std::max<uint16_t>(node.depth, static_cast<uint16_t>(program_->nodes[id].depth + 1));
      list_depth = std::max(list_depth, list_depths_[id]);
    }
    if (node.depth > kMaxDepth) too_deep(at);
    if (op == Op::kList && ++list_depth > kMaxListDepth) {
      syntax_problem(at, "Mainspring does not evaluate lists nested deeper than " +
                             std::to_string(kMaxListDepth));
    }
    list_depths_.push_back(list_depth);
    node.args = std::move(args);
    program_->nodes.push_back(std::move(node));
    types_.push_back(type);
    return static_cast<NodeId>(program_->nodes.size() - 1);
  }
  NodeId constant(uint32_t at, Value value, Type type) {
    const NodeId id = add(Op::kConstant, at, {}, type);
    program_->nodes[id].value = std::move(value);
    return id;
  }
  void too_deep(uint32_t at) {
    syntax_problem(at, "expression recursion limit exceeded: " + std::to_string(kMaxDepth));
  }
  Node& node(NodeId id) { return program_->nodes[id]; }

  std::string signature(const std::vector<NodeId>& args, bool member) const {
    std::string text;
    for (size_t i = member ? 1 : 0; i < args.size(); ++i) {
      text += (text.empty() ? "" : ", ") + name_of(types_[args[i]]);
    }
    text = '(' + text + ')';
    return member ? name_of(types_[args[0]]) + '.' + text : text;
  }
  void no_overload(uint32_t at, std::string_view name, const std::vector<NodeId>& args,
                   bool member) {
    type_problem(at, "found no matching overload for '" + std::string(name) + "' applied to '" +
                         signature(args, member) + "'");
  }

  // A call of a function or an operator of the table.
  NodeId call(uint32_t at, std::string_view name, std::vector<NodeId> args, bool member,
              bool dotted = false) {
    const Overload* found = nullptr;
    bool known = false;
    Type result;
    for (const Overload& o : overloads_) {
      if (o.name != name) continue;
      known = true;
      const size_t n = o.params[1].base == Base::kNone ? 1 : 2;
      if (o.member != member || n != args.size()) continue;
      bool good = true;
      for (size_t i = 0; i < n; ++i) good = good && fits(types_[args[i]], o.params[i]);
      // Two lists must be of one type.
      if (n == 2 && o.result.base == Base::kList)
        good = good && fits(types_[args[0]], types_[args[1]]);
      if (!good) continue;
      result = found && !(result == o.result) ? Type(Base::kDyn) : o.result;
      found = &o;
    }
    if (found) {
      if (result.base == Base::kList) {
        // What is known of both.
        const Type a = types_[args[0]];
        const Type b = types_[args[1]];
        result = is_open(a) ? b : is_open(b) ? a : most_general(b, a);
      }
      const NodeId id = add(found->op, at, std::move(args), result);
      node(id).function = found->name;
      if (found->op == Op::kMatches) read_pattern(id);
      return id;
    }
    if (known) {
      no_overload(at, name, args, member);
    } else if (std::binary_search(std::begin(kOtherFunctions), std::end(kOtherFunctions), name)) {
      refused(at, "the function '" + std::string(name) + "'");
    } else {
      undeclared(at, (dotted ? "." : "") + std::string(name));
    }
    return constant(at, Value(), Base::kError);
  }
  void undeclared(uint32_t at, std::string_view name) {
    type_problem(at, "undeclared reference to '" + std::string(name) + "' (in container '')");
  }
  void read_pattern(NodeId id) {
    const Node& pattern = node(node(id).args[1]);
    if (pattern.op != Op::kConstant) return;
    const Str* text = std::get_if<Str>(&pattern.value);
    if (!text) return;
    std::string error;
    node(id).pattern = compile_pattern(text->view(), &error);
    if (!node(id).pattern) literal_problems_.add(pattern.at, "invalid matches argument");
  }

  // --- grammar, from the loosest binding to the tightest ---

  NodeId expression() {
    if (++nesting_ > kMaxDepth) too_deep(token_.at);
    const NodeId condition = chain("||", Op::kOr);
    NodeId result = condition;
    if (at_symbol("?")) {
      const uint32_t at = token_.at;
      advance();
      const NodeId yes = chain("||", Op::kOr);
      expect(":");
      const NodeId no = expression();
      Type type = most_general(types_[no], types_[yes]);
      if (!fits(types_[condition], Base::kBool) || !fits(types_[yes], types_[no])) {
        no_overload(at, "_?_:_", {condition, yes, no}, false);
        type = Base::kError;
      }
      result = add(Op::kConditional, at, {condition, yes, no}, type);
    }
    --nesting_;
    return result;
  }

  // a || b || c, each of them a && b && c.
  NodeId chain(std::string_view symbol, Op op) {
    const auto next = [&] { return op == Op::kOr ? chain("&&", Op::kAnd) : relation(); };
    std::vector<NodeId> terms = {next()};
    const uint32_t at = token_.at;
    while (accept(symbol)) terms.push_back(next());
    if (terms.size() == 1) return terms[0];
    Type type = Base::kBool;
    for (NodeId term : terms) {
      if (!expect_bool(term)) type = Base::kError;
    }
    return add(op, at, std::move(terms), type);
  }

  bool expect_bool(NodeId id) {
    if (fits(types_[id], Base::kBool)) return true;
    type_problem(node(id).at, "expected type 'bool' but found '" + name_of(types_[id]) + "'");
    return false;
  }

  NodeId relation() {
    NodeId left = sum();
    while (true) {
      const uint32_t at = token_.at;
      if (token_.kind == TokenKind::kIdent && token_.text == "in") {
        advance();
        left = membership(at, left, sum());
      } else if (at_symbol("==") || at_symbol("!=")) {
        const bool equal = token_.text == "==";
        advance();
        const NodeId right = sum();
        const bool good = fits(types_[left], types_[right]);
        if (!good) no_overload(at, equal ? "_==_" : "_!=_", {left, right}, false);
        left = add(equal ? Op::kEqual : Op::kNotEqual, at, {left, right},
                   good ? Base::kBool : Base::kError);
      } else if (at_symbol("<") || at_symbol("<=") || at_symbol(">") || at_symbol(">=")) {
        const std::string name = '_' + std::string(token_.text) + '_';
        advance();
        const NodeId right = sum();
        left = call(at, name, {left, right}, false);
      } else {
        return left;
      }
    }
  }

  NodeId membership(uint32_t at, NodeId left, NodeId right) {
    const Type in = types_[right];
    const bool good = is_open(in) || (in.base == Base::kList && fits(types_[left], in.element)) ||
                      (is_map(in.base) && fits(types_[left], Base::kString));
    if (!good) no_overload(at, "@in", {left, right}, false);
    // cel-go does not look for anything in an empty list.
    if (node(right).op == Op::kList && node(right).args.empty()) {
      return constant(at, false, Base::kBool);
    }
    return add(Op::kIn, at, {left, right}, good ? Base::kBool : Base::kError);
  }

  NodeId sum() {
    NodeId left = product();
    while (at_symbol("+") || at_symbol("-")) {
      const uint32_t at = token_.at;
      const std::string name = '_' + std::string(token_.text) + '_';
      advance();
      left = call(at, name, {left, product()}, false);
    }
    return left;
  }

  NodeId product() {
    NodeId left = unary();
    while (at_symbol("*") || at_symbol("/") || at_symbol("%")) {
      const uint32_t at = token_.at;
      const std::string name = '_' + std::string(token_.text) + '_';
      advance();
      left = call(at, name, {left, unary()}, false);
    }
    return left;
  }

  // Two signs of a kind cancel each other.
  NodeId unary() {
    const uint32_t at = token_.at;
    if (!at_symbol("!") && !at_symbol("-")) return member();
    const std::string symbol(token_.text);
    bool odd = false;
    while (accept(symbol)) odd = !odd;
    const bool number = token_.kind == TokenKind::kInt || token_.kind == TokenKind::kDouble;
    if (symbol == "-" && odd && number) return selections(literal_number(at, true));
    const NodeId operand = member();
    return odd ? call(at, symbol + '_', {operand}, false) : operand;
  }

  NodeId member() { return selections(primary()); }

  NodeId selections(NodeId left) {
    while (true) {
      const uint32_t at = token_.at;
      if (accept(".")) {
        const std::string_view name = identifier();
        left = at_symbol("(") ? member_call(left, name) : select(at, left, name);
      } else if (accept("[")) {
        const NodeId index = expression();
        expect("]");
        left = subscript(at, left, index);
      } else if (at_symbol(".?") || at_symbol("[?")) {
        syntax_problem(at, "Mainspring does not evaluate optional fields ('" +
                               std::string(token_.text) + "')");
      } else {
        return left;
      }
    }
  }

  std::string_view identifier() {
    const std::string_view name = token_.text;
    if (token_.kind != TokenKind::kIdent) {
      unexpected();
      return {};
    }
    if (std::find(std::begin(kKeywords), std::end(kKeywords), name) != std::end(kKeywords)) {
      unexpected();
      return {};
    }
    if (std::binary_search(std::begin(kReserved), std::end(kReserved), name)) {
      syntax_problem(token_.at, "reserved identifier: " + std::string(name));
      return {};
    }
    advance();
    return name;
  }

  Type undefined(uint32_t at, std::string_view name) {
    type_problem(at, "undefined field '" + std::string(name) + "'");
    return Base::kError;
  }

  static Type part_of_open(Base of) { return of == Base::kUnknown ? of : Base::kDyn; }

  NodeId select(uint32_t at, NodeId operand, std::string_view name) {
    const Base of = types_[operand].base;
    Type type;
    if (of == Base::kDevice) {
      if (name == "driver") {
        type = Base::kString;
      } else if (name == "attributes") {
        type = Base::kAttributes;
      } else if (name == "capacity") {
        type = Base::kCapacities;
      } else {
        type = undefined(at, name);
      }
    } else if (is_map(of)) {
      type = value_type(of);
    } else if (of == Base::kQuantity || of == Base::kSemver) {
      type = undefined(at, name);
    } else if (is_open(of)) {
      type = part_of_open(of);
    } else {
      type = Base::kError;
      type_problem(at, "type '" + name_of(types_[operand]) + "' does not support field selection");
    }
    const NodeId id = add(Op::kSelect, at, {operand}, type);
    node(id).name = Str(name);
    return id;
  }

  NodeId subscript(uint32_t at, NodeId operand, NodeId index) {
    const Type of = types_[operand];
    Type type;
    if (is_map(of.base) && fits(types_[index], Base::kString)) {
      type = value_type(of.base);
    } else if (of.base == Base::kList && fits(types_[index], Base::kInt)) {
      type = of.element;
    } else if (is_open(of)) {
      type = part_of_open(of.base);
    } else {
      no_overload(at, "_[_]", {operand, index}, false);
      type = Base::kError;
    }
    return add(Op::kIndex, at, {operand, index}, type);
  }

  std::vector<NodeId> arguments(std::string_view close) {
    std::vector<NodeId> args;
    while (!at_symbol(close) && !syntax_ && !lexer_.failure) {
      args.push_back(expression());
      if (!accept(",")) break;
      // A list may end in a comma.
      if (close == ")" && at_symbol(close)) unexpected();
    }
    expect(close);
    return args;
  }

  NodeId member_call(NodeId receiver, std::string_view name) {
    const uint32_t at = token_.at;
    advance();
    if (name == "all" || name == "exists" || name == "exists_one") {
      return comprehension(at, receiver, name);
    }
    if (std::binary_search(std::begin(kOtherFunctions), std::end(kOtherFunctions), name)) {
      // Its arguments may declare variables, which would be complained about instead.
      refused(at, "the function '" + std::string(name) + "'");
    }
    std::vector<NodeId> args = arguments(")");
    args.insert(args.begin(), receiver);
    return call(at, name, std::move(args), true);
  }

  // list.all(x, predicate) and its like.
  NodeId comprehension(uint32_t at, NodeId range, std::string_view name) {
    const Type of = types_[range];
    if (is_map(of.base)) {
      refused(at, "the macro '" + std::string(name) + "' of a map");
    } else if (!fits(of, Base::kList) || of.base == Base::kAny) {
      type_problem(node(range).at,
                   "expression of type '" + name_of(of) +
                       "' cannot be range of a comprehension (must be list, map, or dynamic)");
    }
    const std::string_view variable = identifier();
    expect(",");
    variables_.push_back({variable, program_->variables++, Type(of.element), list_depths_[range]});
    const uint32_t slot = variables_.back().slot;
    const NodeId predicate = expression();
    variables_.pop_back();
    if (at_symbol(",")) {
      syntax_problem(at, "Mainspring does not evaluate comprehensions of two variables");
    }
    expect(")");
    expect_bool(predicate);
    const Op op = name == "all" ? Op::kAll : name == "exists" ? Op::kExists : Op::kExistsOne;
    const NodeId id = add(op, at, {range, predicate}, Base::kBool);
    node(id).variable = slot;
    return id;
  }

  NodeId primary() {
    const uint32_t at = token_.at;
    switch (token_.kind) {
      case TokenKind::kInt:
      case TokenKind::kDouble:
        return literal_number(at, false);
      case TokenKind::kString: {
        const Str value(token_.value);
        advance();
        return constant(at, value, Base::kString);
      }
      case TokenKind::kIdent:
        return word();
      case TokenKind::kSymbol:
        if (accept("-")) {
          // The sign of a number, after another operator.
          if (token_.kind == TokenKind::kInt || token_.kind == TokenKind::kDouble) {
            return literal_number(at, true);
          }
          unexpected();
          break;
        }
        if (accept("(")) {
          const NodeId inner = expression();
          expect(")");
          return inner;
        }
        if (accept("[")) return list(at);
        if (accept(".")) return name(true);
        if (at_symbol("{")) {
          syntax_problem(at, "Mainspring does not evaluate map literals");
          break;
        }
        unexpected();
        break;
      case TokenKind::kEnd:
        unexpected();
        break;
    }
    return constant(at, Value(), Base::kError);
  }

  NodeId literal_number(uint32_t at, bool negative) {
    const std::string text = (negative ? "-" : "") + std::string(token_.text);
    const bool is_double = token_.kind == TokenKind::kDouble;
    advance();
    if (is_double) {
      double value = 0;
      const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
      if (ec != std::errc()) syntax_problem(at, "invalid double literal");
      return constant(at, value, Base::kDouble);
    }
    std::string digits = text;
    int base = 10;
    if (const size_t x = digits.find("0x"); x != std::string::npos) {
      digits.erase(x, 2);
      base = 16;
    }
    int64_t value = 0;
    const char* end = digits.data() + digits.size();
    const auto [stop, ec] = std::from_chars(digits.data(), end, value, base);
    if (ec != std::errc() || stop != end) syntax_problem(at, "invalid int literal");
    return constant(at, value, Base::kInt);
  }

  // As far as is followed.
  static bool is_same(Type a, Type b) {
    if (a.base != Base::kList || b.base != Base::kList) return a == b;
    return a.element == b.element || a.element == Base::kUnknown || b.element == Base::kUnknown;
  }

  NodeId list(uint32_t at) {
    std::vector<NodeId> items = arguments("]");
    Type element = Base::kUnknown;
    bool reported = false;
    for (size_t i = 0; i < items.size(); ++i) {
      const Type type = types_[items[i]];
      if (i == 0) element = type;
      element = fits(element, type) ? most_general(element, type) : Type(Base::kDyn);
      // The elements of a literal must be of one type, known or not.
      if (reported || is_same(type, types_[items[0]])) continue;
      reported = true;
      literal_problems_.add(node(items[i]).at, "expected type '" + name_of(types_[items[0]]) +
                                                   "' but found '" + name_of(type) + "'");
    }
    return add(Op::kList, at, std::move(items), Type(Base::kList, element.base));
  }

  NodeId word() {
    const uint32_t at = token_.at;
    const std::string_view word = token_.text;
    if (word != "true" && word != "false" && word != "null") return name(false);
    advance();
    if (word == "null") return constant(at, Value(), Base::kNull);
    return constant(at, word == "true", Base::kBool);
  }

  // A variable or a call; with a dot before it, it is no macro.
  NodeId name(bool dotted) {
    const uint32_t at = token_.at;
    const std::string_view name = identifier();
    if (at_symbol("(")) return global_call(name, dotted);
    for (size_t i = variables_.size(); i-- > 0;) {
      if (variables_[i].name != name) continue;
      const NodeId id = add(Op::kVariable, at, {}, variables_[i].type);
      node(id).variable = variables_[i].slot;
      list_depths_[id] = variables_[i].list_depth;
      return id;
    }
    if (name == "device") return add(Op::kDevice, at, {}, Base::kDevice);
    if (name == "cel" && at_symbol(".") && !dotted) return bind();
    const bool other = std::find(std::begin(kOtherNamespaces), std::end(kOtherNamespaces), name) !=
                       std::end(kOtherNamespaces);
    if (other && at_symbol(".") && !dotted) {
      refused(at, "the functions of '" + std::string(name) + "'");
    } else if (std::binary_search(std::begin(kOtherFunctions), std::end(kOtherFunctions), name)) {
      refused(at, "the type '" + std::string(name) + "'");
    } else {
      undeclared(at, (dotted ? "." : "") + std::string(name));
    }
    return constant(at, Value(), Base::kError);
  }

  NodeId global_call(std::string_view name, bool dotted) {
    const uint32_t at = token_.at;
    advance();
    std::vector<NodeId> args = arguments(")");
    if (name != "has" || dotted) return call(at, name, std::move(args), false, dotted);
    if (args.size() != 1 || node(args[0]).op != Op::kSelect) {
      syntax_problem(args.empty() ? at : node(args[0]).at, "invalid argument to has() macro");
      return constant(at, Value(), Base::kBool);
    }
    // It stands at its parenthesis, and so does what is wrong with its field.
    Node& field = node(args[0]);
    std::vector<Failure>& problems = type_problems_.first;
    if (!problems.empty() && problems.back().at == field.at) problems.back().at = at;
    field.at = at;
    field.op = Op::kHas;
    types_[args[0]] = Base::kBool;
    return args[0];
  }

  // cel.bind(name, value, expression), the "cel" being read.
  NodeId bind() {
    expect(".");
    const uint32_t at = token_.at;
    if (identifier() != "bind" || !at_symbol("(")) {
      undeclared(at, "cel");
      return constant(at, Value(), Base::kError);
    }
    advance();
    const std::string_view variable = identifier();
    expect(",");
    const NodeId value = expression();
    expect(",");
    variables_.push_back({variable, program_->variables++, types_[value], list_depths_[value]});
    const uint32_t slot = variables_.back().slot;
    const NodeId result = expression();
    variables_.pop_back();
    expect(")");
    const NodeId id = add(Op::kBind, at, {value, result}, types_[result]);
    node(id).variable = slot;
    return id;
  }

  std::string_view text_;
  Lexer lexer_;
  Token token_;
  const std::vector<Overload> overloads_ = make_overloads();
  std::unique_ptr<Program> program_ = std::make_unique<Program>();
  // Of the nodes: types, and how deep lists can be nested in their values.
  std::vector<Type> types_;
  std::vector<uint32_t> list_depths_;
  std::vector<Variable> variables_;
  uint16_t nesting_ = 0;
  std::optional<Failure> syntax_;
  Problems type_problems_;
  Problems literal_problems_;  // looked at only if the types are right
};

// RE2's problems in the words of Go's regexp/syntax, which came after it.
std::string_view in_go_words(re2::RE2::ErrorCode code) {
  using re2::RE2;
  switch (code) {
    case RE2::ErrorBadEscape:
      return "invalid escape sequence";
    case RE2::ErrorBadCharClass:
      return "invalid character class";
    case RE2::ErrorBadCharRange:
      return "invalid character class range";
    case RE2::ErrorMissingBracket:
      return "missing closing ]";
    case RE2::ErrorMissingParen:
      return "missing closing )";
    case RE2::ErrorUnexpectedParen:
      return "unexpected )";
    case RE2::ErrorTrailingBackslash:
      return "trailing backslash at end of expression";
    case RE2::ErrorRepeatArgument:
      return "missing argument to repetition operator";
    case RE2::ErrorRepeatSize:
      return "invalid repeat count";
    case RE2::ErrorRepeatOp:
      return "invalid nested repetition operator";
    case RE2::ErrorBadPerlOp:
      return "invalid or unsupported Perl syntax";
    case RE2::ErrorBadUTF8:
      return "invalid UTF-8";
    case RE2::ErrorBadNamedCapture:
      return "invalid named capture";
    default:
      return "expression too large";
  }
}

}  // namespace

std::shared_ptr<const re2::RE2> compile_pattern(std::string_view pattern, std::string* error) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kPatternMemory);
  auto out = std::make_shared<re2::RE2>(re2::StringPiece(pattern.data(), pattern.size()), options);
  if (out->ok()) return out;
  if (error) {
    *error = "error parsing regexp: " + std::string(in_go_words(out->error_code())) + ": `" +
             out->error_arg() + '`';
  }
  return nullptr;
}

std::unique_ptr<const Program> compile(std::string_view text, std::string* error) {
  return Compiler(text).compile(error);
}

}  // namespace mainspring::api::cel

// A compiled expression, between cel_compiler.cpp, which makes it, and cel.cpp, which evaluates it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "models/api/cel.h"

namespace re2 {
class RE2;
}

namespace mainspring::api::cel {

// What a node does with its arguments.
enum class Op : uint8_t {
  kConstant,
  kDevice,    // the variable `device`
  kVariable,  // one that a macro declared
  kSelect,    // a.name, also a["name"] of a map
  kHas,       // has(a.name)
  kIndex,
  kList,
  kAnd,  // any number of arguments
  kOr,
  kConditional,
  kBind,  // variable = args[0] in args[1]
  kAll,   // of args[0], with each element as the variable: args[1]
  kExists,
  kExistsOne,
  // Functions: strict in their arguments.
  kNot,
  kNegate,
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kIn,
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kModulo,
  kSize,
  kContains,
  kStartsWith,
  kEndsWith,
  kMatches,
  kLowerAscii,
  kUpperAscii,
  kQuantity,
  kIsQuantity,
  kSign,
  kIsInteger,
  kAsInteger,
  kAsApproximateFloat,
  kAddTo,
  kSubtractFrom,
  kIsGreaterThan,
  kIsLessThan,
  kCompareTo,
  kSemver,
  kIsSemver,
  kMajor,
  kMinor,
  kPatch,
};

using NodeId = uint32_t;

struct Node {
  Op op = Op::kConstant;
  uint32_t at = 0;  // byte of the text
  uint16_t depth = 1;
  uint32_t variable = 0;
  std::string_view function;  // its name in messages
  Str name;                   // of kSelect and kHas
  Value value;                // of kConstant
  std::vector<NodeId> args;
  std::shared_ptr<const re2::RE2> pattern;  // of kMatches with a constant pattern
};

struct Program {
  std::vector<Node> nodes;
  NodeId root = 0;
  uint32_t variables = 0;
};

// Null, with the reason, if the expression cannot be compiled.
std::unique_ptr<const Program> compile(std::string_view text, std::string* error);
// Null on a bad pattern.
std::shared_ptr<const re2::RE2> compile_pattern(std::string_view pattern, std::string* error);

}  // namespace mainspring::api::cel

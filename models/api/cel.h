// Expressions in the Common Expression Language that select devices, as device classes and resource
// claims hold them: `device.driver == "gpu.example.com" &&
// device.capacity["gpu.example.com"].memory.compareTo(quantity("40Gi")) >= 0`.
//
// What is evaluated, with the rules and messages of cel-go v0.26 in the environment that Kubernetes
// v1.35 gives it (k8s.io/dynamic-resource-allocation/cel):
//
//   - `device` with driver, attributes and capacity; an unknown domain is an empty map, an unknown
//     name in it an error (`no such key: model`), hence has();
//   - bool, int, double, string, null and list literals; `! - * / % + < <= > >= == != in && || ?:`,
//     indexes; && and || pass over errors on either side, as in CEL;
//   - has(), cel.bind(), all(), exists() and exists_one() of lists;
//   - size, contains, startsWith, endsWith, matches (RE2), lowerAscii, upperAscii;
//   - quantity(), isQuantity() and what can be asked of a quantity; semver(), isSemver() likewise.
//
// Everything else is refused by name when an expression is compiled. Not modelled: the estimate of
// an expression's cost, for which Kubernetes refuses some. The work of one evaluation and what it
// keeps are bounded: what grows with the size of values counts by it, and too much of it is an
// error.
//
// Immutable once compiled, and shared.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "models/api/quantity.h"
#include "models/api/semver.h"
#include "models/api/types/forward.h"
#include "models/api/value.h"

namespace mainspring::api {

namespace cel {

struct Value;

// An evaluation that failed, and why.
struct Error {
  Str message;
};
// A part of the device: itself, a map of domains, or the names of one domain.
struct DevicePart {
  enum class Kind : uint8_t { kDevice, kAttributes, kCapacities, kAttributeNames, kCapacityNames };
  Kind kind = Kind::kDevice;
  Str domain;
};
using ValueList = std::shared_ptr<const std::vector<Value>>;

// Null is std::monostate.
struct Value : std::variant<std::monostate, bool, int64_t, double, Str, Quantity,
                            std::shared_ptr<const Semver>, ValueList, DevicePart, Error> {
  using variant::variant;
};

struct Program;

}  // namespace cel

// A device as expressions see it, made once for many evaluations.
class CelDevice {
 public:
  struct Entry {
    Str domain;
    Str name;
    cel::Value value;
  };

  // Names without a domain are the driver's.
  CelDevice(Str driver, const Device& device);

  const Str& driver() const { return driver_; }
  const cel::Value* find(bool capacity, std::string_view domain, std::string_view name) const;
  bool has_domain(bool capacity, std::string_view domain) const;
  std::vector<Str> domains(bool capacity) const;
  std::vector<Str> names(bool capacity, std::string_view domain) const;
  // Why the device cannot be shown to an expression; empty if it can.
  const std::string& error() const { return error_; }

 private:
  Str driver_;
  std::vector<Entry> attributes_;
  std::vector<Entry> capacities_;
  std::string error_;
};

class CelSelector {
 public:
  // Null if the expression is not one that can be evaluated; *error then says why, as the API
  // server says it.
  static std::shared_ptr<const CelSelector> compile(std::string_view expression,
                                                    std::string* error = nullptr);
  ~CelSelector();
  CelSelector(const CelSelector&) = delete;
  CelSelector& operator=(const CelSelector&) = delete;

  // Whether the device is selected; *error, if not empty afterwards, says why that cannot be told.
  bool matches(const CelDevice& device, std::string* error) const;

 private:
  explicit CelSelector(std::unique_ptr<const cel::Program> program);
  std::unique_ptr<const cel::Program> program_;
};

}  // namespace mainspring::api

// Problems of an input: collected all at once, each with its place, what was found, what was
// expected and the nearest valid name.
//
//   cluster.yaml:41:9: Deployment/web spec.replicas: expected integer, got "three"
//
// Not thread-safe. Holds no reference to the input.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/api/json.h"

namespace mainspring::api {

struct Diagnostic {
  enum class Severity : uint8_t { kError, kWarning };

  Severity severity = Severity::kError;
  Position at = {};             // the file is a number given out by Diagnostics::add_file
  std::string path = {};        // "Deployment/web spec.replicas"; may be empty
  std::string expected = {};    // "integer"
  std::string found = {};       // "\"three\"", as it is to be shown
  std::string suggestion = {};  // the nearest valid name, if one is near
  std::string message = {};     // replaces "expected ..., got ..." if not empty
};

class Diagnostics {
 public:
  // More than this many are counted but not kept.
  static constexpr size_t kMaxKept = 1000;

  // Gives the file a number for Position. Numbers start at 1; after 65535 files all get 0, which
  // has no name.
  uint16_t add_file(std::string_view name);
  std::string_view file_name(uint16_t file) const;

  void add(Diagnostic d);
  void error(Position at, std::string path, std::string message);
  void warning(Position at, std::string path, std::string message);
  // "expected integer, got "three""
  void mismatch(Position at, std::string path, std::string expected, std::string found);

  // Whether an error at this path or below was kept: what follows from it need not be said as well.
  bool has_error_within(std::string_view path) const;
  bool ok() const { return errors_ == 0; }  // warnings do not count
  bool empty() const { return errors_ + warnings_ == 0; }
  size_t errors() const { return errors_; }
  size_t warnings() const { return warnings_; }

  // Those kept, by file, line and column, then in the order they came.
  std::vector<Diagnostic> sorted() const;
  // One line without its newline.
  std::string render(const Diagnostic& d) const;
  // Sorted, a line each; at most `limit` of them and then "and 12 more".
  std::string to_text(size_t limit = kMaxKept) const;
  // [{"severity":"error","file":...,"line":...,"column":...,"path":...,"message":...,...}]
  Json to_json_value() const;

 private:
  std::vector<std::string> files_;
  std::vector<Diagnostic> kept_;
  size_t errors_ = 0;
  size_t warnings_ = 0;
};

// The text of a value as messages show it: strings in quotes, long ones cut, containers by kind.
std::string describe(const Json& value);

// The candidate that a person most likely meant: the smallest Damerau-Levenshtein distance
// without regard to case, at most a third of the name's length; the first of equals. Empty if none.
std::string_view nearest(std::string_view name, std::span<const std::string_view> candidates);
// The same as the end of a message, "; did you mean \"cpu\"?"; empty if none is near.
std::string did_you_mean(std::string_view name, std::span<const std::string_view> candidates);

}  // namespace mainspring::api

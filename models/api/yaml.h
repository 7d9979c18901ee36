// YAML and JSON text in and out, as Kubernetes' clients read and write them.
//
// Reading: multi-document YAML 1.1 with the scalar rules of sigs.k8s.io/yaml (goyaml.v2): yes/on/y
// are booleans, 0o17 and 017 octal, 1_000 an integer, keys become strings, `<<` merges where it
// stands (it overrides keys above it and is overridden by keys below), the last of duplicate keys
// wins (with a warning). Documents are cut at `---` lines before parsing, as kubectl does, so that
// one broken document does not hide the others. JSON may be a sequence of values. Differences
// from kubectl: bad UTF-8 and control characters are errors in JSON too; nesting is limited.
// Every node and key carries its place (except that an alias has the anchor's).
//
// Errors go to Diagnostics, each with its place; nothing throws, whatever the bytes.
// Comments are not kept.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "models/api/diagnostics.h"
#include "models/api/json.h"

namespace mainspring::api {

// Maps and lists inside one another; more is an error.
inline constexpr int kMaxDepth = 200;

// The documents of one file, in order, without empty ones. `file` is what positions carry
// (Diagnostics::add_file). Documents with errors are left out.
std::vector<Json> read_documents(std::string_view text, uint16_t file, Diagnostics* diagnostics);

// The JSON values in the text, one after the other (strict JSON). On an error, what was read
// before it, and ok is false.
struct JsonText {
  std::vector<Json> values;
  bool ok = true;
  size_t error_offset = 0;  // bytes
  Position error_at = {};
  std::string error = {};  // "expected ..., got ..."
};
JsonText read_json(std::string_view text, uint16_t file, Diagnostics* diagnostics);
// For text that is meant to be one JSON value; null if it is not.
Json parse_json(std::string_view text, bool* ok = nullptr);

// Replaces objects of kind List (or PodList and so on: any "...List" with items) by their items,
// which inherit the kind and apiVersion of a typed list if they have none.
std::vector<Json> expand_lists(std::vector<Json> documents);

// What an unquoted YAML scalar means. Infinities and NaN come as doubles.
Json resolve_scalar(std::string_view text);

struct YamlStyle {
  bool sorted = true;  // keys in byte order (kubectl), or in the order given
};
// Block style as `kubectl -o yaml` prints it: lists not indented below their key, strings quoted
// if they would read back as something else.
void write_yaml(const Json& value, std::string* out, YamlStyle style = {});
inline std::string to_yaml(const Json& value, YamlStyle style = {}) {
  std::string out;
  write_yaml(value, &out, style);
  return out;
}

namespace detail {
// The parts that the readers share.
bool looks_like_timestamp(std::string_view text);
// The text of a number used as a map key, as sigs.k8s.io/yaml makes it.
std::string float_key(double value);
// Go's strconv.FormatFloat(value, 'g', -1, 64 or 32).
std::string general_float(double value, bool single);
// Offset of the first byte that is not UTF-8 or, if those are not allowed, is a control character
// or a character that is none; npos if there is none.
size_t find_bad_byte(std::string_view text, bool controls_allowed = false);

// Str values for the keys of objects: keys repeat, so that most of them share one representation.
class KeyCache {
 public:
  Str get(std::string_view key);

 private:
  static constexpr size_t kSlots = 512;  // a power of two
  std::vector<Str> slots_ = std::vector<Str>(kSlots);
};

// Appends the member, or replaces the value of an earlier one with that key: the last one wins,
// with a warning. Call finish() once all are in.
class MemberList {
 public:
  void add(Str key, Json value, Position at, Diagnostics* diagnostics);
  std::vector<Json::Member> finish(Diagnostics* diagnostics);
  std::vector<Json::Member>& raw() { return members_; }

 private:
  static constexpr size_t kSearched = 16;  // up to here a linear search finds duplicates
  void warn(const Json::Member& first, Position again, Diagnostics* diagnostics);
  std::vector<Json::Member> members_;
};
}  // namespace detail

}  // namespace mainspring::api

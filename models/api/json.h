// A JSON value: the tree that manifests are read into and objects are written from.
//
// One pointer, copied on write: copying counts a reference, editing unshares what it touches only.
// Objects keep the order in which keys were added and compare equal in any order; a lookup is
// linear (objects of Kubernetes have few keys). Every node and every key can carry the place in
// the source that it came from; comparisons ignore places.
//
// Numbers: an integer that fits is an int64; any other number is a double, as Kubernetes' own
// decoder has it, and also keeps its text if the text says more than the double's shortest form
// (an integer beyond int64, "1.10"). 1 and 1.0 compare equal.
//
// Thread-compatible. Editing something that is not an array or object turns it into one.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "models/api/value.h"

namespace mainspring::api {

// A place in an input: 1-based line and column (in characters; both saturate at 2^24 - 1), and the
// number that the caller gave to the file (SourceFiles in diagnostics.h). All zero is "unknown".
class Position {
 public:
  static constexpr uint32_t kMax = (1U << 24) - 1;

  constexpr Position() = default;
  constexpr Position(uint16_t file, uint64_t line, uint64_t column)
      : bits_(uint64_t{file} << 48 | (line < kMax ? line : kMax) << 24 |
              (column < kMax ? column : kMax)) {}

  constexpr uint16_t file() const { return static_cast<uint16_t>(bits_ >> 48); }
  constexpr uint32_t line() const { return static_cast<uint32_t>(bits_ >> 24) & kMax; }
  constexpr uint32_t column() const { return static_cast<uint32_t>(bits_) & kMax; }
  constexpr bool known() const { return line() != 0; }
  friend constexpr auto operator<=>(Position, Position) = default;

 private:
  uint64_t bits_ = 0;
};

class Json {
 public:
  enum class Kind : uint8_t { kNull, kBool, kInt, kDouble, kString, kArray, kObject };
  struct Member;

  Json() = default;        // null
  Json(std::nullptr_t) {}  // NOLINT: implicit conversions make trees readable
  Json(bool value);        // NOLINT
  Json(double value);      // NOLINT
  template <class T>
  requires(std::is_integral_v<T> && !std::is_same_v<T, bool>) Json(T value)
      : node_(nullptr) {  // NOLINT
    if constexpr (std::is_unsigned_v<T> && sizeof(T) >= sizeof(int64_t)) {
      *this = from_unsigned(value);
    } else {
      *this = from_int(value);
    }
  }
  Json(Str value);                                      // NOLINT
  Json(std::string_view value) : Json(Str(value)) {}    // NOLINT
  Json(const std::string& value) : Json(Str(value)) {}  // NOLINT
  Json(const char* value) : Json(Str(value)) {}         // NOLINT

  static Json array() { return array(std::vector<Json>()); }
  static Json array(std::vector<Json> items);
  static Json object();
  static Json object(std::initializer_list<Member> members);
  // The keys must be distinct.
  static Json object(std::vector<Member> members);
  // A number whose text says more than its double does. The text must be a JSON number.
  static Json number(double value, Str text);

  Json(const Json& o) noexcept : node_(o.node_) {
    if (node_) node_->refs.retain();
  }
  Json(Json&& o) noexcept : node_(std::exchange(o.node_, nullptr)) {}
  Json& operator=(Json o) noexcept {
    std::swap(node_, o.node_);
    return *this;
  }
  ~Json() {
    if (node_ && node_->refs.release()) destroy(node_);
  }

  Kind kind() const noexcept { return node_ ? node_->kind : Kind::kNull; }
  bool is_null() const noexcept { return kind() == Kind::kNull; }
  bool is_bool() const noexcept { return kind() == Kind::kBool; }
  bool is_int() const noexcept { return kind() == Kind::kInt; }
  bool is_double() const noexcept { return kind() == Kind::kDouble; }
  bool is_number() const noexcept { return is_int() || is_double(); }
  bool is_string() const noexcept { return kind() == Kind::kString; }
  bool is_array() const noexcept { return kind() == Kind::kArray; }
  bool is_object() const noexcept { return kind() == Kind::kObject; }

  // The value, or what is given if the kind is another one. as_double takes integers too.
  bool as_bool(bool otherwise = false) const noexcept;
  int64_t as_int(int64_t otherwise = 0) const noexcept;
  double as_double(double otherwise = 0) const noexcept;
  const Str& as_str() const noexcept;  // empty if not a string
  std::string_view as_view() const noexcept { return as_str().view(); }
  // The text that a number is written with; empty for other kinds.
  std::string number_text() const;

  // Elements of an array and members of an object; empty for other kinds.
  std::span<const Json> items() const noexcept;
  std::span<const Member> members() const noexcept;
  size_t size() const noexcept;  // elements or members
  bool empty() const noexcept { return size() == 0; }

  // The member or element, or null where there is none.
  const Json* find(std::string_view key) const noexcept;
  bool contains(std::string_view key) const noexcept { return find(key) != nullptr; }
  const Json& operator[](std::string_view key) const noexcept;
  const Json& operator[](const char* key) const noexcept { return (*this)[std::string_view(key)]; }
  const Json& operator[](size_t index) const noexcept;
  const Json& operator[](int index) const noexcept { return (*this)[static_cast<size_t>(index)]; }

  // Adds the member at the end, or replaces the value in place. Returns *this for chaining.
  Json& set(Str key, Json value);
  bool erase(std::string_view key);  // whether it was there
  Json& push_back(Json value);
  // For writing: the member's value, added as null if it is missing.
  Json& edit(std::string_view key);
  // For writing: the unshared contents.
  std::vector<Json>& edit_items();
  std::vector<Member>& edit_members();

  Position position() const noexcept { return node_ ? node_->at : Position(); }
  // The place of the key of a member; unknown if there is none.
  Position key_position(std::string_view key) const noexcept;
  void set_position(Position at);
  // Whether a scalar stood in quotes (or as a block) in YAML.
  bool quoted() const noexcept { return node_ && node_->quoted; }
  void set_quoted(bool quoted);

  bool same(const Json& o) const noexcept { return node_ == o.node_; }
  friend bool operator==(const Json& a, const Json& b) noexcept;

 private:
  struct Node {
    RefCount refs;
    Kind kind;
    bool quoted = false;
    bool boolean = false;
    Position at;
  };
  struct IntNode;
  struct DoubleNode;
  struct StringNode;
  struct ArrayNode;
  struct ObjectNode;

  explicit Json(Node* adopted) noexcept : node_(adopted) {}
  static Json from_int(int64_t value);
  static Json from_unsigned(uint64_t value);
  static void destroy(Node* node) noexcept;
  static Node* clone(const Node* node);
  void unshare();
  Node* node_ = nullptr;
};

struct Json::Member {
  Str key;
  Json value;
  Position at = {};  // of the key
};

std::string_view to_string(Json::Kind kind);  // "null", "boolean", "integer", "number", ...

struct JsonStyle {
  int indent = 0;       // spaces a level; 0 writes everything on one line without spaces
  bool sorted = false;  // keys in byte order instead of the order given
};

// Doubles are written as Go does: shortest text that reads back the same, exponents only below
// 1e-6 and from 1e21. NaN and infinities, which JSON does not have, become null. Bytes that are
// not UTF-8 become U+FFFD.
void write_json(const Json& value, std::string* out, JsonStyle style = {});
inline std::string to_json(const Json& value) {
  std::string out;
  write_json(value, &out);
  return out;
}
inline std::string to_sorted_json(const Json& value) {
  std::string out;
  write_json(value, &out, {.indent = 0, .sorted = true});
  return out;
}
inline std::string to_pretty_json(const Json& value) {
  std::string out;
  write_json(value, &out, {.indent = 4, .sorted = false});
  return out;
}

// The building blocks of the writers.
void write_json_string(std::string_view s, std::string* out);  // with quotes
void write_double(double value, std::string* out);

}  // namespace mainspring::api

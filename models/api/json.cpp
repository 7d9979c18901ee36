#include "models/api/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace mainspring::api {

struct Json::IntNode : Node {
  int64_t value;
};
struct Json::DoubleNode : Node {
  double value;
  Str text;
};
struct Json::StringNode : Node {
  Str value;
};
struct Json::ArrayNode : Node {
  std::vector<Json> items;
};
struct Json::ObjectNode : Node {
  std::vector<Member> members;
};

namespace {
const Json kNull;
const Str kEmptyStr;
}  // namespace

Json::Json(bool value)
    : node_(new Node{.refs = {}, .kind = Kind::kBool, .boolean = value, .at = {}}) {}

Json::Json(double value)
    : node_(new DoubleNode{{.refs = {}, .kind = Kind::kDouble, .at = {}}, value, {}}) {}

Json::Json(Str value)
    : node_(new StringNode{{.refs = {}, .kind = Kind::kString, .at = {}}, std::move(value)}) {}

Json Json::from_int(int64_t value) {
  return Json(new IntNode{{.refs = {}, .kind = Kind::kInt, .at = {}}, value});
}

Json Json::from_unsigned(uint64_t value) {
  if (value <= static_cast<uint64_t>(INT64_MAX)) return from_int(static_cast<int64_t>(value));
  return number(static_cast<double>(value), std::to_string(value));
}

Json Json::array(std::vector<Json> items) {
  return Json(new ArrayNode{{.refs = {}, .kind = Kind::kArray, .at = {}}, std::move(items)});
}

Json Json::object() { return object(std::vector<Member>()); }

Json Json::object(std::vector<Member> members) {
  return Json(new ObjectNode{{.refs = {}, .kind = Kind::kObject, .at = {}}, std::move(members)});
}

Json Json::object(std::initializer_list<Member> members) {
  return object(std::vector<Member>(members));
}

Json Json::number(double value, Str text) {
  return Json(
      new DoubleNode{{.refs = {}, .kind = Kind::kDouble, .at = {}}, value, std::move(text)});
}

void Json::destroy(Node* node) noexcept {
  switch (node->kind) {
    case Kind::kNull:
    case Kind::kBool:
      delete node;
      break;
    case Kind::kInt:
      delete static_cast<IntNode*>(node);
      break;
    case Kind::kDouble:
      delete static_cast<DoubleNode*>(node);
      break;
    case Kind::kString:
      delete static_cast<StringNode*>(node);
      break;
    case Kind::kArray:
      delete static_cast<ArrayNode*>(node);
      break;
    case Kind::kObject:
      delete static_cast<ObjectNode*>(node);
      break;
  }
}

Json::Node* Json::clone(const Node* node) {
  switch (node->kind) {
    case Kind::kNull:
    case Kind::kBool:
      break;
    case Kind::kInt:
      return new IntNode(*static_cast<const IntNode*>(node));
    case Kind::kDouble:
      return new DoubleNode(*static_cast<const DoubleNode*>(node));
    case Kind::kString:
      return new StringNode(*static_cast<const StringNode*>(node));
    case Kind::kArray:
      return new ArrayNode(*static_cast<const ArrayNode*>(node));
    case Kind::kObject:
      return new ObjectNode(*static_cast<const ObjectNode*>(node));
  }
  return new Node(*node);
}

void Json::unshare() {
  if (!node_) {
    node_ = new Node{.refs = {}, .kind = Kind::kNull, .at = {}};
  } else if (!node_->refs.unique()) {
    *this = Json(clone(node_));
  }
}

bool Json::as_bool(bool otherwise) const noexcept { return is_bool() ? node_->boolean : otherwise; }

int64_t Json::as_int(int64_t otherwise) const noexcept {
  return is_int() ? static_cast<const IntNode*>(node_)->value : otherwise;
}

double Json::as_double(double otherwise) const noexcept {
  if (is_double()) return static_cast<const DoubleNode*>(node_)->value;
  return is_int() ? static_cast<double>(static_cast<const IntNode*>(node_)->value) : otherwise;
}

const Str& Json::as_str() const noexcept {
  return is_string() ? static_cast<const StringNode*>(node_)->value : kEmptyStr;
}

std::string Json::number_text() const {
  if (is_int()) return std::to_string(as_int());
  if (!is_double()) return {};
  const DoubleNode& node = *static_cast<const DoubleNode*>(node_);
  if (!node.text.empty()) return node.text.str();
  std::string out;
  write_double(node.value, &out);
  return out;
}

std::span<const Json> Json::items() const noexcept {
  if (!is_array()) return {};
  return static_cast<const ArrayNode*>(node_)->items;
}

std::span<const Json::Member> Json::members() const noexcept {
  if (!is_object()) return {};
  return static_cast<const ObjectNode*>(node_)->members;
}

size_t Json::size() const noexcept { return is_array() ? items().size() : members().size(); }

const Json* Json::find(std::string_view key) const noexcept {
  for (const Member& m : members()) {
    if (m.key == key) return &m.value;
  }
  return nullptr;
}

const Json& Json::operator[](std::string_view key) const noexcept {
  const Json* value = find(key);
  return value ? *value : kNull;
}

const Json& Json::operator[](size_t index) const noexcept {
  const std::span<const Json> all = items();
  return index < all.size() ? all[index] : kNull;
}

Json& Json::set(Str key, Json value) {
  std::vector<Member>& all = edit_members();
  for (Member& m : all) {
    if (m.key == key) {
      m.value = std::move(value);
      return *this;
    }
  }
  all.push_back({std::move(key), std::move(value)});
  return *this;
}

bool Json::erase(std::string_view key) {
  if (!contains(key)) return false;
  std::erase_if(edit_members(), [&](const Member& m) { return m.key == key; });
  return true;
}

Json& Json::push_back(Json value) {
  edit_items().push_back(std::move(value));
  return *this;
}

Json& Json::edit(std::string_view key) {
  std::vector<Member>& all = edit_members();
  for (Member& m : all) {
    if (m.key == key) return m.value;
  }
  all.push_back({Str(key), Json()});
  return all.back().value;
}

std::vector<Json>& Json::edit_items() {
  if (!is_array()) {
    const Position at = position();
    *this = array();
    node_->at = at;
  }
  unshare();
  return static_cast<ArrayNode*>(node_)->items;
}

std::vector<Json::Member>& Json::edit_members() {
  if (!is_object()) {
    const Position at = position();
    *this = object();
    node_->at = at;
  }
  unshare();
  return static_cast<ObjectNode*>(node_)->members;
}

Position Json::key_position(std::string_view key) const noexcept {
  for (const Member& m : members()) {
    if (m.key == key) return m.at;
  }
  return {};
}

void Json::set_position(Position at) {
  if (at == position()) return;
  unshare();
  node_->at = at;
}

void Json::set_quoted(bool quoted) {
  if (quoted == this->quoted()) return;
  unshare();
  node_->quoted = quoted;
}

bool operator==(const Json& a, const Json& b) noexcept {
  if (a.node_ == b.node_) return true;
  if (a.kind() != b.kind()) return a.is_number() && b.is_number() && a.as_double() == b.as_double();
  switch (a.kind()) {
    case Json::Kind::kNull:
      return true;
    case Json::Kind::kBool:
      return a.as_bool() == b.as_bool();
    case Json::Kind::kInt:
      return a.as_int() == b.as_int();
    case Json::Kind::kDouble:
      return a.as_double() == b.as_double();
    case Json::Kind::kString:
      return a.as_str() == b.as_str();
    case Json::Kind::kArray:
      return std::ranges::equal(a.items(), b.items());
    case Json::Kind::kObject:
      break;
  }
  const std::span<const Json::Member> left = a.members();
  const std::span<const Json::Member> right = b.members();
  if (left.size() != right.size()) return false;
  for (size_t i = 0; i < left.size(); ++i) {
    // Mostly the orders agree; only then is this not a search.
    const Json* other = right[i].key == left[i].key ? &right[i].value : b.find(left[i].key.view());
    if (!other || !(left[i].value == *other)) return false;
  }
  return true;
}

std::string_view to_string(Json::Kind kind) {
  switch (kind) {
    case Json::Kind::kNull:
      return "null";
    case Json::Kind::kBool:
      return "boolean";
    case Json::Kind::kInt:
      return "integer";
    case Json::Kind::kDouble:
      return "number";
    case Json::Kind::kString:
      return "string";
    case Json::Kind::kArray:
      return "list";
    case Json::Kind::kObject:
      return "map";
  }
  return "";
}

namespace {

// The length of the well-formed UTF-8 sequence at the start of s, 0 if there is none.
size_t utf8_length(std::string_view s) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(s[i]); };
  const auto tail = [&](size_t i) { return i < s.size() && (byte(i) & 0xC0) == 0x80; };
  const unsigned char c = byte(0);
  if (c < 0x80) return 1;
  if (c >= 0xC2 && c <= 0xDF) return tail(1) ? 2 : 0;
  if (c >= 0xE0 && c <= 0xEF) {
    if (!tail(1) || !tail(2)) return 0;
    if ((c == 0xE0 && byte(1) < 0xA0) || (c == 0xED && byte(1) > 0x9F)) return 0;
    return 3;
  }
  if (c >= 0xF0 && c <= 0xF4) {
    if (!tail(1) || !tail(2) || !tail(3)) return 0;
    if ((c == 0xF0 && byte(1) < 0x90) || (c == 0xF4 && byte(1) > 0x8F)) return 0;
    return 4;
  }
  return 0;
}

class JsonWriter {
 public:
  JsonWriter(std::string* out, JsonStyle style) : out_(*out), style_(style) {}

  void write(const Json& value, int depth) {
    switch (value.kind()) {
      case Json::Kind::kNull:
        out_ += "null";
        break;
      case Json::Kind::kBool:
        out_ += value.as_bool() ? "true" : "false";
        break;
      case Json::Kind::kInt: {
        char buffer[24];
        const auto end = std::to_chars(buffer, buffer + sizeof buffer, value.as_int()).ptr;
        out_.append(buffer, end);
        break;
      }
      case Json::Kind::kDouble:
        if (std::isfinite(value.as_double())) {
          out_ += value.number_text();
        } else {
          out_ += "null";
        }
        break;
      case Json::Kind::kString:
        write_json_string(value.as_view(), &out_);
        break;
      case Json::Kind::kArray:
        write_array(value.items(), depth);
        break;
      case Json::Kind::kObject:
        write_object(value.members(), depth);
        break;
    }
  }

 private:
  void line(int depth) {
    if (style_.indent == 0) return;
    out_ += '\n';
    out_.append(static_cast<size_t>(depth) * static_cast<size_t>(style_.indent), ' ');
  }

  void write_array(std::span<const Json> items, int depth) {
    out_ += '[';
    for (size_t i = 0; i < items.size(); ++i) {
      if (i) out_ += ',';
      line(depth + 1);
      write(items[i], depth + 1);
    }
    if (!items.empty()) line(depth);
    out_ += ']';
  }

  void write_object(std::span<const Json::Member> members, int depth) {
    std::vector<const Json::Member*> order;
    order.reserve(members.size());
    for (const Json::Member& m : members) order.push_back(&m);
    if (style_.sorted) {
      std::sort(order.begin(), order.end(),
                [](const Json::Member* a, const Json::Member* b) { return a->key < b->key; });
    }
    out_ += '{';
    for (size_t i = 0; i < order.size(); ++i) {
      if (i) out_ += ',';
      line(depth + 1);
      write_json_string(order[i]->key, &out_);
      out_ += style_.indent ? ": " : ":";
      write(order[i]->value, depth + 1);
    }
    if (!order.empty()) line(depth);
    out_ += '}';
  }

  std::string& out_;
  JsonStyle style_;
};

}  // namespace

void write_json(const Json& value, std::string* out, JsonStyle style) {
  JsonWriter(out, style).write(value, 0);
}

void write_json_string(std::string_view s, std::string* out) {
  static constexpr char kHex[] = "0123456789abcdef";
  *out += '"';
  size_t plain = 0;  // start of the run that is copied as it is
  size_t i = 0;
  const auto flush = [&] { out->append(s.substr(plain, i - plain)); };
  while (i < s.size()) {
    const unsigned char c = static_cast<unsigned char>(s[i]);
    if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\' && c != 0x7F) {
      ++i;
      continue;
    }
    size_t length = 1;
    if (c >= 0x80) {
      length = utf8_length(s.substr(i));
      if (length != 0) {
        i += length;
        continue;
      }
      flush();
      *out += "\\ufffd";
      length = 1;
    } else {
      flush();
      switch (c) {
        case '"':
          *out += "\\\"";
          break;
        case '\\':
          *out += "\\\\";
          break;
        case '\n':
          *out += "\\n";
          break;
        case '\t':
          *out += "\\t";
          break;
        case '\r':
          *out += "\\r";
          break;
        case '\b':
          *out += "\\b";
          break;
        case '\f':
          *out += "\\f";
          break;
        case 0x7F:
          *out += s[i];
          break;
        default:
          *out += "\\u00";
          *out += kHex[c >> 4];
          *out += kHex[c & 15];
      }
    }
    i += length;
    plain = i;
  }
  flush();
  *out += '"';
}

void write_double(double value, std::string* out) {
  if (value == 0) {
    *out += std::signbit(value) ? "-0" : "0";
    return;
  }
  // Shortest digits in scientific form, d.ddde+xx, laid out again by Go's rule.
  char buffer[40];
  const auto end =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  const std::string_view text(buffer, static_cast<size_t>(end - buffer));
  const size_t e = text.find('e');
  if (e == std::string_view::npos) {  // inf, nan
    *out += text;
    return;
  }
  int exponent = 0;
  const size_t sign = text[e + 1] == '+' ? 2 : 1;  // from_chars takes no plus
  std::from_chars(text.data() + e + sign, text.data() + text.size(), exponent);
  const double magnitude = std::fabs(value);
  if (magnitude < 1e-6 || magnitude >= 1e21) {
    *out += text.substr(0, e);
    *out += exponent < 0 ? "e-" : "e+";
    *out += std::to_string(exponent < 0 ? -exponent : exponent);
    return;
  }
  std::string digits;
  for (const char c : text.substr(0, e)) {
    if (c >= '0' && c <= '9') digits += c;
  }
  if (value < 0) *out += '-';
  if (exponent < 0) {
    *out += "0.";
    out->append(static_cast<size_t>(-exponent - 1), '0');
    *out += digits;
    return;
  }
  const size_t whole = static_cast<size_t>(exponent) + 1;
  if (digits.size() <= whole) {
    *out += digits;
    out->append(whole - digits.size(), '0');
  } else {
    *out += digits.substr(0, whole);
    *out += '.';
    *out += digits.substr(whole);
  }
}

}  // namespace mainspring::api

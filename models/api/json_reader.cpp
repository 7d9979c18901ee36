// Strict JSON (RFC 8259) with places.
#include <charconv>
#include <optional>

#include "models/api/utf8.h"
#include "models/api/yaml.h"

namespace mainspring::api {
namespace {

class JsonReader {
 public:
  JsonReader(std::string_view text, uint16_t file, Diagnostics* diagnostics)
      : begin_(text.data()),
        p_(text.data()),
        end_(text.data() + text.size()),
        line_start_(text.data()),
        file_(file),
        diagnostics_(diagnostics) {}

  JsonText read() {
    JsonText out;
    if (end_ - p_ >= 3 && std::string_view(p_, 3) == "\xEF\xBB\xBF") {
      p_ += 3;
      line_start_ = p_;
    }
    for (skip_space(); p_ < end_; skip_space()) {
      Json value;
      if (!read_value(&value, 0)) {
        out.ok = false;
        out.error = error_;
        out.error_at = error_at_;
        out.error_offset = static_cast<size_t>(error_p_ - begin_);
        break;
      }
      out.values.push_back(std::move(value));
    }
    return out;
  }

 private:
  void skip_space() {
    for (; p_ < end_; ++p_) {
      const char c = *p_;
      if (c == '\n') {
        ++line_;
        line_start_ = p_ + 1;
        continuation_ = 0;
      } else if (c != ' ' && c != '\t' && c != '\r') {
        return;
      }
    }
  }

  Position here() const {
    return Position(file_, line_, static_cast<uint64_t>(p_ - line_start_) - continuation_ + 1);
  }

  bool fail(std::string what) {
    error_ = std::move(what);
    error_at_ = here();
    error_p_ = p_;
    return false;
  }

  bool fail_expecting(std::string_view what) {
    std::string message = "expected " + std::string(what) + ", got ";
    if (p_ >= end_) {
      message += "the end of the text";
    } else if (*p_ >= 0x20 && *p_ < 0x7F) {
      message += std::string("'") + *p_ + "'";
    } else {
      message += "a character that JSON does not allow here";
    }
    return fail(std::move(message));
  }

  bool read_word(std::string_view word) {
    if (static_cast<size_t>(end_ - p_) < word.size() || std::string_view(p_, word.size()) != word) {
      return fail_expecting("a JSON value");
    }
    p_ += word.size();
    return true;
  }

  bool read_value(Json* out, int depth) {
    if (p_ >= end_) return fail_expecting("a JSON value");
    const Position at = here();
    switch (*p_) {
      case '{':
        if (!read_object(out, depth)) return false;
        break;
      case '[':
        if (!read_array(out, depth)) return false;
        break;
      case '"': {
        std::string_view text;
        if (!read_string(&text)) return false;
        *out = Json(text);
        out->set_quoted(true);
        break;
      }
      case 't':
        if (!read_word("true")) return false;
        *out = Json(true);
        break;
      case 'f':
        if (!read_word("false")) return false;
        *out = Json(false);
        break;
      case 'n':
        if (!read_word("null")) return false;
        *out = Json();
        break;
      default:
        if (!read_number(out)) return false;
    }
    out->set_position(at);
    return true;
  }

  bool read_object(Json* out, int depth) {
    if (depth >= kMaxDepth) {
      return fail("nested deeper than " + std::to_string(kMaxDepth) + " levels");
    }
    detail::MemberList members;
    ++p_;
    skip_space();
    if (p_ < end_ && *p_ == '}') {
      ++p_;
      *out = Json::object();
      return true;
    }
    while (true) {
      if (p_ >= end_ || *p_ != '"') return fail_expecting("a key in double quotes");
      const Position at = here();
      std::string_view text;
      if (!read_string(&text)) return false;
      Str key = keys_.get(text);
      skip_space();
      if (p_ >= end_ || *p_ != ':') return fail_expecting("':'");
      ++p_;
      skip_space();
      Json value;
      if (!read_value(&value, depth + 1)) return false;
      members.add(std::move(key), std::move(value), at, diagnostics_);
      skip_space();
      if (p_ < end_ && *p_ == ',') {
        ++p_;
        skip_space();
        continue;
      }
      if (p_ >= end_ || *p_ != '}') return fail_expecting("',' or '}'");
      ++p_;
      *out = Json::object(members.finish(diagnostics_));
      return true;
    }
  }

  bool read_array(Json* out, int depth) {
    if (depth >= kMaxDepth) {
      return fail("nested deeper than " + std::to_string(kMaxDepth) + " levels");
    }
    std::vector<Json> items;
    ++p_;
    skip_space();
    if (p_ < end_ && *p_ == ']') {
      ++p_;
      *out = Json::array();
      return true;
    }
    while (true) {
      if (!read_value(&items.emplace_back(), depth + 1)) return false;
      skip_space();
      if (p_ < end_ && *p_ == ',') {
        ++p_;
        skip_space();
        continue;
      }
      if (p_ >= end_ || *p_ != ']') return fail_expecting("',' or ']'");
      ++p_;
      *out = Json::array(std::move(items));
      return true;
    }
  }

  // The text is valid until the next string is read.
  bool read_string(std::string_view* out) {
    ++p_;
    const char* from = p_;
    while (p_ < end_ && *p_ != '"' && *p_ != '\\' && static_cast<unsigned char>(*p_) >= 0x20) {
      continuation_ += (static_cast<unsigned char>(*p_) & 0xC0) == 0x80;
      ++p_;
    }
    if (p_ < end_ && *p_ == '"') {
      if (!check_text(from)) return false;
      *out = std::string_view(from, static_cast<size_t>(p_ - from));
      ++p_;
      return true;
    }
    buffer_.assign(from, p_);
    while (p_ < end_ && *p_ != '"') {
      const unsigned char c = static_cast<unsigned char>(*p_);
      if (c < 0x20) return fail_expecting("the closing quote of the string");
      if (c == '\\') {
        if (!read_escape()) return false;
        continue;
      }
      continuation_ += (c & 0xC0) == 0x80;
      buffer_ += *p_++;
    }
    if (p_ >= end_) return fail_expecting("the closing quote of the string");
    if (!check_text(from)) return false;
    ++p_;
    *out = buffer_;
    return true;
  }

  // What stands from there to here must be text that can be written again.
  bool check_text(const char* from) {
    const std::string_view text(from, static_cast<size_t>(p_ - from));
    const size_t bad = detail::find_bad_byte(text, true);
    if (bad == std::string_view::npos) return true;
    p_ = from + bad;
    return fail("expected UTF-8 text, got other bytes");
  }

  bool read_escape() {
    if (end_ - p_ < 2) {
      p_ = end_;
      return fail_expecting("an escape sequence");
    }
    ++p_;
    constexpr std::string_view kNames = "\"\\/bfnrt";
    constexpr std::string_view kValues = "\"\\/\b\f\n\r\t";
    const size_t known = kNames.find(*p_);
    if (known != std::string_view::npos) {
      buffer_ += kValues[known];
      ++p_;
      return true;
    }
    if (*p_ != 'u') return fail_expecting("an escape sequence");
    ++p_;
    std::optional<uint32_t> code = read_hex4();
    if (!code) return fail_expecting("four hexadecimal digits");
    if (*code >= 0xD800 && *code <= 0xDFFF) {
      // A pair, or U+FFFD for half of one, as Go reads it.
      uint32_t whole = 0xFFFD;
      if (*code < 0xDC00 && end_ - p_ >= 6 && p_[0] == '\\' && p_[1] == 'u') {
        const char* back = p_;
        p_ += 2;
        const std::optional<uint32_t> low = read_hex4();
        if (low && *low >= 0xDC00 && *low <= 0xDFFF) {
          whole = 0x10000 + ((*code - 0xD800) << 10) + (*low - 0xDC00);
        } else {
          p_ = back;
        }
      }
      code = whole;
    }
    append_utf8(*code, buffer_);
    return true;
  }

  std::optional<uint32_t> read_hex4() {
    if (end_ - p_ < 4) return std::nullopt;
    uint32_t value = 0;
    const auto [end, problem] = std::from_chars(p_, p_ + 4, value, 16);
    if (problem != std::errc() || end != p_ + 4) return std::nullopt;
    p_ += 4;
    return value;
  }

  bool read_number(Json* out) {
    const char* from = p_;
    const auto digits = [&] {
      const char* first = p_;
      while (p_ < end_ && *p_ >= '0' && *p_ <= '9') ++p_;
      return p_ - first;
    };
    if (*p_ == '-') ++p_;
    const char* first_digit = p_;
    const auto whole = digits();
    if (whole == 0) {
      if (p_ == from) return fail_expecting("a JSON value");
      return fail_expecting("a digit");
    }
    if (whole > 1 && *first_digit == '0') {
      p_ = first_digit + 1;
      return fail_expecting("a number without leading zeros");
    }
    bool integer = true;
    if (p_ < end_ && *p_ == '.') {
      integer = false;
      ++p_;
      if (digits() == 0) return fail_expecting("a digit");
    }
    if (p_ < end_ && (*p_ == 'e' || *p_ == 'E')) {
      integer = false;
      ++p_;
      if (p_ < end_ && (*p_ == '+' || *p_ == '-')) ++p_;
      if (digits() == 0) return fail_expecting("a digit");
    }
    if (integer) {
      int64_t value = 0;
      if (std::from_chars(from, p_, value).ec == std::errc()) {
        *out = Json(value);
        return true;
      }
    }
    const std::string_view text(from, static_cast<size_t>(p_ - from));
    double value = 0;
    const auto problem = std::from_chars(from, p_, value).ec;
    if (problem == std::errc::result_out_of_range) {
      const size_t e = text.find_first_of("eE");
      if (e == std::string_view::npos || text[e + 1] != '-') {
        p_ = from;
        return fail("a number beyond the range of 64-bit floating point");
      }
      value = 0;
    }
    std::string shortest;
    write_double(value, &shortest);
    *out = shortest == text ? Json(value) : Json::number(value, Str(text));
    return true;
  }

  const char* begin_;
  const char* p_;
  const char* end_;
  const char* line_start_;
  uint64_t line_ = 1;
  uint64_t continuation_ = 0;  // bytes of this line that begin no character
  uint16_t file_;
  Diagnostics* diagnostics_;
  detail::KeyCache keys_;
  std::string buffer_;
  std::string error_;
  Position error_at_;
  const char* error_p_ = nullptr;
};

}  // namespace

JsonText read_json(std::string_view text, uint16_t file, Diagnostics* diagnostics) {
  return JsonReader(text, file, diagnostics).read();
}

Json parse_json(std::string_view text, bool* ok) {
  JsonText result = read_json(text, 0, nullptr);
  const bool good = result.ok && result.values.size() == 1;
  if (ok) *ok = good;
  return good ? std::move(result.values[0]) : Json();
}

std::vector<Json> expand_lists(std::vector<Json> documents) {
  std::vector<Json> out;
  for (Json& document : documents) {
    const std::string_view kind = document["kind"].as_view();
    const Json* items = document.find("items");
    if (!kind.ends_with("List") || !items || !items->is_array()) {
      out.push_back(std::move(document));
      continue;
    }
    const std::string_view item_kind = kind.substr(0, kind.size() - 4);
    std::vector<Json> inner(items->items().begin(), items->items().end());
    if (!item_kind.empty()) {
      for (Json& item : inner) {
        if (!item.is_object() || item.contains("kind")) continue;
        item.set("kind", item_kind);
        if (!item.contains("apiVersion")) item.set("apiVersion", document["apiVersion"]);
      }
    }
    for (Json& item : expand_lists(std::move(inner))) out.push_back(std::move(item));
  }
  return out;
}

}  // namespace mainspring::api

// YAML as `kubectl -o yaml` writes it (goyaml.v2's emitter with unlimited width).
#include <algorithm>
#include <cmath>

#include "models/api/yaml.h"

namespace mainspring::api {
namespace {

bool is_break(char c) { return c == '\n' || c == '\r'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Sexagesimal numbers of YAML 1.1 (12:30:45), which other readers may see.
bool is_base_60(std::string_view s) {
  size_t i = 0;
  if (i < s.size() && (s[i] == '-' || s[i] == '+')) ++i;
  if (i >= s.size() || !is_digit(s[i])) return false;
  while (i < s.size() && (is_digit(s[i]) || s[i] == '_')) ++i;
  bool any = false;
  while (i < s.size() && s[i] == ':') {
    ++i;
    if (i + 1 < s.size() && s[i] >= '0' && s[i] <= '5' && is_digit(s[i + 1])) ++i;
    if (i >= s.size() || !is_digit(s[i])) return false;
    ++i;
    any = true;
  }
  if (any && i < s.size() && s[i] == '.') {
    ++i;
    while (i < s.size() && (is_digit(s[i]) || s[i] == '_')) ++i;
  }
  return any && i == s.size();
}

// What the text allows, as libyaml's analysis of a scalar has it.
struct Analysis {
  bool plain = true;   // in a block context
  bool single = true;  // single quotes
  bool block = true;   // literal block
};

Analysis analyze(std::string_view s) {
  Analysis a;
  if (s.empty()) return {false, true, false};
  bool special = false;
  bool indicator = s.starts_with("---") || s.starts_with("...");
  bool line_break = false;
  bool break_space = false;
  bool space_break = false;
  bool previous_space = false;
  bool previous_break = false;
  for (size_t i = 0; i < s.size(); ++i) {
    const unsigned char c = static_cast<unsigned char>(s[i]);
    const bool last = i + 1 == s.size();
    const bool blank_follows = last || s[i + 1] == ' ' || s[i + 1] == '\t' || is_break(s[i + 1]);
    const bool blank_before = i == 0 || s[i - 1] == ' ' || s[i - 1] == '\t' || is_break(s[i - 1]);
    if (i == 0) {
      if (std::string_view("#,[]{}&*!|>'\"%@`").find(s[0]) != std::string_view::npos) {
        indicator = true;
      }
      if (std::string_view("?:-").find(s[0]) != std::string_view::npos && blank_follows) {
        indicator = true;
      }
    } else {
      if (c == ':' && blank_follows) indicator = true;
      if (c == '#' && blank_before) indicator = true;
    }
    if ((c < 0x20 && c != '\n') || c == 0x7F) special = true;
    if (is_break(s[i])) line_break = true;
    if (c == ' ') {
      if (previous_break) break_space = true;
      previous_space = true;
      previous_break = false;
    } else if (is_break(s[i])) {
      if (previous_space) space_break = true;
      previous_break = true;
      previous_space = false;
    } else {
      previous_space = previous_break = false;
    }
  }
  // U+0085, U+2028, U+2029 break lines too and U+FEFF vanishes: escape them.
  for (const std::string_view odd : {"\xC2\x85", "\xE2\x80\xA8", "\xE2\x80\xA9", "\xEF\xBB\xBF"}) {
    if (s.find(odd) != std::string_view::npos) special = true;
  }
  if (detail::find_bad_byte(s) != std::string_view::npos) special = true;
  const bool outer_space = s.front() == ' ' || s.back() == ' ';
  const bool outer_break = is_break(s.front()) || is_break(s.back());
  if (outer_space || outer_break) a.plain = false;
  if (s.back() == ' ') a.block = false;
  if (break_space) a.plain = a.single = false;
  if (space_break || special) a.plain = a.single = a.block = false;
  if (line_break || indicator) a.plain = false;
  return a;
}

class Writer {
 public:
  Writer(std::string* out, YamlStyle style) : out_(*out), style_(style) {}

  void document(const Json& value) {
    if (value.is_object() && !value.empty()) {
      map(value, 0, false);
    } else if (value.is_array() && !value.empty()) {
      list(value, 0, false);
    } else {
      leaf(value, 0);
      out_ += '\n';
    }
  }

 private:
  void indent(int n) { out_.append(static_cast<size_t>(n), ' '); }

  // `inline_first`: the first line's indentation is there already ("- " before it).
  void map(const Json& value, int depth, bool inline_first) {
    std::vector<const Json::Member*> order;
    for (const Json::Member& m : value.members()) order.push_back(&m);
    if (style_.sorted) {
      std::sort(order.begin(), order.end(),
                [](const Json::Member* a, const Json::Member* b) { return a->key < b->key; });
    }
    for (const Json::Member* m : order) {
      if (!inline_first) indent(depth);
      inline_first = false;
      string(m->key, depth, true);
      out_ += ':';
      const Json& v = m->value;
      if (v.is_object() && !v.empty()) {
        out_ += '\n';
        map(v, depth + 2, false);
      } else if (v.is_array() && !v.empty()) {
        out_ += '\n';
        list(v, depth, false);
      } else {
        out_ += ' ';
        leaf(v, depth + 2);
        out_ += '\n';
      }
    }
  }

  void list(const Json& value, int depth, bool inline_first) {
    for (const Json& v : value.items()) {
      if (!inline_first) indent(depth);
      inline_first = false;
      out_ += "- ";
      if (v.is_object() && !v.empty()) {
        map(v, depth + 2, true);
      } else if (v.is_array() && !v.empty()) {
        list(v, depth + 2, true);
      } else {
        leaf(v, depth + 2);
        out_ += '\n';
      }
    }
  }

  void leaf(const Json& value, int depth) {
    switch (value.kind()) {
      case Json::Kind::kNull:
        out_ += "null";
        break;
      case Json::Kind::kBool:
        out_ += value.as_bool() ? "true" : "false";
        break;
      case Json::Kind::kInt:
        out_ += std::to_string(value.as_int());
        break;
      case Json::Kind::kDouble: {
        const double d = value.as_double();
        if (d == std::floor(d) && std::fabs(d) < 1e15) {
          out_ += std::to_string(static_cast<int64_t>(d));
        } else {
          out_ += detail::general_float(d, false);
        }
        break;
      }
      case Json::Kind::kString:
        string(value.as_view(), depth, false);
        break;
      case Json::Kind::kArray:
        out_ += "[]";
        break;
      case Json::Kind::kObject:
        out_ += "{}";
        break;
    }
  }

  void string(std::string_view s, int depth, bool key) {
    const Analysis allowed = analyze(s);
    if (s.find('\n') != std::string_view::npos && !key) {
      if (allowed.block) return literal(s, depth);
      return double_quoted(s);
    }
    const bool safe = resolve_scalar(s).is_string() && s != "<<" &&
                      !detail::looks_like_timestamp(s) && !is_base_60(s);
    if (!safe) return double_quoted(s);
    if (allowed.plain) {
      out_ += s;
    } else if (allowed.single && s.find('\n') == std::string_view::npos) {
      out_ += '\'';
      for (const char c : s) {
        out_ += c;
        if (c == '\'') out_ += c;
      }
      out_ += '\'';
    } else {
      double_quoted(s);
    }
  }

  void literal(std::string_view s, int depth) {
    out_ += '|';
    if (s.front() == ' ' || is_break(s.front())) out_ += '2';
    if (s.back() != '\n') {
      out_ += '-';
    } else if (s.size() == 1 || s[s.size() - 2] == '\n') {
      out_ += '+';
    }
    const int inner = std::max(depth, 2);
    for (size_t at = 0; at < s.size();) {
      const size_t end = std::min(s.find('\n', at), s.size());
      out_ += '\n';
      if (end > at) {
        indent(inner);
        out_ += s.substr(at, end - at);
      }
      at = end + 1;
    }
  }

  void double_quoted(std::string_view s) {
    static constexpr char kHex[] = "0123456789ABCDEF";
    out_ += '"';
    for (size_t i = 0; i < s.size(); ++i) {
      const unsigned char c = static_cast<unsigned char>(s[i]);
      if (c >= 0x80) {
        multi_byte(s, &i);
        continue;
      }
      constexpr std::string_view kRaw("\0\a\b\t\n\v\f\r\x1b\"\\", 11);
      constexpr std::string_view kNames = "0abtnvfre\"\\";
      const size_t known = kRaw.find(s[i]);
      if (known != std::string_view::npos) {
        out_ += '\\';
        out_ += kNames[known];
      } else if (c < 0x20 || c == 0x7F) {
        out_ += "\\x";
        out_ += kHex[c >> 4];
        out_ += kHex[c & 15];
      } else {
        out_ += s[i];
      }
    }
    out_ += '"';
  }

  // A character outside ASCII: as it is, or escaped if YAML gives it a meaning or it is broken.
  void multi_byte(std::string_view s, size_t* i) {
    const std::string_view rest = s.substr(*i);
    static constexpr std::pair<std::string_view, std::string_view> kEscaped[] = {
        {"\xC2\x85", "\\N"},        {"\xC2\xA0", "\\_"},         {"\xE2\x80\xA8", "\\L"},
        {"\xE2\x80\xA9", "\\P"},    {"\xEF\xBB\xBF", "\\uFEFF"}, {"\xEF\xBF\xBE", "\\uFFFE"},
        {"\xEF\xBF\xBF", "\\uFFFF"}};
    for (const auto& [from, to] : kEscaped) {
      if (rest.starts_with(from)) {
        out_ += to;
        *i += from.size() - 1;
        return;
      }
    }
    const unsigned char c = static_cast<unsigned char>(rest[0]);
    if (c == 0xC2 && rest.size() > 1 && (rest[1] & 0xE0) == 0x80) {  // U+0080 to U+009F
      out_ += "\\x";
      out_ += "89"[rest[1] >> 4 & 1];
      out_ += "0123456789ABCDEF"[rest[1] & 15];
      ++*i;
      return;
    }
    const size_t length = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
    if (detail::find_bad_byte(rest.substr(0, length)) != std::string_view::npos) {
      out_ += "\\uFFFD";
      return;
    }
    out_ += rest.substr(0, length);
    *i += length - 1;
  }

  std::string& out_;
  YamlStyle style_;
};

}  // namespace

void write_yaml(const Json& value, std::string* out, YamlStyle style) {
  Writer(out, style).document(value);
}

}  // namespace mainspring::api

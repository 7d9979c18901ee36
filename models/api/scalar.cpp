// Plain YAML scalars by the rules of goyaml.v2 (kubernetes-sigs/yaml, resolve.go), and the helpers
// that both readers share.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "models/api/yaml.h"

namespace mainspring::api {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_one_of(std::string_view s, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), s) != words.end();
}

// Go's ParseFloat for text already known to have the shape of a decimal number: too large is an
// error, too small is zero.
std::optional<double> read_double(std::string_view s) {
  if (s.starts_with('+')) s.remove_prefix(1);
  double value = 0;
  const auto [end, problem] = std::from_chars(s.data(), s.data() + s.size(), value);
  if (end != s.data() + s.size()) return std::nullopt;
  if (problem == std::errc::result_out_of_range) {
    const size_t e = s.find_first_of("eE");
    const bool tiny = e != std::string_view::npos ? s[e + 1] == '-' : s.find('.') == 0;
    if (!tiny) return std::nullopt;
    return s.starts_with('-') ? -0.0 : 0.0;
  }
  if (problem != std::errc()) return std::nullopt;
  return value;
}

// [-+]? ( .digits | digits (.digits?)? ) ( [eE][-+]?digits )?
bool has_float_shape(std::string_view s) {
  size_t i = 0;
  const auto digits = [&] {
    const size_t from = i;
    while (i < s.size() && is_digit(s[i])) ++i;
    return i - from;
  };
  if (i < s.size() && (s[i] == '-' || s[i] == '+')) ++i;
  if (digits() == 0) {
    if (i >= s.size() || s[i] != '.') return false;
    ++i;
    if (digits() == 0) return false;
  } else if (i < s.size() && s[i] == '.') {
    ++i;
    digits();
  }
  if (i < s.size() && (s[i] == 'e' || s[i] == 'E')) {
    ++i;
    if (i < s.size() && (s[i] == '-' || s[i] == '+')) ++i;
    if (digits() == 0) return false;
  }
  return i == s.size();
}

// Go's ParseInt with base 0: the prefix gives the base. Nothing if it is not an integer.
std::optional<Json> read_integer(std::string_view s) {
  bool negative = false;
  if (!s.empty() && (s[0] == '-' || s[0] == '+')) {
    negative = s[0] == '-';
    s.remove_prefix(1);
  }
  int base = 10;
  if (s.size() > 1 && s[0] == '0') {
    const char c = static_cast<char>(s[1] | 0x20);
    base = c == 'x' ? 16 : c == 'o' ? 8 : c == 'b' ? 2 : 0;
    s.remove_prefix(base == 0 ? 1 : 2);
    if (base == 0) base = 8;
  }
  if (s.empty() || s[0] == '-' || s[0] == '+') return std::nullopt;
  uint64_t value = 0;
  const auto [end, problem] = std::from_chars(s.data(), s.data() + s.size(), value, base);
  if (end != s.data() + s.size()) return std::nullopt;
  constexpr uint64_t kHalf = uint64_t{1} << 63;
  if (problem == std::errc()) {
    if (!negative && value < kHalf) return Json(static_cast<int64_t>(value));
    if (negative && value <= kHalf) return Json(static_cast<int64_t>(~value + 1));
    // Unsigned integers pass Kubernetes' JSON decoder as float64.
    if (!negative) return Json(static_cast<double>(value));
  }
  return std::nullopt;  // too wide: a float if the digits have that shape, else text
}

std::optional<Json> resolve_special(std::string_view s) {
  switch (s[0]) {
    case 'y':
    case 'Y':
      if (is_one_of(s, {"y", "Y", "yes", "Yes", "YES"})) return Json(true);
      break;
    case 't':
    case 'T':
      if (is_one_of(s, {"true", "True", "TRUE"})) return Json(true);
      break;
    case 'o':
    case 'O':
      if (is_one_of(s, {"on", "On", "ON"})) return Json(true);
      if (is_one_of(s, {"off", "Off", "OFF"})) return Json(false);
      break;
    case 'n':
    case 'N':
      if (is_one_of(s, {"n", "N", "no", "No", "NO"})) return Json(false);
      if (is_one_of(s, {"null", "Null", "NULL"})) return Json(nullptr);
      break;
    case 'f':
    case 'F':
      if (is_one_of(s, {"false", "False", "FALSE"})) return Json(false);
      break;
    case '~':
      if (s == "~") return Json(nullptr);
      break;
    case '.':
    case '+':
    case '-': {
      const std::string_view word = s[0] == '.' ? s : s.substr(1);
      if (is_one_of(word, {".inf", ".Inf", ".INF"})) {
        const double infinity = std::numeric_limits<double>::infinity();
        return Json(s[0] == '-' ? -infinity : infinity);
      }
      if (is_one_of(s, {".nan", ".NaN", ".NAN"})) {
        return Json(std::numeric_limits<double>::quiet_NaN());
      }
      break;
    }
    default:
      break;
  }
  return std::nullopt;
}

}  // namespace

Json resolve_scalar(std::string_view text) {
  if (text.empty()) return Json();
  const char c = text[0];
  if (!is_digit(c)) {
    constexpr std::string_view kHints = "yYnNtTfFoO~.+-";
    if (kHints.find(c) == std::string_view::npos) return Json(text);
    if (std::optional<Json> special = resolve_special(text)) return *std::move(special);
    if (c != '.' && c != '+' && c != '-') return Json(text);
  }
  // Most texts that begin like a number are none, or have no underscore.
  std::string without;
  std::string_view plain = text;
  if (text.find('_') != std::string_view::npos) {
    without = text;
    std::erase(without, '_');
    plain = without;
  }
  if (c == '.') {
    if (has_float_shape(plain)) {
      if (const std::optional<double> value = read_double(plain)) return Json(*value);
    }
    return Json(text);
  }
  if (std::optional<Json> integer = read_integer(plain)) return *std::move(integer);
  if (has_float_shape(plain)) {
    if (const std::optional<double> value = read_double(plain)) return Json(*value);
  }
  return Json(text);
}

namespace detail {

bool looks_like_timestamp(std::string_view s) {
  size_t i = 0;
  bool good = true;
  const auto number = [&](size_t least, size_t most, int low, int high) {
    int value = 0;
    const size_t from = i;
    while (i < s.size() && is_digit(s[i]) && i - from < most) value = value * 10 + (s[i++] - '0');
    if (i - from < least || value < low || value > high) good = false;
    return value;
  };
  const auto expect = [&](std::string_view any) {
    if (i < s.size() && any.find(s[i]) != std::string_view::npos) {
      ++i;
      return true;
    }
    return false;
  };
  const int year = number(4, 4, 0, 9999);
  if (!good || !expect("-")) return false;
  const int month = number(1, 2, 1, 12);
  if (!good || !expect("-")) return false;
  const int day = number(1, 2, 1, 31);
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (!good || day > kDays[month - 1] + (leap && month == 2 ? 1 : 0)) return false;
  if (i == s.size()) return true;
  const char separator = s[i];
  if (!expect("Tt ")) return false;
  number(1, 2, 0, 23);
  if (!good || !expect(":")) return false;
  number(1, 2, 0, 59);
  if (!good || !expect(":")) return false;
  number(1, 2, 0, 59);
  if (!good) return false;
  if (expect(".,")) {
    number(1, 9, 0, std::numeric_limits<int>::max());
    if (!good) return false;
  }
  if (separator == ' ') return i == s.size();
  if (expect("Z")) return i == s.size();
  if (!expect("+-")) return false;
  number(2, 2, 0, 24);
  if (!good || !expect(":")) return false;
  number(2, 2, 0, 60);
  return good && i == s.size();
}

std::string general_float(double value, bool single) {
  if (std::isnan(value)) return ".nan";
  if (std::isinf(value)) return value < 0 ? "-.inf" : ".inf";
  if (value == 0) return std::signbit(value) ? "-0" : "0";
  char buffer[40];
  char* end = buffer;
  if (single) {
    const float narrow = static_cast<float>(value);
    if (std::isinf(narrow)) return value < 0 ? "-.inf" : ".inf";
    if (narrow == 0) return std::signbit(value) ? "-0" : "0";
    end = std::to_chars(buffer, buffer + sizeof buffer, narrow, std::chars_format::scientific).ptr;
  } else {
    end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  }
  const std::string_view text(buffer, static_cast<size_t>(end - buffer));
  const size_t e = text.find('e');
  int exponent = 0;
  const size_t sign = text[e + 1] == '+' ? 2 : 1;
  std::from_chars(text.data() + e + sign, end, exponent);
  std::string digits;
  for (const char c : text.substr(0, e)) {
    if (is_digit(c)) digits += c;
  }
  const int count = static_cast<int>(digits.size());
  // Go decides between %e and %f as if six digits had been asked for.
  if (exponent < -4 || exponent >= std::max(count, 6)) return std::string(text);
  std::string out = value < 0 ? "-" : "";
  if (exponent < 0) {
    return out + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  }
  if (count <= exponent + 1) {
    return out + digits + std::string(static_cast<size_t>(exponent + 1 - count), '0');
  }
  const size_t whole = static_cast<size_t>(exponent) + 1;
  return out + digits.substr(0, whole) + "." + digits.substr(whole);
}

std::string float_key(double value) { return general_float(value, true); }

size_t find_bad_byte(std::string_view s, bool controls_allowed) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(s[i]); };
  size_t i = 0;
  while (i < s.size()) {
    const unsigned char c = byte(i);
    if (c >= 0x20 && c < 0x7F) {
      ++i;
      continue;
    }
    if (c < 0x80) {
      if (!controls_allowed && c != '\n' && c != '\t' && c != '\r') return i;
      ++i;
      continue;
    }
    const size_t length = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
    if (c < 0xC2 || c > 0xF4 || i + length > s.size()) return i;
    uint32_t code = c & (0xFFU >> (length + 1));
    for (size_t k = 1; k < length; ++k) {
      if ((byte(i + k) & 0xC0) != 0x80) return i;
      code = code << 6 | (byte(i + k) & 0x3FU);
    }
    if ((length == 3 && code < 0x800) || (length == 4 && (code < 0x10000 || code > 0x10FFFF)) ||
        (code >= 0xD800 && code <= 0xDFFF)) {
      return i;
    }
    const bool control = (code < 0xA0 && code != 0x85) || code == 0xFFFE || code == 0xFFFF;
    if (control && !controls_allowed) return i;
    i += length;
  }
  return std::string_view::npos;
}

Str KeyCache::get(std::string_view key) {
  uint64_t hash = 1469598103934665603ULL;  // FNV-1a
  for (const char c : key) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  Str& slot = slots_[(hash ^ hash >> 32) & (kSlots - 1)];
  if (slot != key) slot = Str(key);
  return slot;
}

void MemberList::warn(const Json::Member& first, Position again, Diagnostics* diagnostics) {
  if (!diagnostics || !first.at.known()) return;  // a merged member has no place
  Diagnostic d;
  d.severity = Diagnostic::Severity::kWarning;
  d.at = again;
  write_json_string(first.key, &d.found);
  d.message = "key " + d.found + " is given twice, the last one counts (first in line " +
              std::to_string(first.at.line()) + ")";
  diagnostics->add(std::move(d));
}

void MemberList::add(Str key, Json value, Position at, Diagnostics* diagnostics) {
  if (members_.size() < kSearched) {
    for (Json::Member& m : members_) {
      if (m.key == key) {
        warn(m, at, diagnostics);
        m.value = std::move(value);
        m.at = at;
        return;
      }
    }
  }
  members_.push_back({std::move(key), std::move(value), at});
}

std::vector<Json::Member> MemberList::finish(Diagnostics* diagnostics) {
  if (members_.size() > kSearched) {
    std::vector<size_t> order(members_.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      return members_[a].key != members_[b].key ? members_[a].key < members_[b].key : a < b;
    });
    std::vector<bool> gone(members_.size());
    bool any = false;
    for (size_t i = 1; i < order.size(); ++i) {
      const size_t earlier = order[i - 1];
      const size_t later = order[i];
      if (members_[earlier].key != members_[later].key) continue;
      warn(members_[earlier], members_[later].at, diagnostics);
      gone[earlier] = true;
      any = true;
    }
    if (any) {
      size_t kept = 0;
      for (size_t i = 0; i < members_.size(); ++i) {
        if (gone[i]) continue;
        if (kept != i) members_[kept] = std::move(members_[i]);
        ++kept;
      }
      members_.resize(kept);
    }
  }
  return std::move(members_);
}

}  // namespace detail

}  // namespace mainspring::api

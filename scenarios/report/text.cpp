#include "scenarios/report/text.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdint>
#include <cstdio>

namespace mainspring::scenarios {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

// Reads one code point; -1 for a byte that does not start a valid sequence. Advances `i`.
int32_t next_code_point(std::string_view s, size_t& i) {
  const auto byte = [&](size_t k) { return static_cast<uint8_t>(s[k]); };
  const uint8_t first = byte(i);
  if (first < 0x80) return s[i++];
  const size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC2 ? 2 : 0;
  if (length == 0 || first > 0xF4 || i + length > s.size()) {
    ++i;
    return -1;
  }
  int32_t code = first & (0x7F >> length);
  for (size_t k = 1; k < length; ++k) {
    if ((byte(i + k) & 0xC0) != 0x80) {
      ++i;
      return -1;
    }
    code = code << 6 | (byte(i + k) & 0x3F);
  }
  const bool overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
  if (overlong || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) {
    ++i;
    return -1;
  }
  i += length;
  return code;
}

// Calls `put(code, bytes)` for every code point; bytes is U+FFFD where the input is not UTF-8.
template <class Put>
void for_each_code_point(std::string_view s, Put put) {
  for (size_t i = 0; i < s.size();) {
    const size_t start = i;
    const int32_t code = next_code_point(s, i);
    if (code < 0) {
      put(0xFFFD, kReplacement);
    } else {
      put(code, s.substr(start, i - start));
    }
  }
}

// Decimal digits after the point, without trailing zeros.
std::string fixed(double value, int digits) {
  std::string s = fmt::format("{:.{}f}", value, digits);
  if (s.find('.') != std::string::npos) {
    while (s.back() == '0') s.pop_back();
    if (s.back() == '.') s.pop_back();
  }
  if (s == "-0") s = "0";
  const size_t first = s[0] == '-' ? 1 : 0;
  size_t end = s.find('.');
  if (end == std::string::npos) end = s.size();
  for (size_t i = end; i > first + 3;) {
    i -= 3;
    s.insert(i, 1, ',');
  }
  return s;
}

}  // namespace

std::string format_time(double seconds) {
  if (!std::isfinite(seconds)) return "-";
  const std::string sign = seconds < 0 ? "-" : "";
  const double a = std::fabs(seconds);
  const int64_t tenths = std::llround(a * 10);
  if (tenths < 600) {
    return tenths % 10 ? fmt::format("{}{}.{}s", sign, tenths / 10, tenths % 10)
                       : fmt::format("{}{}s", tenths ? sign : "", tenths / 10);
  }
  const int64_t s = std::llround(a);
  const int64_t days = s / 86400;
  if (days) {
    return fmt::format("{}{}d{:02}h{:02}m{:02}s", sign, days, s / 3600 % 24, s / 60 % 60, s % 60);
  }
  if (s >= 3600) return fmt::format("{}{}h{:02}m{:02}s", sign, s / 3600, s / 60 % 60, s % 60);
  return fmt::format("{}{}m{:02}s", sign, s / 60, s % 60);
}

std::string format_number(double value) {
  if (!std::isfinite(value)) return "-";
  const double a = std::fabs(value);
  return fixed(value, a >= 1000 ? 0 : a >= 100 ? 1 : a >= 1 ? 2 : 3);
}

std::string format_value(double value, std::string_view unit) {
  if (!std::isfinite(value)) return "-";
  if (unit == "%") return fixed(value, value > 99 && value < 100 ? 3 : 2) + " %";
  if (unit == "s" && std::fabs(value) >= 60) return format_time(value);
  if (unit == "ms" && std::fabs(value) >= 10'000) return format_number(value / 1000) + " s";
  if (unit == "USD" || unit == "USD/h") {
    return fmt::format("{}${:.{}f}{}", value < 0 ? "-" : "", std::fabs(value),
                       std::fabs(value) < 1 ? 3 : 2, unit == "USD" ? "" : "/h");
  }
  if (unit.empty()) return format_number(value);
  const bool single = value == 1 && unit.size() > 2 && unit.ends_with('s');  // 1 change
  return fmt::format("{} {}", format_number(value), unit.substr(0, unit.size() - single));
}

std::string escape_xml(std::string_view text) {
  std::string out;
  for_each_code_point(text, [&](int32_t code, std::string_view bytes) {
    switch (code) {
      case '&':
        out += "&amp;";
        return;
      case '<':
        out += "&lt;";
        return;
      case '>':
        out += "&gt;";
        return;
      case '"':
        out += "&quot;";
        return;
      case '\'':
        out += "&apos;";
        return;
      // As references, or an attribute would turn them into spaces.
      case '\n':
        out += "&#10;";
        return;
      case '\r':
        out += "&#13;";
        return;
      case '\t':
        out += "&#9;";
        return;
      default:
        break;
    }
    const bool forbidden = code < 0x20 || code == 0xFFFE || code == 0xFFFF;
    out += forbidden ? kReplacement : bytes;
  });
  return out;
}

std::string escape_html(std::string_view text) { return escape_xml(text); }

int display_width(std::string_view text) {
  int n = 0;
  for_each_code_point(text, [&](int32_t, std::string_view) { ++n; });
  return n;
}

std::string printable(std::string_view text) {
  std::string out;
  for_each_code_point(text, [&](int32_t code, std::string_view bytes) {
    const bool control = code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x2028 ||
                         code == 0x2029 || (code >= 0x202A && code <= 0x202E) ||
                         (code >= 0x2066 && code <= 0x2069);
    if (code == '\n' || code == '\t') {
      out += ' ';
    } else if (!control) {
      out += bytes;
    }
  });
  return out;
}

std::string truncate(std::string_view text, int width, bool unicode) {
  if (display_width(text) <= width) return std::string(text);
  const std::string_view dots = unicode ? "…" : "...";
  const int room = width - (unicode ? 1 : 3);
  std::string out;
  int n = 0;
  for_each_code_point(text, [&](int32_t, std::string_view bytes) {
    if (n++ < room) out += bytes;
  });
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return room < 0 ? std::string() : out + std::string(dots);
}

bool write_file(const std::string& path, std::string_view contents) {
  std::FILE* f = std::fopen(path.c_str(), "wb");
  if (!f) return false;
  const bool ok = std::fwrite(contents.data(), 1, contents.size(), f) == contents.size();
  return std::fclose(f) == 0 && ok;
}

}  // namespace mainspring::scenarios

// Small helpers of the report writers: numbers and times in words, escaping, writing a file.
#pragma once

#include <string>
#include <string_view>

namespace mainspring::scenarios {

// 3723 -> "1h02m03s", 12.5 -> "12.5s", 90 -> "1m30s". Tenths only below a minute.
std::string format_time(double seconds);

// "1,204", "99.96", "0.125": thousands separators, no more digits than one can read.
std::string format_number(double value);

// A number with its unit as people write it: "99.96 %", "412 ms", "1m42s", "$3.20", "41 pods".
std::string format_value(double value, std::string_view unit);

// XML 1.0 text and attribute values: markup escaped; what XML cannot hold becomes U+FFFD.
std::string escape_xml(std::string_view text);

// HTML text.
std::string escape_html(std::string_view text);

// Columns that the text takes on a terminal: code points, not bytes (combining marks and wide
// characters are not told apart).
int display_width(std::string_view text);

// The text without control characters (a name must not be able to move the cursor or recolour the
// terminal) and with U+FFFD in place of bytes that are not UTF-8.
std::string printable(std::string_view text);

// The text cut to `width` columns, with an ellipsis ("…" or "...") if something was cut.
std::string truncate(std::string_view text, int width, bool unicode);

// Replaces the file's contents; false and errno on failure.
bool write_file(const std::string& path, std::string_view contents);

}  // namespace mainspring::scenarios

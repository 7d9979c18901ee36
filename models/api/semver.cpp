#include "models/api/semver.h"

#include <algorithm>
#include <charconv>

namespace mainspring::api {

namespace {

bool is_number_text(std::string_view s) {
  return std::all_of(s.begin(), s.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool is_word_text(std::string_view s) {
  return std::all_of(s.begin(), s.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
  });
}

bool has_leading_zero(std::string_view s) { return s.size() > 1 && s.front() == '0'; }

std::vector<std::string_view> split(std::string_view s, char at, size_t most = SIZE_MAX) {
  std::vector<std::string_view> parts;
  while (parts.size() + 1 < most) {
    const size_t i = s.find(at);
    if (i == std::string_view::npos) break;
    parts.push_back(s.substr(0, i));
    s.remove_prefix(i + 1);
  }
  parts.push_back(s);
  return parts;
}

std::string quoted(std::string_view s) { return '"' + std::string(s) + '"'; }

// Empty if the number could be read.
std::string read_number(std::string_view text, uint64_t& out) {
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (ec == std::errc() && end == text.data() + text.size()) return {};
  const std::string_view why =
      ec == std::errc::result_out_of_range ? "value out of range" : "invalid syntax";
  return "strconv.ParseUint: parsing " + quoted(text) + ": " + std::string(why);
}

}  // namespace

std::string Semver::read_identifier(std::string_view text, Identifier& out) {
  if (text.empty()) return "Prerelease is empty";
  if (is_number_text(text)) {
    if (has_leading_zero(text)) {
      return "Numeric PreRelease version must not contain leading zeroes " + quoted(text);
    }
    out.is_number = true;
    return read_number(text, out.number);
  }
  if (!is_word_text(text)) return "Invalid character(s) found in prerelease " + quoted(text);
  out.word = std::string(text);
  return {};
}

std::string Semver::read(std::string_view text, Semver& out) {
  if (text.empty()) return "Version string empty";
  std::vector<std::string_view> parts = split(text, '.', 3);
  if (parts.size() != 3) return "No Major.Minor.Patch elements found";
  std::string_view build;
  std::string_view pre_release;
  bool has_build = false;
  bool has_pre_release = false;
  if (const size_t i = parts[2].find('+'); i != std::string_view::npos) {
    has_build = true;
    build = parts[2].substr(i + 1);
    parts[2] = parts[2].substr(0, i);
  }
  if (const size_t i = parts[2].find('-'); i != std::string_view::npos) {
    has_pre_release = true;
    pre_release = parts[2].substr(i + 1);
    parts[2] = parts[2].substr(0, i);
  }
  constexpr std::string_view kNames[] = {"major", "minor", "patch"};
  constexpr std::string_view kTitles[] = {"Major", "Minor", "Patch"};
  for (size_t i = 0; i < 3; ++i) {
    if (!is_number_text(parts[i])) {
      return "Invalid character(s) found in " + std::string(kNames[i]) + " number " +
             quoted(parts[i]);
    }
    if (has_leading_zero(parts[i])) {
      return std::string(kTitles[i]) + " number must not contain leading zeroes " +
             quoted(parts[i]);
    }
    if (std::string error = read_number(parts[i], out.numbers_[i]); !error.empty()) return error;
  }
  if (has_pre_release) {
    for (std::string_view part : split(pre_release, '.')) {
      Identifier identifier;
      if (std::string error = read_identifier(part, identifier); !error.empty()) return error;
      out.pre_release_.push_back(std::move(identifier));
    }
  }
  if (has_build) {
    for (std::string_view part : split(build, '.')) {
      if (part.empty()) return "Build meta data is empty";
      if (!is_word_text(part)) {
        return "Invalid character(s) found in build meta data " + quoted(part);
      }
    }
  }
  return {};
}

std::optional<Semver> Semver::parse(std::string_view text, std::string* error) {
  Semver out;
  out.size_ = text.size();
  std::string why = read(text, out);
  if (why.empty()) return out;
  if (error) *error = std::move(why);
  return std::nullopt;
}

std::optional<Semver> Semver::parse_normalized(std::string_view text, std::string* error) {
  if (text.starts_with('v')) text.remove_prefix(1);
  const std::vector<std::string_view> parts = split(text, '.', 3);
  if (parts.size() < 3 && parts.back().find_first_of("+-") != std::string_view::npos) {
    if (error) *error = "short version cannot contain PreRelease/Build meta data";
    return std::nullopt;
  }
  std::string whole;
  for (size_t i = 0; i < 3; ++i) {
    if (i > 0) whole += '.';
    std::string_view part = i < parts.size() ? parts[i] : "0";
    if (part.size() > 1) {
      part.remove_prefix(std::min(part.find_first_not_of('0'), part.size()));
      if (part.empty() || part.front() < '0' || part.front() > '9') whole += '0';
    }
    whole += part;
  }
  return parse(whole, error);
}

int Semver::compare(const Semver& o) const {
  for (size_t i = 0; i < 3; ++i) {
    if (numbers_[i] != o.numbers_[i]) return numbers_[i] < o.numbers_[i] ? -1 : 1;
  }
  // A version without a pre-release part comes after all that have one.
  if (pre_release_.empty() != o.pre_release_.empty()) return pre_release_.empty() ? 1 : -1;
  const auto order = std::lexicographical_compare_three_way(
      pre_release_.begin(), pre_release_.end(), o.pre_release_.begin(), o.pre_release_.end());
  return order < 0 ? -1 : order > 0 ? 1 : 0;
}

}  // namespace mainspring::api

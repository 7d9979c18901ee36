#include "models/api/diagnostics.h"

#include <algorithm>
#include <tuple>

#include "models/api/text.h"

namespace mainspring::api {

uint16_t Diagnostics::add_file(std::string_view name) {
  if (files_.size() >= UINT16_MAX) return 0;
  files_.emplace_back(name);
  return static_cast<uint16_t>(files_.size());
}

std::string_view Diagnostics::file_name(uint16_t file) const {
  return file == 0 || file > files_.size() ? std::string_view() : files_[file - 1U];
}

void Diagnostics::add(Diagnostic d) {
  ++(d.severity == Diagnostic::Severity::kError ? errors_ : warnings_);
  if (kept_.size() < kMaxKept) {
    kept_.push_back(std::move(d));
    return;
  }
  if (d.severity == Diagnostic::Severity::kWarning) return;
  // An error is worth more than a warning.
  const auto warning = std::find_if(kept_.begin(), kept_.end(), [](const Diagnostic& k) {
    return k.severity == Diagnostic::Severity::kWarning;
  });
  if (warning != kept_.end()) {
    kept_.erase(warning);
    kept_.push_back(std::move(d));
  }
}

void Diagnostics::error(Position at, std::string path, std::string message) {
  add({.severity = Diagnostic::Severity::kError,
       .at = at,
       .path = std::move(path),
       .message = std::move(message)});
}

void Diagnostics::warning(Position at, std::string path, std::string message) {
  add({.severity = Diagnostic::Severity::kWarning,
       .at = at,
       .path = std::move(path),
       .message = std::move(message)});
}

void Diagnostics::mismatch(Position at, std::string path, std::string expected, std::string found) {
  add({.severity = Diagnostic::Severity::kError,
       .at = at,
       .path = std::move(path),
       .expected = std::move(expected),
       .found = std::move(found)});
}

bool Diagnostics::has_error_within(std::string_view path) const {
  return std::any_of(kept_.begin(), kept_.end(), [&](const Diagnostic& d) {
    if (d.severity != Diagnostic::Severity::kError || !d.path.starts_with(path)) return false;
    return d.path.size() == path.size() || d.path[path.size()] == '.' || d.path[path.size()] == '[';
  });
}

std::vector<Diagnostic> Diagnostics::sorted() const {
  std::vector<Diagnostic> all = kept_;
  std::stable_sort(all.begin(), all.end(),
                   [](const Diagnostic& a, const Diagnostic& b) { return a.at < b.at; });
  return all;
}

namespace {

std::string sentence(const Diagnostic& d) {
  std::string out = d.message;
  if (out.empty()) {
    out = "expected " + d.expected;
    if (!d.found.empty()) out += ", got " + d.found;
  }
  if (!d.suggestion.empty()) out += "; did you mean \"" + d.suggestion + "\"?";
  return out;
}

}  // namespace

std::string Diagnostics::render(const Diagnostic& d) const {
  std::string out(file_name(d.at.file()));
  if (d.at.known()) {
    if (!out.empty()) out += ':';
    out += std::to_string(d.at.line());
    if (d.at.column() != 0) out += ":" + std::to_string(d.at.column());
  }
  if (!out.empty()) out += ": ";
  if (d.severity == Diagnostic::Severity::kWarning) out += "warning: ";
  if (!d.path.empty()) out += d.path + ": ";
  return out + sentence(d);
}

std::string Diagnostics::to_text(size_t limit) const {
  std::string out;
  size_t shown = 0;
  for (const Diagnostic& d : sorted()) {
    if (shown == limit) break;
    out += render(d) + "\n";
    ++shown;
  }
  const size_t total = errors_ + warnings_;
  if (total > shown) out += "and " + std::to_string(total - shown) + " more\n";
  return out;
}

Json Diagnostics::to_json_value() const {
  Json all = Json::array();
  for (const Diagnostic& d : sorted()) {
    Json one = Json::object();
    one.set("severity", d.severity == Diagnostic::Severity::kError ? "error" : "warning");
    one.set("file", file_name(d.at.file()));
    one.set("line", d.at.line());
    one.set("column", d.at.column());
    one.set("path", d.path);
    one.set("message", sentence(d));
    if (!d.expected.empty()) one.set("expected", d.expected);
    if (!d.found.empty()) one.set("found", d.found);
    if (!d.suggestion.empty()) one.set("suggestion", d.suggestion);
    all.push_back(std::move(one));
  }
  return all;
}

std::string describe(const Json& value) {
  constexpr size_t kShown = 60;  // bytes
  switch (value.kind()) {
    case Json::Kind::kArray:
      return value.empty() ? "an empty list" : "a list";
    case Json::Kind::kObject:
      return value.empty() ? "an empty map" : "a map";
    case Json::Kind::kString: {
      std::string_view text = value.as_view();
      if (text.size() <= kShown) return to_json(value);
      size_t cut = kShown;  // not inside a character
      while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xC0) == 0x80) --cut;
      std::string out;
      write_json_string(text.substr(0, cut), &out);
      return out + "...";
    }
    default:
      return to_json(value);
  }
}

namespace {

// Edits (insert, delete, change, swap of neighbours) from a to b, or more than `bound`.
size_t edit_distance(std::string_view a, std::string_view b, size_t bound) {
  if (a.size() > b.size() + bound || b.size() > a.size() + bound) return bound + 1;
  const size_t width = b.size() + 1;
  std::vector<size_t> two_back(width);
  std::vector<size_t> above(width);
  std::vector<size_t> row(width);
  for (size_t j = 0; j < width; ++j) above[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j < width; ++j) {
      const bool equal = to_lower(a[i - 1]) == to_lower(b[j - 1]);
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (equal ? 0 : 1)});
      if (i > 1 && j > 1 && to_lower(a[i - 1]) == to_lower(b[j - 2]) &&
          to_lower(a[i - 2]) == to_lower(b[j - 1])) {
        row[j] = std::min(row[j], two_back[j - 2] + 1);
      }
    }
    std::swap(two_back, above);
    std::swap(above, row);
  }
  return above[b.size()];
}

}  // namespace

std::string_view nearest(std::string_view name, std::span<const std::string_view> candidates) {
  constexpr size_t kLongest = 128;  // no name of Kubernetes is longer
  if (name.empty() || name.size() > kLongest) return {};
  const size_t bound = std::max<size_t>(1, name.size() / 3);
  std::string_view best;
  size_t best_distance = bound + 1;
  for (const std::string_view candidate : candidates) {
    if (candidate == name) continue;
    const size_t distance = edit_distance(name, candidate, bound);
    if (distance < best_distance && distance < std::max(name.size(), candidate.size())) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view name, std::span<const std::string_view> candidates) {
  const std::string_view near = nearest(name, candidates);
  return near.empty() ? std::string() : "; did you mean \"" + std::string(near) + "\"?";
}

}  // namespace mainspring::api

// Semantic versions as drivers publish them in device attributes: "1.2.3-rc.1+build".
//
// Grammar, order and the messages of errors are those of github.com/blang/semver v4.0.0, which
// Kubernetes v1.35 uses; `normalized` reads as the CEL library of Kubernetes does with its second
// argument: a leading "v", missing minor and patch numbers and leading zeros are allowed.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mainspring::api {

class Semver {
 public:
  // Nothing on bad text, and then *error says why.
  static std::optional<Semver> parse(std::string_view text, std::string* error = nullptr);
  static std::optional<Semver> parse_normalized(std::string_view text,
                                                std::string* error = nullptr);

  uint64_t major() const { return numbers_[0]; }
  uint64_t minor() const { return numbers_[1]; }
  uint64_t patch() const { return numbers_[2]; }
  // Bytes of the text, with which the cost of comparing grows.
  size_t size() const { return size_; }

  // Build metadata does not count.
  friend bool operator==(const Semver& a, const Semver& b) { return a.compare(b) == 0; }
  friend std::strong_ordering operator<=>(const Semver& a, const Semver& b) {
    return a.compare(b) <=> 0;
  }

 private:
  // An identifier of the pre-release part: numbers come before words.
  struct Identifier {
    bool is_number = false;
    uint64_t number = 0;
    std::string word;
    friend auto operator<=>(const Identifier& a, const Identifier& b) {
      if (a.is_number != b.is_number) return b.is_number <=> a.is_number;
      return a.is_number ? a.number <=> b.number : a.word <=> b.word;
    }
    friend bool operator==(const Identifier& a, const Identifier& b) { return a <=> b == 0; }
  };

  static std::string read(std::string_view text, Semver& out);
  static std::string read_identifier(std::string_view text, Identifier& out);
  int compare(const Semver& o) const;

  uint64_t numbers_[3] = {};
  size_t size_ = 0;
  std::vector<Identifier> pre_release_;
};

}  // namespace mainspring::api

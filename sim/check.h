// Invariants of Mainspring itself, checked in every build type.
//
// MAINSPRING_CHECK(condition) or MAINSPRING_CHECK(condition, "format {}", args...) throws
// InvariantBroken when the condition is false. It is for programmer errors only: mistakes in the
// input are reported by the loaders, and nothing that a simulated cluster does may trip it.
// World::run adds the event, the virtual time and the seed that reproduce the failure.
#pragma once

#include <fmt/core.h>

#include <exception>
#include <string>
#include <utility>

namespace mainspring::sim {

class InvariantBroken : public std::exception {
 public:
  explicit InvariantBroken(std::string text) : text_(std::move(text)) {}
  const char* what() const noexcept override { return text_.c_str(); }
  const std::string& text() const noexcept { return text_; }
  // Appends where in the run it happened.
  void add_context(const std::string& context) { text_ += context; }

 private:
  std::string text_;
};

// Throws InvariantBroken with the condition, its place in the source and the detail.
[[noreturn]] void check_failed(const char* condition, const char* file, int line,
                               const std::string& detail = {});

}  // namespace mainspring::sim

#define MAINSPRING_CHECK(condition, ...)                                                  \
  do {                                                                                    \
    if (!(condition)) [[unlikely]]                                                        \
      ::mainspring::sim::check_failed(#condition, __FILE_NAME__,                          \
                                      __LINE__ __VA_OPT__(, ::fmt::format(__VA_ARGS__))); \
  } while (false)

// What the program prints, and where: data on stdout, everything else on stderr.
#pragma once

#include <string>
#include <string_view>

#include "models/api/diagnostics.h"

namespace mainspring::cli {

// The documented exit codes.
inline constexpr int kOk = 0;
inline constexpr int kExpectationFailed = 1;
inline constexpr int kUsage = 2;
inline constexpr int kInvalidInput = 3;
inline constexpr int kInvariantBroken = 4;
inline constexpr int kInterrupted = 130;

enum class ColorMode { kAuto, kAlways, kNever };

struct Terminal {
  bool color_out = false;
  bool color_err = false;
  bool progress = false;  // stderr is a terminal: a line may be redrawn
  bool unicode = false;
  int width = 80;  // columns
};

// Colour in mode kAuto: on a terminal that is not dumb, unless NO_COLOR is set and not empty
// (https://no-color.org).
Terminal inspect_terminal(ColorMode mode);

void print_out(std::string_view text);
void print_err(std::string_view text);
// "error: ..." on stderr, a line.
void print_error(const Terminal& terminal, std::string_view text);
// Errors and warnings, a line each, on stderr. At most `limit`.
void print_diagnostics(const Terminal& terminal, const api::Diagnostics& diagnostics,
                       size_t limit = 100);

}  // namespace mainspring::cli

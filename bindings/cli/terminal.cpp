#include "bindings/cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace mainspring::cli {

namespace {

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

bool colored(ColorMode mode, int fd) {
  if (mode != ColorMode::kAuto) return mode == ColorMode::kAlways;
  return isatty(fd) == 1 && environment("NO_COLOR").empty() && environment("TERM") != "dumb";
}

void write_all(std::FILE* stream, std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stream);
  std::fflush(stream);
}

std::string painted(bool color, std::string_view code, std::string_view text) {
  if (!color) return std::string(text);
  return "\033[" + std::string(code) + "m" + std::string(text) + "\033[0m";
}

}  // namespace

Terminal inspect_terminal(ColorMode mode) {
  Terminal t;
  t.color_out = colored(mode, STDOUT_FILENO);
  t.color_err = colored(mode, STDERR_FILENO);
  t.progress = isatty(STDERR_FILENO) == 1 && environment("TERM") != "dumb";
  std::string_view locale = environment("LC_ALL");
  if (locale.empty()) locale = environment("LC_CTYPE");
  if (locale.empty()) locale = environment("LANG");
  // A pipe gets UTF-8 whatever the locale: what reads it is rarely a terminal of the 1990s.
  t.unicode = isatty(STDOUT_FILENO) != 1 || locale.find("UTF-8") != std::string_view::npos ||
              locale.find("utf8") != std::string_view::npos;
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) t.width = size.ws_col;
  return t;
}

void print_out(std::string_view text) { write_all(stdout, text); }
void print_err(std::string_view text) { write_all(stderr, text); }

void print_error(const Terminal& terminal, std::string_view text) {
  print_err(painted(terminal.color_err, "1;31", "error:") + " " + std::string(text) + "\n");
}

void print_diagnostics(const Terminal& terminal, const api::Diagnostics& diagnostics,
                       size_t limit) {
  size_t shown = 0;
  for (const api::Diagnostic& d : diagnostics.sorted()) {
    if (shown == limit) break;
    const bool error = d.severity == api::Diagnostic::Severity::kError;
    print_err(painted(terminal.color_err, error ? "31" : "33", diagnostics.render(d)) + "\n");
    ++shown;
  }
  const size_t total = diagnostics.errors() + diagnostics.warnings();
  if (total > shown) print_err("and " + std::to_string(total - shown) + " more\n");
}

}  // namespace mainspring::cli

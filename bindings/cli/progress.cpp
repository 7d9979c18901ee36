#include "bindings/cli/progress.h"

#include <fmt/format.h>

#include <csignal>
#include <cstdint>
#include <string>

#include "scenarios/report/text.h"

namespace mainspring::cli {

namespace {

volatile std::sig_atomic_t interrupted = 0;

// The second interrupt ends the program at once.
void on_interrupt(int signal) {
  interrupted = 1;
  std::signal(signal, SIG_DFL);
}

std::string progress_text(const bindings::Progress& p) {
  const double now = p.now.to_seconds();
  const double end = p.end.to_seconds();
  const double share = end > 0 ? now / end : 1;
  const double speed = p.wall_seconds > 0 ? now / p.wall_seconds : 0;
  const double rate = p.wall_seconds > 0 ? static_cast<double>(p.events) / p.wall_seconds : 0;
  const double left = share > 0 ? p.wall_seconds / share * (1 - share) : 0;
  return fmt::format("{} of {} ({:.0f} %), {}x real time, {} events/s, {} left",
                     scenarios::format_time(now), scenarios::format_time(end), share * 100,
                     scenarios::format_number(
                         speed < 10 ? speed : static_cast<double>(static_cast<int64_t>(speed))),
                     scenarios::format_number(static_cast<double>(static_cast<int64_t>(rate))),
                     scenarios::format_time(left < 1 ? 1 : left));
}

}  // namespace

void catch_interrupts() {
  std::signal(SIGINT, on_interrupt);
  std::signal(SIGTERM, on_interrupt);
}

bool ProgressLine::go_on(const bindings::Progress& progress) {
  const double period = terminal_.progress ? 0.1 : 10;
  if (!quiet_ && progress.wall_seconds >= last_ + period) {
    last_ = progress.wall_seconds;
    const std::string text = progress_text(progress);
    if (terminal_.progress) {
      print_err("\r\033[K" + scenarios::truncate(text, terminal_.width - 1, true));
      drawn_ = true;
    } else {
      print_err(text + "\n");
    }
  }
  return interrupted == 0;
}

void ProgressLine::erase() {
  if (drawn_) print_err("\r\033[K");
  drawn_ = false;
}

}  // namespace mainspring::cli

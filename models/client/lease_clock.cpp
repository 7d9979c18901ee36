#include "models/client/lease_clock.h"

#include <fmt/format.h>

#include <charconv>

namespace mainspring::client {

LeaseClock lease_clock(const api::Lease& lease) {
  LeaseClock clock{lease.spec.renew_time, {}};
  const api::Str* text = lease.metadata.annotations.find(kLeaseClockAnnotation);
  if (!text) return clock;
  const std::string_view s = text->view();
  int64_t start = 0;
  int64_t period = 0;
  const auto first = std::from_chars(s.data(), s.data() + s.size(), start);
  if (first.ec != std::errc() || first.ptr == s.data() + s.size() || *first.ptr != '+') {
    return clock;
  }
  const auto second = std::from_chars(first.ptr + 1, s.data() + s.size(), period);
  if (second.ec != std::errc() || period <= 0) return clock;
  return {api::Time::from_unix_ns(start), api::Duration::nanos(period)};
}

std::string lease_clock_text(const LeaseClock& clock) {
  return fmt::format("{}+{}", clock.start.unix_ns(), clock.period.ns());
}

}  // namespace mainspring::client

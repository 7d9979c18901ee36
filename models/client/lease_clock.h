// Node leases that renew themselves.
//
// A healthy kubelet writes its Lease about every 10 s, for ever. The simulator does not write them:
// the Lease object carries the first renewal and the period in one annotation, and everybody who
// wants to know when it was last renewed computes it. When a node stops renewing, its machine
// writes the Lease once more, with the last renewTime and without the annotation. Whoever reads
// leases through renewed_at() therefore sees what polling the real object would show.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "models/api/types/coordination.h"
#include "models/api/value.h"

namespace mainspring::client {

inline constexpr std::string_view kLeaseClockAnnotation = "mainspring.dev/lease-clock";

// Renewals at start, start + period, start + 2 * period, ...
struct LeaseClock {
  api::Time start;
  api::Duration period;  // zero: does not renew itself; `start` is the last renewal

  api::Time renewed_at(api::Time now) const {
    if (period <= api::Duration() || now < start) return start;
    const int64_t beats = (now.unix_ns() - start.unix_ns()) / period.ns();
    return start + period * beats;
  }
};

// Read once per version of the object and keep it: this parses text.
LeaseClock lease_clock(const api::Lease& lease);
// The annotation's value.
std::string lease_clock_text(const LeaseClock& clock);

// The last renewal at or before `now`.
inline api::Time lease_renewed_at(const api::Lease& lease, api::Time now) {
  return lease_clock(lease).renewed_at(now);
}

}  // namespace mainspring::client

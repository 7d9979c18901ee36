// Durations as text: Go's notation, which flags and manifests use ("1h30m", "500ms"), and kubectl's
// AGE column. Instants (RFC 3339) are in time_text.h.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "models/api/value.h"

namespace mainspring::api {

// Go's time.ParseDuration: signed numbers with fraction and unit, "1h15m30.5s"; units ns, us (or
// µs), ms, s, m, h; "0" needs none. *error is Go's message.
std::optional<Duration> parse_duration(std::string_view text, std::string* error = nullptr);

// Go's Duration.String: "1m0s", "1.5s", "500ms", "0s".
std::string format_duration(Duration d);

// apimachinery's duration.HumanDuration (AGE in tables): "90s", "5m30s", "3h", "2d4h", "<invalid>".
std::string human_duration(Duration d);

}  // namespace mainspring::api

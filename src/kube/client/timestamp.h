// RFC 3339 times as the Kubernetes API writes them. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace plimsoll::kube {

// Microseconds since the Unix epoch of "2026-01-31T10:00:00Z", "…00.123456Z" or "…00+02:00";
// nothing, if `text` is no such time. Finer fractions are cut.
std::optional<std::int64_t> parse_timestamp(std::string_view text);
// metav1.MicroTime: "2026-01-31T10:00:00.123456Z". Requires: a year of four digits.
std::string format_micro_time(std::int64_t unix_us);
// metav1.Time: "2026-01-31T10:00:00Z", the fraction cut.
std::string format_time(std::int64_t unix_us);

}  // namespace plimsoll::kube

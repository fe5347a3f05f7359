// Points in time and spans, as plain 64-bit counts. The current time comes from os::Clock only.
#pragma once
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace mk {

struct Duration {
  int64_t nanoseconds = 0;

  static constexpr Duration from_ms(int64_t ms) { return {ms * 1'000'000}; }
  static constexpr Duration from_seconds(int64_t seconds) { return {seconds * 1'000'000'000}; }
  constexpr int64_t ms() const { return nanoseconds / 1'000'000; }
  constexpr double seconds() const { return static_cast<double>(nanoseconds) / 1e9; }
  constexpr auto operator<=>(const Duration&) const = default;
  constexpr Duration operator+(Duration other) const { return {nanoseconds + other.nanoseconds}; }
  constexpr Duration operator-(Duration other) const { return {nanoseconds - other.nanoseconds}; }
  constexpr Duration operator*(int64_t times) const { return {nanoseconds * times}; }
};

// Nanoseconds since 1970-01-01 UTC; zero means "never set".
struct Time {
  int64_t nanoseconds = 0;

  static constexpr Time from_ms(int64_t ms) { return {ms * 1'000'000}; }
  constexpr int64_t ms() const { return nanoseconds / 1'000'000; }
  constexpr bool is_set() const { return nanoseconds != 0; }
  constexpr auto operator<=>(const Time&) const = default;
  constexpr Time operator+(Duration d) const { return {nanoseconds + d.nanoseconds}; }
  constexpr Duration operator-(Time other) const { return {nanoseconds - other.nanoseconds}; }

  std::string rfc3339() const;        // 2026-11-21T09:30:00Z, Kubernetes' metav1.Time
  std::string rfc3339_micro() const;  // 2026-11-21T09:30:00.123456Z, metav1.MicroTime
  static Result<Time> parse_rfc3339(std::string_view text);
};

// "5s", "3m2s", "4h", "2d3h": how kubectl prints an age.
std::string human_duration(Duration d);
// Go's notation: "1h2m3.5s", "300ms". What Kubernetes' metav1.Duration takes.
Result<Duration> parse_duration(std::string_view text);

inline namespace literals {
constexpr Duration operator""_ms(unsigned long long n) { return Duration::from_ms(static_cast<int64_t>(n)); }
constexpr Duration operator""_s(unsigned long long n) { return Duration::from_seconds(static_cast<int64_t>(n)); }
}  // namespace literals

}  // namespace mk

#include "base/time.h"

#include <limits>
#include <algorithm>
#include <charconv>
#include <ctime>

#include "base/format.h"

namespace mk {
namespace {

std::tm utc(Time time) {
  const time_t seconds = static_cast<time_t>(time.nanoseconds / 1'000'000'000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  return parts;
}

std::string date_time(const std::tm& t) {
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday,
                     t.tm_hour, t.tm_min, t.tm_sec);
}

}  // namespace

std::string Time::rfc3339() const { return date_time(utc(*this)) + "Z"; }

std::string Time::rfc3339_micro() const {
  return fmt::format("{}.{:06}Z", date_time(utc(*this)), nanoseconds / 1000 % 1'000'000);
}

Result<Time> Time::parse_rfc3339(std::string_view text) {
  const auto bad = [&] {
    return invalid(fmt::format("\"{}\" is no RFC 3339 time like 2026-11-21T09:30:00Z", text.substr(0, 64)));
  };
  const auto number = [&](size_t at, size_t digits, int& out) {
    if (at + digits > text.size()) return false;
    auto [end, error] = std::from_chars(text.data() + at, text.data() + at + digits, out);
    return error == std::errc() && end == text.data() + at + digits && out >= 0;
  };
  std::tm t{};
  if (text.size() < 20 || text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != 't') ||
      text[13] != ':' || text[16] != ':' || !number(0, 4, t.tm_year) || !number(5, 2, t.tm_mon) ||
      !number(8, 2, t.tm_mday) || !number(11, 2, t.tm_hour) || !number(14, 2, t.tm_min) ||
      !number(17, 2, t.tm_sec))
    return bad();
  if (t.tm_mon < 1 || t.tm_mon > 12 || t.tm_mday < 1 || t.tm_mday > 31 || t.tm_hour > 23 || t.tm_min > 59 ||
      t.tm_sec > 60)
    return bad();
  t.tm_year -= 1900;
  t.tm_mon -= 1;
  size_t at = 19;
  int64_t fraction = 0;
  if (text[at] == '.') {
    int64_t scale = 100'000'000;
    for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, scale /= 10)
      fraction += (text[at] - '0') * scale;
  }
  int64_t offset_s = 0;
  if (at < text.size() && (text[at] == '+' || text[at] == '-')) {
    int hours = 0, minutes = 0;
    if (at + 6 != text.size() || text[at + 3] != ':' || !number(at + 1, 2, hours) ||
        !number(at + 4, 2, minutes))
      return bad();
    offset_s = (hours * 60 + minutes) * 60 * (text[at] == '+' ? 1 : -1);
  } else if (at + 1 != text.size() || (text[at] != 'Z' && text[at] != 'z')) {
    return bad();
  }
  // 64 bits of nanoseconds reach from 1677 to 2262; what lies beyond (people write 9999-12-31) is as far as they reach.
  constexpr int64_t kSecondsMax = std::numeric_limits<int64_t>::max() / 1'000'000'000 - 1;
  const int64_t seconds = std::clamp<int64_t>(timegm(&t) - offset_s, -kSecondsMax, kSecondsMax);
  return Time{seconds * 1'000'000'000 + fraction};
}

std::string human_duration(Duration d) {
  const int64_t s = d.nanoseconds / 1'000'000'000;
  if (s < 0) return "0s";
  const auto pair = [](int64_t big, char big_unit, int64_t small, char small_unit) {
    return small ? fmt::format("{}{}{}{}", big, big_unit, small, small_unit) : fmt::format("{}{}", big, big_unit);
  };
  // The same steps as k8s.io/apimachinery/pkg/util/duration.
  if (s < 120) return fmt::format("{}s", s);
  if (s < 600) return pair(s / 60, 'm', s % 60, 's');
  if (s < 3 * 3600) return fmt::format("{}m", s / 60);
  if (s < 8 * 3600) return pair(s / 3600, 'h', s / 60 % 60, 'm');
  if (s < 48 * 3600) return fmt::format("{}h", s / 3600);
  if (s < 8 * 86400) return pair(s / 86400, 'd', s / 3600 % 24, 'h');
  if (s < 2 * 365 * 86400) return fmt::format("{}d", s / 86400);
  return pair(s / (365 * 86400), 'y', s / 86400 % 365, 'd');
}

Result<Duration> parse_duration(std::string_view text) {
  const auto bad = [&] { return invalid(fmt::format("\"{}\" is no duration like 1h2m3s or 300ms", text)); };
  static constexpr struct { std::string_view unit; double nanoseconds; } kUnits[] = {
      {"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
  if (text == "0") return Duration{};
  std::string_view rest = text;
  const bool negative = rest.starts_with('-');
  if (negative || rest.starts_with('+')) rest.remove_prefix(1);
  if (rest.empty()) return bad();
  double total = 0;
  while (!rest.empty()) {
    double value = 0;
    auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value, std::chars_format::fixed);
    if (error != std::errc() || !(value >= 0)) return bad();  // "nan" is read, too
    rest.remove_prefix(static_cast<size_t>(end - rest.data()));
    const size_t length = std::min(rest.find_first_of("0123456789."), rest.size());
    bool known = false;
    for (const auto& [unit, nanoseconds] : kUnits)
      if (rest.substr(0, length) == unit) {
        total += value * nanoseconds;
        known = true;
      }
    if (!known || !(total <= 9e18)) return bad();
    rest.remove_prefix(length);
  }
  return Duration{static_cast<int64_t>(negative ? -total : total)};
}

}  // namespace mk

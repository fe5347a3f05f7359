#include "core/formats.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

#include "base/encoding.h"
#include "base/format.h"
#include "base/pattern.h"
#include "base/quantity.h"
#include "base/time.h"
#include "core/names.h"

namespace mk::core::formats {
namespace {

constexpr size_t kShownBytesMax = 64;  // of a text in a sentence

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// The parts of an RFC 3339 time, named by what Go's layouts have in their place.
struct TimePart {
  std::string_view layout;
  size_t digits;  // 0: the layout's own character
};
constexpr TimePart kTimeParts[] = {{"2006", 4}, {"-", 0}, {"01", 2}, {"-", 0}, {"02", 2}, {"T", 0},
                                   {"15", 2},   {":", 0}, {"04", 2}, {":", 0}, {"05", 2}};

// As Go words it, which everybody who searches for the sentence finds.
std::string time_problem(std::string_view text) {
  const auto cannot = [&](std::string_view rest, std::string_view layout) {
    return fmt::format(R"(parsing time "{}" as "2006-01-02T15:04:05Z07:00": cannot parse "{}" as "{}")",
                       text.substr(0, kShownBytesMax), rest.substr(0, kShownBytesMax), layout);
  };
  std::string_view rest = text;
  for (const TimePart& part : kTimeParts) {
    const size_t size = std::max<size_t>(part.digits, 1);
    const std::string_view here = rest.substr(0, size);
    const bool fits =
        part.digits ? here.size() == size && std::ranges::all_of(here, is_digit) : here == part.layout;
    if (!fits) return cannot(rest, part.layout);
    rest.remove_prefix(size);
  }
  if (rest.size() > 1 && rest[0] == '.' && is_digit(rest[1]))
    rest.remove_prefix(std::min(rest.find_first_not_of("0123456789", 1), rest.size()));
  const bool zone = rest == "Z" || (rest.size() == 6 && (rest[0] == '+' || rest[0] == '-') && rest[3] == ':');
  if (!zone && !rest.starts_with('Z')) return cannot(rest, "Z07:00");
  if (!zone)
    return fmt::format("parsing time \"{}\": extra text: \"{}\"", text.substr(0, kShownBytesMax),
                       rest.substr(1));
  return fmt::format("parsing time \"{}\": a month, day, hour, minute or second is out of range", text);
}

// Where Go's decoder stops: at the first byte that is none of base64, or at the start of what is left over.
size_t base64_problem(std::string_view text) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  size_t in_group = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\n' || c == '\r') continue;
    if (c == '=') {
      if (in_group < 2) return i;
      const size_t end = in_group == 2 ? text.find_first_not_of("\r\n", i + 1) : i;
      if (end == std::string_view::npos) return text.size();
      if (text[end] != '=') return end;
      const size_t after = text.find_first_not_of("\r\n", end + 1);
      return after == std::string_view::npos ? text.size() : after;
    }
    if (!kAlphabet.contains(c)) return i;
    in_group = (in_group + 1) % 4;
  }
  return text.size() - in_group;
}

std::string check_quantity(const Json& value) {
  if (value.is_int()) return {};
  if (value.is_string() && Quantity::parse(value.text())) return {};
  if (value.is_number()) return {};
  return "quantities must match the regular expression "
         "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
}
std::string check_port(const Json& value) {
  if (value.is_string()) return names::port_name(value.text());
  const int64_t port = value.integer(0);
  return port >= 1 && port <= 65535 ? std::string() : "must be between 1 and 65535, inclusive";
}
std::string check_int_or_percent(const Json& value) {
  if (value.is_int()) return value.integer() >= 0 ? std::string() : "must be greater than or equal to 0";
  const std::string_view text = value.text();
  const bool percent =
      text.size() >= 2 && text.size() <= 5 && text.back() == '%' &&
      std::ranges::all_of(text.substr(0, text.size() - 1), [](char c) { return c >= '0' && c <= '9'; });
  return percent ? std::string()
                 : "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  "
                   "or '93%')";
}
std::string check_time(const Json& value) {
  if (!value.is_string() || Time::parse_rfc3339(value.text())) return {};
  return time_problem(value.text());
}
std::string check_base64(const Json& value) {
  if (base64_decode(value.text())) return {};
  return fmt::format("illegal base64 data at input byte {}", base64_problem(value.text()));
}
std::string check_int32(const Json& value) {
  const int64_t number = value.integer(INT64_MAX);
  return number >= INT32_MIN && number <= INT32_MAX ? std::string() : "must fit in 32 bits";
}

std::string check_address(const Json& value, int family, const char* what) {
  unsigned char bytes[16];
  const std::string text(value.text());
  return inet_pton(family, text.c_str(), bytes) == 1 ? std::string()
                                                     : fmt::format("must be of type {}", what);
}
std::string check_cidr(const Json& value) {
  const std::string_view text = value.text();
  const size_t slash = text.find('/');
  const bool six = text.find(':') != std::string_view::npos;
  int bits = -1;
  if (slash != std::string_view::npos) {
    const auto [end, error] = std::from_chars(text.data() + slash + 1, text.data() + text.size(), bits);
    if (error != std::errc() || end != text.data() + text.size()) bits = -1;
  }
  if (bits >= 0 && bits <= (six ? 128 : 32) &&
      check_address(Json(text.substr(0, slash)), six ? AF_INET6 : AF_INET, "").empty())
    return {};
  return "must be of type cidr";
}
std::string check_pattern(const Json& value, const char* pattern, const char* what) {
  return pattern_matches(pattern, value.text()) ? std::string() : fmt::format("must be of type {}", what);
}

struct Format {
  std::string_view name;
  std::string (*check)(const Json& value);
};
constexpr Format kFormats[] = {
    {"quantity", check_quantity},
    {"port", check_port},
    {"int-or-percent", check_int_or_percent},
    {"date-time", check_time},
    {"byte", check_base64},
    {"int32", check_int32},
    {"port-name", [](const Json& v) { return names::port_name(v.text()); }},
    {"dns-1123-label", [](const Json& v) { return names::dns_1123_label(v.text()); }},
    {"env-var-name", [](const Json& v) { return names::env_var_name(v.text()); }},
    {"ipv4", [](const Json& v) { return check_address(v, AF_INET, "ipv4"); }},
    {"ipv6", [](const Json& v) { return check_address(v, AF_INET6, "ipv6"); }},
    {"cidr", check_cidr},
    {"uuid",
     [](const Json& v) {
       return check_pattern(v, "(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$",
                            "uuid");
     }},
    {"date",
     [](const Json& v) { return check_pattern(v, "^\\d{4}-(0[1-9]|1[0-2])-([0-2]\\d|3[01])$", "date"); }},
};

// Those that a typed client of the kind cannot read when they are wrong.
constexpr std::string_view kReadFormats[] = {"quantity", "date-time", "byte", "int32"};

}  // namespace

Problem check(std::string_view name, const Json& value) {
  const auto* format = std::ranges::find(kFormats, name, &Format::name);
  if (format == std::end(kFormats)) return {};
  std::string why = format->check(value);
  if (why.empty()) return {};
  return {std::move(why), std::ranges::find(kReadFormats, name) != std::end(kReadFormats)};
}

}  // namespace mk::core::formats

#include "core/names.h"

#include <algorithm>

#include "base/format.h"

namespace mk::core::names {
namespace {

constexpr size_t kLabelMax = 63;
constexpr size_t kSubdomainMax = 253;

bool lower(char c) {
  return c >= 'a' && c <= 'z';
}
bool digit(char c) {
  return c >= '0' && c <= '9';
}
bool upper(char c) {
  return c >= 'A' && c <= 'Z';
}
bool lower_or_digit(char c) {
  return lower(c) || digit(c);
}
bool letter_or_digit(char c) {
  return lower_or_digit(c) || upper(c);
}

std::string too_long(size_t max) {
  return fmt::format("must be no more than {} bytes", max);
}

bool is_label(std::string_view text) {
  return !text.empty() && lower_or_digit(text.front()) && lower_or_digit(text.back()) &&
         std::ranges::all_of(text, [](char c) { return lower_or_digit(c) || c == '-'; });
}

bool is_subdomain(std::string_view text) {
  while (true) {
    const size_t dot = text.find('.');
    if (!is_label(text.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

// Letters and digits at both ends, '-', '_' and '.' between.
bool is_qualified_part(std::string_view text) {
  return !text.empty() && letter_or_digit(text.front()) && letter_or_digit(text.back()) &&
         std::ranges::all_of(text,
                             [](char c) { return letter_or_digit(c) || c == '-' || c == '_' || c == '.'; });
}

constexpr std::string_view kSubdomainText =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
    "start "
    "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

}  // namespace

std::string dns_1123_label(std::string_view text) {
  if (text.size() > kLabelMax) return too_long(kLabelMax);
  if (is_label(text)) return {};
  if (is_subdomain(text)) return "must not contain dots";
  return "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must "
         "start and end "
         "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
         "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
}

std::string dns_1123_subdomain(std::string_view text) {
  if (text.size() > kSubdomainMax) return too_long(kSubdomainMax);
  return is_subdomain(text) ? std::string() : std::string(kSubdomainText);
}

std::string dns_1035_label(std::string_view text) {
  if (text.size() > kLabelMax) return too_long(kLabelMax);
  if (is_label(text) && lower(text.front())) return {};
  return "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
         "alphabetic "
         "character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for "
         "validation "
         "is '[a-z]([-a-z0-9]*[a-z0-9])?')";
}

std::string path_segment(std::string_view text) {
  if (text.size() > kSubdomainMax) return too_long(kSubdomainMax);
  if (text == "." || text == "..") return fmt::format("may not be '{}'", text);
  for (const char c : text)
    if (c == '/' || c == '%' || static_cast<unsigned char>(c) <= ' ' || c == 0x7f)
      return "may not contain '/', '%', spaces or control characters";
  return {};
}

std::string port_name(std::string_view text) {
  if (text.size() > 15) return "must be no more than 15 characters";
  if (text.empty() || !std::ranges::all_of(text, [](char c) { return lower_or_digit(c) || c == '-'; }))
    return "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)";
  if (std::ranges::none_of(text, lower)) return "must contain at least one letter (a-z)";
  if (text.find("--") != std::string_view::npos) return "must not contain consecutive hyphens";
  if (text.front() == '-' || text.back() == '-') return "must not begin or end with a hyphen";
  return {};
}

std::string qualified_name(std::string_view text) {
  std::string_view name = text;
  if (const size_t slash = text.find('/'); slash != std::string_view::npos) {
    const std::string_view prefix = text.substr(0, slash);
    name = text.substr(slash + 1);
    if (prefix.empty()) return "prefix part must be non-empty";
    if (prefix.size() > kSubdomainMax) return "prefix part " + too_long(kSubdomainMax);
    if (!is_subdomain(prefix)) return fmt::format("prefix part {}", kSubdomainText);
  }
  if (name.empty()) return "name part must be non-empty";
  if (name.size() > kLabelMax) return "name part " + too_long(kLabelMax);
  if (is_qualified_part(name)) return {};
  return "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
         "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
         "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
}

std::string label_value(std::string_view text) {
  if (text.size() > kLabelMax) return too_long(kLabelMax);
  if (text.empty() || is_qualified_part(text)) return {};
  return "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and "
         "must start "
         "and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used "
         "for "
         "validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
}

std::string env_var_name(std::string_view text) {
  if (!text.empty() && std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f && c != '='; }))
    return {};
  return "a valid environment variable name must consist only of printable ASCII characters other than '='";
}

std::string config_key(std::string_view text) {
  if (text.size() > kSubdomainMax) return too_long(kSubdomainMax);
  if (text == "." || text == ".." || text.starts_with("..")) return fmt::format("must not be '{}'", text);
  if (!text.empty() && std::ranges::all_of(text, [](char c) {
        return letter_or_digit(c) || c == '-' || c == '_' || c == '.';
      }))
    return {};
  return "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or "
         "'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
}

}  // namespace mk::core::names

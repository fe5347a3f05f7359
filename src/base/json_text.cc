#include "base/json_text.h"

#include <algorithm>
#include <cstring>

namespace mk {
namespace {

// `at` is on the opening quote; gives the place behind the closing one.
size_t skip_string(std::string_view text, size_t at) {
  for (size_t from = ++at; from < text.size();) {
    const void* quote = std::memchr(text.data() + from, '"', text.size() - from);
    if (!quote) break;
    const auto end = static_cast<size_t>(static_cast<const char*>(quote) - text.data());
    size_t slashes = 0;
    while (end - slashes > at && text[end - slashes - 1] == '\\') ++slashes;
    if (slashes % 2 == 0) return end + 1;
    from = end + 1;
  }
  return text.size();
}

// Gives the place behind the value that begins at `at`.
size_t skip_value(std::string_view text, size_t at) {
  if (at >= text.size()) return text.size();
  if (text[at] == '"') return skip_string(text, at);
  if (text[at] != '{' && text[at] != '[') return std::min(text.find_first_of(",}]", at), text.size());
  size_t depth = 0;
  while (at < text.size()) {
    const char c = text[at];
    if (c == '"') {
      at = skip_string(text, at);
      continue;
    }
    ++at;
    if (c == '{' || c == '[') ++depth;
    if ((c == '}' || c == ']') && --depth == 0) return at;
  }
  return text.size();
}

// Calls `each(key, place of the value)` for every member of the object that begins at `at`; it gives the
// place behind the value, or 0 to end. Gives the place behind the object.
template <typename Each>
size_t walk_members(std::string_view text, size_t at, const Each& each) {
  if (at >= text.size() || text[at] != '{') return at;
  ++at;
  while (at < text.size() && text[at] == '"') {
    const size_t key_end = skip_string(text, at), value = std::min(key_end + 1, text.size());
    const size_t end = each(text.substr(at + 1, std::max(key_end, at + 2) - at - 2), value);
    if (end == 0) return text.size();
    if (end >= text.size() || text[end] != ',') return std::min(end + 1, text.size());
    at = end + 1;
  }
  return std::min(at + 1, text.size());
}

// Whether keys are past `key`: they are sorted as they are without escapes.
bool is_past(std::string_view name, std::string_view key) {
  return name > key && name.find('\\') == std::string_view::npos;
}

// Where the member's value begins; npos when there is none.
size_t find_value(std::string_view object, std::string_view key) {
  size_t found = std::string_view::npos;
  walk_members(object, 0, [&](std::string_view name, size_t value) -> size_t {
    if (name == key) found = value;
    if (name == key || is_past(name, key)) return 0;
    return skip_value(object, value);
  });
  return found;
}

}  // namespace

std::string_view member_text(std::string_view object, std::string_view key) {
  const size_t at = find_value(object, key);
  return at == std::string_view::npos ? std::string_view() : object.substr(at, skip_value(object, at) - at);
}

Members members_of(std::string_view object, std::string_view key) {
  Members out;
  const size_t at = find_value(object, key);
  if (at == std::string_view::npos) return out;
  if (at >= object.size() || object[at] != '{') {
    out.text = object.substr(at, skip_value(object, at) - at);
    return out;
  }
  out.members.reserve(16);
  const size_t end = walk_members(object, at, [&](std::string_view name, size_t value) {
    const size_t behind = skip_value(object, value);
    out.members.emplace_back(name, object.substr(value, behind - value));
    return behind;
  });
  out.text = object.substr(at, end - at);
  return out;
}

std::string_view Members::operator[](std::string_view key) const {
  const auto found = std::ranges::find(members, key, [](const auto& member) { return member.first; });
  return found == members.end() ? std::string_view() : found->second;
}

size_t count_members(std::string_view object) {
  size_t count = 0;
  walk_members(object, 0, [&](std::string_view, size_t value) {
    ++count;
    return skip_value(object, value);
  });
  return count;
}

std::optional<std::string_view> plain_text(std::string_view value) {
  if (value.size() < 2 || value.front() != '"') return std::nullopt;
  value = value.substr(1, value.size() - 2);
  if (value.find('\\') != std::string_view::npos) return std::nullopt;
  return value;
}

}  // namespace mk

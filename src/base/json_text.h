// Reading in place what Json printed: compact text, which needs no parsing to be copied in parts. For text of
// our own only: nothing is checked. Keys are plain ones, without characters that JSON escapes.
#pragma once
#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace mk {

// The text of a member's value; empty when there is none, or `object` is no object.
std::string_view member_text(std::string_view object, std::string_view key);
// The same, with the members of that value, if it is an object: in one pass over it.
struct Members {
  std::string_view text;
  std::vector<std::pair<std::string_view, std::string_view>> members;  // key, value
  std::string_view operator[](std::string_view key) const;             // empty when there is none
};
Members members_of(std::string_view object, std::string_view key);
size_t count_members(std::string_view object);  // 0 for anything but an object
// What stands between the quotes of a string without escapes; unset for anything else.
std::optional<std::string_view> plain_text(std::string_view value);

}  // namespace mk

#include "base/json_text.h"

#include <doctest/doctest.h>

#include "base/json.h"

using mk::Json;

TEST_CASE("json_text: the members of what Json printed") {
  const Json value =
      Json::object({{"a", "x\\"},
                    {"b\"", 1},
                    {"c", Json::object({{"b", "}{\"],"}, {"d", Json::array({1, "]", Json::object()})}})},
                    {"d", Json::array()},
                    {"e", Json::object()},
                    {"f", -1.5},
                    {"g", nullptr},
                    {"h", "\\\\\""},
                    {"i", true}});
  const std::string text = value.dump();
  for (const auto& [key, member] : value.members()) {
    if (key == "b\"") continue;  // not a plain key
    CAPTURE(key);
    CHECK(mk::member_text(text, key) == member.dump());
    const mk::Members split = mk::members_of(text, key);
    CHECK(split.text == member.dump());
    CHECK(split.members.size() == member.members().size());
    for (const auto& [inner, value_in] : member.members()) CHECK(split[inner] == value_in.dump());
    CHECK(split["none"].empty());
  }
  CHECK(mk::member_text(mk::member_text(text, "c"), "d") == value["c"]["d"].dump());
  CHECK(mk::count_members(text) == value.size());
  CHECK(mk::count_members(mk::member_text(text, "e")) == 0);
  for (const char* key : {"b", "z", "", "}{"}) CHECK(mk::member_text(text, key).empty());
  for (const char* other : {"", "[]", "[1,2]", "null", "\"{\"", "{}", "3"}) {
    CAPTURE(other);
    CHECK(mk::member_text(other, "a").empty());
    CHECK(mk::members_of(other, "a").text.empty());
    CHECK(mk::count_members(other) == 0);
  }
}

TEST_CASE("json_text: strings without escapes") {
  CHECK(mk::plain_text("\"\"") == "");
  CHECK(mk::plain_text("\"web\"") == "web");
  for (const char* other : {"", "\"", "1", "null", "{}", R"("a\"b")", R"("a\\")"}) {
    CAPTURE(other);
    CHECK_FALSE(mk::plain_text(other));
  }
}

TEST_CASE("json_text: cut text does no harm") {
  const std::string text =
      Json::object({{"a", "x\\\""}, {"b", Json::object({{"c", Json::array({1, "]"})}})}}).dump();
  for (size_t size = 0; size < text.size(); ++size) {
    const std::string cut = text.substr(0, size);
    for (const char* key : {"a", "b", "c"}) {
      CHECK(mk::member_text(cut, key).size() <= size);
      CHECK(mk::members_of(cut, key).text.size() <= size);
    }
    CHECK(mk::count_members(cut) <= 2);
  }
}

#include "base/pattern.h"

#include <doctest/doctest.h>

TEST_CASE("pattern: matches as Go's regexp does, and refuses what is none") {
  constexpr struct {
    const char *pattern, *text;
    bool matches;
  } kCases[] = {
      {"^[a-z]+$", "abc", true},  {"^[a-z]+$", "aBc", false},
      {"b", "abc", true},  // anywhere, unless anchored
      {"^v\\d+$", "v12", true},   {"(", "(", false},
      {"(?i)ABC", "xabcx", true}, {"^\\p{L}+$", "äöü", true},
  };
  for (const auto& c : kCases) {
    CAPTURE(c.pattern);
    CHECK(mk::pattern_matches(c.pattern, c.text) == c.matches);
  }
  CHECK(mk::pattern_problem("^a$").empty());
  CHECK_FALSE(mk::pattern_problem("(").empty());
  CHECK_FALSE(mk::pattern_problem("(?=a)b").empty());  // look-ahead is not of this language
  CHECK_FALSE(mk::pattern_problem("((a{1000}){1000}){1000}").empty());
  CHECK_FALSE(mk::pattern_matches("^(a+)+$", std::string(100'000, 'a') + "b"));  // at once
}

// Regular expressions of users, as Go and RE2 write them: matching takes time linear in the text, whatever
// the expression. A facade over RE2.
#pragma once
#include <string>
#include <string_view>

namespace mk {

// What is wrong with the expression; empty = nothing.
std::string pattern_problem(std::string_view pattern);
// Whether the expression matches anywhere in `text`; one that does not compile matches nothing. Compiled ones
// are kept, a bounded number for each thread.
bool pattern_matches(std::string_view pattern, std::string_view text);

}  // namespace mk

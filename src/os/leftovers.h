// Processes of a run whose shim was killed, where the run had no pid namespace that would have ended them with it.
#pragma once
#include <string>
#include <string_view>

namespace mk::os {

// A short name for a folder, the same each time.
std::string folder_id(std::string_view folder);

inline constexpr std::string_view kMarkName = "MODELKIT_RUN=";
// "NAME=value" for the environment of all that belongs to the run in `folder`: it stays with descendants, whatever they do to
// their session, parent or name.
std::string run_mark(const std::string& folder);

// Kills every process of this machine that bears the mark, until none is left (or they fork faster than we kill: then what is
// left is logged).
void end_leftovers(const std::string& folder);

}  // namespace mk::os

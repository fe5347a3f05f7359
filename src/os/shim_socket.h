// Requests to the shim of a running run, by the socket in its folder (shim_protocol.h).
#pragma once
#include <string>
#include <string_view>

namespace mk::os {

// Whether it answers with ok; a descriptor that comes with the answer is put into `passed` (null: closed).
// Waits two seconds at most.
bool ask_shim(const std::string& folder, std::string_view request, int* passed);

}  // namespace mk::os

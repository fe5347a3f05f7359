// The file that points kubectl and every other client at this server.
#pragma once
#include <string>
#include <string_view>

namespace mk::api::kubernetes {

// For a caller on this machine who is known by uid: an address and nothing secret. JSON, which is YAML too.
std::string kubeconfig(std::string_view server_url);

}  // namespace mk::api::kubernetes

// The file that points kubectl and every other client at this server.
#pragma once
#include <string>

namespace mk::api::kubernetes {

struct KubeconfigWish {
  std::string server;  // "https://127.0.0.1:7070"
  std::string ca_pem;  // what to trust
  // How the caller proves who it is. All empty: by its uid on this machine.
  std::string user = "modelkit", token = {}, certificate_pem = {}, key_pem = {};
};

// JSON, which is YAML too.
std::string kubeconfig(const KubeconfigWish& wish);

}  // namespace mk::api::kubernetes

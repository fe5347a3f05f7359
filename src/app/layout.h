// Where everything lies beneath the data folder.
#pragma once
#include <string>

#include "base/error.h"

namespace mk::app {

struct Layout {
  explicit Layout(const std::string& data)
      : root(data), database(data + "/store.db"), blobs(data + "/blobs"), gateway(data + "/gateway"), pods(data + "/pods"),
        binaries(data + "/bin"), environments(data + "/environments"), engines(data + "/engines"), pki(data + "/pki"), audit(data + "/audit"), endpoints(data + "/endpoints.json"),
        kubeconfig(data + "/kubeconfig") {}

  std::string secret_keys() const { return pki + "/secrets.keys"; }

  std::string root;          // 0711: a Pod's own user passes through to its folder, and sees nothing else
  std::string database;      // store/
  std::string blobs;         // artifacts, 0700
  std::string gateway;       // routes.json, the gateway's admin socket and log
  std::string pods;          // a folder each, 0711
  std::string binaries;      // the shim, by hash
  std::string environments;  // Python environments, by lock hash
  std::string engines;       // native runtimes, linked, for model servers
  std::string pki;           // our certificate authority and keys, 0700
  std::string audit;         // who did what, 0700
  std::string endpoints;     // endpoints.json
  std::string kubeconfig;    // for kubectl, 0600
};

// Makes the folders with their modes.
Result<void> make_layout(const Layout& layout);

}  // namespace mk::app

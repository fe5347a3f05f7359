// The Kubernetes API: every kind in kinds/ by every verb, as kubectl, client-go and the Python client speak
// it. Thin: decides nothing about objects; that is core::Objects'. Thread-safe.
#pragma once
#include <memory>
#include <vector>

#include "api/route.h"
#include "core/access/authenticator.h"
#include "core/access/authoriser.h"
#include "core/definitions/definitions.h"
#include "core/objects.h"
#include "core/ports.h"
#include "kinds/kind.h"
#include "os/executor.h"

namespace mk::api::kubernetes {

struct Ports {
  core::Objects& objects;
  os::Executor& executor;       // reads large writes and prints long lists
  os::Executor& watches;        // pumps watches: threads of its own, so that nothing else holds them up
  core::PodIo* pods = nullptr;  // null: logs are unavailable
  core::UsageMeter* usage = nullptr;  // null: nothing runs here
  // Makes kinds that users bring served, before the write of their definition is answered; null: they come
  // later.
  core::Definitions* definitions = nullptr;
  const core::Authoriser* authoriser = nullptr;  // null: only the owner may do anything
  const core::Authenticator* authenticator = nullptr;
  core::ServiceTokens* service_tokens = nullptr;  // null: accounts get none
};

class Api {
 public:
  explicit Api(Ports ports);
  ~Api();
  // /api, /apis, /openapi. GET /version is shared with MLflow: see version_reply().
  std::vector<Route> routes();
  // Ends watches and followed logs, so that a server that drains need not wait for them.
  void stop();

  struct State;

 private:
  std::unique_ptr<State> state_;
};

// GET /version (and /version/) is JSON for clients that accept JSON, which kubectl and client-go do.
bool wants_version_json(const net::Request& request);
net::Response version_reply();

}  // namespace mk::api::kubernetes

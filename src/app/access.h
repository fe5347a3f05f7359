// Everything that decides who may call and what they may do, built in order.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "api/route.h"
#include "app/layout.h"
#include "core/access/audit.h"
#include "core/access/authenticator.h"
#include "core/access/authoriser.h"
#include "core/access/directory.h"
#include "core/access/pki.h"
#include "core/access/secret_keys.h"
#include "core/objects.h"
#include "net/server.h"

namespace mk::app {

struct Access {
  // Makes the built-in roles, and asks about every call on `objects` from now on.
  static Result<std::unique_ptr<Access>> open(core::Objects& objects, core::Pki pki,
                                              std::shared_ptr<core::SecretKeys> secrets, const Layout& layout,
                                              os::Executor& executor);

  // For the control port: our own certificate for `names`, and certificates of clients that our own authority signed.
  Result<net::TlsIdentity> server_tls(const std::vector<std::string>& names) const;

  // Routes that belong to no protocol: POST /modelkit/v1/secrets/rotate.
  std::vector<api::Route> routes(store::Store& store);

  Access(core::Objects& objects, core::Pki own, std::shared_ptr<core::SecretKeys> keys)
      : secrets(std::move(keys)),
        pki(std::move(own)),
        authoriser(objects.store()),
        directory(objects.store(), objects.clock()),
        service_tokens(objects.store(), objects.clock(), os::system_random(), pki.service_account_key()),
        authenticator(directory, service_tokens) {}
  const std::shared_ptr<core::SecretKeys> secrets;
  core::Pki pki;
  core::Authoriser authoriser;
  core::Directory directory;
  core::ServiceTokens service_tokens;
  core::Authenticator authenticator;
  std::unique_ptr<core::Audit> audit;
};

// Names by which callers reach a server that listens on `address`: those of this machine's loopback and of a cluster, then
// `more`, and when `address` is not loopback, its own or those of all interfaces.
std::vector<std::string> server_names(const std::string& address, const std::vector<std::string>& more);

bool is_loopback_address(std::string_view address);

// Why nobody listens on an address beyond loopback, and what to do, while there is no user.
Error unsafe_listen(std::string_view address);

// "http://127.0.0.1:7070", "https://[::1]:7070"
std::string url_of(std::string_view scheme, std::string_view address, uint16_t port);

}  // namespace mk::app

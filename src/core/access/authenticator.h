// Who a request speaks for, by what it shows: a token of a user or of a service account, or a certificate of our own
// authority. Thread-safe.
#pragma once
#include <span>
#include <string>
#include <string_view>

#include "core/access/directory.h"
#include "core/access/service_tokens.h"
#include "net/http.h"

namespace mk::core {

class Authenticator {
 public:
  Authenticator(const Directory& directory, const ServiceTokens& accounts) : directory_(directory), accounts_(accounts) {}

  // Of an Authorization header: "Bearer TOKEN", or "Basic" with a token as password and its user (or nobody) as name.
  Result<Identity> by_authorization(std::string_view header) const;
  // A service account's token must be for one of `audiences` (empty: for us).
  Result<Identity> by_token(std::string_view token, std::span<const std::string> audiences = {}) const;
  Result<Identity> by_certificate(const CertificateFacts& certificate) const;

 private:
  const Directory& directory_;
  const ServiceTokens& accounts_;
};

}  // namespace mk::core

// Tokens of service accounts: JSON Web Tokens signed with ES256, as Kubernetes makes them. Good until they expire, or until
// their account, or the Pod that they are bound to, is gone. Thread-safe.
#pragma once
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/ec_key.h"
#include "base/json.h"
#include "core/access.h"
#include "core/access/account_tokens.h"
#include "os/clock.h"
#include "os/random.h"
#include "store/store.h"

namespace mk::core {

class ServiceTokens final : public AccountTokens {
 public:
  static constexpr std::string_view kIssuer = "https://kubernetes.default.svc.cluster.local";

  ServiceTokens(const store::Store& store, const os::Clock& clock, os::Random& random, const EcKey& key);

  // kNotFound when the account, or what it is bound to, is not there.
  Result<Issued> issue(const Wish& wish) override;
  // For one of `audiences`; empty: for this server.
  Result<Identity> check(std::string_view token, std::span<const std::string> audiences) const;

  // What others verify our tokens with: /openid/v1/jwks and /.well-known/openid-configuration.
  Json key_set() const;
  static Json discovery(std::string_view keys_url);

 private:
  struct Claims;
  Result<std::shared_ptr<const Claims>> verified(std::string_view token) const;
  Result<void> still_there(const Claims& claims) const;

  const store::Store& store_;
  const os::Clock& clock_;
  os::Random& random_;
  const EcKey key_;
  const std::string key_id_;
  mutable std::mutex mutex_;  // guards known_: tokens whose signature was found good, by SHA-256
  mutable std::unordered_map<std::string, std::shared_ptr<const Claims>> known_;
};

// Whether this is written like one.
bool looks_like_service_token(std::string_view token);

}  // namespace mk::core

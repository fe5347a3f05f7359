// Our own certificate authority and what it signed, as files in DATA/pki, made when first needed; keys are 0600. Thread-safe
// once opened.
#pragma once
#include <string>
#include <vector>

#include "base/certificate.h"
#include "base/error.h"
#include "os/clock.h"
#include "os/random.h"

namespace mk::core {

class Pki {
 public:
  static Result<Pki> open(std::string folder, const os::Clock& clock, os::Random& random);

  const std::string& ca_pem() const { return ca_pem_; }
  const EcKey& service_account_key() const { return service_account_key_; }

  struct Pair {
    std::string certificate_pem, key_pem;
  };
  // For a server that is called by these names; kept until it nears its end or the names change.
  Result<Pair> server(const std::vector<std::string>& names) const;
  // For a caller; not kept. `user_id` is the uid of the User object: without it, or with a later one, it is refused.
  // For whoever runs modelkit, where the uid cannot speak for them: kubectl asks for a password unless it has something
  // to show. By it the caller is "owner" in system:masters.
  Result<Pair> owner() const;
  static bool is_owner(const CertificateFacts& certificate);
  Result<Pair> client(const std::string& user, const std::vector<std::string>& groups, const std::string& user_id,
                      Duration life) const;

 private:
  Pki(std::string folder, const os::Clock& clock, os::Random& random, EcKey ca_key, EcKey service_account_key)
      : folder_(std::move(folder)),
        clock_(clock),
        random_(random),
        ca_key_(std::move(ca_key)),
        service_account_key_(std::move(service_account_key)) {}
  Result<void> load_authority();
  Result<std::string> issue(CertificateWish wish, const EcKey& subject, Duration life) const;

  std::string folder_;
  const os::Clock& clock_;
  os::Random& random_;
  EcKey ca_key_, service_account_key_;
  std::string ca_pem_;
};

}  // namespace mk::core

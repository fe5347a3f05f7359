// X.509 certificates of our own making. By OpenSSL.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/ec_key.h"
#include "base/error.h"
#include "base/time.h"

namespace mk {

struct CertificateWish {
  std::string common_name;
  std::vector<std::string> organisations;
  std::string user_id;             // the subject's attribute UID; may be empty
  std::vector<std::string> names;  // DNS names and IP addresses that it is good for
  enum class Use : uint8_t { kAuthority, kServer, kClient } use = Use::kServer;
  Time not_before, not_after;
  std::string serial;  // up to 20 random bytes
};

// Signed by `authority` with its key; an authority signs itself when `authority_pem` is empty. PEM.
Result<std::string> issue_certificate(const CertificateWish& wish, const EcKey& subject,
                                      std::string_view authority_pem, const EcKey& authority);

// The parts of a certificate that we look at ourselves.
struct CertificateFacts {
  std::string common_name, user_id;
  std::vector<std::string> organisations;
  std::vector<std::string> names;  // DNS names and IP addresses
  Time not_after;
};
Result<CertificateFacts> read_certificate(std::string_view pem);

}  // namespace mk

// Keys on the curve P-256, for signatures (ECDSA with SHA-256, ES256 in JOSE) and certificates. By OpenSSL.
// Thread-safe once made.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

namespace mk {

class EcKey {
 public:
  static EcKey generate();
  static Result<EcKey> parse(std::string_view private_key_pem);
  std::string pem() const;  // the private key: keep it secret

  // 64 bytes r and s, as JOSE writes them.
  std::string sign(std::string_view bytes) const;
  bool verify(std::string_view bytes, std::string_view signature) const;

  // The public point, 32 bytes each.
  std::string x() const;
  std::string y() const;

  struct Native;  // for base/ only
  const Native& native() const { return *native_; }

 private:
  explicit EcKey(std::shared_ptr<const Native> native) : native_(std::move(native)) {}
  std::shared_ptr<const Native> native_;
};

}  // namespace mk

#include "base/digest.h"

#include <openssl/evp.h>

#include "base/encoding.h"
#include "base/error.h"

namespace mk {

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  MK_CHECK(EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr) == 1);
}
Sha256::~Sha256() = default;

void Sha256::add(std::string_view bytes) {
  MK_CHECK(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1);
}

std::string Sha256::hex() {
  unsigned char digest[32];
  MK_CHECK(EVP_DigestFinal_ex(state_->context, digest, nullptr) == 1);
  return hex_encode({reinterpret_cast<const char*>(digest), sizeof digest});
}

std::string sha256_hex(std::string_view bytes) {
  Sha256 hash;
  hash.add(bytes);
  return hash.hex();
}

}  // namespace mk

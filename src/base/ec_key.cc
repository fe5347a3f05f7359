#include "base/ec_key.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/pem.h>

#include "base/ec_key_native.h"

namespace mk {
namespace {

constexpr int kNumberBytes = 32;
using SignaturePtr = std::unique_ptr<ECDSA_SIG, void (*)(ECDSA_SIG*)>;
using NumberPtr = std::unique_ptr<BIGNUM, void (*)(BIGNUM*)>;
using DigestPtr = std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)>;

const unsigned char* as_bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string padded(const BIGNUM* number) {
  std::string out(kNumberBytes, '\0');
  MK_CHECK(BN_bn2binpad(number, reinterpret_cast<unsigned char*>(out.data()), kNumberBytes) == kNumberBytes);
  return out;
}

std::string coordinate(EVP_PKEY* key, const char* which) {
  BIGNUM* number = nullptr;
  MK_CHECK(EVP_PKEY_get_bn_param(key, which, &number) == 1);
  const NumberPtr owned(number, BN_free);
  return padded(number);
}

// JOSE's 64 bytes as the DER that OpenSSL verifies; empty when they are no signature.
std::string der_of(std::string_view jose) {
  if (jose.size() != 2 * kNumberBytes) return {};
  BIGNUM* r = BN_bin2bn(as_bytes(jose), kNumberBytes, nullptr);
  BIGNUM* s = BN_bin2bn(as_bytes(jose) + kNumberBytes, kNumberBytes, nullptr);
  const SignaturePtr signature(ECDSA_SIG_new(), ECDSA_SIG_free);
  MK_CHECK(ECDSA_SIG_set0(signature.get(), r, s) == 1);  // takes both
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(signature.get(), &der);
  MK_CHECK(size > 0);
  std::string out(reinterpret_cast<const char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  return out;
}

}  // namespace

EcKey EcKey::generate() {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  MK_CHECK(key != nullptr);
  return EcKey(std::make_shared<const Native>(key));
}

Result<EcKey> EcKey::parse(std::string_view private_key_pem) {
  const BioPtr bio = bio_of(private_key_pem);
  EVP_PKEY* key = PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr);
  if (key == nullptr) return invalid("this is no private key in PEM");
  auto native = std::make_shared<const Native>(key);
  char group[32] = "";
  size_t length = 0;
  if (EVP_PKEY_get_group_name(key, group, sizeof group, &length) != 1 ||
      std::string_view(group, length) != "prime256v1")
    return invalid("the private key is not one on the curve P-256");
  return EcKey(std::move(native));
}

std::string EcKey::pem() const {
  const BioPtr out = bio_for_writing();
  MK_CHECK(PEM_write_bio_PrivateKey(out.get(), native_->key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
  return bio_text(out.get());
}

std::string EcKey::sign(std::string_view bytes) const {
  const DigestPtr context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  MK_CHECK(EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, native_->key) == 1);
  unsigned char der[128];
  size_t size = sizeof der;
  MK_CHECK(EVP_DigestSign(context.get(), der, &size, as_bytes(bytes), bytes.size()) == 1);
  const unsigned char* at = der;
  const SignaturePtr signature(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(size)), ECDSA_SIG_free);
  MK_CHECK(signature != nullptr);
  return padded(ECDSA_SIG_get0_r(signature.get())) + padded(ECDSA_SIG_get0_s(signature.get()));
}

bool EcKey::verify(std::string_view bytes, std::string_view signature) const {
  const std::string der = der_of(signature);
  if (der.empty()) return false;
  const DigestPtr context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  MK_CHECK(EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, native_->key) == 1);
  return EVP_DigestVerify(context.get(), as_bytes(der), der.size(), as_bytes(bytes), bytes.size()) == 1;
}

std::string EcKey::x() const {
  return coordinate(native_->key, OSSL_PKEY_PARAM_EC_PUB_X);
}
std::string EcKey::y() const {
  return coordinate(native_->key, OSSL_PKEY_PARAM_EC_PUB_Y);
}

}  // namespace mk

#include "base/cipher.h"

#include <openssl/evp.h>

#include <memory>

namespace mk {
namespace {

using ContextPtr = std::unique_ptr<EVP_CIPHER_CTX, void (*)(EVP_CIPHER_CTX*)>;

ContextPtr make_context() {
  return {EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free};
}
const unsigned char* in(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* out(std::string& text, size_t at = 0) {
  return reinterpret_cast<unsigned char*>(text.data()) + at;
}
int length(std::string_view text) {
  return static_cast<int>(text.size());
}

}  // namespace

std::string seal(std::string_view key, std::string_view nonce, std::string_view plain, std::string_view bound) {
  MK_CHECK(key.size() == kCipherKeyBytes && nonce.size() == kCipherNonceBytes);
  const ContextPtr context = make_context();
  std::string sealed(plain.size() + kCipherTagBytes, '\0');
  int done = 0;
  MK_CHECK(EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, in(key), in(nonce)) == 1);
  MK_CHECK(EVP_EncryptUpdate(context.get(), nullptr, &done, in(bound), length(bound)) == 1);
  MK_CHECK(EVP_EncryptUpdate(context.get(), out(sealed), &done, in(plain), length(plain)) == 1);
  MK_CHECK(EVP_EncryptFinal_ex(context.get(), out(sealed, plain.size()), &done) == 1);
  MK_CHECK(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kCipherTagBytes, out(sealed, plain.size())) == 1);
  return sealed;
}

Result<std::string> unseal(std::string_view key, std::string_view nonce, std::string_view sealed, std::string_view bound) {
  const auto wrong = [] { return fail(Code::kInvalidArgument, "unseal", "the encrypted text was made with another key, or is damaged"); };
  if (key.size() != kCipherKeyBytes || nonce.size() != kCipherNonceBytes || sealed.size() < kCipherTagBytes) return wrong();
  const size_t size = sealed.size() - kCipherTagBytes;
  std::string tag(sealed.substr(size)), plain(size, '\0');
  const ContextPtr context = make_context();
  int done = 0;
  MK_CHECK(EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, in(key), in(nonce)) == 1);
  MK_CHECK(EVP_DecryptUpdate(context.get(), nullptr, &done, in(bound), length(bound)) == 1);
  if (EVP_DecryptUpdate(context.get(), out(plain), &done, in(sealed), static_cast<int>(size)) != 1) return wrong();
  MK_CHECK(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kCipherTagBytes, out(tag)) == 1);
  unsigned char rest[16];
  if (EVP_DecryptFinal_ex(context.get(), rest, &done) != 1) return wrong();
  return plain;
}

}  // namespace mk

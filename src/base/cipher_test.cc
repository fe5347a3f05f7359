#include "base/cipher.h"

#include <doctest/doctest.h>

namespace mk {
namespace {

TEST_CASE("cipher: opens with the same key, nonce and binding only") {
  const std::string key(32, 'k'), nonce(12, 'n');
  for (const std::string& plain : {std::string(), std::string("a"), std::string(100'000, 'x')}) {
    const std::string sealed = seal(key, nonce, plain, "secrets a/b");
    CHECK(sealed.size() == plain.size() + kCipherTagBytes);
    if (plain.size() > 4) CHECK(sealed.find(plain) == std::string::npos);
    CHECK(unseal(key, nonce, sealed, "secrets a/b") == plain);
    CHECK_FALSE(unseal(key, nonce, sealed, "secrets a/c"));
    CHECK_FALSE(unseal(std::string(32, 'K'), nonce, sealed, "secrets a/b"));
    CHECK_FALSE(unseal(key, std::string(12, 'N'), sealed, "secrets a/b"));
    CHECK_FALSE(unseal(key, nonce, sealed.substr(1), "secrets a/b"));
    std::string turned = sealed;
    turned[0] = static_cast<char>(turned[0] ^ 1);
    CHECK_FALSE(unseal(key, nonce, turned, "secrets a/b"));
  }
  CHECK_FALSE(unseal(key, nonce, "", ""));
}

}  // namespace
}  // namespace mk

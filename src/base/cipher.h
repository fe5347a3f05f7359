// Encryption of small texts at rest: AES-256 in Galois/Counter Mode, by OpenSSL. Thread-safe.
#pragma once
#include <string>
#include <string_view>

#include "base/error.h"

namespace mk {

inline constexpr size_t kCipherKeyBytes = 32, kCipherNonceBytes = 12, kCipherTagBytes = 16;

// The ciphertext with its tag behind it. A nonce must never be used twice with one key. `bound` is not kept, but opening
// needs the same.
std::string seal(std::string_view key, std::string_view nonce, std::string_view plain, std::string_view bound);
// kInvalidArgument when key, nonce, bytes or `bound` are not those of the sealing.
Result<std::string> unseal(std::string_view key, std::string_view nonce, std::string_view sealed, std::string_view bound);

}  // namespace mk

// What stands behind EcKey. Inside base/ only.
#pragma once
#include <openssl/bio.h>
#include <openssl/evp.h>

#include <memory>
#include <string>

#include "base/ec_key.h"

namespace mk {

struct EcKey::Native {
  explicit Native(EVP_PKEY* taken) : key(taken) {}
  ~Native() { EVP_PKEY_free(key); }
  Native(const Native&) = delete;
  Native& operator=(const Native&) = delete;
  EVP_PKEY* key;
};

using BioPtr = std::unique_ptr<BIO, int (*)(BIO*)>;
inline BioPtr bio_for_writing() {
  return {BIO_new(BIO_s_mem()), BIO_free};
}
inline BioPtr bio_of(std::string_view bytes) {
  return {BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())), BIO_free};
}
inline std::string bio_text(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<size_t>(size)};
}

}  // namespace mk

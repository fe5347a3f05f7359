// The keys by which Secrets are encrypted in the database, and so in every backup of it: DATA/pki/secrets.keys, 0600. Old keys
// are kept, because old backups need them. Thread-safe.
#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/error.h"
#include "os/random.h"
#include "store/body_cipher.h"
#include "store/store.h"

namespace mk::core {

class SecretKeys final : public store::BodyCipher {
 public:
  // Makes the first key when there is no file. kFailedPrecondition when it is damaged.
  static Result<std::shared_ptr<SecretKeys>> open(std::string path, os::Random& random);

  // The id of the key that a stored body is sealed with; empty when it is not sealed.
  static std::string_view key_of(std::string_view stored);

  bool covers(const store::Key& key) const override;
  std::string seal(const store::Key& key, std::string_view body) const override;
  Result<std::string> open(const store::Key& key, std::string_view stored) const override;

  // From now on everything is sealed with a new key, which is on the disk when this returns. What lies in the database is
  // sealed anew by reseal().
  Result<std::string> rotate();  // -> the new key's id
  // Whether something was read that is not sealed with the newest key.
  bool found_old() const;

 private:
  SecretKeys(std::string path, os::Random& random) : path_(std::move(path)), random_(random) {}
  Result<void> load();
  Result<void> save(const std::string& path) const;
  void add_key();

  const std::string path_;
  os::Random& random_;
  mutable std::mutex mutex_;  // guards the rest
  std::map<std::string, std::string> keys_;
  std::string newest_;
  mutable bool found_old_ = false;
};

// Writes every Secret again as it is. Returns their number.
Result<size_t> reseal(store::Store& store);

}  // namespace mk::core

#include "core/access/secret_keys.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/cipher.h"
#include "base/encoding.h"
#include "base/format.h"
#include "base/json.h"
#include "core/limits.h"
#include "os/files.h"

namespace mk::core {
namespace {

constexpr std::string_view kMark = "sealed:1:";  // then the key's id, a colon, and base64 of nonce and sealed bytes
constexpr std::string_view kSecrets = "secrets";

std::string random_bytes(os::Random& random, size_t count) {
  std::string out(count, '\0');
  random.fill({reinterpret_cast<unsigned char*>(out.data()), out.size()});
  return out;
}

}  // namespace

Result<std::shared_ptr<SecretKeys>> SecretKeys::open(std::string path, os::Random& random) {
  auto keys = std::shared_ptr<SecretKeys>(new SecretKeys(std::move(path), random));
  if (!os::exists(keys->path_)) {
    // Of two that start at the same moment the first one's key stays.
    const std::string draft = keys->path_ + "." + random.hex(8);
    keys->add_key();
    MK_OK(keys->save(draft));
    const bool first = ::link(draft.c_str(), keys->path_.c_str()) == 0 || errno == EEXIST;
    ::unlink(draft.c_str());
    if (!first) return fail(Code::kFailedPrecondition, "secret_keys", fmt::format("the file {} cannot be made", keys->path_));
    keys->keys_.clear();
  }
  MK_OK(keys->load());
  return keys;
}

Result<void> SecretKeys::load() {
  const auto damaged = [&] {
    return fail(Error{Code::kFailedPrecondition, "secret_keys", fmt::format("the file {} is damaged", path_)}.with_hint(
        "put it back from where you keep a copy; without it no Secret can be read"));
  };
  MK_TRY(const std::string text, os::read_file(path_));
  const auto file = Json::parse(text);
  if (!file) return damaged();
  for (const auto& [id, key] : (*file)["keys"].members()) {
    auto bytes = base64_decode(key.text());
    if (!bytes || bytes->size() != kCipherKeyBytes) return damaged();
    keys_.emplace(id, *std::move(bytes));
  }
  newest_ = (*file)["newest"].text();
  if (!keys_.contains(newest_)) return damaged();
  return {};
}

Result<void> SecretKeys::save(const std::string& path) const {
  Json file = Json::object({{"newest", newest_}, {"keys", Json::object()}});
  for (const auto& [id, key] : keys_) file["keys"][id] = base64_encode(key);
  return os::write_file(path, file.dump_pretty(), 0600, true);
}

void SecretKeys::add_key() {
  newest_ = random_.hex(12);
  keys_[newest_] = random_bytes(random_, kCipherKeyBytes);
}

std::string_view SecretKeys::key_of(std::string_view stored) {
  if (!stored.starts_with(kMark)) return {};
  stored.remove_prefix(kMark.size());
  return stored.substr(0, std::min(stored.find(':'), stored.size()));
}

bool SecretKeys::covers(const store::Key& key) const {
  return key.resource == kSecrets;
}

std::string SecretKeys::seal(const store::Key& key, std::string_view body) const {
  const std::lock_guard lock(mutex_);
  const std::string nonce = random_bytes(random_, kCipherNonceBytes);
  // Bound to its place, so that one Secret's bytes cannot stand for another's.
  return fmt::format("{}{}:{}", kMark, newest_,
                     base64_encode(nonce + mk::seal(keys_.at(newest_), nonce, body, key.text())));
}

Result<std::string> SecretKeys::open(const store::Key& key, std::string_view stored) const {
  const std::lock_guard lock(mutex_);
  if (!stored.starts_with(kMark)) {
    found_old_ = true;
    return std::string(stored);
  }
  const auto refused = [&](std::string_view why) {
    return fail(Error{Code::kFailedPrecondition, "secret_keys", fmt::format("{} cannot be read: {}", key.text(), why)}.with_hint(
        fmt::format("put back the {} that belongs to this database", path_)));
  };
  stored.remove_prefix(kMark.size());
  const size_t colon = std::min(stored.find(':'), stored.size());
  const std::string id(stored.substr(0, colon));
  const auto found = keys_.find(id);
  if (found == keys_.end()) return refused(fmt::format("its key {} is not there", id.substr(0, 40)));
  if (id != newest_) found_old_ = true;
  const auto bytes = base64_decode(stored.substr(std::min(colon + 1, stored.size())));
  if (!bytes || bytes->size() < kCipherNonceBytes) return refused("it is damaged");
  auto plain = unseal(found->second, std::string_view(*bytes).substr(0, kCipherNonceBytes),
                      std::string_view(*bytes).substr(kCipherNonceBytes), key.text());
  if (!plain) return refused(plain.error().message);
  return plain;
}

Result<std::string> SecretKeys::rotate() {
  const std::lock_guard lock(mutex_);
  if (keys_.size() >= limits::kSecretKeysMax)
    return fail(Error{Code::kResourceExhausted, "too_many_keys", fmt::format("there are {} keys already, which is the most", keys_.size())}
                    .with_hint("take old ones out of secrets.keys when no backup needs them any more"));
  const std::string before = newest_;
  add_key();
  if (auto saved = save(path_); !saved) {
    keys_.erase(newest_);
    newest_ = before;
    return Failure(std::move(saved).error());
  }
  return newest_;
}

bool SecretKeys::found_old() const {
  const std::lock_guard lock(mutex_);
  return found_old_;
}

Result<size_t> reseal(store::Store& store) {
  size_t count = 0;
  for (const store::ObjectRef& secret : store.list({std::string(kSecrets), {}}).objects) {
    store::Txn txn;
    txn.objects.push_back({store::ObjectOp::Kind::kUpdate, secret->key, secret->json(), secret->version});
    const auto written = store.commit(std::move(txn));
    // Who was faster has sealed it anew, or has taken it away.
    if (!written && written.error().code != Code::kConflict && written.error().code != Code::kNotFound)
      return Failure(written.error());
    ++count;
  }
  return count;
}

}  // namespace mk::core

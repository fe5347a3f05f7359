#include "app/backup_secrets.h"

#include <algorithm>

#include "base/format.h"
#include "core/access/secret_keys.h"
#include "os/files.h"
#include "os/random.h"
#include "store/snapshot.h"

namespace mk::app {
namespace {

constexpr const char* kSecrets = "secrets";

std::string list(const std::set<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

}  // namespace

Result<SealedSecrets> sealed_secrets(const std::string& database) {
  SealedSecrets out;
  MK_OK(store::each_stored(database, kSecrets, [&](const store::Key&, std::string_view body) -> Result<void> {
    const std::string key(core::SecretKeys::key_of(body));
    if (key.empty()) return {};
    ++out.count;
    out.keys.insert(key);
    return {};
  }));
  return out;
}

Result<void> check_keys(const std::string& database, const std::string& keys) {
  if (!os::exists(keys))
    return fail(Error{Code::kNotFound, "no_keys", fmt::format("there is no file {}", keys)}.with_hint(
        "name a copy of the old data folder's pki/secrets.keys with --keys"));
  MK_TRY(const auto opened, core::SecretKeys::open(keys, os::system_random()));
  return store::each_stored(
      database, kSecrets, [&](const store::Key& key, std::string_view body) -> Result<void> {
        if (opened->open(key, body)) return {};
        return fail(Error{Code::kFailedPrecondition, "wrong_keys",
                          fmt::format("{} does not open the Secret {}/{}, which needs the key {}", keys,
                                      key.space, key.name, core::SecretKeys::key_of(body))}
                        .with_hint("name a copy of pki/secrets.keys that is as new as the backup"));
      });
}

Result<void> check_needs_no_keys(const std::string& database) {
  MK_TRY(const SealedSecrets sealed, sealed_secrets(database));
  if (sealed.count == 0) return {};
  return fail(Error{Code::kFailedPrecondition, "keys_needed",
                    fmt::format("the backup holds {} encrypted with {} {}, and keys are never in a backup",
                                sealed.count == 1 ? "1 Secret" : fmt::format("{} Secrets", sealed.count),
                                sealed.keys.size() == 1 ? "the key" : "the keys", list(sealed.keys))}
                  .with_hint("give your copy of the old data folder's pki/secrets.keys with --keys FILE, or "
                             "do without the Secrets with "
                             "--without-secrets"));
}

Result<void> leave_out_secrets(const std::string& database) {
  return store::forget_stored(database, kSecrets);
}

}  // namespace mk::app

#include "core/access/directory.h"

#include "base/digest.h"
#include "base/encoding.h"
#include "base/format.h"

namespace mk::core {
namespace {

constexpr size_t kTokenBytesMax = 256;
constexpr size_t kRandomBytes = 32;

Failure refused(std::string message) {
  return fail(Code::kUnauthenticated, "unauthenticated", std::move(message));
}

}  // namespace

Directory::Directory(store::Store& store, const os::Clock& clock)
    : clock_(clock),
      mirror_(store, {"users.modelkit.dev", "tokens.modelkit.dev"}),
      index_(std::make_shared<const Index>()) {}

const Directory::Index& Directory::index() const {
  if (!mirror_.changed()) return index_.read();
  const std::lock_guard lock(mutex_);
  if (!mirror_.changed()) return index_.read();
  const auto anew = [this] {
    users_.clear();
    tokens_.clear();
  };
  const uint64_t taken = mirror_.take(anew, [this](const Mirror::Change& change) {
    const bool is_user = change.key.resource.starts_with("users");
    if (!change.object) {
      if (is_user)
        users_.erase(change.key.name);
      else
        tokens_.erase(change.key.name);
      return;
    }
    const Json object = change.object->json();
    const Json& spec = object["spec"];
    if (is_user) {
      User user{change.object->uid, {}};
      for (const Json& group : spec["groups"].items()) user.groups.emplace_back(group.text());
      users_[change.key.name] = std::move(user);
    } else {
      const auto expires = Time::parse_rfc3339(spec["expires"].text());
      tokens_[change.key.name] = {std::string(spec["user"].text()), std::string(spec["sha256"].text()),
                                  expires ? *expires : Time()};
    }
  });
  auto next = std::make_shared<Index>();
  next->users = users_;
  for (const auto& [name, token] : tokens_) next->tokens.emplace(token.sha256, token);
  index_.publish(std::move(next));
  mirror_.settle(taken);
  return index_.read();
}

Identity Directory::identity(const std::string& name, const User& user) const {
  Identity who{name, user.groups, false, user.uid};
  who.groups.emplace_back("system:authenticated");
  return who;
}

Result<Identity> Directory::by_token(std::string_view token) const {
  if (token.size() > kTokenBytesMax) return refused("the token is not one of this server");
  const Index& known = index();
  // By its hash: how long this takes says nothing about tokens that exist.
  const auto found = known.tokens.find(sha256_hex(token));
  if (found == known.tokens.end()) return refused("the token is not one of this server, or was revoked");
  if (found->second.expires.is_set() && found->second.expires <= clock_.now())
    return refused(fmt::format("the token expired at {}", found->second.expires.rfc3339()));
  const auto user = known.users.find(found->second.user);
  if (user == known.users.end()) return refused("the token's user does not exist any more");
  return identity(user->first, user->second);
}

Result<Identity> Directory::by_certificate(std::string_view name, std::string_view uid) const {
  const Index& known = index();
  const auto user = known.users.find(name);
  if (user == known.users.end() || user->second.uid != uid)
    return refused("the certificate's user does not exist any more");
  return identity(user->first, user->second);
}

bool Directory::empty() const {
  return index().users.empty();
}

NewToken make_token(os::Random& random) {
  std::string bytes(kRandomBytes, '\0');
  random.fill({reinterpret_cast<unsigned char*>(bytes.data()), bytes.size()});
  NewToken out{.text = "mk_" + base64url_encode(bytes)};
  out.sha256 = sha256_hex(out.text);
  return out;
}

}  // namespace mk::core

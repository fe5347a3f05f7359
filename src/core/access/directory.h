// Users and the tokens that prove them, by the User and Token objects in the store. Like the Authoriser: no lock to ask, and
// a token that was deleted is refused from the answer to its deletion on. Thread-safe.
#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/error.h"
#include "core/access.h"
#include "core/access/mirror.h"
#include "core/access/published.h"
#include "os/clock.h"
#include "os/random.h"
#include "store/store.h"

namespace mk::core {

class Directory {
 public:
  Directory(store::Store& store, const os::Clock& clock);

  // kUnauthenticated when no token reads so, it has expired, or its user is gone.
  Result<Identity> by_token(std::string_view token) const;
  // `uid` of the User object, as it stands in a certificate.
  Result<Identity> by_certificate(std::string_view user, std::string_view uid) const;
  bool empty() const;  // no user at all

 private:
  struct User {
    std::string uid;
    std::vector<std::string> groups;
  };
  struct Token {
    std::string user, sha256;
    Time expires;
  };
  struct Index {
    std::map<std::string, User, std::less<>> users;
    std::unordered_map<std::string, Token> tokens;  // by SHA-256
  };
  const Index& index() const;
  Identity identity(const std::string& name, const User& user) const;

  const os::Clock& clock_;
  mutable std::mutex mutex_;  // guards the next three
  mutable Mirror mirror_;
  mutable std::map<std::string, User, std::less<>> users_;
  mutable std::map<std::string, Token> tokens_;  // by the object's name
  mutable Published<Index> index_;
};

// A new token, "mk_" and 256 random bits, and what is kept of it.
struct NewToken {
  std::string text, sha256;
};
NewToken make_token(os::Random& random);

}  // namespace mk::core

#include "core/access/authenticator.h"

#include "base/encoding.h"
#include "core/access/pki.h"

namespace mk::core {
namespace {

Failure refused(std::string message) {
  return fail(Code::kUnauthenticated, "unauthenticated", std::move(message));
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

}  // namespace

Result<Identity> Authenticator::by_authorization(std::string_view header) const {
  const size_t space = header.find(' ');
  const std::string_view scheme = header.substr(0, space);
  const std::string_view value = space == std::string_view::npos ? std::string_view() : trimmed(header.substr(space));
  if (net::same_text(scheme, "Bearer")) return by_token(value);
  if (!net::same_text(scheme, "Basic")) return refused("the Authorization header must be of the type Bearer or Basic");
  const auto pair = base64_decode(value);
  const size_t colon = pair ? pair->find(':') : std::string::npos;
  if (colon == std::string::npos) return refused("the Basic credentials are malformed");
  MK_TRY(Identity who, by_token(std::string_view(*pair).substr(colon + 1)));
  const std::string_view user = std::string_view(*pair).substr(0, colon);
  if (!user.empty() && user != who.user) return refused("the token in the password is not one of that user");
  return who;
}

Result<Identity> Authenticator::by_token(std::string_view token, std::span<const std::string> audiences) const {
  if (token.empty()) return refused("the token is empty");
  if (looks_like_service_token(token)) return accounts_.check(token, audiences);
  return directory_.by_token(token);
}

Result<Identity> Authenticator::by_certificate(const CertificateFacts& certificate) const {
  if (Pki::is_owner(certificate)) {
    Identity who = Identity::owner_of_this_machine();
    who.owner = false;  // what they may do follows from the group
    return who;
  }
  return directory_.by_certificate(certificate.common_name, certificate.user_id);
}

}  // namespace mk::core

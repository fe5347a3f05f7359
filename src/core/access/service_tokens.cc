#include "core/access/service_tokens.h"

#include <algorithm>

#include "base/digest.h"
#include "base/encoding.h"
#include "base/format.h"
#include "core/limits.h"

namespace mk::core {
namespace {

constexpr std::string_view kClaims = "kubernetes.io";

Failure refused(std::string message) {
  return fail(Code::kUnauthenticated, "unauthenticated", std::move(message));
}

Json reference(std::string_view name, std::string_view uid) {
  return Json::object({{"name", name}, {"uid", uid}});
}

Result<Json> part(std::string_view text) {
  MK_TRY(const std::string bytes, base64url_decode(text));
  return Json::parse(bytes, {.bytes_max = limits::kServiceTokenBytesMax, .depth_max = 8, .nodes_max = 1000});
}

// A key's name: the start of its thumbprint, so that it changes with the key.
std::string id_of(const EcKey& key) {
  return sha256_hex(key.x() + key.y()).substr(0, 32);
}

}  // namespace

struct ServiceTokens::Claims {
  std::string space, account, account_uid;
  std::string bound_resource, bound_name, bound_uid;  // "pods" or "secrets"; may be empty
  std::vector<std::string> audiences;
  int64_t not_before = 0, expires = 0;  // seconds since 1970
  std::string id;
};

ServiceTokens::ServiceTokens(const store::Store& store, const os::Clock& clock, os::Random& random, const EcKey& key)
    : store_(store), clock_(clock), random_(random), key_(key), key_id_(id_of(key)) {}

bool looks_like_service_token(std::string_view token) {
  return token.starts_with("ey") && std::ranges::count(token, '.') == 2;
}

Result<ServiceTokens::Issued> ServiceTokens::issue(const Wish& wish) {
  const auto missing = [](std::string_view kind, std::string_view name) {
    return fail(Code::kNotFound, "not_found", fmt::format("{} \"{}\" not found", kind, name));
  };
  const store::ObjectRef account = store_.get({"serviceaccounts", wish.space, wish.account});
  if (!account) return missing("serviceaccounts", wish.account);
  Json own = Json::object({{"namespace", wish.space}, {"serviceaccount", reference(wish.account, account->uid)}});
  if (!wish.bound_name.empty()) {
    const store::ObjectRef bound = store_.get({wish.bound_resource, wish.space, wish.bound_name});
    if (!bound) return missing(wish.bound_resource, wish.bound_name);
    if (!wish.bound_uid.empty() && wish.bound_uid != bound->uid)
      return fail(Code::kConflict, "conflict",
                  fmt::format("the UID in the bound object reference ({}) does not match the UID in record", wish.bound_uid));
    own[wish.bound_resource == "pods" ? "pod" : "secret"] = reference(wish.bound_name, bound->uid);
  }
  const int64_t now = clock_.now().ms() / 1000;
  const int64_t expires = now + wish.life.ms() / 1000;
  Json payload = Json::object({{"iss", kIssuer},
                               {"sub", fmt::format("system:serviceaccount:{}:{}", wish.space, wish.account)},
                               {"iat", now},
                               {"nbf", now},
                               {"exp", expires},
                               {"jti", random_.uuid()},
                               {std::string(kClaims), std::move(own)}});
  payload["aud"] = Json::array();
  for (const std::string& audience : wish.audiences) payload["aud"].push_back(audience);
  if (wish.audiences.empty()) payload["aud"].push_back(kIssuer);
  const Json header = Json::object({{"alg", "ES256"}, {"kid", key_id_}, {"typ", "JWT"}});
  const std::string signed_part = base64url_encode(header.dump()) + "." + base64url_encode(payload.dump());
  return Issued{signed_part + "." + base64url_encode(key_.sign(signed_part)), Time::from_ms(expires * 1000)};
}

// Signature and form; whether it holds now is asked each time.
Result<std::shared_ptr<const ServiceTokens::Claims>> ServiceTokens::verified(std::string_view token) const {
  if (token.size() > limits::kServiceTokenBytesMax) return refused("the token is too long");
  const std::string hash = sha256_hex(token);
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = known_.find(hash); found != known_.end()) return found->second;
  }
  const size_t first = token.find('.'), last = token.rfind('.');
  const auto header = part(token.substr(0, first));
  const auto signature = base64url_decode(token.substr(last + 1));
  if (!header || !signature || (*header)["alg"].text() != "ES256" || (*header)["kid"].text() != key_id_ ||
      !key_.verify(token.substr(0, last), *signature))
    return refused("the token was not signed by this server");
  MK_TRY(const Json payload, part(token.substr(first + 1, last - first - 1)));
  const Json& own = payload[kClaims];
  auto claims = std::make_shared<Claims>();
  claims->space = own["namespace"].text();
  claims->account = own.at({"serviceaccount", "name"}).text();
  claims->account_uid = own.at({"serviceaccount", "uid"}).text();
  for (const auto& [kind, resource] : {std::pair("pod", "pods"), std::pair("secret", "secrets")}) {
    if (!own.contains(kind)) continue;
    claims->bound_resource = resource;
    claims->bound_name = own.at({kind, "name"}).text();
    claims->bound_uid = own.at({kind, "uid"}).text();
  }
  for (const Json& audience : payload["aud"].items()) claims->audiences.emplace_back(audience.text());
  claims->not_before = payload["nbf"].integer();
  claims->expires = payload["exp"].integer();
  claims->id = payload["jti"].text();
  const std::lock_guard lock(mutex_);
  if (known_.size() >= limits::kServiceTokensRememberedMax) known_.clear();
  known_.emplace(hash, claims);
  return std::shared_ptr<const Claims>(std::move(claims));
}

Result<void> ServiceTokens::still_there(const Claims& claims) const {
  const store::ObjectRef account = store_.get({"serviceaccounts", claims.space, claims.account});
  if (!account || account->uid != claims.account_uid) return refused("the token's service account does not exist any more");
  if (claims.bound_name.empty()) return {};
  const store::ObjectRef bound = store_.get({claims.bound_resource, claims.space, claims.bound_name});
  if (!bound || bound->uid != claims.bound_uid) return refused("what the token was bound to does not exist any more");
  return {};
}

Result<Identity> ServiceTokens::check(std::string_view token, std::span<const std::string> audiences) const {
  MK_TRY(const auto claims, verified(token));
  const int64_t now = clock_.now().ms() / 1000;
  if (claims->expires <= now) return refused("the token has expired");
  if (claims->not_before > now) return refused("the token is not good yet");
  const auto meant = [&](std::string_view audience) {
    return std::ranges::find(claims->audiences, audience) != claims->audiences.end();
  };
  if (audiences.empty() ? !meant(kIssuer) : std::ranges::none_of(audiences, meant))
    return refused("the token is for other audiences");
  MK_OK(still_there(*claims));
  Identity who{fmt::format("system:serviceaccount:{}:{}", claims->space, claims->account),
               {"system:serviceaccounts", fmt::format("system:serviceaccounts:{}", claims->space), "system:authenticated"},
               false,
               claims->account_uid};
  who.extra.push_back({"authentication.kubernetes.io/credential-id", {"JTI=" + claims->id}});
  if (claims->bound_resource == "pods") {
    who.extra.push_back({"authentication.kubernetes.io/pod-name", {claims->bound_name}});
    who.extra.push_back({"authentication.kubernetes.io/pod-uid", {claims->bound_uid}});
  }
  return who;
}

Json ServiceTokens::key_set() const {
  return Json::object({{"keys", Json::array({Json::object({{"kty", "EC"},
                                                           {"crv", "P-256"},
                                                           {"alg", "ES256"},
                                                           {"use", "sig"},
                                                           {"kid", key_id_},
                                                           {"x", base64url_encode(key_.x())},
                                                           {"y", base64url_encode(key_.y())}})})}});
}

Json ServiceTokens::discovery(std::string_view keys_url) {
  return Json::object({{"issuer", kIssuer},
                       {"jwks_uri", keys_url},
                       {"response_types_supported", Json::array({"id_token"})},
                       {"subject_types_supported", Json::array({"public"})},
                       {"id_token_signing_alg_values_supported", Json::array({"ES256"})}});
}

}  // namespace mk::core

#include "node/account_access.h"

#include <algorithm>

#include "base/encoding.h"
#include "base/format.h"

namespace mk::node {
namespace {

constexpr int64_t kDefaultSeconds = 3607, kSecondsMin = 600, kSecondsMax = 24 * 3600;

std::string account_of(const Json& pod) {
  return std::string(pod.at({"spec", "serviceAccountName"}).text("default"));
}

}  // namespace

bool mounts_account(const Json& pod, const Lookup& lookup) {
  if (const Json* own = pod["spec"].find("automountServiceAccountToken"); own && own->is_bool()) return own->boolean();
  const store::ObjectRef account =
      lookup({"serviceaccounts", std::string(pod.at({"metadata", "namespace"}).text()), account_of(pod)});
  if (!account) return true;  // it is missed when its token is made
  const Json object = account->json();
  const Json* said = object.find("automountServiceAccountToken");
  return !said || said->boolean(true);
}

Result<std::string> account_token(const AccountAccess& access, const Json& pod, const Json& source) {
  const int64_t seconds = source["expirationSeconds"].integer(kDefaultSeconds);
  if (seconds < kSecondsMin)
    return fail(Code::kFailedPrecondition, "CreateContainerConfigError",
                fmt::format("a service account token lives at least {} seconds, not {}", kSecondsMin, seconds));
  const Json& metadata = pod["metadata"];
  core::AccountTokens::Wish wish{.space = std::string(metadata["namespace"].text()),
                                 .account = account_of(pod),
                                 .audiences = {},
                                 .life = Duration::from_seconds(std::min(seconds, kSecondsMax)),
                                 .bound_resource = "pods",
                                 .bound_name = std::string(metadata["name"].text()),
                                 .bound_uid = std::string(metadata["uid"].text())};
  if (const std::string_view audience = source["audience"].text(); !audience.empty())
    wish.audiences.emplace_back(audience);
  auto issued = access.tokens->issue(wish);
  if (issued) return std::move(issued->token);
  return fail(Code::kFailedPrecondition, "CreateContainerConfigError", issued.error().message);
}

std::vector<TokenFile> token_files(const Json& pod, bool with_account) {
  std::vector<TokenFile> out;
  for (const Json& volume : pod.at({"spec", "volumes"}).items())
    for (const Json& source : volume.at({"projected", "sources"}).items())
      if (const Json* token = source.find("serviceAccountToken"))
        out.push_back({fmt::format("volumes/{}/{}", volume["name"].text(), (*token)["path"].text()), *token});
  if (with_account) out.push_back({fmt::format("volumes/{}/token", kAccountVolume), Json::object()});
  return out;
}

bool is_stale(std::string_view token, Time now) {
  const size_t first = token.find('.'), last = token.rfind('.');
  if (first == std::string_view::npos || first == last) return true;
  const auto bytes = base64url_decode(token.substr(first + 1, last - first - 1));
  const auto claims = bytes ? Json::parse(*bytes) : Result<Json>(invalid("no token"));
  if (!claims) return true;
  const int64_t begin = (*claims)["iat"].integer(), end = (*claims)["exp"].integer();
  return now.ms() / 1000 >= begin + (end - begin) * 4 / 5;
}

}  // namespace mk::node

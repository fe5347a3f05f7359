#include "api/kubernetes/reviews.h"

#include <algorithm>

#include "api/kubernetes/media.h"
#include "api/kubernetes/status.h"
#include "base/format.h"

namespace mk::api::kubernetes {
namespace {

net::Response answer(const net::Request& request, std::string_view kind, std::string_view api_version,
                     const std::function<Json(const Json& asked)>& status) {
  const auto wanted = negotiate(request.headers.get("Accept"), {});
  if (!wanted) return refuse(wanted.error());
  auto asked = read_body(request);
  if (!asked) return refuse(asked.error());
  if (!(*asked)["kind"].text().empty() && (*asked)["kind"].text() != kind)
    return refuse(Error{Code::kInvalidArgument, "invalid",
                        fmt::format("the body is a {}; a {} was expected", (*asked)["kind"].text(), kind)});
  Json answer = Json::object({{"kind", kind}, {"apiVersion", api_version}, {"metadata", Json::object()}});
  if (const Json* spec = asked->find("spec")) answer["spec"] = *spec;
  answer["status"] = status(*asked);
  return write_body(answer.dump(), *wanted, 201);
}

}  // namespace

net::Response review_self(const net::Request& request, const Caller& caller) {
  return answer(request, "SelfSubjectReview", "authentication.k8s.io/v1", [&](const Json&) {
    Json groups = Json::array();
    for (const std::string& group : caller.identity.groups) groups.push_back(group);
    const auto& known = caller.identity.groups;
    if (std::ranges::find(known, "system:authenticated") == known.end())
      groups.push_back("system:authenticated");
    return Json::object(
        {{"userInfo", Json::object({{"username", caller.identity.user}, {"groups", std::move(groups)}})}});
  });
}

net::Response review_own_access(const net::Request& request, const Caller& caller) {
  return answer(request, "SelfSubjectAccessReview", "authorization.k8s.io/v1", [&](const Json& asked) {
    const Json& wanted = asked.at({"spec", "resourceAttributes"});
    const Json& path = asked.at({"spec", "nonResourceAttributes"});
    std::string resource(wanted["resource"].text(path["path"].text()));
    if (const std::string_view group = wanted["group"].text(); !group.empty())
      resource += fmt::format(".{}", group);
    const std::string verb(wanted["verb"].text(path["verb"].text()));
    // An empty verb would read as "anyone".
    const bool allowed = core::allowed(caller.identity, {verb.empty() ? "*" : verb, resource});
    Json status = Json::object({{"allowed", allowed}});
    if (allowed && caller.identity.owner) status["reason"] = "the owner of this machine may do everything";
    if (!allowed) status["reason"] = fmt::format("{} may not {} {}", caller.identity.user, verb, resource);
    return status;
  });
}

net::Response review_own_rules(const net::Request& request, const Caller& caller) {
  return answer(request, "SelfSubjectRulesReview", "authorization.k8s.io/v1", [&](const Json&) {
    Json all = Json::array({"*"});
    Json resources = Json::array(), paths = Json::array();
    if (core::allowed(caller.identity, {"*", "*"})) {
      resources.push_back(Json::object({{"verbs", all}, {"apiGroups", all}, {"resources", all}}));
      paths.push_back(Json::object({{"verbs", all}, {"nonResourceURLs", all}}));
    }
    return Json::object({{"resourceRules", std::move(resources)},
                         {"nonResourceRules", std::move(paths)},
                         {"incomplete", false}});
  });
}

}  // namespace mk::api::kubernetes

#include "api/kubernetes/reviews.h"

#include <algorithm>

#include "api/kubernetes/media.h"
#include "api/kubernetes/status.h"
#include "base/format.h"

namespace mk::api::kubernetes {
namespace {

constexpr std::string_view kAuthentication = "authentication.k8s.io/v1";
constexpr std::string_view kAuthorization = "authorization.k8s.io/v1";

constexpr const char* kBadReview = "bad_review";  // an Error's reason: its field and what is wrong with it

// As upstream, a review that asks nothing is refused as an object without a kind and a name.
net::Response refuse_review(const Error& error, std::string_view api_version) {
  const std::string_view group = api_version.substr(0, api_version.find('/'));
  return refuse(Error{Code::kInvalidArgument, "invalid_object",
                      fmt::format(".{} \"\" is invalid: {}: {}", group, error.field, error.message)},
                {group, "", "", {}, {}}, {{error.field, "FieldValueInvalid", error.message}});
}

net::Response answer(const net::Request& request, std::string_view kind, std::string_view api_version,
                     const std::function<Result<Json>(const Json& asked)>& status) {
  const auto wanted = negotiate(request.headers.get("Accept"), {});
  if (!wanted) return refuse(wanted.error());
  auto asked = read_body(request);
  if (!asked) return refuse(asked.error());
  if (!(*asked)["kind"].text().empty() && (*asked)["kind"].text() != kind)
    return refuse(Error{Code::kInvalidArgument, "invalid",
                        fmt::format("the body is a {}; a {} was expected", (*asked)["kind"].text(), kind)});
  Json answer = Json::object({{"kind", kind}, {"apiVersion", api_version}, {"metadata", Json::object()}});
  if (const Json* spec = asked->find("spec")) answer["spec"] = *spec;
  if (answer["spec"].empty()) answer.erase("spec");
  if (const Json& space = asked->at({"metadata", "namespace"}); space.is_string())
    answer["metadata"]["namespace"] = space;
  auto said = status(*asked);
  if (!said && said.error().reason == kBadReview) return refuse_review(said.error(), api_version);
  if (!said && said.error().code == Code::kNotFound)
    return refuse(said.error(), {"", "serviceaccounts", "ServiceAccount", request.params.back()});
  if (!said) return refuse(said.error());
  answer["status"] = *std::move(said);
  return write_body(answer.dump(), *wanted, 201);
}

Json user_info(const core::Identity& who) {
  Json groups = Json::array();
  for (const std::string& group : who.groups) groups.push_back(group);
  Json info = Json::object({{"username", who.user}, {"groups", std::move(groups)}});
  if (!who.uid.empty()) info["uid"] = who.uid;
  for (const auto& [key, values] : who.extra)
    for (const std::string& value : values) info["extra"][key].push_back(value);
  return info;
}

net::Response review_self(const Ports&, const net::Request& request, const Caller& caller) {
  return answer(request, "SelfSubjectReview", kAuthentication, [&](const Json&) -> Result<Json> {
    return Json::object({{"userInfo", user_info(caller.identity)}});
  });
}

net::Response review_token(const Ports& ports, const net::Request& request, const Caller&) {
  return answer(request, "TokenReview", kAuthentication, [&](const Json& asked) -> Result<Json> {
    const Json& spec = asked["spec"];
    if (spec["token"].text().empty())
      return fail(Error{Code::kInvalidArgument, "invalid_object", "spec.token is required"}.at_field("spec.token"));
    if (!ports.authenticator) return Json::object({{"authenticated", false}, {"error", "this server knows no tokens"}});
    std::vector<std::string> audiences;
    for (const Json& audience : spec["audiences"].items()) audiences.emplace_back(audience.text());
    const auto who = ports.authenticator->by_token(spec["token"].text(), audiences);
    if (!who) return Json::object({{"authenticated", false}, {"user", Json::object()}, {"error", who.error().message}});
    Json status = Json::object({{"authenticated", true}, {"user", user_info(*who)}});
    for (const std::string& audience : audiences)
      if (ports.authenticator->by_token(spec["token"].text(), std::vector{audience}))
        status["audiences"].push_back(audience);
    return status;
  });
}

// ---- access
// -------------------------------------------------------------------------------------------------------

// The question in a review's spec; views into it.
Result<core::Ask> read_ask(const Json& spec) {
  const Json* resource = spec.find("resourceAttributes");
  const Json* path = spec.find("nonResourceAttributes");
  if ((resource != nullptr) == (path != nullptr))
    return fail(Error{
        Code::kInvalidArgument, kBadReview,
        "Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified"}
                    .at_field("spec.resourceAttributes"));
  if (path) return core::Ask::about_path((*path)["verb"].text(), (*path)["path"].text("/"));
  const Json& r = *resource;
  return core::Ask{.verb = r["verb"].text(), .group = r["group"].text(), .resource = r["resource"].text(),
                   .subresource = r["subresource"].text(), .space = r["namespace"].text(), .name = r["name"].text()};
}

Result<Json> judge(const Ports& ports, const core::Identity& who, const core::Ask& ask) {
  std::string reason;
  const bool allowed = ports.authoriser ? ports.authoriser->allows(who, ask, &reason) : who.owner;
  Json status = Json::object({{"allowed", allowed}});
  if (!reason.empty()) status["reason"] = reason;
  return status;
}

net::Response review_own_access(const Ports& ports, const net::Request& request, const Caller& caller) {
  return answer(request, "SelfSubjectAccessReview", kAuthorization, [&](const Json& asked) -> Result<Json> {
    MK_TRY(const core::Ask ask, read_ask(asked["spec"]));
    return judge(ports, caller.identity, ask);
  });
}

Result<Json> judge_other(const Ports& ports, const Json& spec) {
  MK_TRY(const core::Ask ask, read_ask(spec));
  core::Identity who{.user = std::string(spec["user"].text())};
  for (const Json& group : spec["groups"].items()) who.groups.emplace_back(group.text());
  if (who.user.empty() && who.groups.empty())
    return fail(Error{Code::kInvalidArgument, kBadReview,
                      "Invalid value: \"\": at least one of user or group must be specified"}
                    .at_field("spec.user"));
  return judge(ports, who, ask);
}

net::Response review_access(const Ports& ports, const net::Request& request, const Caller&) {
  return answer(request, "SubjectAccessReview", kAuthorization,
                [&](const Json& asked) { return judge_other(ports, asked["spec"]); });
}

net::Response review_local_access(const Ports& ports, const net::Request& request, const Caller&) {
  return answer(request, "LocalSubjectAccessReview", kAuthorization, [&](const Json& asked) -> Result<Json> {
    const std::string_view space = asked.at({"spec", "resourceAttributes", "namespace"}).text();
    if (space != request.params.at(0))
      return fail(Error{Code::kInvalidArgument, "invalid_object",
                        fmt::format("spec.resourceAttributes.namespace is \"{}\", but the request is about \"{}\"", space,
                                    request.params.at(0))}
                      .at_field("spec.resourceAttributes.namespace"));
    return judge_other(ports, asked["spec"]);
  });
}

net::Response review_own_rules(const Ports& ports, const net::Request& request, const Caller& caller) {
  return answer(request, "SelfSubjectRulesReview", kAuthorization, [&](const Json& asked) -> Result<Json> {
    const std::string_view space = asked.at({"spec", "namespace"}).text();
    if (space.empty())
      return fail(Error{Code::kInvalidArgument, "bad_request", "spec.namespace is required"});
    std::vector<core::rbac::Rule> rules;
    if (ports.authoriser) rules = ports.authoriser->rules_of(caller.identity, space);
    Json status = Json::object(
        {{"resourceRules", Json::array()}, {"nonResourceRules", Json::array()}, {"incomplete", false}});
    for (const core::rbac::Rule& rule : rules)
      status[rule.paths.empty() ? "resourceRules" : "nonResourceRules"].push_back(core::rbac::rule_json(rule));
    return status;
  });
}

// ---- tokens of service accounts

constexpr int64_t kTokenSecondsMin = 600, kTokenSecondsMax = 24 * 3600, kTokenSecondsDefault = 3600;

Result<core::AccountTokens::Wish> read_token_wish(const Json& spec, const net::Request& request) {
  const auto wrong = [](const char* field, std::string message) {
    return fail(Error{Code::kInvalidArgument, "invalid_object", std::move(message)}.at_field(field));
  };
  const int64_t seconds = spec["expirationSeconds"].integer(kTokenSecondsDefault);
  if (seconds < kTokenSecondsMin || seconds > (int64_t{1} << 32))
    return wrong("spec.expirationSeconds", fmt::format("spec.expirationSeconds: Invalid value: {}: may not specify a "
                                                       "duration less than 10 minutes or larger than 2^32 seconds", seconds));
  core::AccountTokens::Wish wish{.space = request.params.at(0),
                                 .account = request.params.at(1),
                                 .audiences = {},
                                 .life = Duration::from_seconds(std::min(seconds, kTokenSecondsMax))};
  for (const Json& audience : spec["audiences"].items()) wish.audiences.emplace_back(audience.text());
  const Json& bound = spec["boundObjectRef"];
  if (!bound.is_object()) return wish;
  if (bound["apiVersion"].text("v1") != "v1" || (bound["kind"].text() != "Pod" && bound["kind"].text() != "Secret"))
    return wrong("spec.boundObjectRef", fmt::format("spec.boundObjectRef: a token can be bound to a Pod or a Secret, not to a \"{}\"",
                                                    bound["kind"].text()));
  wish.bound_resource = bound["kind"].text() == "Pod" ? "pods" : "secrets";
  wish.bound_name = bound["name"].text();
  wish.bound_uid = bound["uid"].text();
  if (wish.bound_name.empty()) return wrong("spec.boundObjectRef.name", "spec.boundObjectRef.name: Required value");
  return wish;
}

net::Response request_token(const Ports& ports, const net::Request& request, const Caller&) {
  return answer(request, "TokenRequest", kAuthentication, [&](const Json& asked) -> Result<Json> {
    if (!ports.service_tokens) return fail(Code::kUnavailable, "no_tokens", "this server gives no tokens to service accounts");
    MK_TRY(const core::AccountTokens::Wish wish, read_token_wish(asked["spec"], request));
    MK_TRY(const core::AccountTokens::Issued issued, ports.service_tokens->issue(wish));
    return Json::object({{"token", issued.token}, {"expirationTimestamp", issued.expires.rfc3339()}});
  });
}

constexpr Review kReviews[] = {
    {"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token", "serviceaccounts", "token", request_token},
    {"/apis/authentication.k8s.io/v1/selfsubjectreviews", "selfsubjectreviews.authentication.k8s.io", {}, review_self},
    {"/apis/authentication.k8s.io/v1/tokenreviews", "tokenreviews.authentication.k8s.io", {}, review_token},
    {"/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "selfsubjectaccessreviews.authorization.k8s.io", {},
     review_own_access},
    {"/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", "selfsubjectrulesreviews.authorization.k8s.io", {},
     review_own_rules},
    {"/apis/authorization.k8s.io/v1/subjectaccessreviews", "subjectaccessreviews.authorization.k8s.io", {}, review_access},
    {"/apis/authorization.k8s.io/v1/namespaces/{namespace}/localsubjectaccessreviews",
     "localsubjectaccessreviews.authorization.k8s.io", {}, review_local_access},
};

}  // namespace

std::span<const Review> reviews() {
  return kReviews;
}

}  // namespace mk::api::kubernetes

#include "api/impersonation.h"

#include <algorithm>

#include "base/encoding.h"
#include "base/format.h"

namespace mk::api {
namespace {

constexpr size_t kGroupsMax = 100;
constexpr size_t kExtraValuesMax = 100;
constexpr std::string_view kPrefix = "Impersonate-", kExtra = "Extra-", kAccount = "system:serviceaccount:";
constexpr std::string_view kAuthentication = "authentication.k8s.io";

Failure bad(std::string message) {
  return fail(Code::kInvalidArgument, "bad_impersonation", std::move(message));
}

bool begins(std::string_view text, std::string_view prefix) {
  return net::same_text(text.substr(0, prefix.size()), prefix);
}

// Header names have no case of their own, so keys are in lower case.
Result<void> add_extra(core::Identity& as, std::string_view encoded, const std::string& value) {
  auto key = percent_decode(encoded);
  if (!key || key->empty())
    return bad(fmt::format("\"{}\" is no percent-encoded key of an Impersonate-Extra- header",
                           encoded.substr(0, 100)));
  std::ranges::transform(*key, key->begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  const auto known = std::ranges::find(as.extra, *key, [](const auto& one) { return one.first; });
  if (known != as.extra.end())
    known->second.push_back(value);
  else
    as.extra.push_back({*std::move(key), {value}});
  return {};
}

Result<core::Identity> read(const net::Headers& headers) {
  core::Identity as;
  size_t values = 0;
  for (const auto& [name, value] : headers) {
    if (!begins(name, kPrefix)) continue;
    const std::string_view what = std::string_view(name).substr(kPrefix.size());
    if (net::same_text(what, "User") && as.user.empty())
      as.user = value;
    else if (net::same_text(what, "Uid") && as.uid.empty())
      as.uid = value;
    else if (net::same_text(what, "Group") && as.groups.size() < kGroupsMax)
      as.groups.push_back(value);
    else if (begins(what, kExtra) && values++ < kExtraValuesMax)
      MK_OK(add_extra(as, what.substr(kExtra.size()), value));
    else
      return bad(
          fmt::format("the header {} is not taken: only one Impersonate-User and Impersonate-Uid, at most {} "
                      "Impersonate-Group and {} Impersonate-Extra-KEY",
                      name.substr(0, 100), kGroupsMax, kExtraValuesMax));
  }
  if (as.user.empty() && (!as.groups.empty() || !as.uid.empty() || !as.extra.empty()))
    return bad("a group, uid or extra is impersonated without a user: send Impersonate-User, too");
  return as;
}

// Every right that it takes; views into `as`.
Result<std::vector<core::Ask>> rights_for(const core::Identity& as) {
  std::vector<core::Ask> out;
  core::Ask user{.verb = "impersonate", .resource = "users", .name = as.user};
  if (as.user.starts_with(kAccount)) {
    const std::string_view rest = std::string_view(as.user).substr(kAccount.size());
    const size_t colon = rest.find(':');
    if (colon == std::string_view::npos) return bad(fmt::format("\"{}\" is no service account", as.user));
    user = {.verb = "impersonate",
            .resource = "serviceaccounts",
            .space = rest.substr(0, colon),
            .name = rest.substr(colon + 1)};
  }
  out.push_back(user);
  for (const std::string& group : as.groups)
    out.push_back({.verb = "impersonate", .resource = "groups", .name = group});
  if (!as.uid.empty())
    out.push_back({.verb = "impersonate", .group = kAuthentication, .resource = "uids", .name = as.uid});
  for (const auto& [key, values] : as.extra)
    for (const std::string& value : values)
      out.push_back({.verb = "impersonate",
                     .group = kAuthentication,
                     .resource = "userextras",
                     .subresource = key,
                     .name = value});
  return out;
}

}  // namespace

Result<std::optional<core::Identity>> impersonated(const net::Headers& headers, const core::Identity& caller,
                                                   const std::function<bool(const core::Ask&)>& may) {
  MK_TRY(core::Identity as, read(headers));
  if (as.user.empty()) return std::optional<core::Identity>();
  MK_TRY(const std::vector<core::Ask> asks, rights_for(as));
  for (const core::Ask& ask : asks) {
    if (may(ask)) continue;
    return fail(
        Code::kPermissionDenied, "forbidden",
        fmt::format("{}{}{} \"{}\" is forbidden: {}", ask.resource, ask.subresource.empty() ? "" : "/",
                    ask.subresource, ask.name, core::why_not(caller, ask)));
  }
  if (as.groups.empty() && as.user.starts_with(kAccount)) {
    as.groups.emplace_back("system:serviceaccounts");
    as.groups.push_back(fmt::format("system:serviceaccounts:{}", asks.front().space));
  }
  if (!as.is_in("system:authenticated")) as.groups.emplace_back("system:authenticated");
  return std::optional(std::move(as));
}

}  // namespace mk::api

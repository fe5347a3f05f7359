#include "core/access/access_rules.h"

#include <algorithm>

#include "base/format.h"
#include "core/names.h"
#include "core/refusal.h"

namespace mk::core {
namespace {

using Causes = std::vector<Cause>;

constexpr std::string_view kRbac = "rbac.authorization.k8s.io";

void check_rule(const Json& rule, const std::string& path, bool everywhere, Causes& causes) {
  if (rule["verbs"].empty()) causes.push_back(cause_required(path + ".verbs", "verbs must contain at least one value"));
  if (!rule["nonResourceURLs"].empty()) {
    if (!everywhere)
      causes.push_back(cause_invalid(path + ".nonResourceURLs", rule["nonResourceURLs"],
                                     "namespaced rules cannot apply to non-resource URLs"));
    if (!rule["apiGroups"].empty() || !rule["resources"].empty() || !rule["resourceNames"].empty())
      causes.push_back(cause_invalid(path + ".nonResourceURLs", rule["nonResourceURLs"],
                                     "rules cannot apply to both regular resources and non-resource URLs"));
    return;
  }
  if (rule["apiGroups"].empty())
    causes.push_back(cause_required(path + ".apiGroups", "resource rules must supply at least one api group"));
  if (rule["resources"].empty())
    causes.push_back(cause_required(path + ".resources", "resource rules must supply at least one resource"));
}

void check_subject(const Json& subject, const std::string& path, Causes& causes) {
  const std::string_view kind = subject["kind"].text(), group = subject["apiGroup"].text();
  if (subject["name"].text().empty()) causes.push_back(cause_required(path + ".name"));
  if (kind == "ServiceAccount") {
    if (!group.empty()) causes.push_back(cause_unsupported(path + ".apiGroup", group, {""}));
    if (subject["namespace"].text().empty()) causes.push_back(cause_required(path + ".namespace"));
    if (const std::string why = names::dns_1123_subdomain(subject["name"].text()); !why.empty())
      causes.push_back(cause_invalid(path + ".name", subject["name"], why));
  } else if (kind == "User" || kind == "Group") {
    if (group != kRbac) causes.push_back(cause_unsupported(path + ".apiGroup", group, {std::string(kRbac)}));
  } else {
    causes.push_back(cause_unsupported(path + ".kind", kind, {"ServiceAccount", "User", "Group"}));
  }
}

}  // namespace

bool has_path_name(const kinds::Kind& kind) {
  return kind.group == kRbac || (kind.group == "modelkit.dev" && kind.plural == "users");
}

void complete_role_binding(Json& binding, const Json*) {
  if (std::as_const(binding)["roleRef"].is_object() && std::as_const(binding).at({"roleRef", "apiGroup"}).text().empty())
    binding["roleRef"]["apiGroup"] = kRbac;
  if (!std::as_const(binding)["subjects"].is_array()) return;
  for (Json& subject : binding["subjects"].items()) {
    const std::string_view kind = std::as_const(subject)["kind"].text();
    if ((kind == "User" || kind == "Group") && std::as_const(subject)["apiGroup"].text().empty())
      subject["apiGroup"] = kRbac;
  }
}

void check_role(const Json& role, const Json*, Causes& causes) {
  const bool everywhere = role["kind"].text() == "ClusterRole";
  for (size_t i = 0; i < role["rules"].size(); ++i)
    check_rule(role["rules"][i], fmt::format("rules[{}]", i), everywhere, causes);
  const Json* aggregation = role.find("aggregationRule");
  if (aggregation && (*aggregation)["clusterRoleSelectors"].empty())
    causes.push_back(cause_required("aggregationRule.clusterRoleSelectors",
                                    "at least one clusterRoleSelector required if aggregationRule is non-nil"));
  for (size_t i = 0; aggregation && i < (*aggregation)["clusterRoleSelectors"].size(); ++i)
    if (const auto selector = Selector::parse((*aggregation)["clusterRoleSelectors"][i]); !selector)
      causes.push_back(cause_invalid(fmt::format("aggregationRule.clusterRoleSelectors[{}]", i),
                                     (*aggregation)["clusterRoleSelectors"][i], selector.error().message));
}

void check_role_binding(const Json& binding, const Json* old, Causes& causes) {
  const Json& role = binding["roleRef"];
  const bool everywhere = binding["kind"].text() == "ClusterRoleBinding";
  if (role["apiGroup"].text() != kRbac)
    causes.push_back(cause_unsupported("roleRef.apiGroup", role["apiGroup"], {std::string(kRbac)}));
  if (role["kind"].text() != "ClusterRole" && (everywhere || role["kind"].text() != "Role"))
    causes.push_back(cause_unsupported(
        "roleRef.kind", role["kind"],
        everywhere ? std::vector<std::string>{"ClusterRole"} : std::vector<std::string>{"Role", "ClusterRole"}));
  if (role["name"].text().empty()) causes.push_back(cause_required("roleRef.name"));
  if (old && (*old)["roleRef"] != role)
    causes.push_back(
        cause_invalid("roleRef",
                      Json::object({{"APIGroup", role["apiGroup"]},  // in Go's words, as upstream
                                    {"Kind", role["kind"]},
                                    {"Name", role["name"]}}),
                      "cannot change roleRef"));
  for (size_t i = 0; i < binding["subjects"].size(); ++i)
    check_subject(binding["subjects"][i], fmt::format("subjects[{}]", i), causes);
}

void check_user(const Json& user, const Json*, Causes& causes) {
  const std::string_view name = user.at({"metadata", "name"}).text();
  if (name.starts_with("system:") || name == "owner")
    causes.push_back(cause_invalid("metadata.name", name, "this name belongs to modelkit itself"));
  const auto& groups = user.at({"spec", "groups"}).items();
  for (size_t i = 0; i < groups.size(); ++i)
    if (groups[i].text().starts_with("system:") && groups[i].text() != "system:masters")
      causes.push_back(cause_invalid(fmt::format("spec.groups[{}]", i), groups[i],
                                     "groups that begin with system: belong to modelkit itself, but for system:masters"));
}

void check_token(const Json& token, const Json*, Causes& causes) {
  const std::string_view hash = token.at({"spec", "sha256"}).text();
  if (!std::ranges::all_of(hash, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }))
    causes.push_back(cause_invalid("spec.sha256", "(not shown)", "must be 64 hex digits in lower case"));
}

}  // namespace mk::core

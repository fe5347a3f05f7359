#include "core/access/escalation.h"

#include <algorithm>

#include "base/format.h"
#include "core/refusal.h"

namespace mk::core {
namespace {

constexpr std::string_view kRbac = "rbac.authorization.k8s.io";

struct Question {
  const Authoriser& authoriser;
  const store::Store& store;
  const Identity& who;
  const kinds::Kind& kind;
  const Json& object;
  const Json* old;

  std::string_view space() const { return object.at({"metadata", "namespace"}).text(); }
  std::string_view name() const { return object.at({"metadata", "name"}).text(); }
  bool same(const char* field) const { return old && (*old)[field] == object[field]; }
  bool may(std::string_view verb, std::string_view resource, std::string_view of) const {
    return authoriser.allows(who, {.verb = verb, .group = kRbac, .resource = resource, .space = space(), .name = of});
  }
  Admitted<void> refuse_rules(std::string_view missing) const {
    std::string groups;
    for (const std::string& group : who.groups) groups += fmt::format("{}\"{}\"", groups.empty() ? "" : " ", group);
    return refuse_forbidden(kind, name(),
                            fmt::format("user \"{}\" (groups=[{}]) is attempting to grant RBAC permissions not "
                                        "currently held:\n{}",
                                        who.user, groups, missing));
  }
};

Admitted<void> check_rules(const Question& q, const std::vector<rbac::Rule>& wanted) {
  const std::string missing = rbac::missing(q.authoriser.rules_of(q.who, q.space()), wanted);
  if (missing.empty()) return {};
  return q.refuse_rules(missing);
}

Admitted<void> check_role_write(const Question& q) {
  if (q.same("rules") && q.same("aggregationRule")) return {};
  if (q.may("escalate", q.kind.plural, q.name())) return {};
  // What it will take together is not known yet, so it takes somebody who may do everything.
  if (q.object.contains("aggregationRule") && !q.same("aggregationRule"))
    return check_rules(q, {{{"*"}, {"*"}, {"*"}, {}, {}}, {{"*"}, {}, {}, {}, {"*"}}});
  return check_rules(q, rbac::read_rules(q.object["rules"]));
}

Admitted<void> check_binding_write(const Question& q) {
  if (q.same("subjects") && q.same("roleRef")) return {};
  const Json& ref = q.object["roleRef"];
  const bool everywhere = ref["kind"].text() == "ClusterRole";
  const std::string plural = everywhere ? "clusterroles" : "roles";
  if (q.may("bind", plural, ref["name"].text())) return {};
  const std::string resource = fmt::format("{}.{}", plural, kRbac);
  const ObjectRef role = q.store.get(
      {resource, everywhere ? "" : std::string(q.space()), std::string(ref["name"].text())});
  if (!role) return refuse_not_found(*kinds::find_resource(resource), ref["name"].text());
  return check_rules(q, rbac::read_rules(role->json()["rules"]));
}

Admitted<void> check_impersonation(const Question& q, std::string_view what, std::string_view name) {
  if (q.authoriser.allows(q.who, {.verb = "impersonate", .resource = what, .name = name})) return {};
  return refuse_forbidden(q.kind, q.name(),
                          fmt::format("User \"{}\" cannot impersonate {} \"{}\", which this object would let them do",
                                      q.who.user, what, name));
}

Admitted<void> check_user_write(const Question& q) {
  static const Json kNone;
  const Json& old = q.old ? q.old->at({"spec", "groups"}) : kNone;
  for (const Json& group : q.object.at({"spec", "groups"}).items()) {
    if (std::ranges::find(old.items(), group) != old.items().end()) continue;
    if (auto may = check_impersonation(q, "groups", group.text()); !may) return may;
  }
  return {};
}

Admitted<void> check_token_write(const Question& q) {
  return check_impersonation(q, "users", q.object.at({"spec", "user"}).text());
}

// A model that answers predictions shows what is in it, so whoever deploys one must be allowed to read it. MLflow's data are
// in the namespace default.
Admitted<void> check_model_use(const Question& q) {
  for (const auto& [component, spec] : q.object["spec"].members()) {
    for (const auto& [framework, part] : spec.members()) {
      const std::string_view uri = part["storageUri"].text();
      const bool model = uri.starts_with("models:/"), run = uri.starts_with("runs:/");
      if ((!model && !run) || (q.old && q.old->at({"spec", component, framework, "storageUri"}).text() == uri)) continue;
      const Ask ask{.verb = "get", .group = "mlflow.kubeflow.org", .resource = model ? "modelversions" : "artifacts",
                    .space = "default"};
      if (q.authoriser.allows(q.who, ask)) continue;
      return refuse_forbidden(q.kind, q.name(),
                              fmt::format("spec.{}.{}.storageUri: {}, and who deploys a model must be able to read it",
                                          component, framework, why_not(q.who, ask)));
    }
  }
  return {};
}

struct Row {
  std::string_view group, plural;
  Admitted<void> (*check)(const Question&);
};
constexpr Row kRows[] = {
    {kRbac, "roles", check_role_write},
    {kRbac, "clusterroles", check_role_write},
    {kRbac, "rolebindings", check_binding_write},
    {kRbac, "clusterrolebindings", check_binding_write},
    {"modelkit.dev", "users", check_user_write},
    {"modelkit.dev", "tokens", check_token_write},
    {"serving.kserve.io", "inferenceservices", check_model_use},
};

}  // namespace

Admitted<void> check_escalation(const Authoriser& authoriser, const store::Store& store, const Identity& who,
                                const kinds::Kind& kind, const Json& object, const Json* old) {
  for (const Row& row : kRows)
    if (row.group == kind.group && row.plural == kind.plural)
      return row.check({authoriser, store, who, kind, object, old});
  return {};
}

}  // namespace mk::core

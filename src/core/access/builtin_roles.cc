#include "core/access/builtin_roles.h"

#include <algorithm>

#include "base/format.h"
#include "core/access/rbac.h"

namespace mk::core {
namespace {

constexpr std::string_view kGroup = "rbac.authorization.k8s.io";
constexpr const char* kRoles = "clusterroles.rbac.authorization.k8s.io";
constexpr const char* kBindings = "clusterrolebindings.rbac.authorization.k8s.io";

// Comma-separated lists; `paths` instead of groups and resources for what is no object.
struct RuleRow {
  std::string_view role, verbs, groups, resources, paths = {};
};

constexpr std::string_view kRead = "get,list,watch";
constexpr std::string_view kWrite = "create,delete,deletecollection,patch,update";
constexpr std::string_view kMlflow = "experiments,runs,registeredmodels,modelversions,loggedmodels,artifacts";

// admin = edit + access within the namespace; edit = view + writing and secrets. Each is the sum of the roles that carry
// its label, so that other kinds can add to them.
constexpr RuleRow kRules[] = {
    {"cluster-admin", "*", "*", "*"},
    {"cluster-admin", "*", {}, {}, "*"},
    {"system:aggregate-to-view", kRead, "",
     "configmaps,events,namespaces,persistentvolumeclaims,pods,pods/log,pods/"
     "status,serviceaccounts,services,services/status,"
     "endpoints,resourcequotas,limitranges"},
    {"system:aggregate-to-view", kRead, "apps,batch,autoscaling,networking.k8s.io,policy,serving.kserve.io",
     "*"},
    {"system:aggregate-to-view", kRead, "events.k8s.io", "events"},
    {"system:aggregate-to-view", kRead, "mlflow.kubeflow.org", kMlflow},
    {"system:aggregate-to-edit", kWrite, "",
     "configmaps,events,persistentvolumeclaims,pods,serviceaccounts,services,endpoints"},
    {"system:aggregate-to-edit", "create", "", "serviceaccounts/token,pods/eviction"},
    {"system:aggregate-to-edit", "get,list,watch,create,delete,deletecollection,patch,update", "", "secrets"},
    {"system:aggregate-to-edit", "get,create", "", "pods/exec,pods/attach,pods/portforward,pods/proxy"},
    {"system:aggregate-to-edit", "impersonate", "", "serviceaccounts"},
    {"system:aggregate-to-edit", kWrite, "apps,batch,autoscaling,networking.k8s.io,policy,serving.kserve.io",
     "*"},
    {"system:aggregate-to-edit", "get,list,watch,create,delete,deletecollection,patch,update",
     "coordination.k8s.io", "leases"},
    {"system:aggregate-to-edit", kWrite, "events.k8s.io", "events"},
    {"system:aggregate-to-edit", kWrite, "mlflow.kubeflow.org", kMlflow},
    {"system:aggregate-to-admin", "get,list,watch,create,delete,deletecollection,patch,update", kGroup,
     "roles,rolebindings"},
    {"system:aggregate-to-admin", "create", "authorization.k8s.io", "localsubjectaccessreviews"},
    {"system:aggregated-metrics-reader", kRead, "metrics.k8s.io", "pods,nodes"},
    {"system:discovery",
     "get",
     {},
     {},
     "/api,/api/*,/apis,/apis/*,/healthz,/healthz/*,/livez,/livez/*,/openapi,/openapi/*,/readyz,/readyz/*,/"
     "version,/version/"},
    {"system:public-info-viewer", "get", {}, {}, "/healthz,/livez,/readyz,/version,/version/"},
    {"system:basic-user", "create", "authorization.k8s.io",
     "selfsubjectaccessreviews,selfsubjectrulesreviews"},
    {"system:basic-user", "create", "authentication.k8s.io", "selfsubjectreviews"},
    {"system:auth-delegator", "create", "authentication.k8s.io", "tokenreviews"},
    {"system:auth-delegator", "create", "authorization.k8s.io", "subjectaccessreviews"},
    {"system:service-account-issuer-discovery",
     "get",
     {},
     {},
     "/.well-known/openid-configuration,/openid/v1/jwks"},
};

struct SumRow {
  std::string_view role, parts;  // roles labelled aggregate-to-PART
};
constexpr SumRow kSums[] = {{"admin", "admin,edit,view"}, {"edit", "edit,view"}, {"view", "view"}};

// Which sum a role is a part of; empty: none. What came after the first release is a role of its own: those that are there are
// never changed, as people may have changed them.
std::string_view part_of(std::string_view role) {
  constexpr std::string_view kPart = "system:aggregate-to-";
  if (role == "system:aggregated-metrics-reader") return "view";
  return role.starts_with(kPart) ? role.substr(kPart.size()) : std::string_view();
}

struct BindingRow {
  std::string_view role, groups;
};
constexpr BindingRow kBound[] = {
    {"cluster-admin", "system:masters"},
    {"system:discovery", "system:authenticated"},
    {"system:basic-user", "system:authenticated"},
    {"system:public-info-viewer", "system:authenticated,system:unauthenticated"},
    {"system:service-account-issuer-discovery", "system:serviceaccounts"},
};

std::vector<std::string> split(std::string_view list) {
  std::vector<std::string> out;
  while (true) {
    const size_t comma = list.find(',');
    out.emplace_back(list.substr(0, comma));
    if (comma == std::string_view::npos) return out;
    list.remove_prefix(comma + 1);
  }
}

rbac::Rule rule_of(const RuleRow& row) {
  if (!row.paths.empty()) return {split(row.verbs), {}, {}, {}, split(row.paths)};
  return {split(row.verbs), split(row.groups), split(row.resources), {}, {}};
}

Json object_of(std::string_view kind, std::string_view name) {
  return Json::object(
      {{"apiVersion", "rbac.authorization.k8s.io/v1"},
       {"kind", kind},
       {"metadata",
        Json::object({{"name", name}, {"labels", Json::object({{"kubernetes.io/bootstrapping", "rbac-defaults"}})}})}});
}

std::vector<rbac::Rule> rules_of_part(std::string_view part) {
  std::vector<rbac::Rule> rules;
  for (const RuleRow& row : kRules)
    if (part_of(row.role) == part) rules.push_back(rule_of(row));
  return rules;
}

Json label_of(std::string_view part) {
  return Json::object({{fmt::format("rbac.authorization.k8s.io/aggregate-to-{}", part), "true"}});
}

std::vector<Json> roles() {
  std::vector<Json> out;
  for (const RuleRow& row : kRules) {
    if (out.empty() || out.back().at({"metadata", "name"}).text() != row.role) {
      out.push_back(object_of("ClusterRole", row.role));
      if (const std::string_view part = part_of(row.role); !part.empty())
        for (const auto& [key, value] : label_of(part).members())
          out.back()["metadata"]["labels"][key] = value;
    }
    out.back()["rules"].push_back(rbac::rule_json(rule_of(row)));
  }
  for (const SumRow& row : kSums) {
    Json role = object_of("ClusterRole", row.role);
    for (const std::string& part : split(row.parts)) {
      role["aggregationRule"]["clusterRoleSelectors"].push_back(Json::object({{"matchLabels", label_of(part)}}));
      // As the controller will have it, so that the role is right from the first moment.
      for (const rbac::Rule& rule : rules_of_part(part)) role["rules"].push_back(rbac::rule_json(rule));
    }
    out.push_back(std::move(role));
  }
  return out;
}

std::vector<Json> bindings() {
  std::vector<Json> out;
  for (const BindingRow& row : kBound) {
    Json binding = object_of("ClusterRoleBinding", row.role);
    binding["roleRef"] = Json::object({{"apiGroup", kGroup}, {"kind", "ClusterRole"}, {"name", row.role}});
    for (const std::string& group : split(row.groups))
      binding["subjects"].push_back(Json::object({{"apiGroup", kGroup}, {"kind", "Group"}, {"name", group}}));
    out.push_back(std::move(binding));
  }
  return out;
}

Result<void> add_missing(Objects& objects, const char* resource, std::vector<Json> all, store::Txn& txn) {
  static const Identity kWho = Identity::system("bootstrap");
  const kinds::Kind& kind = *kinds::find_resource(resource);
  for (Json& object : all) {
    const Key key{resource, "", std::string(std::as_const(object).at({"metadata", "name"}).text())};
    if (objects.get(key)) continue;
    // A dry run completes and checks the object; the write of all of them is one.
    auto made = objects.create(kWho, kind, "", std::move(object), {.dry_run = true});
    if (!made) return fail(std::move(made).error().error);
    txn.objects.push_back({store::ObjectOp::Kind::kCreate, key, made->object->json(), {}});
  }
  return {};
}

Result<Again> aggregate(World& world, const Key& key) {
  const ObjectRef found = world.reader.get(key);
  if (!found) return Again::never();
  Json role = found->json();
  const Json& selectors = std::as_const(role).at({"aggregationRule", "clusterRoleSelectors"});
  if (selectors.empty()) return Again::never();
  Json rules = Json::array();
  const std::vector<ObjectRef> all = world.reader.list({kRoles, {}});
  for (const Json& part : selectors.items()) {
    MK_TRY(const Selector selector, Selector::parse(part));
    for (const ObjectRef& other : all) {
      if (other->key == key || !selector.matches(*other)) continue;
      for (const Json& rule : other->json()["rules"].items())
        if (std::ranges::find(std::as_const(rules).items(), rule) == std::as_const(rules).items().end())
          rules.push_back(rule);
    }
  }
  if (std::as_const(role)["rules"] == rules || (rules.empty() && std::as_const(role)["rules"].empty()))
    return Again::never();
  role["rules"] = std::move(rules);
  MK_OK(world.writer.update(std::move(role)));
  return Again::never();
}

}  // namespace

Result<void> make_builtin_roles(Objects& objects) {
  store::Txn txn;
  MK_OK(add_missing(objects, kRoles, roles(), txn));
  MK_OK(add_missing(objects, kBindings, bindings(), txn));
  if (txn.objects.empty()) return {};
  MK_TRY(const auto committed, objects.store().commit(std::move(txn)));
  (void)committed;
  return {};
}

Controller role_aggregation_controller() {
  Controller controller;
  controller.name = "clusterrole-aggregation";
  controller.resource = kRoles;
  // Any role may be a part of any sum.
  controller.related.push_back({kRoles, false, [](const Reader& reader, const store::Object&) {
                                  std::vector<Key> keys;
                                  for (const ObjectRef& role : reader.list({kRoles, {}}))
                                    if (role->body.find("\"aggregationRule\"") != std::string::npos)
                                      keys.push_back(role->key);
                                  return keys;
                                }});
  controller.reconcile = aggregate;
  return controller;
}

}  // namespace mk::core

#include "core/access/rbac.h"

#include <doctest/doctest.h>

#include "base/yaml.h"

namespace mk::core::rbac {
namespace {

std::vector<Rule> rules(std::string_view text) {
  auto parsed = parse_yaml(text);
  REQUIRE(parsed);
  return read_rules(parsed->front());
}

TEST_CASE("rbac: what one rule grants") {
  struct Case {
    const char* rule;
    Ask ask;
    bool granted;
  };
  constexpr const char* kPods = "[{verbs: [get, list], apiGroups: [\"\"], resources: [pods]}]";
  constexpr const char* kNamed = "[{verbs: [get], apiGroups: [\"\"], resources: [pods], resourceNames: [a]}]";
  constexpr const char* kParts = "[{verbs: [update], apiGroups: [apps], resources: [deployments/scale, \"*/status\"]}]";
  constexpr const char* kAll = "[{verbs: [\"*\"], apiGroups: [\"*\"], resources: [\"*\"]}]";
  constexpr const char* kPaths = "[{verbs: [get], nonResourceURLs: [/version, /apis/*]}]";
  const Case cases[] = {
      {kPods, {.verb = "get", .resource = "pods", .space = "a", .name = "x"}, true},
      {kPods, {.verb = "delete", .resource = "pods"}, false},
      {kPods, {.verb = "get", .group = "apps", .resource = "pods"}, false},
      {kPods, {.verb = "get", .resource = "pods", .subresource = "log"}, false},
      {kPods, {.verb = "*", .resource = "pods"}, false},
      {kPods, {.verb = "get", .path = "/version"}, false},
      {kNamed, {.verb = "get", .resource = "pods", .name = "a"}, true},
      {kNamed, {.verb = "get", .resource = "pods", .name = "b"}, false},
      {kNamed, {.verb = "get", .resource = "pods"}, false},
      {kParts, {.verb = "update", .group = "apps", .resource = "deployments", .subresource = "scale"}, true},
      {kParts, {.verb = "update", .group = "apps", .resource = "deployments"}, false},
      {kParts, {.verb = "update", .group = "apps", .resource = "replicasets", .subresource = "scale"}, false},
      {kParts, {.verb = "update", .group = "apps", .resource = "replicasets", .subresource = "status"}, true},
      {kAll, {.verb = "frob", .group = "x.y", .resource = "things", .subresource = "part"}, true},
      {kAll, {.verb = "get", .path = "/version"}, false},
      {kPaths, {.verb = "get", .path = "/version"}, true},
      {kPaths, {.verb = "get", .path = "/versions"}, false},
      {kPaths, {.verb = "get", .path = "/apis/apps/v1"}, true},
      {kPaths, {.verb = "get", .path = "/apis"}, false},
      {kPaths, {.verb = "post", .path = "/version"}, false},
      {"[{verbs: [], apiGroups: [\"*\"], resources: [\"*\"]}]", {.verb = "get", .resource = "pods"}, false},
      {"[{verbs: [get]}]", {.verb = "get", .resource = "pods"}, false},
  };
  for (const Case& one : cases) {
    CAPTURE(one.rule);
    CAPTURE(one.ask.verb);
    CAPTURE(one.ask.resource);
    CAPTURE(one.ask.path);
    CHECK(grants(rules(one.rule).front(), one.ask) == one.granted);
  }
}

TEST_CASE("rbac: who may hand on a role") {
  struct Case {
    const char *owned, *wanted;
    bool covered;
  };
  const Case cases[] = {
      {"[{verbs: [get, list], apiGroups: [\"\"], resources: [pods]}]", "[{verbs: [get], apiGroups: [\"\"], resources: [pods]}]", true},
      {"[{verbs: [get], apiGroups: [\"\"], resources: [pods]}, {verbs: [list], apiGroups: [\"\"], resources: [pods]}]",
       "[{verbs: [get, list], apiGroups: [\"\"], resources: [pods]}]", true},
      {"[{verbs: [get], apiGroups: [\"\"], resources: [pods]}]", "[{verbs: [get, list], apiGroups: [\"\"], resources: [pods]}]", false},
      {"[{verbs: [get], apiGroups: [\"\"], resources: [pods]}]", "[{verbs: [get], apiGroups: [\"\"], resources: [pods], resourceNames: [a]}]", true},
      {"[{verbs: [get], apiGroups: [\"\"], resources: [pods], resourceNames: [a]}]", "[{verbs: [get], apiGroups: [\"\"], resources: [pods]}]", false},
      {"[{verbs: [get], apiGroups: [\"\"], resources: [pods], resourceNames: [a]}]",
       "[{verbs: [get], apiGroups: [\"\"], resources: [pods], resourceNames: [b]}]", false},
      {"[{verbs: [get], apiGroups: [\"\"], resources: [pods]}]", "[{verbs: [\"*\"], apiGroups: [\"\"], resources: [pods]}]", false},
      {"[{verbs: [get], apiGroups: [\"\"], resources: [\"*\"]}]", "[{verbs: [get], apiGroups: [\"\"], resources: [pods, pods/log]}]", true},
      {"[{verbs: [get], apiGroups: [\"\"], resources: [pods]}]", "[{verbs: [get], apiGroups: [\"\"], resources: [\"*\"]}]", false},
      {"[{verbs: [get], apiGroups: [\"\"], resources: [pods]}]", "[{verbs: [get], apiGroups: [\"*\"], resources: [pods]}]", false},
      {"[{verbs: [get], apiGroups: [\"\"], resources: [pods]}]", "[{verbs: [get], apiGroups: [\"\"], resources: [pods/exec]}]", false},
      {"[{verbs: [get], nonResourceURLs: [/apis/*]}]", "[{verbs: [get], nonResourceURLs: [/apis/x, /apis/y/*]}]", true},
      {"[{verbs: [get], nonResourceURLs: [/apis/*]}]", "[{verbs: [get], nonResourceURLs: [\"*\"]}]", false},
      {"[]", "[]", true},
      {"[]", "[{verbs: [get], apiGroups: [\"\"], resources: [pods]}]", false},
  };
  for (const Case& one : cases) {
    CAPTURE(one.owned);
    CAPTURE(one.wanted);
    CHECK(missing(rules(one.owned), rules(one.wanted)).empty() == one.covered);
  }
}

TEST_CASE("rbac: what is too large to be checked is not handed on") {
  Rule wide{{}, {}, {}, {}, {}};
  for (int i = 0; i < 200; ++i) {
    wide.verbs.push_back("v" + std::to_string(i));
    wide.groups.push_back("g" + std::to_string(i));
    wide.resources.push_back("r" + std::to_string(i));
  }
  const Rule all{{"*"}, {"*"}, {"*"}, {}, {}};
  CHECK(missing(std::vector{all}, std::vector{wide}) == "rules that are too many to be checked");
}

TEST_CASE("rbac: bindings hold in their namespace, for users, groups and accounts") {
  Index index;
  const auto role = std::make_shared<const Role>(
      Role{"Role \"a/reader\"", rules("[{verbs: [get], apiGroups: [\"\"], resources: [pods]}]")});
  auto parsed = parse_yaml(
      "{metadata: {namespace: a}, subjects: [{kind: User, name: ada}, {kind: Group, name: ops}, "
      "{kind: ServiceAccount, name: bot, namespace: b}]}");
  REQUIRE(parsed);
  for (const Subject& subject : read_subjects(parsed->front())) index.bind(subject, "a", role, "RoleBinding \"a/x\"");
  index.bind({true, "all"}, "", role, "ClusterRoleBinding \"y\"");
  struct Case {
    Identity who;
    const char* space;
    bool allowed;
  };
  const Case cases[] = {
      {{"ada", {}}, "a", true},
      {{"ada", {}}, "b", false},
      {{"ada", {}}, "", false},
      {{"ops", {}}, "a", false},
      {{"bob", {"ops"}}, "a", true},
      {{"bob", {"ada"}}, "a", false},
      {{"system:serviceaccount:b:bot", {}}, "a", true},
      {{"system:serviceaccount:a:bot", {}}, "a", false},
      {{"bob", {"all"}}, "anywhere", true},
      {{"bob", {"all"}}, "", true},
      {{"", {}}, "a", false},
  };
  for (const Case& one : cases) {
    CAPTURE(one.who.user);
    CAPTURE(one.space);
    CHECK(index.allows(one.who, {.verb = "get", .resource = "pods", .space = one.space}) == one.allowed);
  }
  std::string reason;
  CHECK(index.allows({"ada", {}}, {.verb = "get", .resource = "pods", .space = "a"}, &reason));
  CHECK(reason == "RBAC: allowed by RoleBinding \"a/x\" of Role \"a/reader\" to User \"ada\"");
  CHECK(index.rules_of({"ada", {}}, "a").size() == 1);
  CHECK(index.rules_of({"ada", {}}, "b").empty());
}

}  // namespace
}  // namespace mk::core::rbac

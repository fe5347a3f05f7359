// Who asks, and what they may do. Default deny: every route and every object call names a Permission.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace mk::core {

// Who a request speaks for, decided once at the door.
struct Identity {
  std::string user;  // "owner", "system:anonymous", "system:serviceaccount:ns:name", ...
  std::vector<std::string> groups;
  bool owner = false;  // a loopback caller with our own uid, or our own code

  static Identity owner_of_this_machine();  // user "owner", group "system:masters"
  static Identity anonymous();
  static Identity system(std::string_view component);  // our controllers: "system:modelkit:<component>"
};

// What a route or call needs: a verb on a kind of thing, as Kubernetes RBAC writes it. There is no default
// constructor on purpose: a route that names none does not compile.
struct Permission {
  constexpr Permission(std::string_view verb_name, std::string_view resource_name)
      : verb(verb_name), resource(resource_name) {}
  static constexpr Permission anyone() { return {"", ""}; }  // health and version only
  constexpr bool is_anyone() const { return verb.empty(); }

  std::string_view verb;      // "get", "list", "watch", "create", "update", "patch", "delete"
  std::string_view resource;  // "runs", "registeredmodels", "inferenceservices.serving.kserve.io"
};

// The one place that decides. Today: the owner may do everything, others only what anyone may.
bool allowed(const Identity& who, const Permission& what);

}  // namespace mk::core

// Who asks, and what they may do. Default deny: every route and every object call names a Permission.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace mk::core {

// Who a request speaks for, decided once at the door.
struct Identity {
  std::string user;  // "owner", "system:anonymous", "system:serviceaccount:ns:name", "ada", ...
  std::vector<std::string> groups;
  bool owner = false;  // a loopback caller with our own uid, or our own code
  std::string uid = {};
  std::vector<std::pair<std::string, std::vector<std::string>>> extra = {};  // what else its proof says

  static Identity owner_of_this_machine();  // user "owner", group "system:masters"
  static Identity anonymous();
  static Identity system(std::string_view component);  // our controllers: "system:modelkit:<component>"
  bool is_in(std::string_view group) const;
};

// What a route needs, as Kubernetes RBAC writes it. There is no default constructor on purpose: a route that
// names none does not compile. Texts live for ever.
struct Permission {
  constexpr Permission(std::string_view verb_name, std::string_view resource_name,
                       std::string_view subresource_name = {})
      : verb(verb_name), resource(resource_name), subresource(subresource_name) {}
  static constexpr Permission anyone() { return {"", ""}; }  // health and version only
  // The request's own path, as RBAC's nonResourceURLs name it.
  static constexpr Permission path(std::string_view verb_name) { return {verb_name, ""}; }
  constexpr bool is_anyone() const { return verb.empty(); }

  std::string_view verb;         // "get", "list", "watch", "create", "update", "patch", "delete"
  std::string_view resource;     // "pods", "experiments.mlflow.kubeflow.org"; empty = the request's path
  std::string_view subresource;  // "status", "log"
};

// One question to the authoriser: may somebody do this to that? Views live as long as the question.
struct Ask {
  std::string_view verb;
  std::string_view group, resource, subresource;
  std::string_view space, name;  // empty: every namespace (or none), every name
  std::string_view path;         // instead of a resource
  bool anywhere = false;         // in some namespace at least; with an empty `space`

  // Of "plural.group".
  static Ask about(std::string_view verb, std::string_view resource, std::string_view subresource = {});
  static Ask about_path(std::string_view verb, std::string_view path) { return {.verb = verb, .path = path}; }
};

// As Kubernetes words a refusal, without the name of the object.
std::string why_not(const Identity& who, const Ask& ask);

}  // namespace mk::core

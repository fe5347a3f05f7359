// What a kind of object is, as data: names, schema, printer columns, subresources. No behaviour.
// The registry is built once, at first use, from the embedded src/kinds/<group>/<kind>.yaml files and never
// changes.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace mk::kinds {

struct Column {
  std::string name;        // "Ready"; people see it in capitals
  std::string type;        // "string", "integer", "date"
  std::string format;      // "name" for the first column, else usually empty
  std::string json_path;   // ".status.conditions[?(@.type=='Ready')].status"; empty for computed columns
  std::string computed;    // name of a function in columns.cc, where a path is not enough
  std::string if_missing;  // what a path without a value prints, "<none>"; empty = an empty cell
  std::string description;
  int64_t priority = 0;  // > 0: only with -o wide
};

struct Kind {
  std::string group;                     // "" for core
  std::vector<std::string> versions;     // served; the first is the storage version
  std::string kind, plural, singular;    // "Pod", "pods", "pod"
  std::vector<std::string> short_names;  // "po"
  std::vector<std::string> categories;   // "all"
  bool namespaced = true;
  bool status_subresource = true;
  bool scale_subresource = false;
  // Whether absent fields get their defaults. Not for custom resources: kubectl patches those with whole lists, so a
  // field that we filled in within one would make every further apply look like a change.
  bool fills_defaults = true;
  // Fields that a field selector may name besides metadata.name and metadata.namespace.
  std::vector<std::string> selectable_fields;
  // OpenAPI v3 of the whole object (apiVersion, kind, metadata included). {"$ref": "PodSpec"} names an entry
  // of schema_definitions(). Extensions as Kubernetes writes them (x-kubernetes-int-or-string,
  // -preserve-unknown-fields, -patch-merge-key, -patch-strategy, -list-type, -list-map-keys, -map-type), plus
  // format "quantity", x-modelkit-immutable, and x-modelkit-may-repeat for keyed lists whose keys Kubernetes
  // does not insist on.
  Json schema;
  std::vector<Column> columns;  // Name first and Age last unless the file places them

  std::string resource() const { return group.empty() ? plural : plural + "." + group; }
  // Of one object, as kubectl prints it: "deployment.apps" of "deployment.apps/web".
  std::string one() const { return group.empty() ? singular : singular + "." + group; }
  std::string api_version(std::string_view version) const {
    return group.empty() ? std::string(version) : group + "/" + std::string(version);
  }
  std::string api_version() const { return api_version(versions.front()); }
};

// Every kind this binary knows, ordered by group and plural.
const std::vector<Kind>& all();
const Kind* find_resource(std::string_view resource);  // "pods", "deployments.apps"
const Kind* find_plural(std::string_view group, std::string_view plural);
const Kind* find_kind(std::string_view group, std::string_view kind);  // "apps", "Deployment"
const Kind* find_kind_of(const Json& object);                          // by apiVersion and kind
// By anything a person types: plural, singular, short name, "deployments.apps", "Deployment". Null when
// unknown.
const Kind* find_typed(std::string_view word);
// Shared schema parts that $ref names ("PodSpec", "ObjectMeta", ...).
const Json& schema_definitions();
// Follows {"$ref": name}; any other schema is returned as it is.
const Json& resolve(const Json& schema);

}  // namespace mk::kinds

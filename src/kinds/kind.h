// What a kind of object is, as data: names, schema, printer columns, subresources. No behaviour.
// The registry begins with the embedded src/kinds/<group>/<kind>.yaml files; kinds that users bring are added
// while we run (registry.h). Readers take no lock: they see one immutable snapshot or the next. Thread-safe.
#pragma once
#include <iterator>
#include <memory>
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
  bool deletes_collection = true;  // by one request
  bool counts_changes = true;      // of what is wanted, in metadata.generation
  // The resource whose objects these are, in another shape ("events" of events.k8s.io's Events); empty: these
  // are objects of their own. The Kubernetes API turns one into the other; nothing else meets such a kind.
  std::string stored_as;
  // Whether absent fields get their defaults. Not for custom resources: kubectl patches those with whole
  // lists, so a field that we filled in within one would make every further apply look like a change.
  bool fills_defaults = true;
  // Fields that a field selector may name besides metadata.name and metadata.namespace.
  std::vector<std::string> selectable_fields;
  // OpenAPI v3 of the whole object (apiVersion, kind, metadata included). {"$ref": "PodSpec"} names an entry
  // of schema_definitions(). Extensions as Kubernetes writes them (x-kubernetes-int-or-string,
  // -preserve-unknown-fields, -patch-merge-key, -patch-strategy, -list-type, -list-map-keys, -map-type), plus
  // format "quantity", x-modelkit-immutable, x-modelkit-may-repeat for keyed lists whose keys Kubernetes does
  // not insist on, and x-modelkit-ruled for fields whose presence and words a rule checks (core/rules.cc).
  Json schema;
  std::vector<Column> columns;  // Name first and Age last unless the file places them

  // Of kinds that users bring; built-in kinds leave all of this as it is.
  struct Version {
    std::string name;
    Json schema;
    std::vector<Column> columns;
    std::string warning;  // "... is deprecated"; sent to who uses it
  };
  bool custom = false;
  bool ending = false;               // its definition is being deleted: nothing new is made
  std::string list_kind;             // empty = kind + "List"
  std::vector<Version> own_schemas;  // versions with a schema of their own; the storage version's is `schema`
  // Where the scale subresource reads and writes, as paths of field names.
  std::vector<std::string> replicas_path = {"spec", "replicas"};
  std::vector<std::string> current_replicas_path = {"status", "replicas"};
  std::vector<std::string> selector_path;  // of a selector as text; empty = spec.selector as an object

  // One of Kubernetes' own, which its servers read into Go types: what is empty there is as good as not
  // given.
  bool is_typed() const {
    return !custom && (group.find('.') == std::string::npos || group.ends_with(".k8s.io"));
  }

  const Version* find_own(std::string_view version) const;
  const Json& schema_of(std::string_view version) const;
  const std::vector<Column>& columns_of(std::string_view version) const;
  std::string list_kind_name() const { return list_kind.empty() ? kind + "List" : list_kind; }

  std::string resource() const { return group.empty() ? plural : plural + "." + group; }
  // Of one object, as kubectl prints it: "deployment.apps" of "deployment.apps/web".
  std::string one() const { return group.empty() ? singular : singular + "." + group; }
  std::string api_version(std::string_view version) const {
    return group.empty() ? std::string(version) : group + "/" + std::string(version);
  }
  std::string api_version() const { return api_version(versions.front()); }
};

using KindRef = std::shared_ptr<const Kind>;

// All kinds at one moment, ordered by group and plural. Cheap to copy; keeps them alive.
class Kinds {
 public:
  using List = std::vector<KindRef>;
  explicit Kinds(std::shared_ptr<const List> list, uint64_t generation = 0)
      : list_(std::move(list)), generation_(generation) {}
  class Iterator {
   public:
    using value_type = Kind;
    using difference_type = std::ptrdiff_t;
    explicit Iterator(List::const_iterator at = {}) : at_(at) {}
    const Kind& operator*() const { return **at_; }
    const Kind* operator->() const { return at_->get(); }
    Iterator& operator++() {
      ++at_;
      return *this;
    }
    Iterator operator++(int) { return Iterator(at_++); }
    bool operator==(const Iterator&) const = default;

   private:
    List::const_iterator at_;
  };
  Iterator begin() const { return Iterator(list_->begin()); }
  Iterator end() const { return Iterator(list_->end()); }
  size_t size() const { return list_->size(); }
  const List& list() const { return *list_; }
  uint64_t generation() const { return generation_; }  // changes with the kinds

 private:
  std::shared_ptr<const List> list_;
  uint64_t generation_;
};

// Every kind that is known now.
Kinds all();
uint64_t generation();

// What these return is valid for a minute at least after the kind has been replaced (registry.h): long enough
// for a call. Who keeps a kind longer holds it.
const Kind* find_resource(std::string_view resource);  // "pods", "deployments.apps"
const Kind* find_plural(std::string_view group, std::string_view plural);
const Kind* find_kind(std::string_view group, std::string_view kind);  // "apps", "Deployment"
const Kind* find_kind_of(const Json& object);                          // by apiVersion and kind
// By anything a person types: plural, singular, short name, "deployments.apps", "Deployment". Null when
// unknown.
const Kind* find_typed(std::string_view word);
KindRef hold(const Kind& kind);  // null when it is not known any more
// Shared schema parts that $ref names ("PodSpec", "ObjectMeta", ...).
const Json& schema_definitions();
// Follows {"$ref": name}; any other schema is returned as it is.
const Json& resolve(const Json& schema);

}  // namespace mk::kinds

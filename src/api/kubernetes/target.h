// One served version of one kind: what a route is about.
#pragma once
#include <string>

#include "api/kubernetes/conversions.h"
#include "core/objects.h"
#include "kinds/kind.h"
#include "net/http.h"

namespace mk::api::kubernetes {

struct Target {
  kinds::KindRef kind;  // as stored; held: watches live longer than a kind that is replaced meanwhile
  std::string version;
  kinds::KindRef shown = nullptr;          // what clients see of it, where that is another kind
  const Conversion* conversion = nullptr;  // null: the shape that is stored

  // Of a kind as clients name it.
  static Target of(const kinds::Kind& named, const std::string& version) {
    const kinds::Kind* stored = named.stored_as.empty() ? &named : kinds::find_resource(named.stored_as);
    return {kinds::hold(*stored), version, stored == &named ? nullptr : kinds::hold(named),
            find_conversion(named.group, named.plural, version)};
  }
  const kinds::Kind& named() const { return shown ? *shown : *kind; }
  std::string api_version() const { return named().api_version(version); }
  bool is_storage_version() const { return !shown && version == kind->versions.front(); }
};

// What a request's path names: {namespace} if the route has one, then {name} if it has one.
struct Place {
  std::string space, name;
  store::Key key(const Target& target) const { return {target.kind->resource(), space, name}; }
};

}  // namespace mk::api::kubernetes

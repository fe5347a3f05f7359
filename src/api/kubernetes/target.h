// One served version of one kind: what a route is about.
#pragma once
#include <string>

#include "core/objects.h"
#include "kinds/kind.h"
#include "net/http.h"

namespace mk::api::kubernetes {

struct Target {
  kinds::KindRef kind;  // held: watches live longer than a kind that is replaced meanwhile
  std::string version;

  std::string api_version() const { return kind->api_version(version); }
  bool is_storage_version() const { return version == kind->versions.front(); }
};

// What a request's path names: {namespace} if the route has one, then {name} if it has one.
struct Place {
  std::string space, name;
  store::Key key(const Target& target) const { return {target.kind->resource(), space, name}; }
};

}  // namespace mk::api::kubernetes

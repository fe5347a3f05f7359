// Requests that do one thing to an object and are no write of it: ending what holds a namespace, binding a
// Pod to a node. They wait for the disk. Thread-safe.
#pragma once
#include <span>
#include <string_view>

#include "api/route.h"
#include "core/objects.h"
#include "net/http.h"

namespace mk::api::kubernetes {

struct Action {
  net::Method method;
  std::string_view path;  // {namespace} first where it has one, then {name}
  std::string_view verb, resource, subresource;
  net::Response (*answer)(core::Objects& objects, const net::Request& request, const Caller& caller);
};

std::span<const Action> actions();

}  // namespace mk::api::kubernetes

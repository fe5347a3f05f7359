// One row of the table of all control-plane routes. Each protocol folder returns its rows; app/ joins them; a
// test refuses overlaps.
#pragma once
#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "core/access.h"
#include "net/http.h"
#include "net/server.h"

namespace mk::api {

// What a handler gets beside the request; lives as long as the call.
struct Caller {
  core::Identity identity;
};

// Answers with a Response at once (on the I/O thread: must not block or read tables) ...
using Quick = std::function<net::Response(net::Request&, const Caller&)>;
// ... or later through the Reply; runs on a worker thread, may block on the store ...
using Whole = std::function<void(net::Request, const Caller&, net::Reply)>;
// ... or reads the body as a stream; called on an I/O thread, must not block.
using Streaming = std::function<void(net::Request, const Caller&, net::Body, net::Reply)>;
// ... or answers later through the Reply, called on the I/O thread, must not block: for the hot write path,
// which submits to the store and answers in the completion.
struct Hot {
  std::function<void(net::Request, const Caller&, net::Reply)> handle;
};

// What a route's permission is about: which of its {segments} (counted from 0) name namespace and object; -1 = none does.
struct Scope {
  int space = -1, name = -1;
  std::string_view fixed_space = {};  // the namespace, where the protocol knows none
};

struct Route {
  net::Method method;
  // "/api/2.0/mlflow/runs/create", "/apis/{group}/{version}", "/artifacts/{path...}" (the rest, only as the
  // last segment). A {segment} is decoded once, after splitting. A literal beats a {segment}, which beats
  // {rest...}.
  std::string pattern;
  core::Permission permission;
  std::variant<Quick, Whole, Streaming, Hot> handler;
  uint64_t body_bytes_max = 3u << 20;
  // How this protocol writes an error: used for refusals made before the handler runs (404 inside its prefix
  // aside).
  net::Response (*error)(const Error&) = nullptr;
  Scope scope = {};
  // Adds what only the query tells (a list may be a watch), or what the {segments} name when they name the resource itself.
  // May be null; `held` keeps text that has no other home.
  void (*refine)(const net::Request&, const std::vector<std::string>& segments, core::Ask&, std::string& held) = nullptr;
};

}  // namespace mk::api

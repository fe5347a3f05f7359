#include "api/router.h"

#include <algorithm>
#include <map>

#include "base/encoding.h"
#include "base/format.h"
#include "base/json.h"

namespace mk::api {
namespace {

std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> parts;
  if (path.starts_with('/')) path.remove_prefix(1);
  while (!path.empty()) {
    const size_t slash = std::min(path.find('/'), path.size());
    parts.push_back(path.substr(0, slash));
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return parts;
}

bool is_parameter(std::string_view part) { return part.size() > 2 && part.front() == '{' && part.back() == '}'; }
bool is_rest(std::string_view part) { return is_parameter(part) && part.ends_with("...}"); }

// One segment of the tree of patterns. A literal beats a parameter, which beats the rest of the path.
struct Node {
  std::map<std::string, std::unique_ptr<Node>, std::less<>> literals;
  std::unique_ptr<Node> parameter;
  std::vector<const Route*> here, rest;
};

const Route* by_method(const std::vector<const Route*>& routes, net::Method method) {
  for (const Route* route : routes)
    if (route->method == method) return route;
  if (method == net::Method::kHead) return by_method(routes, net::Method::kGet);
  return nullptr;
}

struct Match {
  const Route* route = nullptr;
  bool path_known = false;  // some route has this path, perhaps not this method
  std::vector<std::string> params;
};

// `path` is raw: each segment is decoded here, once, after splitting.
bool find(const Node& node, std::string_view path, net::Method method, Match& match) {
  if (path.empty() || path == "/") {
    if (!node.here.empty()) {
      match.path_known = true;
      if ((match.route = by_method(node.here, method))) return true;
    }
    if (node.rest.empty()) return false;
  } else {
    const std::string_view tail = path.substr(1);
    const size_t slash = std::min(tail.find('/'), tail.size());
    const auto segment = percent_decode(tail.substr(0, slash));
    if (!segment) return false;
    const std::string_view below = tail.substr(slash);
    if (auto it = node.literals.find(*segment); it != node.literals.end() && find(*it->second, below, method, match))
      return true;
    if (node.parameter && !segment->empty()) {
      match.params.push_back(*segment);
      if (find(*node.parameter, below, method, match)) return true;
      match.params.pop_back();
    }
    if (node.rest.empty()) return false;
  }
  auto rest = percent_decode(path.empty() ? path : path.substr(1));
  if (!rest) return false;
  match.path_known = true;
  match.route = by_method(node.rest, method);
  if (match.route) match.params.push_back(std::move(*rest));
  return match.route != nullptr;
}

net::Response plain_error(const Error& error) {
  static constexpr struct { Code code; int status; } kStatus[] = {{Code::kNotFound, 404},
                                                                  {Code::kUnauthenticated, 401},
                                                                  {Code::kPermissionDenied, 403},
                                                                  {Code::kUnimplemented, 405},
                                                                  {Code::kInvalidArgument, 400}};
  int status = 500;
  for (const auto& row : kStatus)
    if (row.code == error.code) status = row.status;
  return net::Response::json(Json::object({{"error", error.sentence()}}).dump(), status);
}

std::string_view without_port(std::string_view host) {
  if (host.starts_with('[')) return host.substr(0, std::min(host.find(']'), host.size() - 1) + 1);
  return host.substr(0, host.rfind(':'));
}

// "http://host:port" -> "host:port"; empty when it is no such origin ("null" among them).
std::string_view host_of_origin(std::string_view origin) {
  for (std::string_view scheme : {"http://", "https://"})
    if (origin.starts_with(scheme)) return origin.substr(scheme.size());
  return {};
}

}  // namespace

bool host_allowed(std::string_view host, const std::vector<std::string>& hosts) {
  std::string name(without_port(host));
  for (char& c : name)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  if (name == "localhost" || name == "[::1]" || name == "127.0.0.1") return true;
  return std::find(hosts.begin(), hosts.end(), name) != hosts.end();
}

struct Router::Table {
  std::vector<Route> routes;
  Node root;
  DoorPolicy policy;
  os::Executor* workers = nullptr;

  // The error form of the protocol under whose literal prefix the path is; the longest prefix wins.
  net::Response refuse(const Route* route, std::string_view path, const Error& error) const {
    size_t longest = 0;
    auto form = route ? route->error : nullptr;
    for (const Route& other : routes) {
      if (route || !other.error) continue;
      const std::string_view literal = std::string_view(other.pattern).substr(0, other.pattern.find('{'));
      size_t shared = static_cast<size_t>(
          std::mismatch(literal.begin(), literal.end(), path.begin(), path.end()).first - literal.begin());
      shared = literal.substr(0, shared).rfind('/') + 1;  // whole segments only
      if (shared > longest && shared > 1) {
        longest = shared;
        form = other.error;
      }
    }
    return form ? form(error) : plain_error(error);
  }

  Result<void> check_door(const net::Request& request) const {
    if (!host_allowed(request.headers.get("Host"), policy.hosts))
      return fail(Error{Code::kPermissionDenied, "host_not_allowed", "the Host header names no host of this server"}.with_hint(
          "use 127.0.0.1 or localhost, or allow the name with --host NAME"));
    if (!request.headers.has("Origin")) return {};
    if (!host_allowed(host_of_origin(request.headers.get("Origin")), policy.hosts))
      return fail(Code::kPermissionDenied, "origin_not_allowed", "requests from this origin are not allowed");
    return {};
  }

  core::Identity identify(const net::Peer& peer) const {
    if (peer.loopback && peer.uid && policy.owner_uid && *peer.uid == *policy.owner_uid)
      return core::Identity::owner_of_this_machine();
    return core::Identity::anonymous();
  }
};

namespace {

net::Decision hand_over(const Route& route, Caller caller, os::Executor& workers) {
  net::Decision decision{.body_bytes_max = route.body_bytes_max};
  if (const Quick* quick = std::get_if<Quick>(&route.handler)) {
    decision.whole = [quick, caller = std::move(caller)](net::Request request, net::Reply reply) {
      reply.send((*quick)(request, caller));
    };
  } else if (const Hot* hot = std::get_if<Hot>(&route.handler)) {
    decision.whole = [hot, caller = std::move(caller)](net::Request request, net::Reply reply) {
      hot->handle(std::move(request), caller, std::move(reply));
    };
  } else if (const Whole* whole = std::get_if<Whole>(&route.handler)) {
    decision.whole = [whole, caller = std::move(caller), &workers](net::Request request, net::Reply reply) {
      // std::function wants copyable captures; the reply is moved out of the one copy that runs.
      auto held = std::make_shared<std::pair<net::Request, net::Reply>>(std::move(request), std::move(reply));
      workers.post([whole, caller, held] { (*whole)(std::move(held->first), caller, std::move(held->second)); });
    };
  } else {
    const Streaming* streaming = std::get_if<Streaming>(&route.handler);
    decision.policy = net::BodyPolicy::kStream;
    decision.stream = [streaming, caller = std::move(caller)](net::Request request, net::Body body, net::Reply reply) {
      (*streaming)(std::move(request), caller, std::move(body), std::move(reply));
    };
  }
  return decision;
}

}  // namespace

Router::Router(std::unique_ptr<Table> table) : table_(std::move(table)) {}
Router::Router(Router&&) noexcept = default;
Router::~Router() = default;

Result<Router> Router::make(std::vector<Route> routes, DoorPolicy policy, os::Executor& workers) {
  auto table = std::make_unique<Table>();
  table->routes = std::move(routes);
  table->policy = std::move(policy);
  table->workers = &workers;
  for (const Route& route : table->routes) {
    Node* node = &table->root;
    bool rest = false;
    for (const std::string_view part : split(route.pattern)) {
      MK_CHECK(!rest);  // {rest...} is the last segment
      if (is_rest(part)) {
        rest = true;
        continue;
      }
      auto& child = is_parameter(part) ? node->parameter : node->literals[std::string(part)];
      if (!child) child = std::make_unique<Node>();
      node = child.get();
    }
    auto& leaf = rest ? node->rest : node->here;
    for (const Route* other : leaf)
      if (other->method == route.method)
        return fail(Code::kInternal, "routes_overlap",
                    fmt::format("{} {} and {} are the same route", net::method_name(route.method), other->pattern, route.pattern));
    leaf.push_back(&route);
  }
  return Router(std::move(table));
}

net::Decision Router::dispatch(net::Request& request) const {
  const std::string_view path = request.path();
  const auto refuse = [&](const Route* route, const Error& error) {
    net::Decision decision;
    decision.refuse = table_->refuse(route, path, error);
    return decision;
  };
  if (auto door = table_->check_door(request); !door) return refuse(nullptr, door.error());
  Match match;
  if (!find(table_->root, path, request.method, match)) {
    if (match.path_known)
      return refuse(nullptr, Error{Code::kUnimplemented, "method_not_allowed",
                                   fmt::format("{} is not allowed on {}", net::method_name(request.method), path.substr(0, 256))});
    return refuse(nullptr, Error{Code::kNotFound, "no_route", fmt::format("there is nothing at {}", path.substr(0, 256))});
  }
  Caller caller{table_->identify(request.peer)};
  if (!core::allowed(caller.identity, match.route->permission))
    return refuse(match.route,
                  Error{Code::kUnauthenticated, "no_credentials", "this needs the owner of this modelkit"}.with_hint(
                      "run as the user that started modelkit, on the same machine"));
  request.params = std::move(match.params);
  return hand_over(*match.route, std::move(caller), *table_->workers);
}

}  // namespace mk::api

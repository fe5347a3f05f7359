#include "api/router.h"

#include <algorithm>
#include <atomic>

#include "api/route_tree.h"
#include "base/format.h"
#include "base/json.h"

namespace mk::api {

namespace {

constexpr size_t kWaitingCallsMax = 4096;  // whole requests that wait for a worker

int status_of(Code code) {
  switch (code) {
    case Code::kInvalidArgument:
      return 400;
    case Code::kUnauthenticated:
      return 401;
    case Code::kPermissionDenied:
      return 403;
    case Code::kNotFound:
      return 404;
    case Code::kTooLarge:
      return 413;
    case Code::kDeadlineExceeded:
      return 408;
    case Code::kUnavailable:
    case Code::kResourceExhausted:
      return 503;
    default:
      return 500;
  }
}

net::Response plain_form(const Error& error) {
  return net::Response::json(Json::object({{"error", error.sentence()}}).dump(), status_of(error.code));
}

net::Response refusal(ErrorForm form, const Error& error) {
  return form ? form(error) : plain_form(error);
}

struct HostParts {
  std::string_view name;
  std::string_view port;
};

HostParts split_host(std::string_view host) {
  const size_t colon = host.rfind(':');
  if (colon == std::string_view::npos || host.find(']', colon) != std::string_view::npos) return {host, {}};
  return {host.substr(0, colon), host.substr(colon + 1)};
}

bool is_port(std::string_view text) {
  return text.size() <= 5 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool is_listed(std::string_view host, const std::vector<std::string>& hosts) {
  return std::any_of(hosts.begin(), hosts.end(), [&](const std::string& allowed) {
    return net::same_text(allowed, host) || net::same_text(allowed, split_host(host).name);
  });
}

}  // namespace

bool host_allowed(std::string_view host, const std::vector<std::string>& hosts) {
  const HostParts parts = split_host(host);
  return is_port(parts.port) && (net::is_loopback_host(parts.name) || is_listed(host, hosts));
}

struct Router::Impl {
  Impl(std::vector<Route> all, DoorPolicy with, os::Executor& on)
      : routes(std::move(all)), policy(std::move(with)), workers(on) {}

  // A page may call us only from our own origin, or from the one of a configured host. A page of another
  // local program is as foreign as one of the web.
  bool origin_allowed(std::string_view origin, std::string_view host) const {
    const size_t scheme = origin.find("://");
    if (scheme == std::string_view::npos) return false;  // "null" too
    const std::string_view authority = origin.substr(scheme + 3);
    if (net::same_text(authority, host)) return true;
    return is_listed(authority, policy.hosts);
  }

  std::optional<Error> check_origin(const net::Request& request) const {
    const std::string_view host = request.headers.get("Host");
    if (!host_allowed(host, policy.hosts)) {
      return Error{Code::kPermissionDenied, "host_not_allowed",
                   fmt::format("the Host \"{}\" is not one this server answers for", host.substr(0, 100)),
                   "use 127.0.0.1 or localhost, or allow the name with --host NAME"};
    }
    if (!request.headers.has("Origin")) return std::nullopt;
    const std::string_view origin = request.headers.get("Origin");
    if (origin_allowed(origin, host)) return std::nullopt;
    return Error{Code::kPermissionDenied, "origin_not_allowed",
                 fmt::format("pages of the origin \"{}\" may not call this server", origin.substr(0, 100))};
  }

  const Caller& caller_of(const net::Peer& peer) const {
    const bool is_owner = peer.loopback && peer.uid && policy.owner_uid && *peer.uid == *policy.owner_uid;
    return is_owner ? owner : anonymous;
  }

  const std::vector<Route> routes;
  const DoorPolicy policy;
  os::Executor& workers;
  RouteTree tree;
  const Caller owner{core::Identity::owner_of_this_machine()};
  const Caller anonymous{core::Identity::anonymous()};
  const std::shared_ptr<std::atomic<size_t>> waiting = std::make_shared<std::atomic<size_t>>(0);
};

namespace {

// std::function wants what it holds to be copyable; a Reply is not.
struct WaitingCall {
  net::Request request;
  net::Reply reply;
};

void run_on_worker(const Route& route, const Caller& caller, os::Executor& workers,
                   const std::shared_ptr<std::atomic<size_t>>& waiting, net::Request request,
                   net::Reply reply) {
  if (waiting->fetch_add(1) >= kWaitingCallsMax) {
    --*waiting;
    return reply.send(
        refusal(route.error, Error{Code::kUnavailable, "overloaded",
                                   "too many requests are waiting here; try again in a moment"}));
  }
  auto call = std::make_shared<WaitingCall>(std::move(request), std::move(reply));
  workers.post([call, &route, &caller, waiting] {
    --*waiting;
    std::get<Whole>(route.handler)(std::move(call->request), caller, std::move(call->reply));
  });
}

net::Decision decide(const Route& route, const Caller& caller, os::Executor& workers,
                     const std::shared_ptr<std::atomic<size_t>>& waiting) {
  net::Decision decision;
  decision.body_bytes_max = route.body_bytes_max;
  decision.error = route.error;
  if (const auto* quick = std::get_if<Quick>(&route.handler)) {
    decision.whole = [quick, &caller](net::Request request, net::Reply reply) {
      reply.send((*quick)(request, caller));
    };
  } else if (const auto* hot = std::get_if<Hot>(&route.handler)) {
    decision.whole = [hot, &caller](net::Request request, net::Reply reply) {
      hot->handle(std::move(request), caller, std::move(reply));
    };
  } else if (const auto* streaming = std::get_if<Streaming>(&route.handler)) {
    decision.policy = net::BodyPolicy::kStream;
    decision.stream = [streaming, &caller](net::Request request, net::Body body, net::Reply reply) {
      (*streaming)(std::move(request), caller, std::move(body), std::move(reply));
    };
  } else {
    decision.whole = [&route, &caller, &workers, &waiting](net::Request request, net::Reply reply) {
      run_on_worker(route, caller, workers, waiting, std::move(request), std::move(reply));
    };
  }
  return decision;
}

}  // namespace

Router::Router(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Router::Router(Router&&) noexcept = default;
Router::~Router() = default;

Result<Router> Router::make(std::vector<Route> routes, DoorPolicy policy, os::Executor& workers) {
  auto impl = std::make_unique<Impl>(std::move(routes), std::move(policy), workers);
  for (const Route& route : impl->routes) {
    if (auto problem = impl->tree.add(route)) {
      return fail(Code::kInternal, "routes_overlap", *std::move(problem));
    }
  }
  return Router(std::move(impl));
}

net::Decision Router::dispatch(net::Request& request) const {
  net::Decision refused;
  ErrorForm form = nullptr;
  auto match = impl_->tree.find(request.method, request.path(), &form);
  refused.error = form;
  if (const auto foreign = impl_->check_origin(request)) {
    refused.refuse = refusal(form, *foreign);
    return refused;
  }
  if (!match) {
    refused.refuse = refusal(form, match.error());
    return refused;
  }
  const std::string_view method = request.method == net::Method::kOther
                                      ? std::string_view(request.method_text)
                                      : method_name(request.method);
  if (match->route == nullptr && match->allow.empty()) {
    refused.refuse =
        refusal(form, Error{Code::kNotFound, "no_such_route",
                            fmt::format("there is no {} {}", method, request.path().substr(0, 200))});
    return refused;
  }
  if (match->route == nullptr) {
    net::Response response =
        refusal(form, Error{Code::kUnimplemented, "method_not_allowed",
                            fmt::format("{} does not take {}, only {}", request.path().substr(0, 200), method,
                                        match->allow)});
    response.status = 405;
    response.headers.set("Allow", match->allow);
    refused.refuse = std::move(response);
    return refused;
  }
  const Route& route = *match->route;
  const Caller& caller = impl_->caller_of(request.peer);
  if (!core::allowed(caller.identity, route.permission)) {
    refused.refuse = refusal(form, Error{Code::kPermissionDenied, "forbidden",
                                         fmt::format("{} may not {} {}", caller.identity.user,
                                                     route.permission.verb, route.permission.resource),
                                         "call over loopback as the user that runs modelkit"});
    return refused;
  }
  request.params = std::move(match->params);
  return decide(route, caller, impl_->workers, impl_->waiting);
}

std::vector<std::string> route_problems(const std::vector<Route>& routes) {
  std::vector<std::string> problems;
  RouteTree tree;
  for (const Route& route : routes) {
    if (auto problem = tree.add(route)) problems.push_back(*std::move(problem));
  }
  return problems;
}

net::Headers security_headers() {
  return {{"X-Content-Type-Options", "nosniff"}, {"X-Frame-Options", "SAMEORIGIN"}};
}

}  // namespace mk::api

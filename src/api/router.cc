#include "api/router.h"

#include <algorithm>
#include <atomic>

#include "api/impersonation.h"
#include "api/route_tree.h"
#include "base/format.h"
#include "base/json.h"
#include "net/observed.h"

namespace mk::api {

namespace {

constexpr size_t kWaitingCallsMax = 4096;  // whole requests that wait for a worker

using CallerRef = std::shared_ptr<const Caller>;

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

  bool is_owner(const net::Peer& peer) const {
    return peer.loopback && peer.uid && policy.owner_uid && *peer.uid == *policy.owner_uid;
  }

  // What is shown counts before where the call comes from: who shows a bad token is refused, owner or not.
  Result<CallerRef> authenticate(const net::Request& request) const {
    if (policy.authenticator) {
      const std::string_view header = request.headers.get("Authorization");
      if (!header.empty()) return named(policy.authenticator->by_authorization(header));
      if (request.peer.certificate) return named(policy.authenticator->by_certificate(*request.peer.certificate));
    }
    return is_owner(request.peer) ? owner : anonymous;
  }

  static Result<CallerRef> named(Result<core::Identity> who) {
    if (!who) return fail(std::move(who).error());
    return std::make_shared<const Caller>(Caller{*std::move(who)});
  }

  bool allows(const core::Identity& who, const core::Ask& ask) const {
    return policy.authoriser ? policy.authoriser->allows(who, ask) : who.owner;
  }

  // Impersonate-User and its companions: the caller, for whom it speaks from here on.
  Result<CallerRef> impersonate(const net::Request& request, CallerRef caller) const;
  // What the request asks for; `held` keeps text that has no other home.
  static core::Ask question(const net::Request& request, const Route& route, const std::vector<std::string>& params,
                            std::string& held);
  std::optional<Error> authorise(const net::Request& request, const core::Ask& ask, const Caller& caller) const;
  net::Decision admit(net::Request& request, const Route& route, std::vector<std::string> params) const;
  core::AuditEntry entry(const net::Request& request, const core::Ask& ask, const std::string& user,
                         const std::string& as) const;
  void watch(net::Decision& decision, core::AuditEntry entry) const;

  const std::vector<Route> routes;
  const DoorPolicy policy;
  os::Executor& workers;
  RouteTree tree;
  const CallerRef owner = std::make_shared<const Caller>(Caller{core::Identity::owner_of_this_machine()});
  const CallerRef anonymous = std::make_shared<const Caller>(Caller{core::Identity::anonymous()});
  const std::shared_ptr<std::atomic<size_t>> waiting = std::make_shared<std::atomic<size_t>>(0);
};

namespace {

// std::function wants what it holds to be copyable; a Reply is not.
struct WaitingCall {
  net::Request request;
  net::Reply reply;
};

void run_on_worker(const Route& route, CallerRef caller, os::Executor& workers,
                   const std::shared_ptr<std::atomic<size_t>>& waiting, net::Request request,
                   net::Reply reply) {
  if (waiting->fetch_add(1) >= kWaitingCallsMax) {
    --*waiting;
    return reply.send(
        refusal(route.error, Error{Code::kUnavailable, "overloaded",
                                   "too many requests are waiting here; try again in a moment"}));
  }
  auto call = std::make_shared<WaitingCall>(std::move(request), std::move(reply));
  workers.post([call, &route, caller = std::move(caller), waiting] {
    --*waiting;
    std::get<Whole>(route.handler)(std::move(call->request), *caller, std::move(call->reply));
  });
}

net::Decision decide(const Route& route, const CallerRef& caller, os::Executor& workers,
                     const std::shared_ptr<std::atomic<size_t>>& waiting) {
  net::Decision decision;
  decision.body_bytes_max = route.body_bytes_max;
  decision.error = route.error;
  if (const auto* quick = std::get_if<Quick>(&route.handler)) {
    decision.whole = [quick, caller](net::Request request, net::Reply reply) {
      reply.send((*quick)(request, *caller));
    };
  } else if (const auto* hot = std::get_if<Hot>(&route.handler)) {
    decision.whole = [hot, caller](net::Request request, net::Reply reply) {
      hot->handle(std::move(request), *caller, std::move(reply));
    };
  } else if (const auto* streaming = std::get_if<Streaming>(&route.handler)) {
    decision.policy = net::BodyPolicy::kStream;
    decision.stream = [streaming, caller](net::Request request, net::Body body, net::Reply reply) {
      (*streaming)(std::move(request), *caller, std::move(body), std::move(reply));
    };
  } else {
    decision.whole = [&route, caller, &workers, &waiting](net::Request request, net::Reply reply) {
      run_on_worker(route, caller, workers, waiting, std::move(request), std::move(reply));
    };
  }
  return decision;
}

}  // namespace

Result<CallerRef> Router::Impl::impersonate(const net::Request& request, CallerRef caller) const {
  if (!policy.authoriser) return caller;
  MK_TRY(auto as, impersonated(request.headers, caller->identity,
                               [&](const core::Ask& ask) { return allows(caller->identity, ask); }));
  if (!as) return caller;
  return std::make_shared<const Caller>(Caller{*std::move(as)});
}

core::Ask Router::Impl::question(const net::Request& request, const Route& route,
                                 const std::vector<std::string>& params, std::string& held) {
  const core::Permission& needs = route.permission;
  if (needs.resource.empty()) return core::Ask::about_path(needs.verb, request.path());
  core::Ask ask = core::Ask::about(needs.verb, needs.resource, needs.subresource);
  const auto param = [&](int at) {
    return at >= 0 && static_cast<size_t>(at) < params.size() ? std::string_view(params[static_cast<size_t>(at)])
                                                              : std::string_view();
  };
  ask.space = route.scope.space >= 0 ? param(route.scope.space) : route.scope.fixed_space;
  ask.name = param(route.scope.name);
  if (route.refine) route.refine(request, params, ask, held);
  return ask;
}

std::optional<Error> Router::Impl::authorise(const net::Request& request, const core::Ask& ask,
                                             const Caller& caller) const {
  if (!request.peer.loopback && !request.peer.tls)
    return Error{Code::kPermissionDenied, "forbidden", "this server answers other machines with TLS only", "use https"};
  if (allows(caller.identity, ask)) return std::nullopt;
  std::string thing;
  if (ask.path.empty()) {
    thing = fmt::format("{}{}{}", ask.resource, ask.group.empty() ? "" : ".", ask.group);
    if (!ask.name.empty()) thing += fmt::format(" \"{}\"", ask.name);
    thing += " is ";
  }
  Error error{Code::kPermissionDenied, "forbidden",
              fmt::format("{}forbidden: {}", thing, core::why_not(caller.identity, ask))};
  if (caller.identity.is_in("system:unauthenticated"))
    error.hint = "call as the user that runs modelkit, or send a token (docs/access.md)";
  return error;
}

core::AuditEntry Router::Impl::entry(const net::Request& request, const core::Ask& ask, const std::string& user,
                                     const std::string& as) const {
  return {.user = user,
          .as = as,
          .verb = std::string(ask.verb),
          .resource = ask.path.empty() ? fmt::format("{}{}{}{}{}", ask.resource, ask.group.empty() ? "" : ".", ask.group,
                                                     ask.subresource.empty() ? "" : "/", ask.subresource)
                                       : std::string(),
          .space = std::string(ask.space),
          .name = std::string(ask.name),
          .path = std::string(ask.path),
          .source = request.peer.address};
}

// Has the answer's status recorded when it begins.
void Router::Impl::watch(net::Decision& decision, core::AuditEntry entry) const {
  const auto told = [audit = policy.audit, clock = policy.clock, begun = policy.clock->monotonic(),
                     entry = std::move(entry)](int status) mutable {
    entry.status = status;
    entry.latency = clock->monotonic() - begun;
    audit->record(std::move(entry));
  };
  if (decision.whole)
    decision.whole = [whole = std::move(decision.whole), told](net::Request request, net::Reply reply) {
      whole(std::move(request), net::observe(std::move(reply), told));
    };
  if (decision.stream)
    decision.stream = [stream = std::move(decision.stream), told](net::Request request, net::Body body, net::Reply reply) {
      stream(std::move(request), std::move(body), net::observe(std::move(reply), told));
    };
}

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
  return impl_->admit(request, route, std::move(match->params));
}

// Who asks, for whom, and may they?
net::Decision Router::Impl::admit(net::Request& request, const Route& route, std::vector<std::string> params) const {
  const bool anyone = route.permission.is_anyone();
  std::string held;
  const core::Ask ask = anyone ? core::Ask() : question(request, route, params, held);
  auto caller = authenticate(request);
  if (!caller && anyone) caller = anonymous;  // a wrong token hides nobody's health
  const std::string user = caller ? (*caller)->identity.user : "system:anonymous";
  if (caller) caller = impersonate(request, *std::move(caller));
  const std::string as = caller && (*caller)->identity.user != user ? (*caller)->identity.user : std::string();
  net::Decision refused;
  refused.error = route.error;
  std::optional<Error> denied;
  if (!caller)
    denied = caller.error();
  else if (!anyone)
    denied = authorise(request, ask, **caller);
  if (denied) {
    refused.refuse = refusal(route.error, *denied);
    if (denied->code == Code::kUnauthenticated)
      refused.refuse->headers.set("WWW-Authenticate", "Bearer realm=\"modelkit\"");
    if (policy.audit) {
      core::AuditEntry line = entry(request, ask, user, as);
      line.status = refused.refuse->status;
      policy.audit->record(std::move(line));
    }
    return refused;
  }
  const bool recorded = policy.audit && !anyone && core::is_audited(ask, false);
  std::optional<core::AuditEntry> line;
  if (recorded) line = entry(request, ask, user, as);
  request.params = std::move(params);  // what `ask` looks into moves with it: it is used no more
  net::Decision decision = decide(route, *caller, workers, waiting);
  if (line) watch(decision, *std::move(line));
  return decision;
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

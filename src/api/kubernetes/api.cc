#include "api/kubernetes/api.h"

#include <deque>

#include "api/kubernetes/actions.h"
#include "api/kubernetes/custom.h"
#include "api/kubernetes/documents.h"
#include "api/kubernetes/limits.h"
#include "api/kubernetes/logs.h"
#include "api/kubernetes/media.h"
#include "api/kubernetes/metrics.h"
#include "api/kubernetes/query.h"
#include "api/kubernetes/reads.h"
#include "api/kubernetes/reviews.h"
#include "api/kubernetes/scale.h"
#include "api/kubernetes/status.h"
#include "api/kubernetes/writes.h"
#include "base/format.h"
#include "core/definitions/definition.h"
#include "kinds/registry.h"

namespace mk::api::kubernetes {

using net::Method;

struct Api::State {
  explicit State(Ports p)
      : ports(std::move(p)),
        reads(ports.objects, ports.executor, ports.watches),
        writes(ports.objects, ports.executor),
        scales(ports.objects),
        logs(ports.objects, ports.pods),
        metrics(ports.objects, ports.usage) {
    if (ports.definitions)
      writes.on_written(
          std::string(core::definitions::kResource),
          [definitions = ports.definitions](const store::Key& key) { definitions->refresh(key.name); });
  }

  Ports ports;
  Documents documents;
  Reads reads;
  Writes writes;
  Scales scales;
  PodLogs logs;
  Metrics metrics;
  std::deque<std::string> names;  // what the routes' permissions point into
};

namespace {

// {namespace} then {name}, as far as the route has them.
Place place_of(const net::Request& request, bool in_namespace, bool named) {
  size_t next = 0;
  Place place;
  if (in_namespace && next < request.params.size()) place.space = request.params[next++];
  if (named && next < request.params.size()) place.name = request.params[next];
  return place;
}

// Streams into a Pod are not there yet; what can never have one is said first.
net::Response refuse_stream(const core::Objects& objects, const core::Identity& who, const Target& target,
                            const Place& place, std::string_view part) {
  const auto pod = objects.read(who, *target.kind, place.key(target), part.substr(1));
  if (!pod) return refuse(pod.error(), about(*target.kind, place.name));
  if ((*pod)->json().at({"spec", "nodeName"}).text().empty())
    return refuse(Error{Code::kInvalidArgument, "no_node",
                        fmt::format("pod {} does not have a host assigned", place.name)});
  return refuse(Error{Code::kUnimplemented, "not_implemented",
                      fmt::format("pods{} is not supported by this server yet", part)});
}

class Builder {
 public:
  explicit Builder(Api::State& state) : s_(state) {}

  void kind(const kinds::Kind& kind, const std::string& version) {
    const Target target = Target::of(kind, version);
    const std::string root = kind.group.empty() ? "/api/" + version : "/apis/" + kind.group + "/" + version;
    const std::string all = root + "/" + kind.plural;
    const std::string collection = kind.namespaced ? root + "/namespaces/{namespace}/" + kind.plural : all;
    resource_ = s_.names.emplace_back(kind.resource());
    place_ = {};
    if (kind.namespaced) {
      hot(Method::kGet, all, "list",
          [&s = s_, target](net::Request request, const Caller& caller, net::Reply reply) {
            s.reads.collection(target, {}, request, caller, std::move(reply));
          });
    }
    place_.space = kind.namespaced ? 0 : -1;
    hot(Method::kGet, collection, "list",
        [&s = s_, target, scoped = kind.namespaced](net::Request request, const Caller& caller,
                                                    net::Reply reply) {
          auto space = scoped ? std::optional(place_of(request, true, false).space) : std::nullopt;
          s.reads.collection(target, std::move(space), request, caller, std::move(reply));
        });
    write(Method::kPost, collection, "create", target, false,
          [&s = s_](auto&&... a) { s.writes.create(std::forward<decltype(a)>(a)...); });
    if (kind.deletes_collection)
      write(Method::kDelete, collection, "deletecollection", target, false,
            [&s = s_](auto&&... a) { s.writes.remove_collection(std::forward<decltype(a)>(a)...); });
    place_.name = kind.namespaced ? 1 : 0;
    if (kind.resource() == "namespaces") place_.space = 0;  // a namespace is in itself: a role there can speak of it
    one(target, collection + "/{name}");
    part_ = "status";
    if (kind.status_subresource) status(target, collection + "/{name}/status");
    part_ = "scale";
    if (kind.scale_subresource) scale(target, collection + "/{name}/scale");
    part_ = "log";
    if (kind.group.empty() && kind.plural == "pods") pod_streams(target, collection + "/{name}");
    part_ = {};
  }

  void everything_else() {
    quick(Method::kGet, "/api",
          [&s = s_](net::Request& r, const Caller&) { return s.documents.now()->discovery.api(r); });
    quick(Method::kGet, "/apis",
          [&s = s_](net::Request& r, const Caller&) { return s.documents.now()->discovery.apis(r); });
    for (const char* path : {"/api/{version}", "/apis/{group}", "/apis/{group}/{version}"})
      quick(Method::kGet, path, [&s = s_](net::Request& r, const Caller&) {
        const auto set = s.documents.now();
        const std::string asked(r.path().substr(0, r.path().find_last_not_of('/') + 1));
        const auto found = set->discovery.legacy().find(asked);
        if (found != set->discovery.legacy().end()) return found->second.answer(r);
        const bool known = asked.starts_with("/api/") ||
                           set->discovery.legacy().contains(asked.substr(0, asked.find('/', 6)));
        return known ? refuse(not_here()) : no_such_page();
      });
    // Making them takes a while after the kinds have changed: not on an I/O thread.
    described("/openapi/v2", [&s = s_](net::Request& r) { return s.documents.now()->openapi->swagger(r); });
    described("/openapi/v3", [&s = s_](net::Request& r) { return s.documents.now()->openapi->index(r); });
    described("/openapi/v3/{path...}",
              [&s = s_](net::Request& r) { return s.documents.now()->openapi->document(r.params.at(0), r); });
    for (const Review& row : reviews()) review(row);
    for (const Action& row : actions()) action(row);
    if (!s_.ports.service_tokens) return;
    quick(Method::kGet, "/openid/v1/jwks", [&s = s_](net::Request&, const Caller&) {
      net::Response keys = net::Response::json(s.ports.service_tokens->key_set().dump());
      keys.headers.set("Content-Type", "application/jwk-set+json");
      return keys;
    });
    quick(Method::kGet, "/.well-known/openid-configuration", [](net::Request& request, const Caller&) {
      const std::string keys = fmt::format("https://{}/openid/v1/jwks", request.headers.get("Host"));
      return net::Response::json(core::ServiceTokens::discovery(keys).dump());
    });
  }

  std::vector<Route> take() { return std::move(routes_); }

 private:
  void one(const Target& target, const std::string& path) {
    routes_.push_back({Method::kGet,
                       path,
                       {"get", resource_, part_},
                       Quick([&s = s_, target, part = part_](net::Request& request, const Caller& caller) {
                         return s.reads.get(target, place_of(request, target.kind->namespaced, true), part,
                                            request, caller);
                       }),
                       0,
                       route_error,
                       place_});
    replace_and_patch(target, path, false);
    write(Method::kDelete, path, "delete", target, true,
          [&s = s_](auto&&... a) { s.writes.remove(std::forward<decltype(a)>(a)...); });
  }

  void replace_and_patch(const Target& target, const std::string& path, bool status) {
    write(Method::kPut, path, "update", target, true,
          [&s = s_, status](const Target& t, const Place& p, auto&&... a) {
            s.writes.replace(t, p, status, std::forward<decltype(a)>(a)...);
          });
    write(Method::kPatch, path, "patch", target, true,
          [&s = s_, status](const Target& t, const Place& p, auto&&... a) {
            s.writes.patch(t, p, status, std::forward<decltype(a)>(a)...);
          });
  }

  void status(const Target& target, const std::string& path) {
    routes_.push_back({Method::kGet,
                       path,
                       {"get", resource_, part_},
                       Quick([&s = s_, target, part = part_](net::Request& request, const Caller& caller) {
                         return s.reads.get(target, place_of(request, target.kind->namespaced, true), part,
                                            request, caller);
                       }),
                       0,
                       route_error,
                       place_});
    replace_and_patch(target, path, true);
  }

  void scale(const Target& target, const std::string& path) {
    routes_.push_back({Method::kGet,
                       path,
                       {"get", resource_, part_},
                       Quick([&s = s_, target](net::Request& request, const Caller& caller) {
                         return s.scales.get(target, place_of(request, target.kind->namespaced, true),
                                             request, caller);
                       }),
                       0,
                       route_error,
                       place_});
    blocking(Method::kPut, path, "update", target, [&s = s_](auto&... a) { return s.scales.replace(a...); });
    blocking(Method::kPatch, path, "patch", target, [&s = s_](auto&... a) { return s.scales.patch(a...); });
  }

  void pod_streams(const Target& target, const std::string& path) {
    hot(Method::kGet, path + "/log", "get",
        [&s = s_, target](net::Request request, const Caller& caller, net::Reply reply) {
          s.logs.answer(target, place_of(request, true, true), request, caller, std::move(reply));
        });
    for (const char* part : {"/exec", "/attach", "/portforward"}) {
      for (const Method method : {Method::kGet, Method::kPost})
        routes_.push_back(
            {method,
             path + part,
             {"create", resource_, std::string_view(part).substr(1)},
             Quick([part, target, &objects = s_.ports.objects](net::Request& request, const Caller& caller) {
               return refuse_stream(objects, caller.identity, target, place_of(request, true, true), part);
             }),
             0,
             route_error,
             place_});
    }
  }

  void hot(Method method, const std::string& path, std::string_view verb,
           std::function<void(net::Request, const Caller&, net::Reply)> handle) {
    routes_.push_back({method, path, {verb, resource_, part_}, Hot{std::move(handle)}, 0, route_error, place_,
                       verb == "list" ? refine_list : nullptr});
  }

  template <typename Handle>
  void write(Method method, const std::string& path, std::string_view verb, const Target& target, bool named,
             Handle handle) {
    hot(method, path, verb,
        [target, named, handle](net::Request request, const Caller& caller, net::Reply reply) {
          const Place place = place_of(request, target.kind->namespaced, named);
          handle(target, place, std::move(request), caller, std::move(reply));
        });
    routes_.back().body_bytes_max = kBodyBytesMax;
  }

  template <typename Handle>
  void blocking(Method method, const std::string& path, std::string_view verb, const Target& target,
                Handle handle) {
    routes_.push_back({method,
                       path,
                       {verb, resource_, part_},
                       Whole([target, handle](net::Request request, const Caller& caller, net::Reply reply) {
                         const Place place = place_of(request, target.kind->namespaced, true);
                         reply.send(handle(target, place, std::as_const(request), caller));
                       }),
                       kBodyBytesMax,
                       route_error,
                       place_});
  }

  void described(const std::string& path, std::function<net::Response(net::Request&)> answer) {
    routes_.push_back({Method::kGet,
                       path,
                       core::Permission::path("get"),
                       Whole([answer = std::move(answer)](net::Request request, const Caller&,
                                                          net::Reply reply) { reply.send(answer(request)); }),
                       0,
                       route_error});
  }

  void quick(Method method, const std::string& path, Quick handle) {
    routes_.push_back({method, path, core::Permission::path("get"), std::move(handle), 0, route_error});
  }

  void action(const Action& row) {
    const bool scoped = row.path.find("{namespace}") != std::string_view::npos;
    const bool named = row.path.find("{name}") != std::string_view::npos;
    // A namespace is in itself: a role there can speak of it.
    const Scope scope{.space = scoped || named ? 0 : -1, .name = named ? (scoped ? 1 : 0) : -1};
    routes_.push_back(
        {row.method,
         std::string(row.path),
         {row.verb, row.resource, row.subresource},
         Whole([&s = s_, answer = row.answer](net::Request request, const Caller& caller, net::Reply reply) {
           reply.send(answer(s.ports.objects, request, caller));
         }),
         kBodyBytesMax,
         route_error,
         scope});
  }

  void review(const Review& row) {
    const int space = row.path.find("{namespace}") != std::string_view::npos ? 0 : -1;
    const int name = row.path.find("{name}") != std::string_view::npos ? 1 : -1;
    routes_.push_back({Method::kPost,
                       std::string(row.path),
                       {"create", row.resource, row.subresource},
                       Quick([&s = s_, answer = row.answer](net::Request& request, const Caller& caller) {
                         return answer(s.ports, request, caller);
                       }),
                       64u << 10,
                       route_error,
                       {.space = space, .name = name}});
  }

  Api::State& s_;
  std::string_view resource_, part_;  // of the rows that are being made
  Scope place_;
  std::vector<Route> routes_;
};

}  // namespace

Api::Api(Ports ports) : state_(std::make_unique<State>(std::move(ports))) {}
Api::~Api() = default;

void Api::stop() {
  state_->reads.stop();
  state_->logs.stop();
}

std::vector<Route> Api::routes() {
  Builder builder(*state_);
  for (const kinds::Kind& kind : kinds::built_in())
    for (const std::string& version : kind.versions) builder.kind(kind, version);
  builder.everything_else();
  std::vector<Route> routes = builder.take();
  for (Route& route : custom_routes(
           {state_->ports.objects, state_->reads, state_->writes, state_->scales, state_->ports.executor}))
    routes.push_back(std::move(route));
  for (Route& route : state_->metrics.routes()) routes.push_back(std::move(route));
  return routes;
}

bool wants_version_json(const net::Request& request) {
  return request.headers.get("Accept").find("application/json") != std::string_view::npos;
}

net::Response version_reply() {
  return net::Response::json(
      Json::object({{"major", "1"},
                    {"minor", "36"},
                    {"gitVersion", fmt::format("{}+modelkit-{}", kServerVersion, MODELKIT_VERSION)},
                    {"gitCommit", ""},
                    {"gitTreeState", "clean"},
                    {"buildDate", "1970-01-01T00:00:00Z"},
                    {"goVersion", ""},
                    {"compiler", "clang"},
                    {"platform", "linux/amd64"}})
          .dump_pretty());
}

}  // namespace mk::api::kubernetes

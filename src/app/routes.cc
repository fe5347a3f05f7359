#include "app/routes.h"

#include "api/kubernetes/api.h"
#include "base/format.h"
#include "base/json.h"

namespace mk::app {
namespace {
constexpr const char* kMlflowVersion = "3.17.2";  // whose protocol we speak

struct Check {
  std::string_view name;
  bool (*passes)(const store::Store& store);
  std::string_view why_not = {};
};
constexpr Check kChecks[] = {
    {"ping", [](const store::Store&) { return true; }},
    {"store", [](const store::Store& store) { return !store.stats().read_only; },
     "it only reads since a write failed; see the log for the cause, then restart modelkit"},
};

// "ok", or a line for each check where one fails or `verbose` asks for them; as upstream words it.
net::Response all_checks(const store::Store& store, std::string_view what, const net::Request& request) {
  const auto query = net::Query::parse(request.raw_query());
  std::string lines;
  bool healthy = true;
  for (const Check& check : kChecks) {
    // Only readiness looks at all of them: what can write no more still reads and predicts, and should not be
    // killed.
    const bool passes = what != "readyz" || check.passes(store);
    healthy = healthy && passes;
    lines += passes ? fmt::format("[+]{} ok\n", check.name)
                    : fmt::format("[-]{} failed: {}\n", check.name, check.why_not);
  }
  if (healthy && !(query && query->has("verbose"))) return net::Response::text("ok");
  return net::Response::text(fmt::format("{}{} check {}\n", lines, what, healthy ? "passed" : "failed"),
                             healthy ? 200 : 500);
}

net::Response one_check(const store::Store& store, std::string_view name) {
  for (const Check& check : kChecks)
    if (check.name == name)
      return check.passes(store) ? net::Response::text("ok")
                                 : net::Response::text("internal server error: check failed\n", 500);
  return net::Response::text("404 page not found\n", 404);
}

}  // namespace

std::vector<api::Route> health_routes(const store::Store& store) {
  std::vector<api::Route> routes;
  const auto answer = [](std::string text) {
    return api::Quick([text](net::Request&, const api::Caller&) { return net::Response::text(text); });
  };
  routes.push_back({net::Method::kGet, "/health", core::Permission::anyone(), answer("OK")});
  for (const char* path : {"/healthz", "/livez", "/readyz"}) {
    routes.push_back({net::Method::kGet, path, core::Permission::anyone(),
                      api::Quick([path, &store](net::Request& request, const api::Caller&) {
                        return all_checks(store, std::string_view(path).substr(1), request);
                      })});
    routes.push_back({net::Method::kGet, std::string(path) + "/{check}", core::Permission::anyone(),
                      api::Quick([&store](net::Request& request, const api::Caller&) {
                        return one_check(store, request.params.at(0));
                      })});
  }
  // MLflow and Kubernetes share this path: each client says by its Accept which of the two it is.
  routes.push_back({net::Method::kGet, "/version", core::Permission::anyone(),
                    api::Quick([](net::Request& request, const api::Caller&) {
                      return api::kubernetes::wants_version_json(request)
                                 ? api::kubernetes::version_reply()
                                 : net::Response::text(kMlflowVersion);
                    })});
  return routes;
}

api::Route route_list(const std::vector<api::Route>& all) {
  Json rows = Json::array();
  for (const api::Route& route : all)
    rows.push_back(Json::object({{"method", net::method_name(route.method)},
                                 {"pattern", route.pattern},
                                 {"verb", route.permission.verb},  // empty: anyone may
                                 {"resource", route.permission.resource}}));
  return {net::Method::kGet, "/debug/routes", core::Permission("list", "routes"),
          api::Quick([text = Json::object({{"routes", std::move(rows)}}).dump()](
                         net::Request&, const api::Caller&) { return net::Response::json(text); })};
}

}  // namespace mk::app

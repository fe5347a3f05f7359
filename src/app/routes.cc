#include "app/routes.h"

#include "api/kubernetes/api.h"
#include "base/json.h"

namespace mk::app {
namespace {
constexpr const char* kMlflowVersion = "3.17.2";  // whose protocol we speak
constexpr const char* kNotReady =                 // in the form of Kubernetes' own
    "[-]store failed: it only reads since a write failed; see the log for the cause, then restart modelkit\n"
    "readyz check failed\n";
}  // namespace

std::vector<api::Route> health_routes(const store::Store& store) {
  std::vector<api::Route> routes;
  const auto answer = [](std::string text) {
    return api::Quick([text](net::Request&, const api::Caller&) { return net::Response::text(text); });
  };
  routes.push_back({net::Method::kGet, "/health", core::Permission::anyone(), answer("OK")});
  for (const char* path : {"/healthz", "/livez"})
    routes.push_back({net::Method::kGet, path, core::Permission::anyone(), answer("ok")});
  routes.push_back({net::Method::kGet, "/readyz", core::Permission::anyone(),
                    api::Quick([&store](net::Request&, const api::Caller&) {
                      return store.stats().read_only ? net::Response::text(kNotReady, 500)
                                                     : net::Response::text("ok");
                    })});
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

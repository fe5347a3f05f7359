#include "app/routes.h"

namespace mk::app {

std::vector<api::Route> health_routes() {
  std::vector<api::Route> routes;
  const auto answer = [](std::string text) {
    return api::Quick([text](net::Request&, const api::Caller&) { return net::Response::text(text); });
  };
  routes.push_back({net::Method::kGet, "/health", core::Permission::anyone(), answer("OK")});
  for (const char* path : {"/healthz", "/livez", "/readyz"})
    routes.push_back({net::Method::kGet, path, core::Permission::anyone(), answer("ok")});
  return routes;
}

}  // namespace mk::app

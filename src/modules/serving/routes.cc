#include "modules/serving/routes.h"

#include <algorithm>

#include "base/format.h"
#include "os/clock.h"

namespace mk::serving {
namespace {

// /v2/models/NAME without a namespace belongs to the service in "default", else to the first that asked. Worked out
// anew at each publish, so that it passes on when its owner goes.
void hand_out_prefixes(std::vector<routing::Route>& routes) {
  std::vector<std::string> claimed;
  const auto claim = [&](routing::Route& route) {
    const size_t slash = route.service.find('/');
    route.path_prefixes = route_for(route.service.substr(0, slash), route.service.substr(slash + 1)).path_prefixes;
    std::erase_if(route.path_prefixes, [&](const routing::PathPrefix& prefix) {
      return std::find(claimed.begin(), claimed.end(), prefix.prefix) != claimed.end();
    });
    for (const auto& prefix : route.path_prefixes) claimed.push_back(prefix.prefix);
  };
  for (auto& route : routes)
    if (route.service.starts_with("default/")) claim(route);
  for (auto& route : routes)
    if (!route.service.starts_with("default/")) claim(route);
}

}  // namespace

routing::Route route_for(std::string_view space, std::string_view name) {
  return {.service = fmt::format("{}/{}", space, name),
          .hosts = {fmt::format("{}.{}.localhost", name, space), fmt::format("{}-predictor.{}.localhost", name, space)},
          .path_prefixes = {{fmt::format("/serving/{}/{}", space, name), true},
                            {fmt::format("/v2/models/{}", name), false}},
          .backends = {}};
}

Result<Routes> Routes::open(std::string folder) {
  Routes routes(std::move(folder));
  auto loaded = routing::load(routes.folder_);
  if (loaded)
    routes.snapshot_ = std::move(*loaded);
  else if (loaded.error().code != Code::kNotFound)
    return fail(loaded.error());
  else
    MK_OK(routes.publish());
  return routes;
}

Result<void> Routes::set(routing::Route route) {
  std::lock_guard lock(mutex_);
  auto& routes = snapshot_.routes;
  auto it = std::find_if(routes.begin(), routes.end(), [&](const auto& r) { return r.service == route.service; });
  if (it != routes.end() && it->backends == route.backends) return {};
  const std::string service = route.service;
  if (it != routes.end())
    *it = std::move(route);
  else
    routes.push_back(std::move(route));
  MK_OK(publish());
  changes_[service] = {snapshot_.generation, os::system_clock().monotonic()};
  return {};
}

std::optional<Duration> Routes::behind(const std::string& service) {
  std::lock_guard lock(mutex_);
  const auto change = changes_.find(service);
  if (change == changes_.end()) return std::nullopt;
  if (routing::acknowledged(folder_).generation < change->second.generation) return os::system_clock().monotonic() - change->second.published;
  changes_.erase(change);
  return std::nullopt;
}

std::vector<std::string> Routes::leaving(const std::string& service) const {
  const std::string prefix = service + " ";
  std::vector<std::string> revisions;
  for (const std::string& name : routing::acknowledged(folder_).leaving)
    if (name.starts_with(prefix)) revisions.push_back(name.substr(prefix.size()));
  return revisions;
}

Result<void> Routes::remove(std::string_view service) {
  std::lock_guard lock(mutex_);
  if (const auto change = changes_.find(service); change != changes_.end()) changes_.erase(change);
  if (std::erase_if(snapshot_.routes, [&](const auto& r) { return r.service == service; }) == 0) return {};
  return publish();
}

Result<void> Routes::retain(const std::vector<std::string>& services) {
  std::lock_guard lock(mutex_);
  const auto gone = [&](const routing::Route& r) {
    return std::find(services.begin(), services.end(), r.service) == services.end();
  };
  if (std::erase_if(snapshot_.routes, gone) == 0) return {};
  return publish();
}

Result<void> Routes::publish() {
  hand_out_prefixes(snapshot_.routes);
  ++snapshot_.generation;
  return routing::publish(folder_, snapshot_);
}

}  // namespace mk::serving

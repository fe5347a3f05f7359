#include "dataplane/config/routing.h"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <set>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/format.h"
#include "base/json.h"
#include "dataplane/config/limits.h"
#include "os/files.h"

namespace mk::routing {

namespace {

Json backend_to_json(const Backend& backend) {
  Json::Array endpoints;
  for (const Endpoint& endpoint : backend.endpoints) {
    endpoints.push_back(Json::object({{"address", endpoint.address}, {"port", int{endpoint.port}}}));
  }
  return Json::object({{"revision", backend.revision},
                       {"weight", backend.weight},
                       {"endpoints", Json(std::move(endpoints))}});
}

Json route_to_json(const Route& route) {
  Json::Array hosts(route.hosts.begin(), route.hosts.end());
  Json::Array prefixes;
  for (const PathPrefix& path : route.path_prefixes) {
    prefixes.push_back(Json::object({{"prefix", path.prefix}, {"strip", path.strip}}));
  }
  Json::Array backends;
  for (const Backend& backend : route.backends) backends.push_back(backend_to_json(backend));
  return Json::object({{"service", route.service},
                       {"hosts", Json(std::move(hosts))},
                       {"pathPrefixes", Json(std::move(prefixes))},
                       {"backends", Json(std::move(backends))}});
}

Result<Backend> read_backend(const Json& json, std::string_view service) {
  Backend backend{.revision = std::string(json["revision"].text())};
  if (backend.revision.empty())
    return invalid(fmt::format("a backend of route {} names no revision", service));
  const int64_t weight = json["weight"].integer(-1);
  if (weight < 0 || weight > kWeightMax) {
    return invalid(
        fmt::format("the weight of revision {} is not within 0..{}", backend.revision, kWeightMax));
  }
  backend.weight = static_cast<int>(weight);
  for (const Json& item : json["endpoints"].items()) {
    const int64_t port = item["port"].integer();
    if (port < 1 || port > 65535 || item["address"].text().empty()) {
      return invalid(
          fmt::format("an endpoint of revision {} has no address or no valid port", backend.revision));
    }
    backend.endpoints.push_back({std::string(item["address"].text()), static_cast<uint16_t>(port)});
  }
  return backend;
}

Result<Route> read_route(const Json& json) {
  Route route{.service = std::string(json["service"].text())};
  if (route.service.empty()) return invalid("a route names no service");
  for (const Json& host : json["hosts"].items()) route.hosts.emplace_back(host.text());
  for (const Json& item : json["pathPrefixes"].items()) {
    PathPrefix path{std::string(item["prefix"].text()), item["strip"].boolean()};
    if (!path.prefix.starts_with('/') || (path.prefix.size() > 1 && path.prefix.ends_with('/'))) {
      return invalid(
          fmt::format("path prefix \"{}\" of route {} must start with a slash and not end with one",
                      path.prefix, route.service));
    }
    route.path_prefixes.push_back(std::move(path));
  }
  for (const Json& item : json["backends"].items()) {
    MK_TRY(Backend backend, read_backend(item, route.service));
    route.backends.push_back(std::move(backend));
  }
  return route;
}

Result<void> check_overlaps(const Snapshot& snapshot) {
  std::set<std::string_view> services, hosts, prefixes;
  for (const Route& route : snapshot.routes) {
    if (!services.insert(route.service).second)
      return invalid(fmt::format("service {} has two routes", route.service));
    for (const std::string& host : route.hosts) {
      if (!hosts.insert(host).second) return invalid(fmt::format("host {} belongs to two routes", host));
    }
    for (const PathPrefix& path : route.path_prefixes) {
      if (!prefixes.insert(path.prefix).second) {
        return invalid(fmt::format("path prefix {} belongs to two routes", path.prefix));
      }
    }
  }
  return {};
}

Failure file_failure(std::string_view what, const std::string& path) {
  return fail(Code::kUnavailable, "routing_file",
              fmt::format("cannot {} {}: {}", what, path, std::strerror(errno)));
}

Result<void> write_all(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return file_failure("write", path);
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  if (::fsync(fd) != 0) return file_failure("sync", path);
  return {};
}

}  // namespace

std::string to_json(const Snapshot& snapshot) {
  Json::Array routes;
  for (const Route& route : snapshot.routes) routes.push_back(route_to_json(route));
  return Json::object({{"schemaVersion", kSchemaVersion},
                       {"generation", snapshot.generation},
                       {"routes", Json(std::move(routes))}})
      .dump_pretty();
}

Result<Snapshot> from_json(std::string_view text) {
  MK_TRY(
      const Json json,
      Json::parse(text, {.bytes_max = kSnapshotBytesMax, .depth_max = 16, .nodes_max = kSnapshotNodesMax}));
  const int64_t version = json["schemaVersion"].integer();
  if (version != kSchemaVersion) {
    return fail(Code::kFailedPrecondition, "schema_version",
                fmt::format("the routing snapshot has schema version {}; this program reads {}", version,
                            kSchemaVersion));
  }
  Snapshot snapshot{.generation = static_cast<uint64_t>(json["generation"].integer())};
  for (const Json& item : json["routes"].items()) {
    MK_TRY(Route route, read_route(item));
    snapshot.routes.push_back(std::move(route));
  }
  MK_OK(check_overlaps(snapshot));
  return snapshot;
}

Result<void> publish(const std::string& folder, const Snapshot& snapshot) {
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return file_failure("create", folder);
  const std::string path = fmt::format("{}/{}", folder, kFileName);
  const std::string temporary = path + ".tmp";
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return file_failure("create", temporary);
  auto written = write_all(fd, to_json(snapshot), temporary);
  ::close(fd);
  if (!written) return written;
  if (::rename(temporary.c_str(), path.c_str()) != 0) return file_failure("rename", temporary);
  const int folder_fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder_fd < 0) return file_failure("open", folder);
  const int synced = ::fsync(folder_fd);
  ::close(folder_fd);
  if (synced != 0) return file_failure("sync", folder);
  return {};
}

Result<Snapshot> load(const std::string& folder) {
  const std::string path = fmt::format("{}/{}", folder, kFileName);
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT)
    return fail(Code::kNotFound, "no_snapshot", "no routing snapshot was published yet");
  if (fd < 0) return file_failure("open", path);
  std::string text;
  char block[64 << 10];
  ssize_t count = 0;
  while ((count = ::read(fd, block, sizeof block)) != 0) {
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 || text.size() > kSnapshotBytesMax) break;
    text.append(block, static_cast<size_t>(count));
  }
  ::close(fd);
  if (count < 0) return file_failure("read", path);
  return from_json(text);
}

// A line for the generation, then one for each revision that is leaving.
Result<void> acknowledge(const std::string& folder, const Taken& taken) {
  std::string text = fmt::format("{}\n", taken.generation);
  for (const std::string& revision : taken.leaving) text.append(revision).push_back('\n');
  return os::write_file(fmt::format("{}/{}", folder, kTakenFileName), text, 0600, false);
}

Taken acknowledged(const std::string& folder) {
  Taken taken;
  const auto text = os::read_file(fmt::format("{}/{}", folder, kTakenFileName), kTakenBytesMax);
  if (!text) return taken;
  std::from_chars(text->data(), text->data() + text->size(), taken.generation);
  for (size_t line = text->find('\n'); line != std::string::npos && line + 1 < text->size();) {
    const size_t end = text->find('\n', line + 1);
    taken.leaving.push_back(text->substr(line + 1, end - line - 1));
    line = end;
  }
  return taken;
}

}  // namespace mk::routing

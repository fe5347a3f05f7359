// The routing snapshot: all the gateway knows, as one immutable value. modules/serving publishes it as a
// file; the gateway watches the folder and swaps. The file survives both, so the gateway starts without a
// control plane.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace mk::routing {

constexpr int kSchemaVersion = 1;
constexpr std::string_view kFileName = "routes.json";  // in DIR/gateway
constexpr std::string_view kTakenFileName = "taken";     // beside it: see Taken

struct Endpoint {
  std::string address;  // of one ready model server: an IP address
  uint16_t port = 0;
  bool operator==(const Endpoint&) const = default;
};

// One revision and its share of the route's requests: weight / sum of weights.
struct Backend {
  std::string revision;
  int weight = 0;                   // 0: gets no requests, but running ones finish
  std::vector<Endpoint> endpoints;  // the ready ones only
  bool operator==(const Backend&) const = default;
};

// Requests whose path is `prefix` or lies below it. With `strip`, the server sees the path without it.
struct PathPrefix {
  std::string prefix;  // "/serving/default/wine"; no slash at the end, but for "/" itself
  bool strip = false;
  bool operator==(const PathPrefix&) const = default;
};

struct Route {
  std::string service;                    // "namespace/name"
  std::vector<std::string> hosts;         // exact names, lower case, without a port
  std::vector<PathPrefix> path_prefixes;  // for requests by a loopback name
  std::vector<Backend> backends;
  bool operator==(const Route&) const = default;
};

struct Snapshot {
  uint64_t generation = 0;  // grows with every publish
  std::vector<Route> routes;
  bool operator==(const Snapshot&) const = default;
};

std::string to_json(const Snapshot& snapshot);

// Refuses a newer schema, services, hosts or prefixes that come twice, bad ports and negative weights, naming
// which.
Result<Snapshot> from_json(std::string_view text);

// Replaces FOLDER/routes.json atomically and durably: temporary file, fsync, rename, fsync of the folder.
// Creates the folder. One writer at a time.
Result<void> publish(const std::string& folder, const Snapshot& snapshot);

// kNotFound when nothing was published yet.
Result<Snapshot> load(const std::string& folder);

// What the gateway answers. Not durable: it says so again when it starts.
struct Taken {
  uint64_t generation = 0;           // it routes by this one or a later one
  std::vector<std::string> leaving;  // "namespace/name revision": gets no new requests, has not answered all it got
  bool operator==(const Taken&) const = default;
};
Result<void> acknowledge(const std::string& folder, const Taken& taken);
Taken acknowledged(const std::string& folder);  // generation 0 when it never did

}  // namespace mk::routing

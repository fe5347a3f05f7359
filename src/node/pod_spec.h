// A Pod as the node reads it: what to run and how to judge it, without the rest of the object.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/time.h"

namespace mk::node {

struct Probe {
  enum class Kind : uint8_t { kNone, kHttp, kTcp, kExec } kind = Kind::kNone;
  std::string host;  // empty = the Pod's address
  uint16_t port = 0;
  std::string path;
  bool tls = false;
  std::vector<std::pair<std::string, std::string>> headers;
  std::vector<std::string> command;
  Duration delay, timeout = Duration::from_seconds(1), period = Duration::from_seconds(10);
  int successes = 1, failures = 3;
  explicit operator bool() const { return kind != Kind::kNone; }
};

struct Container {
  std::string name, image, cwd;
  bool has_command = false;
  std::vector<std::string> command, args;  // before $(VAR) is expanded
  Json env = Json::array(), env_from = Json::array(), mounts = Json::array(), resources = Json::object();
  int port = 0;  // the first containerPort; 0 = none
  Probe startup, liveness, readiness;
  bool message_from_log = false;  // terminationMessagePolicy FallbackToLogsOnError
};

enum class RestartPolicy : uint8_t { kAlways, kOnFailure, kNever };

struct PodSpec {
  std::string space, name, uid, node;
  RestartPolicy restart = RestartPolicy::kAlways;
  Duration grace = Duration::from_seconds(30);
  std::vector<Container> inits, containers;
  Json volumes = Json::array();
  bool deleted = false;  // has a deletionTimestamp
};

// From an admitted Pod; an error names the field that no schema could refuse (a probe of an unknown port
// name).
Result<PodSpec> read_pod(const Json& pod);

}  // namespace mk::node

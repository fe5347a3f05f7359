#include "node/pod_spec.h"

#include <algorithm>

#include "base/format.h"

namespace mk::node {
namespace {

std::vector<std::string> texts(const Json& list) {
  std::vector<std::string> out;
  for (const Json& item : list.items()) out.emplace_back(item.text());
  return out;
}

Result<uint16_t> read_port(const Json& container, const Json& port, std::string_view field) {
  if (port.is_int()) return static_cast<uint16_t>(port.integer());
  for (const Json& known : container["ports"].items())
    if (known["name"].text() == port.text()) return static_cast<uint16_t>(known["containerPort"].integer());
  return invalid(fmt::format("{} of container {} names port \"{}\", which the container does not have", field,
                             container["name"].text(), port.text()));
}

Result<Probe> read_probe(const Json& container, std::string_view field) {
  Probe probe;
  const Json& raw = container[field];
  if (raw.is_null()) return probe;
  const auto seconds = [&](std::string_view name, int64_t fallback) {
    return Duration::from_seconds(raw[name].integer(fallback));
  };
  probe.delay = seconds("initialDelaySeconds", 0);
  probe.timeout = seconds("timeoutSeconds", 1);
  probe.period = seconds("periodSeconds", 10);
  probe.successes = static_cast<int>(raw["successThreshold"].integer(1));
  probe.failures = static_cast<int>(raw["failureThreshold"].integer(3));
  if (const Json* http = raw.find("httpGet")) {
    probe.kind = Probe::Kind::kHttp;
    probe.path = (*http)["path"].text("/");
    if (!probe.path.starts_with('/')) probe.path.insert(0, "/");
    probe.host = (*http)["host"].text();
    probe.tls = (*http)["scheme"].text() == "HTTPS";
    for (const Json& header : (*http)["httpHeaders"].items())
      probe.headers.emplace_back(header["name"].text(), header["value"].text());
    MK_TRY(probe.port, read_port(container, (*http)["port"], field));
  } else if (const Json* tcp = raw.find("tcpSocket")) {
    probe.kind = Probe::Kind::kTcp;
    probe.host = (*tcp)["host"].text();
    MK_TRY(probe.port, read_port(container, (*tcp)["port"], field));
  } else if (const Json* exec = raw.find("exec")) {
    probe.kind = Probe::Kind::kExec;
    probe.command = texts((*exec)["command"]);
  }
  return probe;
}

Result<Container> read_container(const Json& raw) {
  Container container;
  container.name = raw["name"].text();
  container.image = raw["image"].text();
  container.cwd = raw["workingDir"].text();
  container.command = texts(raw["command"]);
  container.has_command = !container.command.empty();
  container.args = texts(raw["args"]);
  container.env = raw["env"];
  container.env_from = raw["envFrom"];
  container.mounts = raw["volumeMounts"];
  container.resources = raw["resources"];
  container.port = static_cast<int>(raw["ports"][0]["containerPort"].integer());
  container.message_from_log = raw["terminationMessagePolicy"].text() == "FallbackToLogsOnError";
  MK_TRY(container.startup, read_probe(raw, "startupProbe"));
  MK_TRY(container.liveness, read_probe(raw, "livenessProbe"));
  MK_TRY(container.readiness, read_probe(raw, "readinessProbe"));
  return container;
}

}  // namespace

Result<PodSpec> read_pod(const Json& pod) {
  PodSpec spec;
  const Json &meta = pod["metadata"], &raw = pod["spec"];
  spec.space = meta["namespace"].text();
  spec.name = meta["name"].text();
  spec.uid = meta["uid"].text();
  spec.deleted = !meta["deletionTimestamp"].is_null();
  spec.node = raw["nodeName"].text();
  const std::string_view restart = raw["restartPolicy"].text("Always");
  spec.restart = restart == "Never"       ? RestartPolicy::kNever
                 : restart == "OnFailure" ? RestartPolicy::kOnFailure
                                          : RestartPolicy::kAlways;
  spec.grace = Duration::from_seconds(
      meta["deletionGracePeriodSeconds"].integer(raw["terminationGracePeriodSeconds"].integer(30)));
  spec.volumes = raw["volumes"];
  for (const Json& item : raw["initContainers"].items()) {
    MK_TRY(Container container, read_container(item));
    spec.inits.push_back(std::move(container));
  }
  for (const Json& item : raw["containers"].items()) {
    MK_TRY(Container container, read_container(item));
    spec.containers.push_back(std::move(container));
  }
  return spec;
}

}  // namespace mk::node

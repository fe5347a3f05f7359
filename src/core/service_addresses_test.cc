// Addresses and ports of Services: what is given, what is refused and why, and that none is given twice.
#include "core/service_addresses.h"

#include <doctest/doctest.h>

#include <atomic>
#include <set>
#include <thread>

#include "base/format.h"
#include "base/yaml.h"
#include "core/bootstrap.h"
#include "core/objects.h"

using namespace mk;
using namespace mk::core;

namespace {

const Identity kOwner = Identity::owner_of_this_machine();

struct Cluster {
  std::unique_ptr<store::Store> store = store::open_store({}).value();
  os::SimulatedClock clock;
  os::SeededRandom random{7};
  Objects objects{*store, clock, random};
  const kinds::Kind& kind = *kinds::find_resource("services");
  Cluster() { REQUIRE(make_first_objects(objects)); }

  static Json service(const std::string& name, const std::string& spec) {
    auto documents = parse_yaml(
        fmt::format("{{apiVersion: v1, kind: Service, metadata: {{name: {}}}, spec: {{{}}}}}", name, spec));
    REQUIRE_MESSAGE(documents, spec);
    return documents->front();
  }
  Admitted<Written> create(const std::string& name, const std::string& spec, WriteOptions options = {}) {
    return objects.create(kOwner, kind, "default", service(name, spec), options);
  }
  Json spec(const std::string& name) { return objects.get({"services", "default", name})->json()["spec"]; }
  Admitted<Written> update(const std::string& name, const std::string& spec) {
    Json object = service(name, spec);
    object["metadata"]["namespace"] = "default";
    return objects.update(kOwner, kind, object, {});
  }
};

std::string said(const Admitted<Written>& written) {
  return written ? "accepted"
                 : written.error().error.message.substr(written.error().error.message.find(": ") + 2);
}

}  // namespace

TEST_CASE("services: what a type brings with it") {
  struct Case {
    std::string spec, expected;  // the fields of spec that are not in every Service
  };
  const Case cases[] = {
      {"ports: [{port: 80}], selector: {a: b}",
       R"({"internalTrafficPolicy":"Cluster","ipFamilies":["IPv4"],"ipFamilyPolicy":"SingleStack","type":"ClusterIP"})"},
      {"clusterIP: None, ports: [{port: 80}], selector: {a: b}",
       R"({"clusterIP":"None","clusterIPs":["None"],"internalTrafficPolicy":"Cluster","ipFamilies":["IPv4"],"ipFamilyPolicy":"SingleStack","type":"ClusterIP"})"},
      {"clusterIP: None, ports: [{port: 80}]",
       R"({"clusterIP":"None","clusterIPs":["None"],"internalTrafficPolicy":"Cluster","ipFamilies":["IPv4","IPv6"],"ipFamilyPolicy":"RequireDualStack","type":"ClusterIP"})"},
      {"type: ExternalName, externalName: example.com",
       R"({"externalName":"example.com","type":"ExternalName"})"},
      {"type: NodePort, ports: [{port: 80}], selector: {a: b}",
       R"({"externalTrafficPolicy":"Cluster","internalTrafficPolicy":"Cluster","ipFamilies":["IPv4"],"ipFamilyPolicy":"SingleStack","type":"NodePort"})"},
      {"type: LoadBalancer, allocateLoadBalancerNodePorts: false, ports: [{port: 80}], selector: {a: b}",
       R"({"allocateLoadBalancerNodePorts":false,"externalTrafficPolicy":"Cluster","internalTrafficPolicy":"Cluster","ipFamilies":["IPv4"],"ipFamilyPolicy":"SingleStack","type":"LoadBalancer"})"},
      {"type: LoadBalancer, ports: [{port: 80}], selector: {a: b}",
       R"({"allocateLoadBalancerNodePorts":true,"externalTrafficPolicy":"Cluster","internalTrafficPolicy":"Cluster","ipFamilies":["IPv4"],"ipFamilyPolicy":"SingleStack","type":"LoadBalancer"})"},
      {"externalIPs: [192.0.2.1], sessionAffinity: ClientIP, ports: [{port: 80}], selector: {a: b}",
       R"({"externalIPs":["192.0.2.1"],"externalTrafficPolicy":"Cluster","internalTrafficPolicy":"Cluster","ipFamilies":["IPv4"],"ipFamilyPolicy":"SingleStack","sessionAffinityConfig":{"clientIP":{"timeoutSeconds":10800}},"type":"ClusterIP"})"},
  };
  Cluster cluster;
  int number = 0;
  for (const Case& one : cases) {
    CAPTURE(one.spec);
    const std::string name = fmt::format("s{}", ++number);
    const auto made = cluster.create(name, one.spec);
    REQUIRE_MESSAGE(made, said(made));
    Json spec = cluster.spec(name);
    const std::string address(std::as_const(spec)["clusterIP"].text());
    if (address.starts_with("10.")) {
      CHECK(std::as_const(spec)["clusterIPs"] == Json::array({address}));
      spec.erase("clusterIP");
      spec.erase("clusterIPs");
    } else {
      CHECK((address == "None" || address.empty()));
    }
    const bool node_port = std::as_const(spec)["type"].text() == "NodePort" ||
                           std::as_const(spec)["allocateLoadBalancerNodePorts"].boolean();
    for (const Json& port : std::as_const(spec)["ports"].items()) {
      CHECK(port["targetPort"].integer() == 80);
      CHECK((port["nodePort"].integer() >= 30086) == node_port);
    }
    for (const char* field : {"ports", "selector", "sessionAffinity"}) spec.erase(field);
    CHECK(spec.dump() == one.expected);
  }
}

TEST_CASE("services: what cannot be had, and why") {
  Cluster cluster;
  REQUIRE(
      cluster.create("first", "clusterIP: 10.96.0.50, type: NodePort, ports: [{port: 80, nodePort: 30050}]"));
  struct Case {
    std::string spec, message;
  };
  const Case cases[] = {
      {"clusterIP: 10.96.0.50, ports: [{port: 80}]",
       "spec.clusterIPs: Invalid value: [\"10.96.0.50\"]: failed to allocate IP 10.96.0.50: provided IP is "
       "already allocated"},
      {"clusterIP: 10.96.0.1, ports: [{port: 80}]",
       "spec.clusterIPs: Invalid value: [\"10.96.0.1\"]: failed to allocate IP 10.96.0.1: provided IP is "
       "already allocated"},
      {"clusterIP: 192.0.2.7, ports: [{port: 80}]",
       "spec.clusterIPs: Invalid value: [\"192.0.2.7\"]: failed to allocate IP 192.0.2.7: the provided IP "
       "(192.0.2.7) is not in the "
       "valid range. The range of valid IPs is 10.96.0.0/12"},
      {"clusterIP: nonsense, ports: [{port: 80}]",
       "spec.clusterIPs[0]: Invalid value: \"nonsense\": must be a valid IP address, (e.g. 10.9.8.7 or "
       "2001:db8::ffff)"},
      {"clusterIP: 10.96.0.7, clusterIPs: [10.96.0.8], ports: [{port: 80}]",
       "spec.clusterIPs: Invalid value: [\"10.96.0.8\"]: first value must match `clusterIP`"},
      {"type: NodePort, ports: [{port: 80, nodePort: 30050}]",
       "spec.ports[0].nodePort: Invalid value: 30050: provided port is already allocated"},
      {"type: NodePort, ports: [{port: 80, nodePort: 80}]",
       "spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range of "
       "valid ports is 30000-32767"},
      {"type: NodePort, ports: [{name: a, port: 80, nodePort: 30060}, {name: b, port: 81, nodePort: 30060}]",
       "spec.ports[1].nodePort: Duplicate value: 30060"},
      {"type: NodePort, ports: [{name: a, port: 53, nodePort: 30061}, {name: b, port: 53, nodePort: 30061, "
       "protocol: UDP}]",
       "accepted"},
      {"ports: [{port: 80, nodePort: 30062}]",
       "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"},
      {"type: NodePort, clusterIP: None, ports: [{port: 80}]",
       "spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services"},
      {"type: ExternalName, externalName: a.example, clusterIP: 10.96.0.9",
       "spec.clusterIP: Forbidden: may not be set when `type` is 'ExternalName'"},
      {"ipFamilies: [IPv6], ports: [{port: 80}]",
       "spec.ipFamilies[0]: Invalid value: \"IPv6\": not configured on this cluster"},
      {"ipFamilyPolicy: RequireDualStack, ports: [{port: 80}]",
       "spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\": this cluster is not configured for "
       "dual-stack services"},
  };
  int number = 0;
  for (const Case& one : cases) {
    CAPTURE(one.spec);
    CHECK(said(cluster.create(fmt::format("s{}", ++number), one.spec)) == one.message);
  }
}

TEST_CASE("services: an address stays for life, and is free afterwards") {
  Cluster cluster;
  REQUIRE(cluster.create("web", "ports: [{port: 80}]"));
  const std::string address(cluster.spec("web")["clusterIP"].text());
  // A replacement without it keeps it; another one is refused.
  REQUIRE(cluster.update("web", "type: NodePort, ports: [{port: 80}]"));
  CHECK(cluster.spec("web")["clusterIP"].text() == address);
  const int64_t port = cluster.spec("web")["ports"][0]["nodePort"].integer();
  CHECK(port >= 30000);
  REQUIRE(cluster.update("web", "type: NodePort, ports: [{port: 80, targetPort: 8080}]"));
  CHECK(cluster.spec("web")["ports"][0]["nodePort"].integer() == port);
  CHECK(said(cluster.update("web", "clusterIP: 10.96.0.77, type: NodePort, ports: [{port: 80}]")) ==
        "spec.clusterIPs[0]: Invalid value: [\"10.96.0.77\"]: may not change once set");
  // Back to ClusterIP the port is given back, as ExternalName the address too.
  REQUIRE(cluster.update("web", fmt::format("ports: [{{port: 80, nodePort: {}}}]", port)));
  CHECK_FALSE(cluster.spec("web")["ports"][0].contains("nodePort"));
  CHECK(cluster.create("other", fmt::format("type: NodePort, ports: [{{port: 80, nodePort: {}}}]", port)));
  REQUIRE(cluster.update("web",
                         fmt::format("type: ExternalName, externalName: a.example, clusterIP: {}", address)));
  CHECK_FALSE(cluster.spec("web").contains("clusterIP"));
  CHECK(cluster.create("third", fmt::format("clusterIP: {}, ports: [{{port: 80}}]", address)));
  REQUIRE(cluster.objects.remove(kOwner, cluster.kind, {"services", "default", "third"}));
  CHECK(cluster.create("fourth", fmt::format("clusterIP: {}, ports: [{{port: 80}}]", address)));
  // What is only tried takes nothing.
  CHECK(cluster.create("dry", "clusterIP: 10.96.0.99, ports: [{port: 80}]", {.dry_run = true}));
  CHECK(cluster.create("wet", "clusterIP: 10.96.0.99, ports: [{port: 80}]"));
}

TEST_CASE("services: another program that opens the store finds what is taken") {
  Cluster cluster;
  REQUIRE(
      cluster.create("web", "clusterIP: 10.96.3.3, type: NodePort, ports: [{port: 80, nodePort: 30010}]"));
  Objects later{*cluster.store, cluster.clock, cluster.random};
  const auto again = [&](const std::string& spec) {
    return said(later.create(kOwner, cluster.kind, "default", Cluster::service("b", spec), {}));
  };
  CHECK(again("clusterIP: 10.96.3.3, ports: [{port: 80}]").ends_with("provided IP is already allocated"));
  CHECK(again("type: NodePort, ports: [{port: 80, nodePort: 30010}]")
            .ends_with("provided port is already allocated"));
}

TEST_CASE("services: many at once get different addresses, and of one address there is one") {
  Cluster cluster;
  Objects objects{*cluster.store, cluster.clock, os::system_random()};
  constexpr int kThreads = 4, kEach = 40;
  std::atomic<int> named = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        const auto name = fmt::format("s-{}-{}", t, i);
        CHECK(objects.create(kOwner, cluster.kind, "default",
                             Cluster::service(name, "type: NodePort, ports: [{port: 80}]"), {}));
        const auto fixed = Cluster::service(
            "f" + name, fmt::format("clusterIP: 10.96.0.{}, ports: [{{port: 80}}]", 100 + i));
        named += objects.create(kOwner, cluster.kind, "default", fixed, {}).has_value();
      }
    });
  for (std::thread& thread : threads) thread.join();
  std::set<std::string> addresses;
  std::set<int64_t> ports;
  for (const ObjectRef& object : cluster.store->list({"services", {}}).objects) {
    const Json spec = object->json()["spec"];
    CHECK(addresses.insert(std::string(spec["clusterIP"].text())).second);
    if (spec["type"].text() == "NodePort") CHECK(ports.insert(spec["ports"][0]["nodePort"].integer()).second);
  }
  CHECK(named == kEach);
  CHECK(ports.size() == kThreads * kEach);
}

TEST_CASE("services: node ports run out with a sentence, and come back") {
  Cluster cluster;
  std::string ports;
  const auto many = [&](int first, int count) {
    std::string list;
    for (int i = 0; i < count; ++i)
      list += fmt::format("{}{{name: p{}, port: {}}}", i ? ", " : "", first + i, first + i);
    return "type: NodePort, ports: [" + list + "]";
  };
  constexpr int kAll = 32767 - 30000 + 1, kEach = 346;  // eight of them
  static_assert(kEach * 8 == kAll);
  for (int i = 0; i < 8; ++i) REQUIRE(cluster.create(fmt::format("s{}", i), many(1, kEach)));
  CHECK(said(cluster.create("late", "type: NodePort, ports: [{port: 80}]")) ==
        "spec.ports[0].nodePort: Invalid value: 0: failed to allocate a port: range is full");
  REQUIRE(cluster.objects.remove(kOwner, cluster.kind, {"services", "default", "s3"}));
  CHECK(cluster.create("late", "type: NodePort, ports: [{port: 80}]"));
}

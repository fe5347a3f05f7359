#include "core/service_rules.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <utility>

#include "base/format.h"
#include "core/refusal.h"

namespace mk::core::rules {
namespace {

using Causes = std::vector<Cause>;

const Json& spec_of(const Json& service) {
  return service["spec"];
}
std::string_view type_of(const Json& service) {
  return spec_of(service)["type"].text("ClusterIP");
}

bool is_external(const Json& service) {
  return has_node_ports(service) || type_of(service) == "LoadBalancer" ||
         (type_of(service) == "ClusterIP" && !spec_of(service)["externalIPs"].empty());
}
bool is_load_balancer(const Json& service) {
  return type_of(service) == "LoadBalancer";
}
bool has_traffic(const Json& service) {
  return type_of(service) != "ExternalName";
}

// ---- what a type brings with it

// A field that only some types have: its default there, and gone elsewhere unless the caller has just set it.
struct Dependent {
  const char* field;
  bool (*has)(const Json& service);
  Json (*fallback)();  // null: none
};
constexpr auto kDependents = std::to_array<Dependent>({
    {"clusterIP", has_cluster_address, nullptr},
    {"clusterIPs", has_cluster_address, nullptr},
    {"ipFamilies", has_cluster_address, nullptr},
    {"ipFamilyPolicy", has_cluster_address, nullptr},
    {"internalTrafficPolicy", has_traffic, [] { return Json("Cluster"); }},
    {"externalTrafficPolicy", is_external, [] { return Json("Cluster"); }},
    {"healthCheckNodePort", has_health_check_port, nullptr},
    {"allocateLoadBalancerNodePorts", is_load_balancer, [] { return Json(true); }},
    {"loadBalancerClass", is_load_balancer, nullptr},
});

// A change of type leaves behind what only the former type had: nobody would clear it by hand.
void drop_former(Json& service, const Json& old) {
  for (const Dependent& row : kDependents) {
    const Json* kept = std::as_const(service)["spec"].find(row.field);
    if (kept && row.has(old) && !row.has(service) && *kept == spec_of(old)[row.field])
      service["spec"].erase(row.field);
  }
  if (!has_node_ports(old) || has_node_ports(service)) return;
  const auto& before = spec_of(old)["ports"].items();
  Json& ports = service["spec"]["ports"];
  const bool untouched = std::ranges::all_of(std::as_const(ports).items(), [&](const Json& port) {
    return port["nodePort"].integer() == 0 ||
           std::ranges::any_of(before, [&](const Json& one) { return one["nodePort"] == port["nodePort"]; });
  });
  if (untouched && std::as_const(ports).is_array())
    for (Json& port : ports.items())
      if (port.is_object()) port.erase("nodePort");
}

// What a caller leaves out of a replacement stays as it was given out.
void keep_given(Json& service, const Json& old) {
  Json& spec = service["spec"];
  const auto keep = [&](const char* field) {
    const Json& now = std::as_const(spec)[field];
    const bool absent =
        now.is_null() || (now.is_string() && now.text().empty()) || (now.is_array() && now.empty());
    if (absent && spec_of(old).contains(field)) spec[field] = spec_of(old)[field];
  };
  if (has_cluster_address(old) && has_cluster_address(service)) {
    const bool named = !std::as_const(spec)["clusterIP"].text().empty();
    keep("clusterIP");
    // A list that only the old address filled says nothing against a new one.
    if (!named || std::as_const(spec)["clusterIP"] == spec_of(old)["clusterIP"]) keep("clusterIPs");
    keep("ipFamilies");
    keep("ipFamilyPolicy");
  }
  if (has_health_check_port(old) && has_health_check_port(service) &&
      std::as_const(spec)["healthCheckNodePort"].integer() == 0)
    keep("healthCheckNodePort");
  if (!has_node_ports(old) || !has_node_ports(service) || !std::as_const(spec)["ports"].is_array()) return;
  for (Json& port : spec["ports"].items()) {
    if (!port.is_object() || std::as_const(port)["nodePort"].integer() != 0) continue;
    for (const Json& one : spec_of(old)["ports"].items())
      if (one["port"] == std::as_const(port)["port"] && one["protocol"] == std::as_const(port)["protocol"] &&
          one["nodePort"].integer() != 0)
        port["nodePort"] = one["nodePort"];
  }
}

void complete_families(Json& spec) {
  if (spec.contains("ipFamilyPolicy") && spec.contains("ipFamilies")) return;
  // Who lists its addresses itself, with None and no selector, may list any kind.
  const bool anything =
      std::as_const(spec)["clusterIP"].text() == "None" && std::as_const(spec)["selector"].empty();
  if (!spec.contains("ipFamilyPolicy"))
    spec["ipFamilyPolicy"] = anything ? "RequireDualStack" : "SingleStack";
  if (!spec.contains("ipFamilies"))
    spec["ipFamilies"] = anything ? Json::array({"IPv4", "IPv6"}) : Json::array({"IPv4"});
}

bool is_address(const Json& value) {
  std::array<unsigned char, 16> bytes{};
  const std::string text(value.text());
  return inet_pton(AF_INET, text.c_str(), bytes.data()) == 1 ||
         inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1;
}

void check_families(const Json& spec, Causes& causes) {
  const bool headless_list = spec["clusterIP"].text() == "None" && spec["selector"].empty();
  if (headless_list) return;
  if (spec["ipFamilyPolicy"].text() == "RequireDualStack")
    causes.push_back(cause_invalid("spec.ipFamilyPolicy", spec["ipFamilyPolicy"],
                                   "this cluster is not configured for dual-stack services"));
  for (size_t i = 0; i < spec["ipFamilies"].size(); ++i)
    if (spec["ipFamilies"][i].text() != "IPv4")
      causes.push_back(cause_invalid(fmt::format("spec.ipFamilies[{}]", i), spec["ipFamilies"][i],
                                     "not configured on this cluster"));
}

void check_node_ports(const Json& service, Causes& causes) {
  const auto& ports = spec_of(service)["ports"].items();
  std::set<std::pair<int64_t, std::string_view>> seen;
  if (has_node_ports(service)) {
    for (size_t i = 0; i < ports.size(); ++i)
      if (const int64_t number = ports[i]["nodePort"].integer();
          number != 0 && !seen.emplace(number, ports[i]["protocol"].text()).second)
        causes.push_back(cause_duplicate(fmt::format("spec.ports[{}].nodePort", i), number));
    return;
  }
  if (is_load_balancer(service)) return;  // may name them though none is given
  for (size_t i = 0; i < ports.size(); ++i)
    if (ports[i]["nodePort"].integer() != 0)
      causes.push_back(cause_forbidden(fmt::format("spec.ports[{}].nodePort", i),
                                       fmt::format("may not be used when `type` is '{}'", type_of(service))));
}

}  // namespace

bool has_cluster_address(const Json& service) {
  return type_of(service) != "ExternalName";
}
bool is_headless(const Json& service) {
  return spec_of(service)["clusterIP"].text() == "None";
}
bool has_node_ports(const Json& service) {
  return type_of(service) == "NodePort" ||
         (is_load_balancer(service) && spec_of(service)["allocateLoadBalancerNodePorts"].boolean(true));
}
bool has_health_check_port(const Json& service) {
  return is_load_balancer(service) && spec_of(service)["externalTrafficPolicy"].text() == "Local";
}

void complete_service(Json& service, const Json* old) {
  if (!std::as_const(service)["spec"].is_object()) return;
  Json& spec = service["spec"];
  if (old) {
    drop_former(service, *old);
    keep_given(service, *old);
  }
  for (const Dependent& row : kDependents)
    if (row.fallback && row.has(service) && !spec.contains(row.field)) spec[row.field] = row.fallback();
  if (std::as_const(spec)["sessionAffinity"].text() == "ClientIP" && !spec.contains("sessionAffinityConfig"))
    spec["sessionAffinityConfig"] = Json::object({{"clientIP", Json::object({{"timeoutSeconds", 10800}})}});
  if (std::as_const(spec)["ports"].is_array())
    for (Json& port : spec["ports"].items()) {
      if (!port.is_object()) continue;
      const Json& target = std::as_const(port)["targetPort"];
      const bool absent =
          target.is_null() || target == Json(0) || (target.is_string() && target.text().empty());
      if (absent && port.contains("port")) port["targetPort"] = std::as_const(port)["port"];
    }
  if (!has_cluster_address(service)) return;
  // clusterIP is the first of clusterIPs; people write either.
  const bool first = !std::as_const(spec)["clusterIP"].text().empty();
  const bool list = std::as_const(spec)["clusterIPs"].size() > 0;
  if (first && !list) spec["clusterIPs"] = Json::array({std::as_const(spec)["clusterIP"]});
  if (list && !first && !old) spec["clusterIP"] = std::as_const(spec)["clusterIPs"][0];
  complete_families(spec);
}

void check_service_addresses(const Json& service, const Json* old, Causes& causes) {
  const Json& spec = spec_of(service);
  const Json& list = spec["clusterIPs"];
  check_node_ports(service, causes);
  if (!has_cluster_address(service)) {
    for (const char* field : {"clusterIP", "clusterIPs"})
      if (spec.contains(field) && !spec[field].text("-").empty())
        causes.push_back(
            cause_forbidden(std::string("spec.") + field, "may not be set when `type` is 'ExternalName'"));
    return;
  }
  check_families(spec, causes);
  if (!list.empty() && list[0] != spec["clusterIP"])
    return causes.push_back(cause_invalid("spec.clusterIPs", list, "first value must match `clusterIP`"));
  if (is_headless(service)) {
    if (type_of(service) != "ClusterIP")
      causes.push_back(
          cause_invalid("spec.clusterIPs[0]", "None",
                        fmt::format("may not be set to 'None' for {} services", type_of(service))));
    if (list.size() > 1)
      causes.push_back(cause_invalid("spec.clusterIPs", list, "'None' must be the first and only value"));
  } else {
    for (size_t i = 0; i < list.size(); ++i)
      if (!is_address(list[i]))
        causes.push_back(cause_invalid(fmt::format("spec.clusterIPs[{}]", i), list[i],
                                       "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"));
    if (list.size() > 1)
      causes.push_back(
          cause_invalid("spec.clusterIPs", list, "may only hold one value: this cluster is not dual-stack"));
  }
  if (old && has_cluster_address(*old) && !spec_of(*old)["clusterIP"].text().empty() &&
      spec_of(*old)["clusterIP"] != spec["clusterIP"])
    causes.push_back(cause_invalid("spec.clusterIPs[0]", list, "may not change once set"));
}

}  // namespace mk::core::rules

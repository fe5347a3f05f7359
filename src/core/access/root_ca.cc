#include "core/access/root_ca.h"

namespace mk::core {
namespace {

constexpr const char* kConfigMaps = "configmaps";

Json wanted(const std::string& space, const std::string& ca_pem) {
  return Json::object(
      {{"apiVersion", "v1"},
       {"kind", "ConfigMap"},
       {"metadata",
        Json::object({{"name", kRootCaName},
                      {"namespace", space},
                      {"annotations",
                       Json::object({{"kubernetes.io/description",
                                      "The authority by whose certificates this server is known."}})}})},
       {"data", Json::object({{"ca.crt", ca_pem}})}});
}

Key key_of_map(const std::string& space) {
  return {kConfigMaps, space, kRootCaName};
}

Result<Again> reconcile(World& world, const Key& key, const std::string& ca_pem) {
  const ObjectRef space = world.reader.get(key);
  if (!space || space->json().at({"metadata", "deletionTimestamp"}).is_string()) return Again::never();
  Json object = wanted(key.name, ca_pem);
  const ObjectRef found = world.reader.get(key_of_map(key.name));
  if (!found) {
    const auto made = world.writer.create(std::move(object));
    if (!made && made.error().code != Code::kAlreadyExists) return Failure(made.error());
    return Again::never();
  }
  Json now = found->json();
  const auto same = [&](const char* field) {
    return std::as_const(now)[field] == std::as_const(object)[field];
  };
  if (same("data") && !std::as_const(now).contains("binaryData")) return Again::never();
  if (std::as_const(now)["immutable"].boolean()) {  // made anew when it is gone
    MK_OK(world.writer.remove(key_of_map(key.name), found->uid));
    return Again::never();
  }
  now["data"] = std::as_const(object)["data"];
  now.erase("binaryData");
  MK_OK(world.writer.update(std::move(now)));
  return Again::never();
}

}  // namespace

Controller root_ca_controller(std::string ca_pem) {
  Controller controller;
  controller.name = "root-ca";
  controller.resource = "namespaces";
  controller.related.push_back(
      {kConfigMaps, false, [](const Reader&, const store::Object& map) -> std::vector<Key> {
         if (map.key.name != kRootCaName) return {};
         return {Key{"namespaces", "", map.key.space}};
       }});
  controller.reconcile = [ca_pem = std::move(ca_pem)](World& world, const Key& key) {
    return reconcile(world, key, ca_pem);
  };
  return controller;
}

}  // namespace mk::core

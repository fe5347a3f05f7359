#include "core/access/accounts.h"

namespace mk::core {
namespace {

constexpr const char* kName = "default";

Result<Again> reconcile(World& world, const Key& key) {
  const ObjectRef space = world.reader.get(key);
  if (!space || space->json().at({"metadata", "deletionTimestamp"}).is_string()) return Again::never();
  if (world.reader.get({"serviceaccounts", key.name, kName})) return Again::never();
  auto made = world.writer.create(
      Json::object({{"apiVersion", "v1"},
                    {"kind", "ServiceAccount"},
                    {"metadata", Json::object({{"name", kName}, {"namespace", key.name}})}}));
  if (!made && made.error().code != Code::kAlreadyExists) return Failure(std::move(made).error());
  return Again::never();
}

}  // namespace

Controller default_account_controller() {
  Controller controller;
  controller.name = "default-service-account";
  controller.resource = "namespaces";
  controller.related.push_back(
      {"serviceaccounts", false, [](const Reader&, const store::Object& account) -> std::vector<Key> {
         if (account.key.name != kName) return {};
         return {Key{"namespaces", "", account.key.space}};
       }});
  controller.reconcile = reconcile;
  return controller;
}

}  // namespace mk::core

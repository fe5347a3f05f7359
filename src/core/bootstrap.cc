#include "core/bootstrap.h"

namespace mk::core {

Result<void> make_first_objects(Objects& objects) {
  constexpr std::string_view kNamespaces[] = {"default", "kube-system", "kube-public"};
  const kinds::Kind& kind = *kinds::find_resource("namespaces");
  const Identity who = Identity::system("bootstrap");
  store::Txn txn;
  for (std::string_view name : kNamespaces) {
    const Key key{"namespaces", "", std::string(name)};
    if (objects.get(key)) continue;
    Json object = Json::object(
        {{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", Json::object({{"name", name}})}});
    // A dry run completes and checks the object; the write of all of them is one.
    auto made = objects.create(who, kind, "", std::move(object), {.dry_run = true});
    if (!made) return fail(std::move(made).error().error);
    txn.objects.push_back({store::ObjectOp::Kind::kCreate, key, made->object->json(), {}});
  }
  if (txn.objects.empty()) return {};
  MK_TRY(const auto committed, objects.store().commit(std::move(txn)));
  (void)committed;
  return {};
}

}  // namespace mk::core

#include "core/store_access.h"

#include "base/format.h"

namespace mk::core {
namespace {

Result<const kinds::Kind*> kind_of(const Json& object) {
  if (const kinds::Kind* kind = kinds::find_kind_of(object)) return kind;
  return invalid(fmt::format("{} {} is no kind that is served here", object["apiVersion"].text(),
                             object["kind"].text()));
}

Result<ObjectRef> outcome(Admitted<Written> written) {
  if (!written) return Failure(std::move(written).error().error);
  return std::move(written->object);
}

Result<void> has_version(const Json& object) {
  if (object.at({"metadata", "resourceVersion"}).is_string()) return {};
  return invalid(
      fmt::format("an update of {} names no resourceVersion", object.at({"metadata", "name"}).text()));
}

// Our own objects have no unknown fields. What controllers make has no managedFields, which would double it;
// where a client's object has them, they say what controllers changed.
const WriteOptions kOptions{.field_validation = FieldValidation::kStrict};
const WriteOptions kUpdateOptions{.manager = {.name = "controller-manager"},
                                  .field_validation = FieldValidation::kStrict};

}  // namespace

Result<ObjectRef> StoreWriter::create(Json object) {
  MK_TRY(const kinds::Kind* kind, kind_of(object));
  const std::string space(std::as_const(object).at({"metadata", "namespace"}).text());
  return outcome(objects_.create(identity_, *kind, space, std::move(object), kOptions));
}

Result<ObjectRef> StoreWriter::update(Json object) {
  MK_TRY(const kinds::Kind* kind, kind_of(object));
  MK_OK(has_version(object));
  return outcome(objects_.update(identity_, *kind, std::move(object), kUpdateOptions));
}

Result<ObjectRef> StoreWriter::update_status(Json object) {
  MK_TRY(const kinds::Kind* kind, kind_of(object));
  MK_OK(has_version(object));
  return outcome(objects_.update_status(identity_, *kind, std::move(object), kUpdateOptions));
}

Result<void> StoreWriter::remove(const Key& key, std::optional<std::string> if_uid,
                                 std::optional<int64_t> grace_period_s) {
  const kinds::Kind* kind = kinds::find_resource(key.resource);
  if (!kind) return invalid(fmt::format("{} is no kind that is served here", key.resource));
  auto removed =
      objects_.remove(identity_, *kind, key, {.grace_period_s = grace_period_s, .if_uid = std::move(if_uid)});
  if (!removed) return Failure(std::move(removed).error().error);
  return {};
}

}  // namespace mk::core

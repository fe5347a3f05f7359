#include "store/stored.h"

#include <algorithm>

#include "base/format.h"
#include "store/limits.h"

namespace mk::store {

std::string Key::text() const {
  return space.empty() ? resource + " " + name : resource + " " + space + "/" + name;
}

Json Object::json() const {
  auto parsed = Json::parse(
      body, ParseLimits{.bytes_max = kObjectBytesMax + 64, .depth_max = 128, .nodes_max = SIZE_MAX});
  MK_CHECK(parsed.has_value());  // we printed it
  return *std::move(parsed);
}

namespace {

// The body with an empty resourceVersion, and where its digits go.
std::string print_without_version(const Json& body, size_t& version_at) {
  std::string out;
  auto key = [&out](std::string_view name, bool first) {
    if (!first) out += ',';
    append_json_string(out, name);
    out += ':';
  };
  out += '{';
  bool first = true;
  for (const auto& [name, value] : body.members()) {
    key(name, first);
    first = false;
    if (name != "metadata") {
      value.dump_to(out);
      continue;
    }
    out += '{';
    bool first_inside = true;
    for (const auto& [inner, field] : value.members()) {
      key(inner, first_inside);
      first_inside = false;
      if (inner != "resourceVersion") {
        field.dump_to(out);
      } else {
        out += '"';
        version_at = out.size();
        out += '"';
      }
    }
    out += '}';
  }
  out += '}';
  return out;
}

}  // namespace

Result<std::shared_ptr<Stored>> draft(Key key, Json body) {
  if (key.resource.empty() || key.name.empty()) return invalid("an object needs a resource and a name");
  if (!body.is_object() || !body["metadata"].is_object()) return invalid(key.text() + " has no metadata");
  auto object = std::make_shared<Stored>();
  object->uid = body["metadata"]["uid"].text();
  if (object->uid.empty()) return invalid(key.text() + " has no metadata.uid");
  body["metadata"]["resourceVersion"] = "";
  std::string printed = print_without_version(body, object->version_at);
  if (printed.size() > kObjectBytesMax) {
    return fail(
        Code::kTooLarge, "object_too_large",
        fmt::format("{} has {} bytes; at most {} are kept", key.text(), printed.size(), kObjectBytesMax));
  }
  object->body.reserve(printed.size() +
                       20);  // room for any version: printing grows by doubling, and bodies stay
  object->body = printed;
  const Json& metadata = std::as_const(body)["metadata"];
  for (const auto& [name, value] : metadata["labels"].members()) {
    object->labels.emplace_back(name, value.text());  // members are sorted
  }
  for (const Json& owner : metadata["ownerReferences"].items()) {
    if (!owner["uid"].text().empty()) object->owners.emplace_back(owner["uid"].text());
  }
  object->key = std::move(key);
  return object;
}

void seal(Stored& object, Version version, int64_t row) {
  std::string digits = std::to_string(version);
  object.body.replace(object.version_at, object.version_digits, digits);
  object.version_digits = digits.size();
  object.version = version;
  object.row = row;
}

StoredRef with_version(const Stored& object, Version version) {
  auto copy = std::make_shared<Stored>(object);
  seal(*copy, version, object.row);
  return copy;
}

Result<StoredRef> restore(Key key, std::string_view body, Version version, int64_t row) {
  ParseLimits limits{.bytes_max = kObjectBytesMax + 64, .depth_max = 128, .nodes_max = SIZE_MAX};
  MK_TRY(Json parsed, Json::parse(body, limits));
  MK_TRY(auto object, draft(std::move(key), std::move(parsed)));
  seal(*object, version, row);
  return object;
}

}  // namespace mk::store

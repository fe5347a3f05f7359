#include "api/kubernetes/scale.h"

#include "api/kubernetes/fields.h"
#include "api/kubernetes/limits.h"
#include "api/kubernetes/media.h"
#include "api/kubernetes/query.h"
#include "api/kubernetes/status.h"
#include "api/kubernetes/writes.h"
#include "base/format.h"

namespace mk::api::kubernetes {
namespace {

std::string selector_text(const Json& selector) {
  std::string out;
  for (const auto& [key, value] : selector["matchLabels"].members())
    out += fmt::format("{}{}={}", out.empty() ? "" : ",", key, value.text());
  return out;
}

const Json& value_at(const Json& object, const std::vector<std::string>& path) {
  const Json* here = &object;
  for (const std::string& field : path) here = &(*here)[std::string_view(field)];
  return *here;
}

// What the client wants to be true of the object, out of the Scale it sent.
Result<void> take_over(const kinds::Kind& kind, Json& object, const Json& scale) {
  // Go clients leave a zero out, so a spec without replicas means 0; a Scale without a spec means nothing.
  if (!scale["spec"].is_object()) return invalid("the Scale has no spec that is an object");
  const Json& replicas = scale.at({"spec", "replicas"});
  if (!replicas.is_null() && !replicas.is_int())
    return fail(
        Error{Code::kInvalidArgument, "invalid_object", "spec.replicas must be a whole number"}.at_field(
            "spec.replicas"));
  if (replicas.integer() < 0)
    return fail(
        Error{Code::kInvalidArgument, "invalid_scale",
              fmt::format("Invalid value: {}: must be greater than or equal to 0", replicas.integer())}
            .at_field("spec.replicas"));
  const Json& metadata = scale["metadata"];
  if (metadata["name"].is_string() && metadata["name"] != object.at({"metadata", "name"}))
    return invalid("the name of the provided Scale does not match the name on the URL");
  Json* here = &object;
  for (const std::string& field : kind.replicas_path) {
    if (!here->is_null() && !here->is_object()) return invalid("the object has no spec to scale");
    here = &(*here)[std::string_view(field)];
  }
  *here = replicas.integer();
  // Pins the version, so that a stale Scale is refused instead of tried again.
  if (metadata["resourceVersion"].is_string())
    object["metadata"]["resourceVersion"] = metadata["resourceVersion"];
  return {};
}

}  // namespace

Json scale_of(const kinds::Kind& kind, const Json& object) {
  const Json& from = object["metadata"];
  Json metadata = Json::object();
  for (const char* key : {"name", "namespace", "uid", "resourceVersion", "creationTimestamp"})
    if (const Json* value = from.find(key)) metadata[key] = *value;
  Json status = Json::object({{"replicas", value_at(object, kind.current_replicas_path).integer()}});
  const std::string selector = kind.selector_path.empty()
                                   ? selector_text(object.at({"spec", "selector"}))
                                   : std::string(value_at(object, kind.selector_path).text());
  if (!selector.empty()) status["selector"] = selector;
  Json spec = Json::object();
  // As Go writes it: nothing for 0.
  if (const Json& replicas = value_at(object, kind.replicas_path); replicas.integer(0) != 0)
    spec["replicas"] = replicas;
  return Json::object({{"kind", "Scale"},
                       {"apiVersion", "autoscaling/v1"},
                       {"metadata", std::move(metadata)},
                       {"spec", std::move(spec)},
                       {"status", std::move(status)}});
}

net::Response Scales::get(const Target& target, const Place& place, const net::Request& request,
                          const Caller& caller) const {
  const auto wanted = negotiate(request.headers.get("Accept"), {});
  if (!wanted) return refuse(wanted.error());
  const auto object = objects_.read(caller.identity, *target.kind, place.key(target), "scale");
  if (!object) return refuse(object.error(), about(*target.kind, place.name));
  return write_body(scale_of(*target.kind, (*object)->json()).dump(), *wanted);
}

net::Response Scales::replace(const Target& target, const Place& place, const net::Request& request,
                              const Caller& caller) {
  const auto scale = read_body(request);
  if (!scale) return refuse(scale.error(), about(*target.kind, place.name));
  return change(target, place, request, caller, [&](Json) -> Result<Json> { return *scale; });
}

net::Response Scales::patch(const Target& target, const Place& place, const net::Request& request,
                            const Caller& caller) {
  const std::string type = media_type(request.headers.get("Content-Type"));
  if (type == kApplyType) return apply(target, place, request, caller);
  std::vector<std::string> duplicates;
  const auto patch = read_patch_body(type.ends_with("patch+json") ? request.body : "{}", duplicates);
  if (!patch) return refuse(patch.error(), about(*target.kind, place.name));
  return change(target, place, request, caller, [&](Json scale) {
    return apply_patch(std::move(scale), type, *patch, find_message("autoscaling.Scale"));
  });
}

// What a Scale says of the object is its replicas.
net::Response Scales::apply(const Target& target, const Place& place, const net::Request& request,
                            const Caller& caller) {
  const About object_about = about(*target.kind, place.name);
  const auto query = query_of(request);
  if (!query) return refuse(query.error(), object_about);
  if (auto refused = check_patch_query(*query, true)) return std::move(*refused);
  const auto options = write_options(request, *query, target, "patch", "scale");
  if (!options) return refuse(options.error(), object_about);
  const auto wanted = negotiate(request.headers.get("Accept"), {});
  if (!wanted) return refuse(wanted.error(), object_about);
  const auto scale = read_apply(request.body);
  if (!scale) return refuse(scale.error(), object_about);
  Json config = Json::object({{"apiVersion", target.kind->api_version()},
                              {"kind", target.kind->kind},
                              {"metadata", Json::object({{"name", place.name}})},
                              {"spec", Json::object()}});
  if (!place.space.empty()) config["metadata"]["namespace"] = place.space;
  if (const auto taken = take_over(*target.kind, config, *scale); !taken)
    return refuse(taken.error(), object_about);
  const bool force = query_boolean(*query, "force").value_or(false);
  const auto written =
      objects_.apply(caller.identity, *target.kind, place.key(target), config, force, *options);
  if (!written) return refuse(written.error(), object_about);
  return write_body(scale_of(*target.kind, written->object->json()).dump(), *wanted);
}

net::Response Scales::change(const Target& target, const Place& place, const net::Request& request,
                             const Caller& caller, const std::function<Result<Json>(Json)>& edit) {
  const About object_about = about(*target.kind, place.name);
  const auto query = query_of(request);
  if (!query) return refuse(query.error(), object_about);
  const auto options = write_options(request, *query, target, "update", "scale");
  if (!options) return refuse(options.error(), object_about);
  const auto wanted = negotiate(request.headers.get("Accept"), {});
  if (!wanted) return refuse(wanted.error(), object_about);
  const auto apply = [&](Json object) -> core::Admitted<Json> {
    // The version stays out of what is edited: only one that the client sent itself pins the write.
    Json before = scale_of(*target.kind, object);
    before["metadata"].erase("resourceVersion");
    auto scale = edit(std::move(before));
    if (!scale) return std::unexpected(core::Refusal{scale.error(), {}});
    if (const auto taken = take_over(*target.kind, object, *scale); !taken) {
      const Error& error = taken.error();
      if (error.reason != "invalid_scale") return std::unexpected(core::Refusal{error, {}});
      return std::unexpected(core::Refusal{Error{error.code, error.reason,
                                                 fmt::format("Scale.autoscaling \"{}\" is invalid: {}: {}",
                                                             place.name, error.field, error.message)},
                                           {{error.field, "FieldValueInvalid", error.message}}});
    }
    return object;
  };
  const auto written =
      objects_.modify(caller.identity, *target.kind, place.key(target), false, apply, *options);
  if (!written && written.error().error.reason == "invalid_scale")
    return refuse(written.error(), {"autoscaling", {}, "Scale", place.name});
  if (!written) return refuse(written.error(), object_about);
  return write_body(scale_of(*target.kind, written->object->json()).dump(), *wanted);
}

}  // namespace mk::api::kubernetes

#include "api/kubernetes/writes.h"

#include <algorithm>

#include "api/kubernetes/fields.h"
#include "api/kubernetes/limits.h"
#include "api/kubernetes/media.h"
#include "api/kubernetes/patch.h"
#include "api/kubernetes/query.h"
#include "api/kubernetes/reads.h"
#include "api/kubernetes/status.h"
#include "base/format.h"

namespace mk::api::kubernetes {
namespace {

constexpr std::string_view kPatchTypes =
    "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json";

// Sets `key` of `parent` when it is missing or empty, else it must be `wanted`.
Result<void> agree(Json& parent, std::string_view key, const std::string& wanted, std::string_view problem) {
  const Json& value = std::as_const(parent)[key];
  if (!value.is_null() && !value.is_string())
    return invalid(fmt::format("{} must be a string, not {}", key, value.type_name()));
  if (value.text().empty()) {
    if (wanted.empty())
      parent.erase(key);
    else
      parent[key] = wanted;
    return {};
  }
  if (value.text() == wanted) return {};
  return invalid(fmt::format("the {} of the provided object ({}) does not match {} ({})", key, value.text(),
                             problem, wanted));
}

// An object must be what its address says; what it leaves open is filled in.
Result<void> fit(Json& object, const Target& target, const Place& place) {
  if (!object.is_object()) return invalid("the result is no object");
  MK_OK(agree(object, "apiVersion", target.api_version(), "the expected API version"));
  MK_OK(agree(object, "kind", target.kind->kind, "the expected kind"));
  Json& metadata = object["metadata"];
  if (metadata.is_null()) metadata = Json::object();
  if (!metadata.is_object())
    return invalid(fmt::format("metadata must be an object, not {}", metadata.type_name()));
  MK_OK(agree(metadata, "namespace", place.space, "the namespace sent on the request"));
  if (!place.name.empty()) MK_OK(agree(metadata, "name", place.name, "the name on the URL"));
  object["apiVersion"] = target.kind->api_version();
  return {};
}

// What every write needs before it starts.
struct Asked {
  net::Query query;
  Encoder encoder;
  core::WriteOptions options;
};

Result<Asked> understand(const Target& target, const net::Request& request, const os::Clock& clock) {
  MK_TRY(net::Query query, query_of(request));
  MK_TRY(Encoder encoder, choose_encoder(target, request, query, clock));
  MK_TRY(core::WriteOptions options, parse_write_query(query));
  return Asked{std::move(query), std::move(encoder), std::move(options)};
}

net::Response answer(const core::Admitted<core::Written>& written, const Asked& asked, const About& object,
                     int status) {
  if (!written) return refuse(written.error(), object);
  net::Response response = write_body(asked.encoder.one(*written->object), asked.encoder.wanted(), status);
  add_warnings(response, written->warnings);
  return response;
}

Result<core::RemoveOptions> parse_remove(const net::Request& request, const net::Query& query) {
  Json body = Json::object();
  if (!request.body.empty()) {
    MK_TRY(body, read_body(request));
  }
  core::RemoveOptions out;
  MK_TRY(const core::WriteOptions write, parse_write_query(query));
  out.dry_run = write.dry_run;
  for (const Json& mode : body["dryRun"].items()) {
    if (mode.text() != "All") return invalid("dryRun knows only All");
    out.dry_run = true;
  }
  std::string_view policy = body["propagationPolicy"].text(query.get("propagationPolicy"));
  if (policy.empty() && (body["orphanDependents"].boolean() || query.get("orphanDependents") == "true"))
    policy = "Orphan";
  if (policy == "Orphan")
    out.propagation = core::Propagation::kOrphan;
  else if (policy == "Foreground")
    out.propagation = core::Propagation::kForeground;
  else if (!policy.empty() && policy != "Background")
    return invalid(
        fmt::format("propagationPolicy is \"{}\"; it is Background, Foreground or Orphan", policy));
  MK_TRY(out.grace_period_s, query_integer(query, "gracePeriodSeconds"));
  if (const Json* grace = body.find("gracePeriodSeconds"); grace && !grace->is_null()) {
    if (!grace->is_int()) return invalid("gracePeriodSeconds must be a whole number");
    out.grace_period_s = grace->integer();
  }
  if (out.grace_period_s.value_or(0) < 0) return invalid("gracePeriodSeconds must be at least 0");
  const Json& conditions = body["preconditions"];
  if (conditions["uid"].is_string()) out.if_uid = conditions["uid"].text();
  if (conditions["resourceVersion"].is_string()) out.if_version = conditions["resourceVersion"].text();
  return out;
}

}  // namespace

void add_warnings(net::Response& response, const std::vector<std::string>& warnings) {
  size_t bytes = 0;
  for (size_t i = 0; i < std::min(warnings.size(), kWarningsMax); ++i) {
    std::string quoted;
    for (const char c : warnings[i]) {
      if (c == '"' || c == '\\') quoted += '\\';
      quoted += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
    }
    bytes += quoted.size();
    if (bytes > kWarningBytesMax) return;
    response.headers.add("Warning", fmt::format("299 - \"{}\"", quoted));
  }
}

Result<Json> apply_patch(Json object, std::string_view content_type, const Json& patch,
                         const Message* message) {
  if (content_type == "application/json-patch+json") return json_patch(std::move(object), patch);
  if (!patch.is_object())
    return fail(Code::kInvalidArgument, "invalid_patch", "the patch must be a JSON object");
  if (content_type == "application/merge-patch+json") return merge_patch(std::move(object), patch);
  if (content_type == "application/strategic-merge-patch+json" && message)
    return strategic_patch(std::move(object), patch, *message);
  const auto unsupported = [](const char* what, const char* hint) {
    return fail(Error{Code::kInvalidArgument, "unsupported_media_type", what}.with_hint(hint));
  };
  if (content_type == "application/strategic-merge-patch+json")
    return unsupported("strategic merge patches need a built-in kind", "send a merge patch or a JSON patch");
  if (content_type == "application/apply-patch+yaml")
    return unsupported("server-side apply is not supported yet", "apply without --server-side");
  return fail(unsupported_media(content_type, kPatchTypes));
}

net::Response Writes::create(const Target& target, const Place& place, const net::Request& request,
                             const Caller& caller) {
  const auto asked = understand(target, request, objects_.clock());
  if (!asked) return refuse(asked.error(), about(*target.kind));
  auto object = read_body(request);
  if (!object) return refuse(object.error(), about(*target.kind));
  if (const auto fits = fit(*object, target, place); !fits) return refuse(fits.error(), about(*target.kind));
  const std::string name(object->at({"metadata", "name"}).text());
  return answer(
      objects_.create(caller.identity, *target.kind, place.space, std::move(*object), asked->options), *asked,
      about(*target.kind, name), 201);
}

net::Response Writes::replace(const Target& target, const Place& place, bool status,
                              const net::Request& request, const Caller& caller) {
  const About object_about = about(*target.kind, place.name);
  const auto asked = understand(target, request, objects_.clock());
  if (!asked) return refuse(asked.error(), object_about);
  auto object = read_body(request);
  if (!object) return refuse(object.error(), object_about);
  if (const auto fits = fit(*object, target, place); !fits) return refuse(fits.error(), object_about);
  auto written =
      status ? objects_.update_status(caller.identity, *target.kind, std::move(*object), asked->options)
             : objects_.update(caller.identity, *target.kind, std::move(*object), asked->options);
  return answer(written, *asked, object_about, 200);
}

net::Response Writes::patch(const Target& target, const Place& place, bool status,
                            const net::Request& request, const Caller& caller) {
  const About object_about = about(*target.kind, place.name);
  const auto asked = understand(target, request, objects_.clock());
  if (!asked) return refuse(asked.error(), object_about);
  const std::string type = media_type(request.headers.get("Content-Type"));
  const Message* message = message_of_kind(target.kind->group, target.kind->kind);
  // Says what is wrong with the type before it complains about a body that is no JSON at all.
  if (!type.ends_with("patch+json"))
    return refuse(apply_patch(Json::object(), type, Json::object(), message).error(), object_about);
  const auto change_with = Json::parse(request.body, kBodyLimits);
  if (!change_with) return refuse(change_with.error(), object_about);
  const auto change = [&](Json object) -> core::Admitted<Json> {
    object["apiVersion"] = target.api_version();
    auto patched = apply_patch(std::move(object), type, *change_with, message);
    if (!patched) return std::unexpected(core::Refusal{patched.error(), {}});
    if (const auto fits = fit(*patched, target, place); !fits)
      return std::unexpected(core::Refusal{fits.error(), {}});
    return std::move(*patched);
  };
  return answer(
      objects_.modify(caller.identity, *target.kind, place.key(target), status, change, asked->options),
      *asked, object_about, 200);
}

net::Response Writes::remove(const Target& target, const Place& place, const net::Request& request,
                             const Caller& caller) {
  About object_about = about(*target.kind, place.name);
  const auto asked = understand(target, request, objects_.clock());
  if (!asked) return refuse(asked.error(), object_about);
  const auto options = parse_remove(request, asked->query);
  if (!options) return refuse(options.error(), object_about);
  const auto removed = objects_.remove(caller.identity, *target.kind, place.key(target), *options);
  if (!removed) return refuse(removed.error(), object_about);
  // With finalizers it is still there: the client gets the object and waits for it to go.
  const store::ObjectRef left = objects_.get(place.key(target));
  if (left && left->uid == (*removed)->uid && !options->dry_run)
    return write_body(asked->encoder.one(*left), asked->encoder.wanted());
  object_about.uid = (*removed)->uid;
  return succeed(object_about);
}

net::Response Writes::remove_collection(const Target& target, const std::string& space,
                                        const net::Request& request, const Caller& caller) {
  const auto asked = understand(target, request, objects_.clock());
  if (!asked) return refuse(asked.error(), about(*target.kind));
  const auto query = ListQuery::parse(asked->query, *target.kind);
  if (!query) return refuse(query.error(), about(*target.kind));
  const auto options = parse_remove(request, asked->query);
  if (!options) return refuse(options.error(), about(*target.kind));
  const std::optional<std::string> selected = target.kind->namespaced ? std::optional(space) : std::nullopt;
  const store::Listing listing = objects_.store().list({target.kind->resource(), selected});
  std::vector<store::ObjectRef> removed;
  for (const store::ObjectRef& object : listing.objects) {
    if (!query->selector.matches(*object)) continue;
    auto last = objects_.remove(caller.identity, *target.kind, object->key, *options);
    if (last)
      removed.push_back(*last);
    else if (last.error().error.code != Code::kNotFound)
      return refuse(last.error(), about(*target.kind, object->key.name));
  }
  return write_body(asked->encoder.list({removed, objects_.store().version(), {}, 0}),
                    asked->encoder.wanted());
}

}  // namespace mk::api::kubernetes

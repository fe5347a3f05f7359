#include "api/kubernetes/writes.h"

#include <algorithm>
#include <mutex>

#include "api/kubernetes/fields.h"
#include "api/kubernetes/go_words.h"
#include "api/kubernetes/limits.h"
#include "api/kubernetes/media.h"
#include "api/kubernetes/patch.h"
#include "api/kubernetes/query.h"
#include "api/kubernetes/reads.h"
#include "api/kubernetes/status.h"
#include "base/format.h"
#include "base/json_duplicates.h"
#include "base/yaml.h"
#include "core/managed/managers.h"
#include "core/refusal.h"

namespace mk::api::kubernetes {
namespace {

constexpr const char* kOtherKind =
    "other_kind";  // an Error's reason: the body is of another kind than its address

// "v1" of "apps/v1".
std::string_view version_of(std::string_view api_version) {
  return api_version.substr(api_version.find('/') + 1);
}

constexpr std::string_view kPlainPatchTypes =  // of kinds whose fields only their schema knows
    "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";
constexpr std::string_view kPatchTypes =
    "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, "
    "application/apply-patch+yaml";

// Upstream reads a body into its types first: what they cannot hold is no bad field, but a bad body.
Error unrecognised(const Error& error, const kinds::Kind& kind, std::string_view body) {
  if (error.reason != kUnreadableBody) return error;
  return {error.code, error.reason,
          fmt::format("the object provided is unrecognized (must be of type {}): {} ({})", kind.kind,
                      error.message, summary(body))};
}

// Sets `key` of `parent` when it is missing or empty, else it must be `wanted`; `problem` says what it is
// not.
template <typename Problem>
Result<void> agree(Json& parent, std::string_view key, const std::string& wanted, const Problem& problem) {
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
  return fail(Code::kInvalidArgument, key == "kind" || key == "apiVersion" ? kOtherKind : "invalid",
              problem(value.text()));
}

Error wrong_name(std::string_view name, const Place& place) {
  return {
      Code::kInvalidArgument, "invalid",
      fmt::format("the name of the object ({}) does not match the name on the URL ({})", name, place.name)};
}

// An object must be what its address says; what it leaves open is filled in.
Result<void> fit(Json& object, const Target& target, const Place& place) {
  if (!object.is_object()) return invalid("the result is no object");
  const auto problem = [&](std::string_view) {
    return other_kind_problem(object, *target.kind, target.api_version());
  };
  MK_OK(agree(object, "apiVersion", target.api_version(), problem));
  MK_OK(agree(object, "kind", target.kind->kind, problem));
  Json& metadata = object["metadata"];
  if (metadata.is_null()) metadata = Json::object();
  if (!metadata.is_object())
    return invalid(fmt::format("metadata must be an object, not {}", metadata.type_name()));
  MK_OK(agree(metadata, "namespace", place.space, [](std::string_view) {
    return "the namespace of the provided object does not match the namespace sent on the request";
  }));
  if (!place.name.empty()) {
    MK_OK(agree(metadata, "name", place.name,
                [&](std::string_view name) { return wrong_name(name, place).message; }));
  }
  object["apiVersion"] = target.kind->api_version();
  if (target.conversion) target.conversion->to_stored(object);
  return {};
}

// An object in a body must fit, too; what it is instead stands in the sentence.
Result<void> fit_body(Json& object, const Target& target, const Place& place) {
  auto fits = fit(object, target, place);
  if (fits || fits.error().reason != kOtherKind || target.kind->custom) return fits;
  const Json& given = object;
  return fail(Code::kInvalidArgument, kOtherKind,
              not_handled(given["kind"].text(target.kind->kind),
                          version_of(given["apiVersion"].text(target.api_version())), *target.kind,
                          fits.error().message));
}

// What wrote, from "kubectl/v1.37.1 (linux/amd64) ...": kubectl.
std::string program_of(std::string_view user_agent) {
  std::string out;
  for (const char c : user_agent.substr(0, std::min(user_agent.find('/'), kManagerBytesMax)))
    if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) out += c;
  return out.empty() ? "unknown" : out;
}

}  // namespace

Result<core::WriteOptions> write_options(const net::Request& request, const net::Query& query,
                                         const Target& target, std::string_view options_of,
                                         std::string_view subresource) {
  MK_TRY(core::WriteOptions options, parse_write_query(query, options_of));
  if (options.manager.name.empty()) options.manager.name = program_of(request.headers.get("User-Agent"));
  options.manager.api_version = target.api_version();
  options.manager.subresource = subresource;
  return options;
}

std::optional<net::Response> check_patch_query(const net::Query& query, bool apply) {
  std::vector<core::Cause> causes;
  const std::string_view manager = query.get("fieldManager");
  if (apply && manager.empty())
    causes.push_back({"fieldManager", "FieldValueRequired", "Required value: is required for apply patch"});
  if (!apply && query.has("force"))
    causes.push_back({"force", "FieldValueForbidden", "Forbidden: may not be specified for non-apply patch"});
  if (const auto force = query_boolean(query, "force"); !force) return refuse(force.error());
  if (causes.empty()) return {};
  return refuse(Error{Code::kInvalidArgument, "invalid_object",
                      fmt::format("PatchOptions.meta.k8s.io \"\" is invalid: {}: {}", causes.front().field,
                                  causes.front().message)},
                {"meta.k8s.io", "", "PatchOptions", {}, {}}, causes);
}

Result<Json> read_patch_body(std::string_view body, std::vector<std::string>& duplicates) {
  auto patch = parse_with_duplicates(body, kBodyLimits, duplicates);
  const std::string problem = patch ? std::string() : json_problem(body);
  if (problem.empty()) return patch;
  return fail(Code::kInvalidArgument, "invalid_patch", "error decoding patch: " + problem);
}

Result<Json> read_apply(std::string_view body) {
  const size_t start = body.find_first_not_of(" \t\r\n");
  if (start != std::string_view::npos && body[start] == '{')
    if (auto json = Json::parse(body, kBodyLimits)) return json;
  auto documents_read = parse_yaml(body, kBodyLimits);
  if (const std::string problem =
          documents_read || documents_read.error().reason != "yaml_form" ? std::string() : yaml_problem(body);
      !problem.empty())
    return invalid("error decoding YAML: error converting YAML to JSON: " + problem);
  MK_TRY(std::vector<Json> documents, std::move(documents_read));
  if (documents.size() != 1)
    return invalid(fmt::format("the body holds {} YAML documents; exactly one is applied", documents.size()));
  return std::move(documents.front());
}

// What every write needs before it starts.
struct Writes::Asked {
  net::Query query;
  Encoder encoder;
  core::WriteOptions options;
  std::string version;  // of the kind, in the address
  enum class Body : uint8_t { kObject, kPatch, kApply } body = Body::kObject;
};

namespace {

using Asked = Writes::Asked;

// `options` as in invalid_option().
Result<Asked> understand(const Target& target, const net::Request& request, const os::Clock& clock,
                         std::string_view options_of, std::string_view subresource = {}) {
  MK_TRY(net::Query query, query_of(request));
  MK_TRY(Encoder encoder, choose_encoder(target, request, query, clock));
  MK_TRY(core::WriteOptions options, write_options(request, query, target, options_of, subresource));
  if (target.kind->find_own(target.version)) options.version = target.version;
  return Asked{std::move(query), std::move(encoder), std::move(options), target.version,
               options_of == "patch" ? Asked::Body::kPatch : Asked::Body::kObject};
}

// Why the types of the kind cannot hold what was sent, or nothing. Kinds without types are read as they come.
std::string undecodable(const core::Refusal& refusal, const About& object) {
  const kinds::Kind* kind = kinds::find_kind(object.group, object.kind);
  return kind && message_of_kind(object.group, object.kind) ? decode_problem(*kind, refusal.causes)
                                                            : std::string();
}

net::Response refuse_write(const core::Refusal& refusal, const About& object, std::string_view version) {
  const std::string problem = undecodable(refusal, object);
  if (problem.empty()) return refuse(refusal, object);
  const kinds::Kind* kind = kinds::find_kind(object.group, object.kind);
  return refuse(
      Error{Code::kInvalidArgument, "unreadable", not_handled(object.kind, version, *kind, problem)});
}

// What a patch made of an object is refused as the patch's fault.
core::Refusal fault_of_patch(std::string_view message) {
  const std::string why = fmt::format("Invalid value: \"{{}}\": {}", message);
  core::Refusal refusal{
      Error{Code::kInvalidArgument, "invalid_object", fmt::format(" \"\" is invalid: patch: {}", why)},
      {{"patch", "FieldValueInvalid", why}}};
  refusal.subject.emplace();  // it speaks of no object
  return refusal;
}

net::Response answer(const core::Admitted<core::Written>& written, const Asked& asked, const About& object,
                     int status) {
  // As upstream, whoever applies is told the fields, not the object.
  if (!written && !written.error().causes.empty() &&
      written.error().causes.front().reason == "FieldManagerConflict")
    return refuse(written.error());
  if (!written && asked.body == Asked::Body::kPatch) {
    const std::string_view said = written.error().error.message;
    if (written.error().error.reason == "strict_decoding")
      return refuse(fault_of_patch(said.substr(std::min(said.find("strict decoding error"), said.size()))));
    if (const std::string problem = undecodable(written.error(), object); !problem.empty())
      return refuse(fault_of_patch(problem));
  }
  if (!written && asked.body != Asked::Body::kObject) return refuse(written.error(), object);
  if (!written) return refuse_write(written.error(), object, asked.version);
  net::Response response = write_body(asked.encoder.alone(*written->object), asked.encoder.wanted(), status);
  add_warnings(response, written->warnings);
  warn_of_version(response, asked.encoder.target());
  return response;
}

Result<core::RemoveOptions> parse_remove(const net::Request& request, const net::Query& query) {
  Json body = Json::object();
  if (!request.body.empty()) {
    MK_TRY(body, read_body(request));
  }
  core::RemoveOptions out;
  MK_TRY(const core::WriteOptions write, parse_write_query(query, "delete"));
  out.dry_run = write.dry_run;
  for (const Json& mode : body["dryRun"].items()) {
    if (mode.text() != "All")
      return invalid_option("delete", core::cause_unsupported("dryRun", body["dryRun"], {"All"}));
    out.dry_run = true;
  }
  std::string_view policy = body["propagationPolicy"].text(query.get("propagationPolicy"));
  const bool orphans = body.contains("orphanDependents") || query.has("orphanDependents");
  if (orphans && !policy.empty())
    return invalid_option("delete",
                          core::cause_invalid("propagationPolicy", policy,
                                              "orphanDependents and deletionPropagation cannot be both set"));
  if (body["orphanDependents"].boolean() || query.get("orphanDependents") == "true") policy = "Orphan";
  if (policy == "Orphan")
    out.propagation = core::Propagation::kOrphan;
  else if (policy == "Foreground")
    out.propagation = core::Propagation::kForeground;
  else if (!policy.empty() && policy != "Background")
    return invalid_option("delete", core::cause_unsupported("propagationPolicy", policy,
                                                            {"Foreground", "Background", "Orphan", "nil"}));
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

void warn_of_version(net::Response& response, const Target& target) {
  const kinds::Kind::Version* own = target.kind->find_own(target.version);
  if (own && !own->warning.empty()) add_warnings(response, {own->warning});
}

Result<Json> apply_patch(Json object, std::string_view content_type, const Json& patch,
                         const Message* message) {
  if (content_type == "application/json-patch+json") return json_patch(std::move(object), patch);
  if (!patch.is_object())
    return fail(
        Code::kInvalidArgument, "invalid_patch",
        fmt::format(
            "error decoding patch: json: cannot unmarshal {} into Go value of type map[string]interface {{}}",
            go_type_name(patch)));
  if (content_type == "application/merge-patch+json") return merge_patch(std::move(object), patch);
  if (content_type == "application/strategic-merge-patch+json" && message)
    return strategic_patch(std::move(object), patch, *message);
  if (content_type == "application/strategic-merge-patch+json") return fail(unknown_format(kPlainPatchTypes));
  return fail(
      Code::kInvalidArgument, "unsupported_media_type",
      fmt::format("{} is no type of a patch; accepted media types include: {}", content_type, kPatchTypes));
}

namespace {

// How to answer for a write of one object.
std::function<net::Response(const core::Admitted<core::Written>&)> answer_with(Asked asked, About object,
                                                                               int status) {
  return [asked = std::make_shared<const Asked>(std::move(asked)), object = std::move(object),
          status](const core::Admitted<core::Written>& written) {
    return answer(written, *asked, object, status);
  };
}

}  // namespace

// ---- from a request to a write
// ------------------------------------------------------------------------------------------

Writes::Understood Writes::read_create(const Target& target, const Place& place, const net::Request& request,
                                       const core::Identity& who) {
  auto asked = understand(target, request, objects_.clock(), "create");
  if (!asked) return std::unexpected(refuse(asked.error(), about(*target.kind)));
  auto object = read_body(request, &asked->options.duplicate_fields);
  if (!object) return std::unexpected(refuse(unrecognised(object.error(), *target.kind, request.body)));
  if (const auto fits = fit_body(*object, target, place); !fits) return std::unexpected(refuse(fits.error()));
  const std::string name(object->at({"metadata", "name"}).text());
  auto write = objects_.creation(who, *target.kind, place.space, std::move(*object), asked->options);
  return Ready{std::move(write), answer_with(std::move(*asked), about(*target.kind, name), 201)};
}

Writes::Understood Writes::read_replace(const Target& target, const Place& place, bool status,
                                        const net::Request& request, const core::Identity& who) {
  const About object_about = about(*target.kind, place.name);
  auto asked = understand(target, request, objects_.clock(), "update", status ? "status" : "");
  if (!asked) return std::unexpected(refuse(asked.error(), object_about));
  auto object = read_body(request, &asked->options.duplicate_fields);
  if (!object) return std::unexpected(refuse(unrecognised(object.error(), *target.kind, request.body)));
  if (object->at({"metadata", "name"}).text().empty() && object->is_object())
    return std::unexpected(refuse(Error{
        Code::kInvalidArgument, "no_name",
        fmt::format("the name of the object ({} based on URL) was undeterminable: name must be provided",
                    place.name)}));
  if (const auto fits = fit_body(*object, target, place); !fits) return std::unexpected(refuse(fits.error()));
  auto write = objects_.replacement(who, *target.kind, std::move(*object), status, asked->options);
  return Ready{std::move(write), answer_with(std::move(*asked), object_about, 200)};
}

Writes::Understood Writes::read_patch(const Target& target, const Place& place, bool status,
                                      const net::Request& request, const core::Identity& who) {
  const About object_about = about(*target.kind, place.name);
  auto asked = understand(target, request, objects_.clock(), "patch", status ? "status" : "");
  if (!asked) return std::unexpected(refuse(asked.error(), object_about));
  std::string type = media_type(request.headers.get("Content-Type"));
  if (auto wrong = check_patch_query(asked->query, type == kApplyType))
    return std::unexpected(*std::move(wrong));
  if (type == kApplyType) return read_application(target, place, std::move(*asked), request, who);
  const Message* message = message_of_kind(target.named().group, target.kind->kind, target.version);
  // Says what is wrong with the type before it complains about a body that is no JSON at all.
  if (!type.ends_with("patch+json"))
    return std::unexpected(
        refuse(apply_patch(Json::object(), type, Json::object(), message).error(), object_about));
  auto change_with = read_patch_body(request.body, asked->options.duplicate_fields);
  if (!change_with) return std::unexpected(refuse(change_with.error(), object_about));
  auto change =
      [target, place, type = std::move(type), message, of_managers = request.body.contains("managedFields"),
       patch = std::make_shared<const Json>(std::move(*change_with))](Json object) -> core::Admitted<Json> {
    object["apiVersion"] = target.api_version();
    if (target.conversion) target.conversion->to_wire(object);
    if (of_managers) core::managed::write_out(*target.kind, object);
    const Json uid = std::as_const(object).at({"metadata", "uid"});
    auto patched = apply_patch(std::move(object), type, *patch, message);
    if (!patched) return std::unexpected(core::Refusal{patched.error(), {}});
    if (const auto fits = fit(*patched, target, place); !fits)
      return std::unexpected(fits.error().reason == kOtherKind ? fault_of_patch(fits.error().message)
                                                               : core::Refusal{fits.error(), {}});
    const Json& named = patched->at({"metadata", "uid"});
    // Named twice, since an update is checked twice; see check_metadata in core/rules.cc.
    if (const auto cause = core::cause_invalid("metadata.uid", named, "field is immutable");
        !uid.is_null() && named != uid)
      return core::refuse_invalid(*target.kind, place.name, {cause, cause});
    return std::move(*patched);
  };
  auto write =
      objects_.modification(who, *target.kind, place.key(target), status, std::move(change), asked->options);
  return Ready{std::move(write), answer_with(std::move(*asked), object_about, 200)};
}

Writes::Understood Writes::read_application(const Target& target, const Place& place, Asked asked,
                                            const net::Request& request, const core::Identity& who) {
  const About object_about = about(*target.kind, place.name);
  asked.body = Asked::Body::kApply;
  auto config = read_apply(request.body);
  if (!config) return std::unexpected(refuse(config.error()));
  // A config of another name is refused after its conflicts: first what is in it is laid over the object.
  std::optional<Error> other_name;
  if (const std::string_view name = config->at({"metadata", "name"}).text();
      !name.empty() && name != place.name) {
    other_name = wrong_name(name, place);
    (*config)["metadata"]["name"] = place.name;
    asked.options.dry_run = true;
  }
  if (const auto fits = fit_body(*config, target, place); !fits)
    return std::unexpected(refuse(fits.error(), object_about));
  if (config->at({"metadata", "managedFields"}).size() > 0)
    return std::unexpected(
        refuse(Error{Code::kInvalidArgument, "bad_request", "metadata.managedFields must be nil"}));
  const bool force = query_boolean(asked.query, "force").value_or(false);
  auto write =
      objects_.application(who, *target.kind, place.key(target), std::move(*config), force, asked.options);
  const auto say = [asked = std::make_shared<const Asked>(std::move(asked)), object_about,
                    other_name](const core::Admitted<core::Written>& written) {
    if (written && other_name) return refuse(*other_name);
    return answer(written, *asked, object_about, written && written->created ? 201 : 200);
  };
  return Ready{std::move(write), say};
}

Writes::Understood Writes::read_remove(const Target& target, const Place& place, const net::Request& request,
                                       const core::Identity& who) {
  const About object_about = about(*target.kind, place.name);
  auto asked = understand(target, request, objects_.clock(), "delete");
  if (!asked) return std::unexpected(refuse(asked.error(), object_about));
  auto options = parse_remove(request, asked->query);
  if (!options) return std::unexpected(refuse(options.error(), object_about));
  const auto say = [&objects = objects_, asked = std::make_shared<const Asked>(std::move(*asked)), target,
                    place, dry_run = options->dry_run,
                    object_about](const core::Admitted<core::Written>& removed) {
    if (!removed) return refuse(removed.error(), object_about);
    // With finalizers it is still there: the client gets the object and waits for it to go.
    const store::ObjectRef left = objects.get(place.key(target));
    if (left && left->uid == removed->object->uid && !dry_run)
      return write_body(asked->encoder.alone(*left), asked->encoder.wanted());
    About gone = object_about;
    gone.uid = removed->object->uid;
    return succeed(gone);
  };
  return Ready{objects_.removal(who, *target.kind, place.key(target), *options), say};
}

// ---- from a write to an answer
// ------------------------------------------------------------------------------------------

void Writes::perform(const Understood& understood, const std::shared_ptr<net::Reply>& reply) {
  if (!understood) return reply->send(understood.error());
  objects_.perform(understood->write, workers_,
                   [this, answer = understood->answer, reply](const core::Admitted<core::Written>& written) {
                     const bool tell = written && on_written_ && written->object->key.resource == watched_;
                     if (tell || (written && written->object->body.size() > kWriteOnIoBytesMax))
                       return workers_.post([this, answer, reply, written, tell] {
                         if (tell) on_written_(written->object->key);
                         reply->send(answer(written));
                       });
                     // The store's writer has the next commit to see to; printing is for the connection's
                     // thread.
                     reply->send_made([answer, written] { return answer(written); });
                   });
}

void Writes::post(net::Reply reply, std::function<void(const std::shared_ptr<net::Reply>&)> work) {
  if (waiting_->fetch_add(1) >= kWaitingWritesMax) {
    --*waiting_;
    return reply.send(refuse(Error{Code::kResourceExhausted, "overloaded",
                                   "too many large writes are waiting; try again in a moment"}));
  }
  workers_.post(
      [waiting = waiting_, work = std::move(work), later = std::make_shared<net::Reply>(std::move(reply))] {
        --*waiting;
        work(later);
      });
}

void Writes::run(const store::Key& at, Read read, net::Request request, const Caller& caller,
                 net::Reply reply) {
  size_t bytes = request.body.size();
  if (!at.name.empty())
    if (const store::ObjectRef there = objects_.get(at)) bytes += there->body.size();
  if (bytes <= kWriteOnIoBytesMax)
    return perform(read(request, caller.identity), std::make_shared<net::Reply>(std::move(reply)));
  post(std::move(reply),
       [this, read = std::move(read), who = caller.identity,
        asked = std::make_shared<net::Request>(std::move(request))](
           const std::shared_ptr<net::Reply>& later) { perform(read(*asked, who), later); });
}

void Writes::create(const Target& target, const Place& place, net::Request request, const Caller& caller,
                    net::Reply reply) {
  const auto read = [this, target, place](const net::Request& asked, const core::Identity& who) {
    return read_create(target, place, asked, who);
  };
  run({}, read, std::move(request), caller, std::move(reply));
}

void Writes::replace(const Target& target, const Place& place, bool status, net::Request request,
                     const Caller& caller, net::Reply reply) {
  const auto read = [this, target, place, status](const net::Request& asked, const core::Identity& who) {
    return read_replace(target, place, status, asked, who);
  };
  run(place.key(target), read, std::move(request), caller, std::move(reply));
}

void Writes::patch(const Target& target, const Place& place, bool status, net::Request request,
                   const Caller& caller, net::Reply reply) {
  const auto read = [this, target, place, status](const net::Request& asked, const core::Identity& who) {
    return read_patch(target, place, status, asked, who);
  };
  run(place.key(target), read, std::move(request), caller, std::move(reply));
}

void Writes::remove(const Target& target, const Place& place, net::Request request, const Caller& caller,
                    net::Reply reply) {
  const auto read = [this, target, place](const net::Request& asked, const core::Identity& who) {
    return read_remove(target, place, asked, who);
  };
  run(place.key(target), read, std::move(request), caller, std::move(reply));
}

// ---- collections
// ------------------------------------------------------------------------------------------

// The deletion of a collection, some objects at a time: they share commits.
struct Writes::Collection {
  Target target;
  core::Identity who;
  core::RemoveOptions options;
  Asked asked;
  std::shared_ptr<net::Reply> reply;
  std::vector<store::ObjectRef> objects;  // to be removed
  size_t next = 0;
  std::atomic<size_t> running = 0;
  std::mutex mutex;  // of what follows
  std::vector<store::ObjectRef> removed;
  std::optional<net::Response> refused;  // the first one
};

void Writes::remove_collection(const Target& target, const Place& place, net::Request request,
                               const Caller& caller, net::Reply reply) {
  post(std::move(reply), [this, target, space = place.space, who = caller.identity,
                          request = std::make_shared<net::Request>(std::move(request))](
                             const std::shared_ptr<net::Reply>& later) {
    auto asked = understand(target, *request, objects_.clock(), "delete");
    if (!asked) return later->send(refuse(asked.error(), about(*target.kind)));
    const auto query = ListQuery::parse(asked->query, *target.kind, target.conversion);
    if (!query) return later->send(refuse(query.error(), about(*target.kind)));
    auto options = parse_remove(*request, asked->query);
    if (!options) return later->send(refuse(options.error(), about(*target.kind)));
    options->verb = "deletecollection";
    auto collection = std::make_shared<Collection>(target, who, *options, std::move(*asked), later);
    const std::optional<std::string> selected = target.kind->namespaced ? std::optional(space) : std::nullopt;
    const auto sight = objects_.sight(who, options->verb, *target.kind, selected);
    if (!sight) return later->send(refuse(sight.error(), about(*target.kind)));
    for (store::ObjectRef& object : objects_.list(*sight, {target.kind->resource(), selected}).objects)
      if (query->selector.matches(*object)) collection->objects.push_back(std::move(object));
    remove_next(collection);
  });
}

void Writes::remove_next(const std::shared_ptr<Collection>& collection) {
  Collection& c = *collection;
  if (c.refused) return c.reply->send(*std::move(c.refused));
  if (c.next == c.objects.size()) {
    const Encoder& encoder = c.asked.encoder;
    return c.reply->send(
        write_body(encoder.list({c.removed, objects_.store().version(), {}, 0}), encoder.wanted()));
  }
  const size_t begin = c.next;
  c.next = std::min(c.objects.size(), begin + kRemovedAtOnceMax);
  c.running = c.next - begin;
  for (size_t i = begin; i < c.next; ++i) {
    const store::Key key = c.objects[i]->key;
    const auto done = [this, collection, name = key.name](const core::Admitted<core::Written>& removed) {
      {
        const std::lock_guard lock(collection->mutex);
        if (removed)
          collection->removed.push_back(removed->object);
        else if (removed.error().error.code != Code::kNotFound && !collection->refused)
          collection->refused = refuse(removed.error(), about(*collection->target.kind, name));
      }
      if (--collection->running == 0) workers_.post([this, collection] { remove_next(collection); });
    };
    objects_.perform(objects_.removal(c.who, *c.target.kind, key, c.options), workers_, done);
  }
}

}  // namespace mk::api::kubernetes

#include "api/kubernetes/status.h"

#include <algorithm>

#include "base/format.h"

namespace mk::api::kubernetes {
namespace {

// Reasons that say more than the Code.
struct ByReason {
  std::string_view reason;
  StatusCode code;
};
constexpr ByReason kByReason[] = {
    {"invalid_scale", {422, "Invalid"}},
    {"invalid_object", {422, "Invalid"}},
    {"unprocessable", {422, "Invalid"}},
    {"namespace_terminating", {403, "Forbidden"}},
    {"unsupported_media_type", {415, "UnsupportedMediaType"}},
    {"unknown_format", {415, "UnsupportedMediaType"}},
    {"not_acceptable", {406, "NotAcceptable"}},
    {"method_not_allowed", {405, "MethodNotAllowed"}},
    {"version_too_large", {504, "Timeout"}},
};

// Reasons of invalid_option().
struct Options {
  std::string_view reason, kind;
};
constexpr Options kOptions[] = {
    {"invalid_create_options", "CreateOptions"}, {"invalid_update_options", "UpdateOptions"},
    {"invalid_patch_options", "PatchOptions"},   {"invalid_delete_options", "DeleteOptions"},
    {"invalid_list_options", "ListOptions"},
};

const Options* options_of(const Error& error) {
  const auto* row = std::ranges::find(kOptions, error.reason, &Options::reason);
  return row == std::end(kOptions) ? nullptr : row;
}

// How core begins the messages of its causes.
constexpr struct {
  std::string_view words, reason;
} kCauses[] = {
    {"Unsupported value", "FieldValueNotSupported"},
    {"Forbidden", "FieldValueForbidden"},
    {"Required value", "FieldValueRequired"},
    {"Too long", "FieldValueTooLong"},
    {"", "FieldValueInvalid"},
};

std::string_view cause_reason(std::string_view message) {
  for (const auto& row : kCauses)
    if (message.starts_with(row.words)) return row.reason;
  return {};
}

// An Error has one field and one message; several causes stand in them a line each.
constexpr char kNextCause = '\n';

std::vector<core::Cause> split_causes(const Error& error) {
  std::vector<core::Cause> out;
  std::string_view fields = error.field, messages = error.message;
  while (!fields.empty()) {
    const auto take = [](std::string_view& text) {
      const std::string_view one = text.substr(0, text.find(kNextCause));
      text.remove_prefix(std::min(text.size(), one.size() + 1));
      return std::string(one);
    };
    core::Cause cause{take(fields), {}, take(messages)};
    cause.reason = cause_reason(cause.message);
    out.push_back(std::move(cause));
  }
  return out;
}

constexpr StatusCode kByCode[] = {
    {400, "BadRequest"},             // kInvalidArgument
    {404, "NotFound"},               // kNotFound
    {409, "AlreadyExists"},          // kAlreadyExists
    {409, "Conflict"},               // kConflict
    {409, "Conflict"},               // kFailedPrecondition
    {401, "Unauthorized"},           // kUnauthenticated
    {403, "Forbidden"},              // kPermissionDenied
    {413, "RequestEntityTooLarge"},  // kTooLarge
    {429, "TooManyRequests"},        // kResourceExhausted
    {410, "Expired"},                // kGone
    {503, "ServiceUnavailable"},     // kUnavailable
    {504, "Timeout"},                // kDeadlineExceeded
    {503, "ServiceUnavailable"},     // kCancelled
    {501, "NotImplemented"},         // kUnimplemented
    {500, "InternalError"},          // kInternal
};
static_assert(std::size(kByCode) == static_cast<size_t>(Code::kInternal) + 1);

Json details_json(const About& about, const std::vector<core::Cause>& causes, bool by_kind) {
  Json details = Json::object();
  if (!about.name.empty()) details["name"] = about.name;
  if (!about.group.empty()) details["group"] = about.group;
  // As upstream: Invalid names the kind, everything else the resource.
  const std::string_view kind = by_kind ? about.kind : about.plural;
  if (!kind.empty()) details["kind"] = kind;
  if (!about.uid.empty()) details["uid"] = about.uid;
  for (const core::Cause& cause : causes) {
    Json one = Json::object({{"reason", cause.reason}, {"message", cause.message}});
    if (!cause.field.empty()) one["field"] = cause.field;
    details["causes"].push_back(std::move(one));
  }
  return details;
}

}  // namespace

About about(const kinds::Kind& kind, std::string_view name) {
  return {kind.group, kind.plural, kind.kind, std::string(name), {}};
}

StatusCode status_code(const Error& error) {
  for (const ByReason& row : kByReason)
    if (row.reason == error.reason) return row.code;
  if (options_of(error)) return {422, "Invalid"};
  return kByCode[static_cast<size_t>(error.code)];
}

Json status_json(const Error& error, const About& whom, const std::vector<core::Cause>& causes) {
  const StatusCode code = status_code(error);
  const Options* options = options_of(error);
  About about = whom;
  if (options) about = {"meta.k8s.io", {}, options->kind};
  if (error.reason == "not_acceptable") about = {};
  // kubectl shows the message only of a Status about nothing.
  const bool unknown_format = error.reason == "unknown_format";
  if (error.reason == "unprocessable" || error.reason == "unsupported_media_type" || unknown_format)
    about = {};
  std::string message = error.sentence();
  std::vector<core::Cause> listed = causes;
  if (options) {
    listed = split_causes(error);
    std::string all;
    for (const core::Cause& cause : listed)
      all += fmt::format("{}{}: {}", all.empty() ? "" : ", ", cause.field, cause.message);
    if (listed.size() > 1) all = "[" + all + "]";
    message = fmt::format("{}.meta.k8s.io \"\" is invalid: {}", options->kind, all);
  }
  if (listed.empty() && !error.field.empty())
    listed.push_back({error.field, std::string(cause_reason(error.message)), error.message});
  if (error.reason == "version_too_large")
    listed.push_back({"", "ResourceVersionTooLarge", "Too large resource version"});
  Json status = Json::object({{"apiVersion", "v1"},
                              {"kind", "Status"},
                              {"metadata", Json::object()},
                              {"status", "Failure"},
                              {"message", std::move(message)},
                              {"reason", code.reason},
                              {"code", code.http}});
  Json details = details_json(about, listed, code.reason == "Invalid");
  if (code.http == 429 || error.reason == "version_too_large") details["retryAfterSeconds"] = 1;
  // As upstream: what could not even be read is about nothing; what is not there has details without a word.
  const bool bare =
      about.plural.empty() && about.kind.empty() &&
      (code.http == 404 || code.http == 405 || code.http == 406 || code.http == 415 || code.http == 422);
  if (code.reason != "BadRequest" && !unknown_format && (bare || !details.empty())) status["details"] = std::move(details);
  return status;
}

net::Response refuse(const Error& error, const About& about, const std::vector<core::Cause>& causes) {
  const int http = status_code(error).http;
  net::Response response = net::Response::json(status_json(error, about, causes).dump(), http);
  if (http == 429) response.headers.set("Retry-After", "1");
  return response;
}

net::Response refuse(const core::Refusal& refusal, const About& about) {
  if (const auto& of = refusal.subject)
    return refuse(refusal.error, {of->group, of->kind, of->kind, of->name}, refusal.causes);
  return refuse(refusal.error, about, refusal.causes);
}

net::Response succeed(const About& about) {
  return net::Response::json(Json::object({{"apiVersion", "v1"},
                                           {"kind", "Status"},
                                           {"metadata", Json::object()},
                                           {"status", "Success"},
                                           {"details", details_json(about, {}, false)}})
                                 .dump());
}

Failure invalid_options(std::string_view options, const std::vector<core::Cause>& causes) {
  std::string fields, messages;
  for (const core::Cause& cause : causes) {
    const bool first = fields.empty();
    fields += (first ? "" : std::string(1, kNextCause)) + cause.field;
    messages += (first ? "" : std::string(1, kNextCause)) + cause.message;
  }
  return fail(
      Error{Code::kInvalidArgument, fmt::format("invalid_{}_options", options), messages}.at_field(fields));
}

Failure invalid_option(std::string_view options, const core::Cause& cause) {
  return invalid_options(options, {cause});
}

Error not_here() {
  return {Code::kNotFound, "not_found", "the server could not find the requested resource"};
}

Error unknown_format(std::string_view supported) {
  return {Code::kInvalidArgument, "unknown_format",
          fmt::format("the body of the request was in an unknown format - accepted media types include: {}",
                      supported)};
}

net::Response no_such_page() {
  net::Response page = net::Response::text("404 page not found\n", 404);
  page.headers.set("X-Content-Type-Options", "nosniff");
  return page;
}

// kubectl and people look for these two sentences.
net::Response route_error(const Error& error) {
  if (error.code == Code::kNotFound)
    return refuse(Error{Code::kNotFound, error.reason, "the server could not find the requested resource"});
  if (error.reason == "method_not_allowed")
    return refuse(
        Error{error.code, error.reason, "the server does not allow this method on the requested resource"});
  return refuse(error);
}

}  // namespace mk::api::kubernetes

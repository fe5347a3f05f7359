#include "api/mlflow/reply.h"

#include <charconv>
#include <cmath>
#include <limits>

#include "base/format.h"

namespace mk::api::mlflow {
namespace {

struct Mapped {
  int status;
  std::string_view error_code;
};

Mapped mapped(Code code) {
  switch (code) {
    case Code::kInvalidArgument:
    case Code::kFailedPrecondition:
    case Code::kGone:
      return {400, "INVALID_PARAMETER_VALUE"};
    case Code::kNotFound:
      return {404, "RESOURCE_DOES_NOT_EXIST"};
    case Code::kAlreadyExists:
      return {400, "RESOURCE_ALREADY_EXISTS"};
    case Code::kConflict:
      return {409, "RESOURCE_CONFLICT"};
    case Code::kUnauthenticated:
      return {401, "UNAUTHENTICATED"};
    case Code::kPermissionDenied:
      return {403, "PERMISSION_DENIED"};
    case Code::kTooLarge:
      return {413, "REQUEST_LIMIT_EXCEEDED"};
    case Code::kResourceExhausted:
      return {429, "RESOURCE_EXHAUSTED"};
    case Code::kUnavailable:
      return {503, "TEMPORARILY_UNAVAILABLE"};
    case Code::kDeadlineExceeded:
      return {504, "DEADLINE_EXCEEDED"};
    case Code::kCancelled:
      return {499, "CANCELLED"};
    case Code::kUnimplemented:
      return {501, "NOT_IMPLEMENTED"};
    case Code::kInternal:
      return {500, "INTERNAL_ERROR"};
  }
  return {500, "INTERNAL_ERROR"};
}

template <typename T>
std::optional<T> parse_number(std::string_view text) {
  T value{};
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<int64_t> as_integer(const Json& value) {
  if (value.is_int()) return value.integer();
  if (value.is_string()) return parse_number<int64_t>(value.text());  // protobuf writes int64 as text
  if (!value.is_number()) return std::nullopt;
  const double number = value.number();
  if (!(std::abs(number) < 9.0e18) || number != std::trunc(number)) return std::nullopt;
  return static_cast<int64_t>(number);
}

std::optional<double> as_number(const Json& value) {
  if (value.is_number()) return value.number();
  if (!value.is_string()) return std::nullopt;
  if (value.text() == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (value.text() == "Infinity") return std::numeric_limits<double>::infinity();
  if (value.text() == "-Infinity") return -std::numeric_limits<double>::infinity();
  return parse_number<double>(value.text());
}

}  // namespace

net::Response error_reply(const Error& error) {
  auto [status, error_code] = mapped(error.code);
  // Clients tell a server that is too old from a thing that is not there.
  if (error.reason == "no_such_route") error_code = "ENDPOINT_NOT_FOUND";
  std::string body = "{\"error_code\":\"";
  body += error_code;
  body += "\",\"message\":";
  append_json_string(body, error.sentence());
  body += '}';
  return net::Response::json(std::move(body), status);
}

net::Response ok(std::string json_text) {
  return net::Response::json(std::move(json_text));
}

Arguments::Arguments(Json object, std::string prefix)
    : object_(std::move(object)), prefix_(std::move(prefix)) {}

Result<Arguments> Arguments::read(const net::Request& request) {
  if (request.body.empty() || request.method == net::Method::kGet) {
    MK_TRY(const net::Query query, net::Query::parse(request.raw_query()));
    Json object = Json::object();
    for (const auto& [key, value] : query) object[key].push_back(Json(value));
    Arguments arguments(std::move(object));
    arguments.from_query_ = true;
    return arguments;
  }
  MK_TRY(Json body, Json::parse(request.body, {.bytes_max = request.body.size()}));
  if (!body.is_object())
    return invalid(fmt::format("the request body is a JSON {}; it must be an object", body.type_name()));
  return Arguments(std::move(body));
}

const Json* Arguments::value(std::string_view field) const {
  const Json* found = object_.find(field);
  if (!found || found->is_null()) return nullptr;
  return from_query_ ? &(*found)[0] : found;
}

bool Arguments::has(std::string_view field) const {
  return value(field) != nullptr;
}

Failure Arguments::wrong(std::string_view field, std::string_view wanted, const Json& got) const {
  std::string shown =
      got.is_array() || got.is_object() ? fmt::format("a JSON {}", got.type_name()) : got.dump();
  if (shown.size() > 80) shown = fmt::format("a {} of {} bytes", got.type_name(), shown.size());
  return fail(Error{Code::kInvalidArgument, "invalid",
                    fmt::format("the value of '{}' must be {}, not {}", path(field), wanted, shown)}
                  .at_field(path(field)));
}

Result<std::string> Arguments::text(std::string_view field) const {
  MK_TRY(std::optional<std::string> found, text_if_any(field));
  if (!found || found->empty())
    return fail(Error{Code::kInvalidArgument, "missing",
                      fmt::format("the parameter '{}' is missing", path(field)), "give it a non-empty value"}
                    .at_field(path(field)));
  return std::move(*found);
}

Result<std::optional<std::string>> Arguments::text_if_any(std::string_view field) const {
  const Json* found = value(field);
  if (!found) return std::nullopt;
  if (!found->is_string()) return wrong(field, "a string", *found);
  return std::string(found->text());
}

Result<int64_t> Arguments::integer(std::string_view field) const {
  MK_TRY(const std::optional<int64_t> found, integer_if_any(field));
  if (!found)
    return fail(Error{Code::kInvalidArgument, "missing",
                      fmt::format("the parameter '{}' is missing", path(field)), "give it an integer"}
                    .at_field(path(field)));
  return *found;
}

Result<std::optional<int64_t>> Arguments::integer_if_any(std::string_view field) const {
  const Json* found = value(field);
  if (!found) return std::nullopt;
  const std::optional<int64_t> read = as_integer(*found);
  if (!read) return wrong(field, "an integer of 64 bits", *found);
  return read;
}

Result<double> Arguments::number(std::string_view field) const {
  const Json* found = value(field);
  if (!found)
    return fail(Error{Code::kInvalidArgument, "missing",
                      fmt::format("the parameter '{}' is missing", path(field)), "give it a number"}
                    .at_field(path(field)));
  const std::optional<double> read = as_number(*found);
  if (!read) return wrong(field, "a number", *found);
  return *read;
}

Result<bool> Arguments::boolean(std::string_view field, bool fallback) const {
  const Json* found = value(field);
  if (!found) return fallback;
  if (found->is_bool()) return found->boolean();
  if (from_query_ && (found->text() == "true" || found->text() == "false")) return found->text() == "true";
  return wrong(field, "true or false", *found);
}

Result<std::vector<std::string>> Arguments::texts(std::string_view field) const {
  std::vector<std::string> out;
  const Json* found = object_.find(field);
  if (!found || found->is_null()) return out;
  if (!found->is_array()) return wrong(field, "a list of strings", *found);
  out.reserve(found->size());
  for (const Json& item : found->items()) {
    if (!item.is_string()) return wrong(fmt::format("{}[{}]", field, out.size()), "a string", item);
    out.emplace_back(item.text());
  }
  return out;
}

Result<std::vector<Arguments>> Arguments::objects(std::string_view field) const {
  std::vector<Arguments> out;
  const Json* found = object_.find(field);
  if (!found || found->is_null()) return out;
  if (!found->is_array()) return wrong(field, "a list of objects", *found);
  out.reserve(found->size());
  for (const Json& item : found->items()) {
    const std::string name = fmt::format("{}[{}]", field, out.size());
    if (!item.is_object()) return wrong(name, "an object", item);
    out.emplace_back(item, path(name) + ".");
  }
  return out;
}

Result<std::optional<Arguments>> Arguments::object_if_any(std::string_view field) const {
  const Json* found = value(field);
  if (!found) return std::nullopt;
  if (!found->is_object()) return wrong(field, "an object", *found);
  return Arguments(*found, path(field) + ".");
}

Result<size_t> Arguments::count(std::string_view field, size_t fallback, size_t most) const {
  MK_TRY(const std::optional<int64_t> found, integer_if_any(field));
  if (!found) return fallback;
  if (*found < 1 || static_cast<uint64_t>(*found) > most)
    return fail(
        Error{Code::kInvalidArgument, "out_of_range",
              fmt::format("the value of '{}' must be between 1 and {}, not {}", path(field), most, *found)}
            .at_field(path(field)));
  return static_cast<size_t>(*found);
}

Result<std::optional<size_t>> Arguments::choice_if_any(std::string_view field,
                                                       const std::vector<std::string_view>& names,
                                                       int64_t first) const {
  const Json* found = value(field);
  if (!found) return std::nullopt;
  std::string wanted = "one of";
  for (size_t i = 0; i < names.size(); ++i) {
    if (found->is_string() && found->text() == names[i]) return i;
    if (found->is_int() && found->integer() == first + static_cast<int64_t>(i)) return i;
    wanted += fmt::format("{} {}", i ? "," : "", names[i]);
  }
  return wrong(field, wanted, *found);
}

namespace {

net::Response answer(const Call& call, const net::Request& request, const Caller& caller) {
  auto arguments = Arguments::read(request);
  if (!arguments) return error_reply(arguments.error());
  auto text = call(*arguments, request, caller);
  return text ? ok(std::move(*text)) : error_reply(text.error());
}

}  // namespace

Whole whole(Call call) {
  return [call = std::move(call)](net::Request request, const Caller& caller, net::Reply reply) {
    reply.send(answer(call, request, caller));
  };
}

Quick quick(Call call) {
  return [call = std::move(call)](net::Request& request, const Caller& caller) {
    return answer(call, request, caller);
  };
}

std::vector<Route> with_ajax_twins(std::vector<Route> rows) {
  std::vector<Route> out;
  out.reserve(rows.size() * 2);
  for (Route& row : rows) {
    row.error = error_reply;
    Route twin = row;
    MK_CHECK(row.pattern.starts_with("/api/"));
    twin.pattern = "/ajax-api/" + row.pattern.substr(5);
    out.push_back(std::move(row));
    out.push_back(std::move(twin));
  }
  return out;
}

}  // namespace mk::api::mlflow

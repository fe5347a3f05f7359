#include "api/kubernetes/query.h"

#include <charconv>

#include "api/kubernetes/limits.h"
#include "base/encoding.h"
#include "base/format.h"

namespace mk::api::kubernetes {
namespace {

Failure bad_parameter(std::string_view name, std::string_view value, std::string_view wanted) {
  return invalid(fmt::format("{} is \"{}\"; {}", name, value, wanted));
}

Result<std::optional<store::Version>> parse_version(const net::Query& query) {
  const std::string_view text = query.get("resourceVersion");
  if (text.empty()) return std::nullopt;
  store::Version version = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), version);
  if (error != std::errc() || end != text.data() + text.size())
    return bad_parameter("resourceVersion", text, "it is a number from an earlier reply");
  return version;
}

// Version 1 of the token; base64 only because clients treat it as one opaque word.
Result<ListQuery::Continue> parse_continue(std::string_view token) {
  const auto bad = [] {
    return invalid("the continue token is not one of ours; start the list again without it");
  };
  if (token.size() > kSelectorBytesMax) return bad();
  const auto bytes = base64url_decode(token);
  if (!bytes) return bad();
  const auto json = Json::parse(*bytes);
  if (!json || (*json)["v"].integer() != 1 || !(*json)["space"].is_string() || !(*json)["name"].is_string() ||
      !(*json)["version"].is_int())
    return bad();
  return ListQuery::Continue{std::string((*json)["space"].text()), std::string((*json)["name"].text()),
                             static_cast<store::Version>((*json)["version"].integer())};
}

Result<void> parse_version_match(ListQuery& out, const net::Query& query) {
  const std::string_view match = query.get("resourceVersionMatch");
  const bool has_version = query.has("resourceVersion") && !query.get("resourceVersion").empty();
  if (match.empty()) return {};
  if (match != "Exact" && match != "NotOlderThan")
    return bad_parameter("resourceVersionMatch", match, "it is Exact or NotOlderThan");
  if (out.watch && !out.initial_events)
    return invalid("resourceVersionMatch is forbidden for watch unless sendInitialEvents is set");
  if (!out.watch && !has_version)
    return invalid("resourceVersionMatch is forbidden unless resourceVersion is set");
  out.exact = match == "Exact";
  if (out.exact && out.version.value_or(0) == 0)
    return invalid("resourceVersionMatch=Exact is forbidden for resourceVersion 0");
  return {};
}

}  // namespace

Result<net::Query> query_of(const net::Request& request) {
  return net::Query::parse(request.raw_query());
}

Result<std::optional<int64_t>> query_integer(const net::Query& query, std::string_view name) {
  const std::string_view text = query.get(name);
  if (text.empty()) return std::nullopt;
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    return bad_parameter(name, text, "it is a whole number");
  return value;
}

Result<bool> query_boolean(const net::Query& query, std::string_view name) {
  if (!query.has(name)) return false;
  const std::string_view text = query.get(name);
  if (text.empty() || text == "true" || text == "1" || text == "True") return true;
  if (text == "false" || text == "0" || text == "False") return false;
  return bad_parameter(name, text, "it is true or false");
}

Result<ListQuery> ListQuery::parse(const net::Query& query, const kinds::Kind& kind) {
  ListQuery out;
  const std::string_view labels = query.get("labelSelector"), fields = query.get("fieldSelector");
  if (labels.size() + fields.size() > kSelectorBytesMax)
    return invalid(fmt::format("the selectors have more than {} bytes", kSelectorBytesMax));
  MK_TRY(out.selector, core::Selector::parse(labels, fields, &kind));
  MK_TRY(const auto limit, query_integer(query, "limit"));
  if (limit.value_or(0) < 0) return invalid("limit must be at least 0");
  out.limit = limit.value_or(0);
  MK_TRY(out.timeout_s, query_integer(query, "timeoutSeconds"));
  if (out.timeout_s.value_or(0) < 0) return invalid("timeoutSeconds must be at least 0");
  MK_TRY(out.version, parse_version(query));
  MK_TRY(out.watch, query_boolean(query, "watch"));
  MK_TRY(out.bookmarks, query_boolean(query, "allowWatchBookmarks"));
  MK_TRY(out.initial_events, query_boolean(query, "sendInitialEvents"));
  if (out.initial_events && !out.watch) return invalid("sendInitialEvents is forbidden for list");
  if (out.initial_events && query.get("resourceVersionMatch") != "NotOlderThan")
    return invalid("sendInitialEvents requires resourceVersionMatch=NotOlderThan");
  MK_OK(parse_version_match(out, query));
  if (const std::string_view token = query.get("continue"); !token.empty() && !out.watch) {
    if (out.version.value_or(0) != 0) return invalid("resourceVersion is forbidden together with continue");
    MK_TRY(out.after, parse_continue(token));
  }
  return out;
}

std::string continue_token(const ListQuery::Continue& after) {
  return base64url_encode(
      Json::object({{"v", 1}, {"space", after.space}, {"name", after.name}, {"version", after.version}})
          .dump());
}

Result<core::WriteOptions> parse_write_query(const net::Query& query) {
  core::WriteOptions out;
  for (const std::string_view mode : query.all("dryRun")) {
    if (mode != "All") return bad_parameter("dryRun", mode, "only All is known");
    out.dry_run = true;
  }
  out.manager.name = query.get("fieldManager");
  if (out.manager.name.size() > kManagerBytesMax)
    return fail(Error{Code::kInvalidArgument, "unprocessable",
                      fmt::format("fieldManager: Too long: may not be more than {} bytes", kManagerBytesMax)}
                    .at_field("fieldManager"));
  const std::string_view validation = query.get("fieldValidation", "Warn");
  if (validation == "Ignore")
    out.field_validation = core::FieldValidation::kIgnore;
  else if (validation == "Strict")
    out.field_validation = core::FieldValidation::kStrict;
  else if (validation != "Warn" && !validation.empty())
    return bad_parameter("fieldValidation", validation, "it is Ignore, Warn or Strict");
  return out;
}

}  // namespace mk::api::kubernetes

#include "api/kubernetes/query.h"

#include <algorithm>
#include <charconv>

#include "api/kubernetes/limits.h"
#include "api/kubernetes/status.h"
#include "base/encoding.h"
#include "base/format.h"
#include "core/refusal.h"

namespace mk::api::kubernetes {
namespace {

Result<std::optional<store::Version>> parse_version(const net::Query& query) {
  const std::string_view text = query.get("resourceVersion");
  if (text.empty()) return std::nullopt;
  store::Version version = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), version);
  if (error != std::errc() || end != text.data() + text.size())
    return invalid(
        fmt::format("{0}resourceVersion: Invalid value: {1}: strconv.ParseUint: parsing {1}: {2}",
                    query.has("watch") ? "" : "invalid resource version: ", Json(text).dump(),
                    error == std::errc::result_out_of_range ? "value out of range" : "invalid syntax"));
  return version;
}

// What Go's reader says of text that is no JSON from its first byte on.
std::string bad_start(std::string_view bytes) {
  if (bytes.empty()) return "unexpected end of JSON input";
  const auto first = static_cast<unsigned char>(bytes.front());
  const bool plain = first >= 0x20 && first < 0x7f;
  return fmt::format("invalid character '{}' looking for beginning of value",
                     plain ? std::string(1, bytes.front()) : fmt::format("\\u{:04x}", first));
}

// Version 1 of the token; base64 only because clients treat it as one opaque word.
Result<ListQuery::Continue> parse_continue(std::string_view token) {
  const auto bad = [](std::string_view why = "it is not one of ours; start the list again without it") {
    return invalid(fmt::format("invalid continue token: continue key is not valid: {}", why));
  };
  if (token.size() > kSelectorBytesMax) return bad();
  const auto bytes = base64url_decode(token);
  if (!bytes) return bad();
  const auto json = Json::parse(*bytes);
  if (!json) return bad(bad_start(*bytes));
  if ((*json)["v"].integer() != 1 || !(*json)["space"].is_string() || !(*json)["name"].is_string() ||
      !(*json)["version"].is_int())
    return bad();
  return ListQuery::Continue{std::string((*json)["space"].text()), std::string((*json)["name"].text()),
                             static_cast<store::Version>((*json)["version"].integer())};
}

Result<void> parse_version_match(ListQuery& out, const net::Query& query) {
  const std::string_view match = query.get("resourceVersionMatch");
  const bool has_version = query.has("resourceVersion") && !query.get("resourceVersion").empty();
  if (match.empty()) return {};
  const auto forbidden = [](std::string_view why) {
    return invalid_option("list", core::cause_forbidden("resourceVersionMatch", why));
  };
  if (out.watch && !out.initial_events)
    return forbidden("resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
  if (!out.watch && !has_version)
    return forbidden("resourceVersionMatch is forbidden unless resourceVersion is provided");
  if (match != "Exact" && match != "NotOlderThan")
    return invalid_option(
        "list", core::cause_unsupported("resourceVersionMatch", match, {"Exact", "NotOlderThan", ""}));
  out.exact = match == "Exact";
  if (out.exact && out.version.value_or(0) == 0)
    return forbidden("resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
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
    return invalid(
        fmt::format("strconv.ParseInt: parsing {}: {}", Json(text).dump(),
                    error == std::errc::result_out_of_range ? "value out of range" : "invalid syntax"));
  return value;
}

Result<bool> query_boolean(const net::Query& query, std::string_view name) {
  if (!query.has(name)) return false;
  // As upstream: whatever does not say no says yes.
  const std::string_view text = query.get(name);
  return text != "false" && text != "0";
}

Result<ListQuery> ListQuery::parse(const net::Query& query, const kinds::Kind& kind,
                                   const Conversion* conversion) {
  ListQuery out;
  const std::string_view labels = query.get("labelSelector"), fields = query.get("fieldSelector");
  if (labels.size() + fields.size() > kSelectorBytesMax)
    return invalid(fmt::format("the selectors have more than {} bytes", kSelectorBytesMax));
  const bool renamed = conversion && conversion->field_selector;
  MK_TRY(out.selector,
         core::Selector::parse(labels, renamed ? conversion->field_selector(fields) : std::string(fields),
                               &kind));
  MK_TRY(const auto limit, query_integer(query, "limit"));
  out.limit = std::max<int64_t>(limit.value_or(0), 0);  // as upstream, less than nothing is no limit
  MK_TRY(out.timeout_s, query_integer(query, "timeoutSeconds"));
  if (out.timeout_s.value_or(0) < 0) return invalid("timeoutSeconds must be at least 0");
  MK_TRY(out.version, parse_version(query));
  MK_TRY(out.watch, query_boolean(query, "watch"));
  MK_TRY(out.only_visible, query_boolean(query, "visible"));
  MK_TRY(out.bookmarks, query_boolean(query, "allowWatchBookmarks"));
  MK_TRY(out.initial_events, query_boolean(query, "sendInitialEvents"));
  if (out.initial_events && !out.watch)
    return invalid_option(
        "list", core::cause_forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"));
  if (const std::string_view match = query.get("resourceVersionMatch");
      out.initial_events && match != "NotOlderThan") {
    std::vector causes = {core::cause_forbidden(
        "resourceVersionMatch", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")};
    if (!match.empty())
      causes.push_back(core::cause_unsupported("resourceVersionMatch", match, {"NotOlderThan"}));
    return invalid_options("list", causes);
  }
  MK_OK(parse_version_match(out, query));
  if (const std::string_view token = query.get("continue"); !token.empty() && !out.watch) {
    if (out.version.value_or(0) != 0)
      return invalid("specifying resource version is not allowed when using continue");
    MK_TRY(out.after, parse_continue(token));
  }
  return out;
}

std::string continue_token(const ListQuery::Continue& after) {
  return base64url_encode(
      Json::object({{"v", 1}, {"space", after.space}, {"name", after.name}, {"version", after.version}})
          .dump());
}

Result<core::WriteOptions> parse_write_query(const net::Query& query, std::string_view options) {
  core::WriteOptions out;
  for (const std::string_view mode : query.all("dryRun")) {
    if (mode != "All")
      return invalid_option(options, core::cause_unsupported("dryRun", Json::array({Json(mode)}), {"All"}));
    out.dry_run = true;
  }
  out.manager.name = query.get("fieldManager");
  if (out.manager.name.size() > kManagerBytesMax)
    return invalid_option(options, core::cause_too_long("fieldManager", kManagerBytesMax));
  const std::string_view validation = query.get("fieldValidation", "Warn");
  if (validation == "Ignore")
    out.field_validation = core::FieldValidation::kIgnore;
  else if (validation == "Strict")
    out.field_validation = core::FieldValidation::kStrict;
  else if (validation != "Warn" && !validation.empty())
    return invalid_option(
        options, core::cause_unsupported("fieldValidation", validation, {"", "Ignore", "Strict", "Warn"}));
  return out;
}

void ask_as_list(const net::Request& request, core::Ask& ask, std::string& held) {
  const auto query = query_of(request);
  if (!query) return;  // refused later
  if (query_boolean(*query, "watch").value_or(false)) ask.verb = "watch";
  held = name_selected(request);
  ask.name = held;
  ask.anywhere = ask.space.empty() && query_boolean(*query, "visible").value_or(false);
}

void refine_list(const net::Request& request, const std::vector<std::string>&, core::Ask& ask, std::string& held) {
  ask_as_list(request, ask, held);
}

std::string name_selected(const net::Request& request) {
  const auto query = query_of(request);
  if (!query) return {};
  constexpr std::string_view kName = "metadata.name=";
  std::string_view fields = query->get("fieldSelector");
  if (!fields.starts_with(kName) || fields.find_first_of(",!", kName.size()) != std::string_view::npos) return {};
  fields.remove_prefix(kName.size());
  if (fields.starts_with('=')) fields.remove_prefix(1);
  return std::string(fields);
}

}  // namespace mk::api::kubernetes

#include "api/kubernetes/encode.h"

#include <iterator>
#include <optional>
#include <utility>

#include "api/kubernetes/fields.h"
#include "api/kubernetes/status.h"
#include "base/format.h"
#include "base/json_text.h"
#include "core/managed/managers.h"
#include "core/schema.h"
#include "kinds/columns.h"

namespace mk::api::kubernetes {
namespace {

Json list_metadata(const Encoder::Page& page) {
  Json metadata = Json::object({{"resourceVersion", std::to_string(page.version)}});
  if (!page.continue_token.empty()) {
    metadata["continue"] = page.continue_token;
    if (page.remaining > 0) metadata["remainingItemCount"] = static_cast<int64_t>(page.remaining);
  }
  return metadata;
}

}  // namespace

Encoder::Encoder(Target target, Wanted wanted, RowObject row_object, const os::Clock& clock)
    : target_(std::move(target)),
      wanted_(std::move(wanted)),
      row_object_(row_object),
      clock_(clock),
      body_start_(fmt::format(R"({{"apiVersion":"{}")", target_.api_version())) {}

// Keys are sorted, so a body begins with its version.
bool Encoder::is_as_stored(const store::Object& object) const {
  return object.body.starts_with(body_start_);
}

// The object as the version asked for has it: without conversion, that is another name, less of what its
// schema does not know and more of what its schema fills in.
Json Encoder::in_version(const store::Object& object) const {
  Json json = object.json();
  json["apiVersion"] = target_.api_version();
  if (target_.conversion) target_.conversion->to_wire(json);
  if (const kinds::Kind::Version* own = target_.kind->find_own(target_.version);
      own && !target_.is_storage_version()) {
    std::vector<std::string> unknown;
    core::schema::prune(own->schema, json, "", unknown);
    core::schema::fill_defaults(own->schema, json);
  }
  return json;
}

void Encoder::append_whole(std::string& out, const store::Object& object) const {
  if (is_as_stored(object))
    out += object.body;
  else
    in_version(object).dump_to(out);
}

void Encoder::append_partial(std::string& out, std::string_view metadata) const {
  fmt::format_to(std::back_inserter(out),
                 R"({{"apiVersion":"meta.k8s.io/{}","kind":"PartialObjectMetadata","metadata":)",
                 wanted_.version);
  out.append(metadata).append("}");
}

void Encoder::append_row(std::string& out, const store::Object& object) const {
  const std::string other = is_as_stored(object) ? std::string() : in_version(object).dump();
  const kinds::PrintedObject printed(other.empty() ? std::string_view(object.body) : other);
  // Columns are about what is stored.
  std::optional<kinds::PrintedObject> stored;
  if (target_.conversion) stored.emplace(object.body);
  const Time now = clock_.now();
  out += R"({"cells":[)";
  bool first = true;
  for (const kinds::Column& column : target_.kind->columns_of(target_.version)) {
    if (!std::exchange(first, false)) out += ',';
    kinds::append_cell(out, column, stored ? *stored : printed, now);
  }
  out += R"(],"object":)";
  switch (row_object_) {
    case RowObject::kNone:
      out += "null";
      break;
    case RowObject::kMetadata:
      append_partial(out, printed.metadata().text);
      break;
    case RowObject::kWhole:
      out += printed.text();
      break;
  }
  out += '}';
}

Json Encoder::columns() const {
  Json out = Json::array();
  for (const kinds::Column& column : target_.kind->columns_of(target_.version))
    out.push_back(Json::object({{"name", column.name},
                                {"type", column.type == "date" ? "string" : column.type},
                                {"format", column.format},
                                {"description", column.description},
                                {"priority", column.priority}}));
  return out;
}

void Encoder::append_table(std::string& out, const store::Object& object, bool with_columns) const {
  fmt::format_to(std::back_inserter(out), R"({{"apiVersion":"meta.k8s.io/{}","columnDefinitions":)",
                 wanted_.version);
  (with_columns ? columns() : Json()).dump_to(out);
  fmt::format_to(std::back_inserter(out), R"(,"kind":"Table","metadata":{{"resourceVersion":"{}"}},"rows":[)",
                 object.version);
  append_row(out, object);
  out += "]}";
}

void Encoder::append_one(std::string& out, const store::Object& object, bool with_columns) const {
  switch (wanted_.shape) {
    case Shape::kTable:
      return append_table(out, object, with_columns);
    case Shape::kPartial:
      return append_partial(out, member_text(object.body, "metadata"));
    default:
      return append_whole(out, object);
  }
}

std::string Encoder::one(const store::Object& object) const {
  std::string out;
  append_one(out, object, true);
  return out;
}

std::string Encoder::alone(const store::Object& object) const {
  if (wanted_.shape == Shape::kTable || !core::managed::is_brief(object.body)) return one(object);
  Json json = object.json();
  core::managed::write_out(*target_.kind, json);
  store::Object shown = object;
  shown.body = json.dump();
  return one(shown);
}

// In a list of a built-in kind, as upstream, the items do not repeat what the list says: their version and
// kind.
void Encoder::append_item(std::string& out, std::string_view body) const {
  const std::string version = fmt::format("\"apiVersion\":\"{}\",", target_.api_version());
  const std::string kind = fmt::format("\"kind\":\"{}\",\"metadata\":", target_.kind->kind);
  const size_t at = body.find(kind);
  if (target_.kind->custom || !message_of_kind(target_.named().group, target_.kind->kind) ||
      !body.starts_with('{') || !body.substr(1).starts_with(version) || at == std::string_view::npos) {
    out += body;
    return;
  }
  const size_t after_version = 1 + version.size(),
               metadata = at + kind.size() - std::string_view("\"metadata\":").size();
  out += '{';
  out += body.substr(after_version, at - after_version);
  out += body.substr(metadata);
}

void Encoder::begin_list(std::string& out, const Page& page) const {
  const bool table = wanted_.shape == Shape::kTable, partial_list = wanted_.shape == Shape::kPartial;
  fmt::format_to(std::back_inserter(out), R"({{"kind":"{}","apiVersion":"{}","metadata":)",
                 table          ? "Table"
                 : partial_list ? "PartialObjectMetadataList"
                                : target_.kind->list_kind_name(),
                 table || partial_list ? "meta.k8s.io/" + wanted_.version : target_.api_version());
  list_metadata(page).dump_to(out);
  if (table) {
    out += R"(,"columnDefinitions":)";
    columns().dump_to(out);
  }
  out += table ? R"(,"rows":[)" : R"(,"items":[)";
}

void Encoder::add_item(std::string& out, const store::Object& object, bool first) const {
  if (!first) out += ',';
  switch (wanted_.shape) {
    case Shape::kTable:
      return append_row(out, object);
    case Shape::kPartial:
      return append_partial(out, member_text(object.body, "metadata"));
    default:
      return append_item(out, is_as_stored(object) ? std::string_view(object.body)
                                                   : std::string_view(in_version(object).dump()));
  }
}

std::string Encoder::list(const Page& page) const {
  std::string out;
  begin_list(out, page);
  bool first = true;
  for (const store::ObjectRef& object : page.objects) add_item(out, *object, std::exchange(first, false));
  out += kListEnd;
  return out;
}

std::string Encoder::event(std::string_view type, const store::Object& object, bool first) const {
  std::string out;
  out.reserve(object.body.size() + 64);
  out.append(R"({"type":")").append(type).append(R"(","object":)");
  append_one(out, object, first);
  out += "}\n";
  return out;
}

std::string Encoder::bookmark(store::Version version, bool initial_events_end) const {
  Json metadata = Json::object({{"resourceVersion", std::to_string(version)}, {"creationTimestamp", Json()}});
  if (initial_events_end) metadata["annotations"] = Json::object({{"k8s.io/initial-events-end", "true"}});
  Json object = Json::object({{"metadata", metadata}});
  if (wanted_.shape == Shape::kObject) {
    object["kind"] = target_.kind->kind;
    object["apiVersion"] = target_.api_version();
  } else {
    object["kind"] = wanted_.shape == Shape::kTable ? "Table" : "PartialObjectMetadata";
    object["apiVersion"] = "meta.k8s.io/" + wanted_.version;
  }
  if (wanted_.shape == Shape::kTable) {
    object["columnDefinitions"] = Json();
    object["rows"] = Json::array();
  }
  return Json::object({{"type", "BOOKMARK"}, {"object", std::move(object)}}).dump() + "\n";
}

std::string Encoder::variant() const {
  return fmt::format("{}/{} {} {} {}", target_.named().resource(), target_.version,
                     static_cast<int>(wanted_.shape), wanted_.version, static_cast<int>(row_object_));
}

std::string error_event(const Error& error) {
  return Json::object({{"type", "ERROR"}, {"object", status_json(error)}}).dump() + "\n";
}

}  // namespace mk::api::kubernetes

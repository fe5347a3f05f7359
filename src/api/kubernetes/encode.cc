#include "api/kubernetes/encode.h"

#include <algorithm>

#include "api/kubernetes/fields.h"
#include "api/kubernetes/status.h"
#include "base/format.h"
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

std::string Encoder::whole(const store::Object& object) const {
  // Keys are sorted, so a body begins with its version.
  constexpr std::string_view kStart = "{\"apiVersion\":\"";
  const std::string_view body = object.body;
  if (body.starts_with(kStart) && body.substr(kStart.size()).starts_with(target_.api_version() + '"'))
    return object.body;
  return in_version(object).dump();
}

Json Encoder::partial(const Json& object) const {
  return Json::object({{"kind", "PartialObjectMetadata"},
                       {"apiVersion", "meta.k8s.io/" + wanted_.version},
                       {"metadata", object["metadata"]}});
}

Json Encoder::row(const store::Object& object) const {
  Json json = in_version(object);
  // Columns are about what is stored.
  const Json stored = target_.conversion ? object.json() : Json();
  Json cells = Json::array();
  const Time now = clock_.now();
  for (const kinds::Column& column : target_.kind->columns_of(target_.version))
    cells.push_back(kinds::cell(column, target_.conversion ? stored : json, now));
  Json out = Json::object({{"cells", std::move(cells)}});
  if (row_object_ == RowObject::kNone) out["object"] = Json();
  if (row_object_ == RowObject::kMetadata) out["object"] = partial(json);
  if (row_object_ == RowObject::kWhole) out["object"] = std::move(json);
  return out;
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

std::string Encoder::one(const store::Object& object) const {
  if (wanted_.shape == Shape::kPartial) return partial(object.json()).dump();
  if (wanted_.shape != Shape::kTable) return whole(object);
  return Json::object({{"kind", "Table"},
                       {"apiVersion", "meta.k8s.io/" + wanted_.version},
                       {"metadata", Json::object({{"resourceVersion", std::to_string(object.version)}})},
                       {"columnDefinitions", columns()},
                       {"rows", Json::array({row(object)})}})
      .dump();
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

std::string Encoder::list(const Page& page) const {
  const bool table = wanted_.shape == Shape::kTable, partial_list = wanted_.shape == Shape::kPartial;
  std::string out =
      fmt::format(R"({{"kind":"{}","apiVersion":"{}","metadata":)",
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
  bool first = true;
  for (const store::ObjectRef& object : page.objects) {
    if (!first) out += ',';
    first = false;
    if (table)
      row(*object).dump_to(out);
    else if (partial_list)
      partial(object->json()).dump_to(out);
    else
      append_item(out, whole(*object));
  }
  out += "]}";
  return out;
}

std::string Encoder::event(std::string_view type, const store::Object& object, bool first) const {
  std::string out = fmt::format(R"({{"type":"{}","object":)", type);
  if (wanted_.shape == Shape::kTable) {
    Json table =
        Json::object({{"kind", "Table"},
                      {"apiVersion", "meta.k8s.io/" + wanted_.version},
                      {"metadata", Json::object({{"resourceVersion", std::to_string(object.version)}})},
                      {"columnDefinitions", first ? columns() : Json()},
                      {"rows", Json::array({row(object)})}});
    table.dump_to(out);
  } else {
    out += one(object);
  }
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

#include "api/kubernetes/openapi.h"

#include <algorithm>
#include <set>
#include <utility>

#include "api/kubernetes/fields.h"
#include "api/kubernetes/query.h"
#include "api/kubernetes/status.h"
#include "api/kubernetes/swagger.h"
#include "base/format.h"

namespace mk::api::kubernetes {
namespace {

constexpr std::string_view kStandardFormats[] = {"int32", "int64", "double", "byte", "date-time"};
constexpr std::string_view kSwaggerProtobufType =
    "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
constexpr std::string_view kRefPrefix = "#/components/schemas/";

// Names as upstream has them: io.k8s.api.apps.v1.Deployment, io.kserve.serving.v1beta1.InferenceService.
std::string schema_name(const kinds::Kind& kind, std::string_view version) {
  std::string_view group = kind.group.empty() ? "core" : std::string_view(kind.group);
  const bool built_in = message_of_kind(kind.group, kind.kind) != nullptr;
  if (built_in)
    return fmt::format("io.k8s.api.{}.{}.{}", group.substr(0, group.find('.')), version, kind.kind);
  std::string reversed;
  while (!group.empty()) {
    const size_t dot = group.rfind('.');
    reversed += group.substr(dot == std::string_view::npos ? 0 : dot + 1);
    reversed += '.';
    group = dot == std::string_view::npos ? std::string_view() : group.substr(0, dot);
  }
  return fmt::format("{}{}.{}", reversed, version, kind.kind);
}

std::string definition_name(std::string_view name) {
  if (name == "ObjectMeta") return "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
  return fmt::format("io.modelkit.{}", name);
}

// Turns our schemas into those of a document, and remembers which shared parts they name.
class Translator {
 public:
  Json translate(const Json& schema) {
    if (!schema.is_object()) return schema;
    if (const Json* ref = schema.find("$ref")) return reference(*ref, schema);
    Json out = Json::object();
    for (const auto& [key, value] : schema.members()) {
      if (key.starts_with("x-modelkit-")) continue;
      if (key == "properties") {
        Json properties = Json::object();
        for (const auto& [name, property] : value.members()) properties[name] = translate(property);
        out[key] = std::move(properties);
      } else if (key == "items" || key == "additionalProperties") {
        out[key] = translate(value);
      } else {
        out[key] = value;
      }
    }
    spell_special_formats(out);
    return out;
  }

  // The shared parts named so far, and the parts that those name.
  Json take_definitions() {
    Json out = Json::object();
    while (!waiting_.empty()) {
      const std::string name = *waiting_.begin();
      waiting_.erase(waiting_.begin());
      done_.insert(name);
      out[definition_name(name)] = translate(kinds::schema_definitions()[name]);
    }
    return out;
  }

 private:
  Json reference(const Json& ref, const Json& schema) {
    const std::string name(ref.text());
    const Json& definition = kinds::schema_definitions()[name];
    // Lists and scalars stand where they are used: clients look for a list's merge key at the field itself.
    if (definition["type"].text() != "object") return translate(definition);
    if (!done_.contains(name)) waiting_.insert(name);
    Json link = Json::object({{"$ref", std::string(kRefPrefix) + definition_name(name)}});
    if (schema.size() == 1) return link;
    Json out = Json::object({{"allOf", Json::array({std::move(link)})}});
    for (const auto& [key, value] : schema.members())
      if (key != "$ref" && !key.starts_with("x-modelkit-")) out[key] = value;
    return out;
  }

  static void spell_special_formats(Json& schema) {
    const std::string format(std::as_const(schema)["format"].text());
    if (format == "quantity") {
      schema.erase("format");
      schema.erase("type");
      schema["oneOf"] = Json::array({Json::object({{"type", "string"}}), Json::object({{"type", "number"}})});
    } else if (format == "int-or-percent" || std::as_const(schema)["x-kubernetes-int-or-string"].boolean()) {
      schema.erase("type");
      schema["format"] = "int-or-string";
      schema["oneOf"] =
          Json::array({Json::object({{"type", "integer"}}), Json::object({{"type", "string"}})});
    } else if (std::ranges::find(kStandardFormats, format) == std::end(kStandardFormats)) {
      schema.erase("format");  // checks of our own; clients know nothing of them
    }
  }

  std::set<std::string> waiting_, done_;
};

Json parameter(std::string_view name, std::string_view in, std::string_view description) {
  return Json::object({{"name", name},
                       {"in", in},
                       {"required", in == "path"},
                       {"description", description},
                       {"schema", Json::object({{"type", "string"}, {"uniqueItems", true}})}});
}

Json write_parameters() {
  return Json::array(
      {parameter("dryRun", "query", "All: check everything, change nothing."),
       parameter("fieldManager", "query", "Who makes the change."),
       parameter("fieldValidation", "query", "Ignore, Warn or Strict: what to do about unknown fields.")});
}

class Paths {
 public:
  Paths(Json& paths, const kinds::Kind& kind, std::string_view version, std::string_view schema)
      : paths_(paths),
        kind_(kind),
        version_(version),
        schema_(Json::object({{"$ref", std::string(kRefPrefix) + std::string(schema)}})),
        patchable_(message_of_kind(kind.group, kind.kind) != nullptr) {}

  void add() {
    const std::string root = (kind_.group.empty() ? "/api/" : "/apis/" + kind_.group + "/") + version_;
    const std::string all = root + "/" + kind_.plural;
    const std::string collection = kind_.namespaced ? root + "/namespaces/{namespace}/" + kind_.plural : all;
    if (kind_.namespaced) paths_[all] = Json::object({{"get", operation("list")}});
    Json& many = paths_[collection];
    many = Json::object({{"get", operation("list")},
                         {"post", with_body(operation("post"), {"application/json"})},
                         {"delete", operation("deletecollection")}});
    object_paths(collection + "/{name}", true);
    if (kind_.status_subresource) object_paths(collection + "/{name}/status", false);
    for (const auto& [path, item] : paths_.members()) path_parameters(path);
  }

 private:
  void object_paths(const std::string& path, bool removable) {
    Json& one = paths_[path];
    one =
        Json::object({{"get", operation("get")}, {"put", with_body(operation("put"), {"application/json"})}});
    std::vector<std::string_view> types = {"application/json-patch+json", "application/merge-patch+json"};
    if (patchable_) types.push_back("application/strategic-merge-patch+json");
    types.push_back("application/apply-patch+yaml");
    one["patch"] = with_body(operation("patch"), types);
    if (removable) one["delete"] = operation("delete");
  }

  void path_parameters(const std::string& path) {
    Json list = Json::array();
    if (path.find("{namespace}") != std::string::npos)
      list.push_back(parameter("namespace", "path", "The namespace."));
    if (path.find("{name}") != std::string::npos) list.push_back(parameter("name", "path", "The name."));
    if (!list.empty()) paths_[path]["parameters"] = std::move(list);
  }

  Json operation(std::string_view action) const {
    Json content = Json::object({{"application/json", Json::object({{"schema", schema_}})}});
    Json out = Json::object(
        {{"x-kubernetes-action", action},
         {"x-kubernetes-group-version-kind",
          Json::object({{"group", kind_.group}, {"version", version_}, {"kind", kind_.kind}})},
         {"responses",
          Json::object({{"200", Json::object({{"description", "OK"}, {"content", std::move(content)}})}})}});
    return out;
  }

  Json with_body(Json operation, const std::vector<std::string_view>& types) const {
    Json content = Json::object();
    for (const std::string_view type : types) content[type] = Json::object({{"schema", schema_}});
    operation["requestBody"] = Json::object({{"content", std::move(content)}, {"required", true}});
    operation["parameters"] = write_parameters();
    return operation;
  }

  Json& paths_;
  const kinds::Kind& kind_;
  const std::string version_;
  const Json schema_;
  const bool patchable_;
};

}  // namespace

Json openapi_v3(const kinds::Kinds& kinds, std::string_view group, std::string_view version) {
  Translator translator;
  Json schemas = Json::object(), paths = Json::object();
  for (const kinds::Kind& kind : kinds) {
    if (kind.group != group || std::ranges::find(kind.versions, version) == kind.versions.end()) continue;
    const std::string name = schema_name(kind, version);
    Json schema = translator.translate(kind.schema_of(version));
    schema["x-kubernetes-group-version-kind"] =
        Json::array({Json::object({{"group", kind.group}, {"version", version}, {"kind", kind.kind}})});
    schemas[name] = std::move(schema);
    Paths(paths, kind, version, name).add();
  }
  Json shared = translator.take_definitions();
  for (auto& [name, schema] : shared.members()) schemas[name] = std::move(schema);
  return Json::object({{"openapi", "3.0.0"},
                       {"info", Json::object({{"title", "modelkit"}, {"version", kServerVersion}})},
                       {"paths", std::move(paths)},
                       {"components", Json::object({{"schemas", std::move(schemas)}})}});
}

const std::map<std::string, OpenApi::Part>& OpenApi::documents() {
  const std::lock_guard lock(making_);
  if (std::exchange(made_, true)) return documents_;
  std::map<std::string, Part> known;
  if (before_) known = before_->documents();
  before_ = nullptr;
  std::map<std::string, std::pair<std::string, std::string>> versions;  // by path: group and version
  for (const kinds::KindRef& kind : kinds_.list()) {
    for (const std::string& version : kind->versions) {
      const std::string path = kind->group.empty() ? "api/" + version : "apis/" + kind->group + "/" + version;
      versions[path] = {kind->group, version};
      documents_[path].kinds.push_back(kind);
    }
  }
  Json paths = Json::object();
  for (auto& [path, part] : documents_) {
    const auto old = known.find(path);
    if (old != known.end() && old->second.kinds == part.kinds)
      part.document = std::move(old->second.document);
    else
      part.document = Document::of(openapi_v3(kinds_, versions[path].first, versions[path].second).dump());
    const std::string& etag = part.document.etag;
    paths[path] = Json::object({{"serverRelativeURL", fmt::format("/openapi/v3/{}?hash={}", path,
                                                                  etag.substr(1, etag.size() - 2))}});
  }
  index_ = Document::of(Json::object({{"paths", std::move(paths)}}).dump());
  return documents_;
}

// Few clients ask for it, so nothing of it is made before.
void OpenApi::make_swagger() {
  std::set<std::pair<std::string_view, std::string_view>> versions;
  for (const kinds::Kind& kind : kinds_)
    for (const std::string& version : kind.versions) versions.emplace(kind.group, version);
  std::vector<Json> documents;
  std::vector<const Json*> all;
  documents.reserve(versions.size());
  for (const auto& [group, version] : versions)
    all.push_back(&documents.emplace_back(openapi_v3(kinds_, group, version)));
  const Json made = kubernetes::swagger(all);
  swagger_json_ = Document::of(made.dump());
  swagger_protobuf_ = Document::of(swagger_protobuf(made), std::string(kSwaggerProtobufType));
}

net::Response OpenApi::swagger(const net::Request& request) {
  std::call_once(swagger_made_, [this] { make_swagger(); });
  const bool protobuf = request.headers.get("Accept").find("proto-openapi.spec.v2") != std::string_view::npos;
  return (protobuf ? swagger_protobuf_ : swagger_json_).answer(request);
}

net::Response OpenApi::index(const net::Request& request) {
  documents();
  return index_.answer(request);
}

net::Response OpenApi::document(const std::string& path, const net::Request& request) {
  const auto found = documents().find(path);
  if (found == documents().end()) return refuse(not_here());
  const Document& made = found->second.document;
  net::Response response = made.answer(request);
  // The address carries the content's hash, so it may be kept for ever.
  const auto query = query_of(request);
  if (query && made.etag == fmt::format("\"{}\"", query->get("hash")))
    response.headers.set("Cache-Control", "public, immutable, max-age=31536000");
  return response;
}

}  // namespace mk::api::kubernetes

#include "api/kubernetes/swagger.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "api/kubernetes/discovery.h"

namespace mk::api::kubernetes {
namespace {

constexpr std::string_view kOldPrefix = "#/components/schemas/", kNewPrefix = "#/definitions/";

std::string moved_ref(std::string_view ref) {
  return std::string(kNewPrefix) + std::string(ref.substr(std::min(ref.size(), kOldPrefix.size())));
}

// v2 has neither oneOf nor nullable, and its clients refuse what they cannot say: then they are told less.
Json schema_v2(const Json& v3) {
  if (const Json* ref = v3.find("$ref")) return Json::object({{"$ref", moved_ref(ref->text())}});
  if (const Json* all = v3.find("allOf")) {
    Json out = Json::object({{"$ref", moved_ref((*all)[0]["$ref"].text())}});
    if (const Json* description = v3.find("description")) out["description"] = *description;
    return out;
  }
  const bool loose = v3["nullable"].boolean();
  const bool open = v3["x-kubernetes-preserve-unknown-fields"].boolean();
  Json out = Json::object();
  for (const auto& [key, value] : v3.members()) {
    if (key == "nullable" || key == "oneOf" || key == "anyOf") continue;
    if (loose && key == "type") continue;
    if ((open || loose) && (key == "properties" || key == "required")) continue;
    if (key == "properties") {
      Json properties = Json::object();
      for (const auto& [name, property] : value.members()) properties[name] = schema_v2(property);
      out[key] = std::move(properties);
    } else if (key == "items" || (key == "additionalProperties" && value.is_object())) {
      out[key] = schema_v2(value);
    } else {
      out[key] = value;
    }
  }
  if (v3.contains("oneOf")) out["type"] = "string";  // of text or number
  if (std::as_const(out)["type"].text() == "array" && !out.contains("items")) out["items"] = Json::object();
  return out;
}

Json operation_v2(const Json& v3) {
  Json out = Json::object({{"produces", Json::array({"application/json", "application/yaml"})}});
  for (const auto& [key, value] : v3.members())
    if (key.starts_with("x-") || key == "description") out[key] = value;
  Json parameters = Json::array();
  if (const Json* body = v3.find("requestBody")) {
    Json consumes = Json::array();
    const Json* schema = nullptr;
    for (const auto& [type, content] : (*body)["content"].members()) {
      consumes.push_back(Json(type));
      schema = &content["schema"];
    }
    out["consumes"] = std::move(consumes);
    parameters.push_back(Json::object({{"name", "body"},
                                       {"in", "body"},
                                       {"required", true},
                                       {"schema", schema ? schema_v2(*schema) : Json::object()}}));
  }
  for (const Json& one : v3["parameters"].items()) {
    Json parameter = one;
    parameter.erase("schema");
    parameter["type"] = "string";
    parameter["uniqueItems"] = true;
    parameters.push_back(std::move(parameter));
  }
  if (!parameters.empty()) out["parameters"] = std::move(parameters);
  Json responses = Json::object();
  for (const auto& [code, response] : v3["responses"].members()) {
    Json made = Json::object({{"description", response["description"]}});
    if (const Json& schema = response.at({"content", "application/json", "schema"}); schema.is_object())
      made["schema"] = schema_v2(schema);
    responses[code] = std::move(made);
  }
  out["responses"] = std::move(responses);
  return out;
}

Json path_v2(const Json& v3) {
  Json out = Json::object();
  for (const auto& [key, value] : v3.members()) {
    if (key != "parameters") {
      out[key] = operation_v2(value);
      continue;
    }
    for (Json parameter : value.items()) {
      parameter.erase("schema");
      parameter["type"] = "string";
      parameter["uniqueItems"] = true;
      out["parameters"].push_back(std::move(parameter));
    }
  }
  return out;
}

// ---- gnostic's protobuf: a writer of our own, because generated classes of 60 messages would write what
// these few functions do.

class Proto {
 public:
  void text(uint32_t field, std::string_view value) {
    key(field, 2);
    varint(value.size());
    bytes_ += value;
  }
  void text_if(uint32_t field, const Json& value) {
    if (!value.text().empty()) text(field, value.text());
  }
  void texts(uint32_t field, const Json& list) {
    for (const Json& item : list.items()) text(field, item.text());
  }
  void message(uint32_t field, const Proto& value) { text(field, value.bytes_); }
  void flag_if(uint32_t field, const Json& value) {
    if (!value.boolean()) return;
    key(field, 0);
    varint(1);
  }
  void integer_if(uint32_t field, const Json& value) {
    if (value.integer() == 0) return;
    key(field, 0);
    varint(static_cast<uint64_t>(value.integer()));
  }
  void number_if(uint32_t field, const Json& value) {
    const double number = value.number();
    if (number == 0) return;
    key(field, 1);
    const auto bits = std::bit_cast<uint64_t>(number);
    for (unsigned shift = 0; shift < 64; shift += 8) bytes_ += static_cast<char>(bits >> shift & 0xff);
  }
  std::string take() { return std::move(bytes_); }

 private:
  void key(uint32_t field, uint32_t type) { varint(field << 3 | type); }
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>((value & 0x7f) | 0x80);
    bytes_ += static_cast<char>(value);
  }
  std::string bytes_;
};

// Any: a value as YAML, which JSON is.
Proto any(const Json& value) {
  Proto out;
  out.text(2, value.dump() + "\n");
  return out;
}

void extensions(Proto& out, uint32_t field, const Json& of) {
  for (const auto& [name, value] : of.members()) {
    if (!name.starts_with("x-")) continue;
    Proto named;
    named.text(1, name);
    named.message(2, any(value));
    out.message(field, named);
  }
}

Proto schema_proto(const Json& schema);

Proto named_schemas(const Json& schemas) {
  Proto out;
  for (const auto& [name, schema] : schemas.members()) {
    Proto named;
    named.text(1, name);
    named.message(2, schema_proto(schema));
    out.message(1, named);
  }
  return out;
}

Proto wrapped(uint32_t field, const Proto& inner) {
  Proto out;
  out.message(field, inner);
  return out;
}

Proto schema_proto(const Json& schema) {
  Proto out;
  out.text_if(1, schema["$ref"]);
  out.text_if(2, schema["format"]);
  out.text_if(3, schema["title"]);
  out.text_if(4, schema["description"]);
  if (const Json* standard = schema.find("default")) out.message(5, any(*standard));
  out.number_if(7, schema["maximum"]);
  out.number_if(9, schema["minimum"]);
  out.integer_if(11, schema["maxLength"]);
  out.integer_if(12, schema["minLength"]);
  out.text_if(13, schema["pattern"]);
  out.integer_if(14, schema["maxItems"]);
  out.integer_if(15, schema["minItems"]);
  out.integer_if(17, schema["maxProperties"]);
  out.integer_if(18, schema["minProperties"]);
  out.texts(19, schema["required"]);
  for (const Json& word : schema["enum"].items()) out.message(20, any(word));
  if (schema["additionalProperties"].is_object())
    out.message(21, wrapped(1, schema_proto(schema["additionalProperties"])));
  if (const Json& type = schema["type"]; type.is_string()) {
    Proto item;
    item.text(1, type.text());
    out.message(22, item);
  }
  if (schema["items"].is_object()) out.message(23, wrapped(1, schema_proto(schema["items"])));
  if (schema["properties"].is_object()) out.message(25, named_schemas(schema["properties"]));
  extensions(out, 31, schema);
  return out;
}

Proto parameter_proto(const Json& parameter) {
  Proto out;
  const std::string_view in = parameter["in"].text();
  if (in == "body") {
    out.text_if(2, parameter["name"]);
    out.text(3, in);
    out.flag_if(4, parameter["required"]);
    out.message(5, schema_proto(parameter["schema"]));
    return wrapped(1, wrapped(1, out));
  }
  const bool path = in == "path";
  out.flag_if(1, parameter["required"]);
  out.text(2, in);
  out.text_if(3, parameter["description"]);
  out.text_if(4, parameter["name"]);
  out.text_if(path ? 5 : 6, parameter["type"]);
  out.flag_if(path ? 19 : 20, parameter["uniqueItems"]);
  return wrapped(1, wrapped(2, wrapped(path ? 4 : 3, out)));
}

Proto operation_proto(const Json& operation) {
  Proto out;
  out.text_if(3, operation["description"]);
  out.texts(6, operation["produces"]);
  out.texts(7, operation["consumes"]);
  for (const Json& parameter : operation["parameters"].items()) out.message(8, parameter_proto(parameter));
  Proto responses;
  for (const auto& [code, response] : operation["responses"].members()) {
    Proto one;
    one.text_if(1, response["description"]);
    if (response["schema"].is_object()) one.message(2, wrapped(1, schema_proto(response["schema"])));
    Proto named;
    named.text(1, code);
    named.message(2, wrapped(1, one));
    responses.message(1, named);
  }
  out.message(9, responses);
  extensions(out, 13, operation);
  return out;
}

Proto path_proto(const Json& path) {
  constexpr std::pair<std::string_view, uint32_t> kMethods[] = {
      {"get", 2}, {"put", 3}, {"post", 4}, {"delete", 5}, {"patch", 8}};
  Proto out;
  for (const auto& [method, field] : kMethods)
    if (const Json* operation = path.find(method)) out.message(field, operation_proto(*operation));
  for (const Json& parameter : path["parameters"].items()) out.message(9, parameter_proto(parameter));
  return out;
}

}  // namespace

Json swagger(const std::vector<const Json*>& v3_documents) {
  Json definitions = Json::object(), paths = Json::object();
  for (const Json* document : v3_documents) {
    for (const auto& [name, schema] : document->at({"components", "schemas"}).members())
      if (!definitions.contains(name)) definitions[name] = schema_v2(schema);
    for (const auto& [path, item] : (*document)["paths"].members()) paths[path] = path_v2(item);
  }
  return Json::object({{"swagger", "2.0"},
                       {"info", Json::object({{"title", "modelkit"}, {"version", kServerVersion}})},
                       {"paths", std::move(paths)},
                       {"definitions", std::move(definitions)}});
}

std::string swagger_protobuf(const Json& swagger) {
  Proto info, paths, out;
  info.text_if(1, swagger["info"]["title"]);
  info.text_if(2, swagger["info"]["version"]);
  for (const auto& [name, path] : swagger["paths"].members()) {
    Proto named;
    named.text(1, name);
    named.message(2, path_proto(path));
    paths.message(2, named);
  }
  out.text_if(1, swagger["swagger"]);
  out.message(2, info);
  out.message(8, paths);
  out.message(9, named_schemas(swagger["definitions"]));
  return out.take();
}

}  // namespace mk::api::kubernetes

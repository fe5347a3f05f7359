#include "node/environment.h"

#include <map>

#include "base/encoding.h"
#include "base/format.h"

namespace mk::node {
namespace {

constexpr struct {
  std::string_view path;
  std::initializer_list<std::string_view> keys;
} kFields[] = {
    {"metadata.name", {"metadata", "name"}},
    {"metadata.namespace", {"metadata", "namespace"}},
    {"metadata.uid", {"metadata", "uid"}},
    {"spec.nodeName", {"spec", "nodeName"}},
    {"status.podIP", {"status", "podIP"}},
    {"status.hostIP", {"status", "hostIP"}},
    {"spec.serviceAccountName", {"spec", "serviceAccountName"}},
};

struct Source {
  std::string_view resource, kind;
};

Result<Json> find_source(const Json& pod, Source source, const Json& reference, const Lookup& lookup) {
  const std::string_view name = reference["name"].text();
  const store::Key key{std::string(source.resource), std::string(pod.at({"metadata", "namespace"}).text()),
                       std::string(name)};
  if (const store::ObjectRef found = lookup(key)) return found->json();
  if (reference["optional"].boolean()) return Json();
  return fail(Code::kFailedPrecondition, "CreateContainerConfigError",
              fmt::format("{} \"{}\" not found", source.kind, name));
}

Result<std::string> keyed_value(const Json& pod, Source source, const Json& reference, const Lookup& lookup) {
  MK_TRY(const Json object, find_source(pod, source, reference, lookup));
  if (object.is_null()) return std::string();
  auto value = config_value(object, reference["key"].text());
  if (value || !reference["optional"].boolean()) return value;
  return std::string();
}

Result<std::string> value_from(const Json& pod, const Json& from, const Container& container,
                               const Lookup& lookup) {
  if (const Json* field = from.find("fieldRef")) return field_value(pod, (*field)["fieldPath"].text());
  if (const Json* map = from.find("configMapKeyRef"))
    return keyed_value(pod, {"configmaps", "configmap"}, *map, lookup);
  if (const Json* secret = from.find("secretKeyRef"))
    return keyed_value(pod, {"secrets", "secret"}, *secret, lookup);
  if (const Json* resource = from.find("resourceFieldRef")) {
    const std::string_view path = (*resource)["resource"].text();
    const size_t dot = path.find('.');
    const Json& value =
        container.resources[path.substr(0, dot)][dot == path.npos ? "" : path.substr(dot + 1)];
    return value.is_string() ? std::string(value.text()) : value.is_null() ? "0" : value.dump();
  }
  return std::string();
}

Result<void> add_all(const Json& pod, const Json& from, const Lookup& lookup, Variables& variables) {
  const bool secret = from.contains("secretRef");
  const Json& reference = secret ? from["secretRef"] : from["configMapRef"];
  MK_TRY(const Json object,
         find_source(pod, secret ? Source{"secrets", "secret"} : Source{"configmaps", "configmap"}, reference,
                     lookup));
  for (const auto& [key, ignored] : object["data"].members()) {
    MK_TRY(std::string value, config_value(object, key));
    variables.emplace_back(std::string(from["prefix"].text()) + key, std::move(value));
  }
  return {};
}

const std::string* find_last(const Variables& variables, std::string_view name) {
  for (auto it = variables.rbegin(); it != variables.rend(); ++it)
    if (it->first == name) return &it->second;
  return nullptr;
}

}  // namespace

Result<std::string> field_value(const Json& pod, std::string_view path) {
  for (const auto& known : kFields)
    if (known.path == path) return std::string(pod.at(known.keys).text());
  for (std::string_view map : {"labels", "annotations"}) {
    const std::string prefix = fmt::format("metadata.{}['", map);
    if (path.starts_with(prefix) && path.ends_with("']"))
      return std::string(
          pod["metadata"][map][path.substr(prefix.size(), path.size() - prefix.size() - 2)].text());
  }
  if (path == "status.podIPs") return std::string(pod.at({"status", "podIP"}).text());
  if (path == "status.hostIPs") return std::string(pod.at({"status", "hostIP"}).text());
  return fail(Code::kFailedPrecondition, "CreateContainerConfigError",
              fmt::format("fieldPath \"{}\" is not one that a Pod's environment may name", path));
}

Result<std::string> config_value(const Json& object, std::string_view key) {
  const std::string_view kind = object["kind"].text();
  if (const Json* value = object["data"].find(key))
    return kind == "Secret" ? base64_decode(value->text()) : Result<std::string>(std::string(value->text()));
  if (const Json* value = object["binaryData"].find(key)) return base64_decode(value->text());
  return fail(
      Code::kFailedPrecondition, "CreateContainerConfigError",
      fmt::format("couldn't find key {} in {} {}/{}", key, kind, object.at({"metadata", "namespace"}).text(),
                  object.at({"metadata", "name"}).text()));
}

std::string expand(std::string_view text, const Variables& variables) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '$' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    if (text[i + 1] == '$') {
      out += '$';
      ++i;
      continue;
    }
    const size_t close = text[i + 1] == '(' ? text.find(')', i) : text.npos;
    const std::string* value =
        close == text.npos ? nullptr : find_last(variables, text.substr(i + 2, close - i - 2));
    if (value != nullptr) {
      out += *value;
      i = close;
    } else {
      out += text[i];
    }
  }
  return out;
}

Result<Variables> container_variables(const Json& pod, const Container& container, Variables base,
                                      const Lookup& lookup) {
  Variables variables = std::move(base);
  for (const Json& from : container.env_from.items()) MK_OK(add_all(pod, from, lookup, variables));
  for (const Json& declared : container.env.items()) {
    std::string value;
    if (const Json* from = declared.find("valueFrom")) {
      MK_TRY(value, value_from(pod, *from, container, lookup));
    } else {
      value = expand(declared["value"].text(), variables);
    }
    variables.emplace_back(declared["name"].text(), std::move(value));
  }
  return variables;
}

std::vector<std::string> as_environment(const Variables& variables) {
  std::map<std::string_view, std::string_view> last;
  for (const auto& [name, value] : variables) last[name] = value;
  std::vector<std::string> out;
  for (const auto& [name, value] : last) out.push_back(fmt::format("{}={}", name, value));
  return out;
}

}  // namespace mk::node

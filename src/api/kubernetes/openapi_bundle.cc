#include "api/kubernetes/openapi_bundle.h"

#include <set>
#include <vector>

#include "api/kubernetes/openapi_v3.h"
#include "api/kubernetes/swagger.h"
#include "base/digest.h"
#include "base/format.h"
#include "base/json.h"

namespace mk::api::kubernetes {

std::string etag_of(std::string_view text) {
  return "\"" + sha256_hex(text).substr(0, 32) + "\"";
}

std::string openapi_index(const std::map<std::string, std::string>& etags) {
  Json paths = Json::object();
  for (const auto& [path, etag] : etags)
    paths[path] = Json::object({{"serverRelativeURL", fmt::format("/openapi/v3/{}?hash={}", path,
                                                                  etag.substr(1, etag.size() - 2))}});
  return Json::object({{"paths", std::move(paths)}}).dump();
}

std::string make_openapi_bundle(const kinds::Kinds& kinds) {
  std::set<std::pair<std::string_view, std::string_view>> versions;
  for (const kinds::Kind& kind : kinds)
    for (const std::string& version : kind.versions) versions.emplace(kind.group, version);
  std::map<std::string, std::string> texts, etags;
  std::vector<Json> documents;
  std::vector<const Json*> all;
  documents.reserve(versions.size());
  for (const auto& [group, version] : versions) {
    all.push_back(&documents.emplace_back(openapi_v3(kinds, group, version)));
    const std::string path = openapi_path(group, version);
    texts[path] = documents.back().dump();
    etags[path] = etag_of(texts[path]);
  }
  texts[std::string(kOpenApiIndex)] = openapi_index(etags);
  const Json made = swagger(all);
  texts[std::string(kSwaggerJson)] = made.dump();
  texts[std::string(kSwaggerProtobuf)] = swagger_protobuf(made);
  Json head = Json::array();
  std::string bytes;
  for (const auto& [name, text] : texts) {
    head.push_back(Json::array({name, etag_of(text), static_cast<int64_t>(text.size())}));
    bytes += text;
  }
  return head.dump() + "\n" + bytes;
}

OpenApiBundle read_openapi_bundle(std::string_view bytes) {
  OpenApiBundle out;
  const size_t end = std::min(bytes.find('\n'), bytes.size());
  const auto head = Json::parse(bytes.substr(0, end));
  bytes.remove_prefix(std::min(end + 1, bytes.size()));
  if (!head) return out;
  for (const Json& one : head->items()) {
    const auto size = static_cast<size_t>(one[2].integer());
    out[std::string(one[0].text())] = {std::string(one[1].text()), bytes.substr(0, size)};
    bytes.remove_prefix(std::min(size, bytes.size()));
  }
  return out;
}

}  // namespace mk::api::kubernetes

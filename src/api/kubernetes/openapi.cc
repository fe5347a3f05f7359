#include "api/kubernetes/openapi.h"

#include <algorithm>
#include <utility>

#include "api/kubernetes/openapi_bundle.h"
#include "api/kubernetes/openapi_v3.h"
#include "api/kubernetes/query.h"
#include "api/kubernetes/status.h"
#include "api/kubernetes/swagger.h"
#include "base/format.h"
#include "embedded/openapi.h"

namespace mk::api::kubernetes {
namespace {

constexpr std::string_view kSwaggerProtobufType =
    "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

const OpenApiBundle& bundle() {
  static const OpenApiBundle kBundle = read_openapi_bundle(embedded::openapi());
  return kBundle;
}

Document bundled(std::string_view name, std::string_view content_type = "application/json") {
  const BundledText& found = bundle().find(name)->second;
  return Document::of_program(found.text, found.etag, std::string(content_type));
}

}  // namespace

const std::map<std::string, OpenApi::Part>& OpenApi::documents() {
  const std::lock_guard lock(making_);
  if (std::exchange(made_, true)) return documents_;
  std::map<std::string, Part> known;
  if (before_) known = before_->documents();
  before_ = nullptr;
  for (const kinds::KindRef& kind : kinds_.list()) {
    for (const std::string& version : kind->versions) {
      Part& part = documents_[openapi_path(kind->group, version)];
      part.group = kind->group;
      part.version = version;
      part.custom |= kind->custom;
      part.kinds.push_back(kind);
    }
  }
  bool custom = false;
  std::map<std::string, std::string> etags;
  for (auto& [path, part] : documents_) {
    const auto old = known.find(path);
    custom |= part.custom;
    if (!part.custom)
      part.document = bundled(path);
    else if (old != known.end() && old->second.kinds == part.kinds)
      part.document = old->second.document;
    else
      part.document = Document::of(openapi_v3(kinds_, part.group, part.version).dump());
    etags[path] = part.document.etag;
  }
  index_ = custom ? Document::of(openapi_index(etags)) : bundled(kOpenApiIndex);
  return documents_;
}

// What users brought is added to what there is.
void OpenApi::make_swagger() {
  std::vector<Json> added;
  std::vector<const Json*> all;
  const auto& parts = documents();
  added.reserve(parts.size());
  for (const auto& [path, part] : parts)
    if (part.custom) all.push_back(&added.emplace_back(openapi_v3(kinds_, part.group, part.version)));
  if (all.empty()) {
    swagger_json_ = bundled(kSwaggerJson);
    swagger_protobuf_ = bundled(kSwaggerProtobuf, kSwaggerProtobufType);
    return;
  }
  const BundledText& ours = bundle().find(kSwaggerJson)->second;
  auto whole = Json::parse(ours.text, {.bytes_max = ours.text.size() + 1, .nodes_max = ours.text.size()});
  if (!whole) return;  // it is a part of the program
  Json more = kubernetes::swagger(all);
  for (const char* field : {"paths", "definitions"}) {
    for (const auto& [name, value] : (*whole)[field].members()) more[field].erase(name);
    for (const auto& [name, value] : std::as_const(more)[field].members()) (*whole)[field][name] = value;
  }
  swagger_json_ = Document::of(whole->dump());
  // Two messages after each other are one message, with the fields of both.
  swagger_protobuf_ =
      Document::of(std::string(bundle().find(kSwaggerProtobuf)->second.text) + swagger_protobuf(more),
                   std::string(kSwaggerProtobufType));
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
  const auto query = query_of(request);
  const std::string_view hash = query ? query->get("hash") : std::string_view();
  const std::string current = made.etag.substr(1, made.etag.size() - 2);
  if (!hash.empty() && hash != current)  // an older index named it: here is what it became
    return {
        301, {{"Location", fmt::format("/openapi/v3/{}?hash={}", path, current)}, {"ETag", made.etag}}, {}};
  net::Response response = made.answer(request);
  // The address carries the content's hash, so it may be kept for ever.
  if (!hash.empty()) response.headers.set("Cache-Control", "public, immutable, max-age=31536000");
  return response;
}

}  // namespace mk::api::kubernetes

// The kinds' schemas as OpenAPI v3 documents: an index and one document for each group and version. kubectl
// reads them for apply (which lists merge by which key), explain and its checks. Made at first use, then
// kept.
#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "api/kubernetes/discovery.h"
#include "kinds/kind.h"

namespace mk::api::kubernetes {

class OpenApi {
 public:
  // Documents of `before` are taken over where their kinds are the same.
  explicit OpenApi(kinds::Kinds kinds, std::shared_ptr<OpenApi> before = nullptr)
      : kinds_(std::move(kinds)), before_(std::move(before)) {}

  net::Response index(const net::Request& request);                              // /openapi/v3
  net::Response document(const std::string& path, const net::Request& request);  // "api/v1", "apis/apps/v1"
  net::Response swagger(const net::Request& request);  // /openapi/v2, as JSON or as gnostic's protobuf

 private:
  struct Part {
    std::vector<kinds::KindRef> kinds;
    Document document;
  };
  const std::map<std::string, Part>& documents();
  void make_swagger();

  const kinds::Kinds kinds_;
  std::shared_ptr<OpenApi> before_;  // until ours are made
  std::mutex making_;
  bool made_ = false;
  Document index_;
  std::map<std::string, Part> documents_;
  std::once_flag swagger_made_;
  Document swagger_json_, swagger_protobuf_;
};

// One group and version as an OpenAPI v3 document.
Json openapi_v3(const kinds::Kinds& kinds, std::string_view group, std::string_view version);

}  // namespace mk::api::kubernetes

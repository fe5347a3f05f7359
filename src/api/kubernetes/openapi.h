// OpenAPI for clients: an index and one v3 document for each group and version, which kubectl reads for apply
// (which lists merge by which key), explain and its checks, and v2 for older ones. Documents of our own kinds
// were made when the program was built (openapi_bundle.h); those with kinds that users bring are made at
// first use, then kept.
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
    std::string group, version;
    std::vector<kinds::KindRef> kinds;
    bool custom = false;  // has a kind that a user brought
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

}  // namespace mk::api::kubernetes

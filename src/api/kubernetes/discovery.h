// Which groups, versions and resources there are: as one document (aggregated) or one for each (legacy
// clients). Everything is printed once for each set of kinds; see documents.h.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "api/kubernetes/media.h"
#include "kinds/kind.h"
#include "net/http.h"

namespace mk::api::kubernetes {

inline constexpr std::string_view kServerVersion = "v1.36.0";  // what clients may expect of us

// A body that does not change, with its ETag. Answers 304 when the client has it.
struct Document {
  std::string_view body;  // in `own`, or a part of the program
  std::string etag;
  std::string content_type = "application/json";
  std::shared_ptr<const std::string> own = nullptr;
  static Document of(std::string body, std::string content_type = "application/json");
  static Document of_program(std::string_view body, std::string etag, std::string content_type = "application/json");
  net::Response answer(const net::Request& request) const;
};

class Discovery {
 public:
  explicit Discovery(const kinds::Kinds& kinds);

  net::Response api(const net::Request& request) const;   // /api
  net::Response apis(const net::Request& request) const;  // /apis
  // "/apis/apps", "/apis/apps/v1", "/api/v1": path to document.
  const std::map<std::string, Document>& legacy() const { return legacy_; }

 private:
  Document api_, apis_;
  Document api_all_, apis_all_;            // aggregated
  Document api_all_beta_, apis_all_beta_;  // v2beta1, for clients before 1.30
  std::map<std::string, Document> legacy_;
};

}  // namespace mk::api::kubernetes

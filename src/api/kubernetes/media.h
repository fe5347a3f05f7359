// What a client wants back (Accept) and what it sent (Content-Type).
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "net/http.h"

namespace mk::api::kubernetes {

// kTable and kPartial exist because kubectl prints tables that the server makes and because caches of
// metadata only need the metadata. kDiscovery is one document instead of one request for each group.
enum class Shape : uint8_t { kObject, kTable, kPartial, kDiscovery };

struct Wanted {
  Shape shape = Shape::kObject;
  std::string version = "v1";  // of Table and PartialObjectMetadata in meta.k8s.io; of apidiscovery.k8s.io
  bool yaml = false;
};

// The first media range that we can serve; `shapes` says which besides plain objects make sense here.
// Errors: reason "not_acceptable".
struct Shapes {
  bool table = false, partial = false, discovery = false;
};
Result<Wanted> negotiate(std::string_view accept, Shapes shapes);

// The type without parameters, in lower case: "application/json; charset=utf-8" -> "application/json".
std::string media_type(std::string_view content_type);

// An Error's reason: the body is no JSON object.
inline constexpr const char* kUnreadableBody = "unreadable_body";

// An object from a body of JSON, YAML or protobuf; no Content-Type means JSON. With `duplicates`, keys that
// JSON has twice are told there instead of refused.
Result<Json> read_body(const net::Request& request, std::vector<std::string>* duplicates = nullptr);

// `text` is JSON already printed; as YAML when that was wanted.
net::Response write_body(std::string text, const Wanted& wanted, int status = 200);

}  // namespace mk::api::kubernetes

// The OpenAPI documents of the program's own kinds, made when it is built (tools/openapi_bundle.cc) and
// carried in it: a line of JSON, [[name, etag, bytes], ...], then the texts. Reading it copies none of them.
#pragma once
#include <map>
#include <string>
#include <string_view>

#include "kinds/kind.h"

namespace mk::api::kubernetes {

// Names of texts that are no group's: the index of v3, and v2 in both its forms.
inline constexpr std::string_view kOpenApiIndex = "index", kSwaggerJson = "swagger.json",
                                  kSwaggerProtobuf = "swagger.pb";

struct BundledText {
  std::string etag;  // with its quotes
  std::string_view text;
};
using OpenApiBundle = std::map<std::string, BundledText, std::less<>>;

std::string make_openapi_bundle(const kinds::Kinds& kinds);
OpenApiBundle read_openapi_bundle(std::string_view bytes);

// As documents have it: in quotes, of 32 hex digits.
std::string etag_of(std::string_view text);
// /openapi/v3 of documents by path, with their tags.
std::string openapi_index(const std::map<std::string, std::string>& etags);

}  // namespace mk::api::kubernetes

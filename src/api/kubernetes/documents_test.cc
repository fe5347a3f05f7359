// Discovery and OpenAPI, as documents of the kinds that this binary really has.
#include <doctest/doctest.h>

#include <set>

#include "api/kubernetes/discovery.h"
#include "api/kubernetes/openapi.h"
#include "api/kubernetes/openapi_bundle.h"
#include "embedded/openapi.h"
#include "kinds/kind.h"

namespace k8s = mk::api::kubernetes;
using mk::Json;

namespace {
mk::net::Request get(const char* accept = "application/json", std::string_view etag = {}) {
  mk::net::Request request;
  request.headers.set("Accept", accept);
  if (!etag.empty()) request.headers.set("If-None-Match", std::string(etag));
  return request;
}
Json body(const mk::net::Response& response) {
  return Json::parse(response.body).value();
}

void collect_refs(const Json& value, std::set<std::string>& refs) {
  // As a string; a field may have this name, too.
  if (const Json* ref = value.find("$ref"); ref && ref->is_string()) refs.insert(std::string(ref->text()));
  for (const auto& [key, member] : value.members()) collect_refs(member, refs);
  for (const Json& item : value.items()) collect_refs(item, refs);
}
}  // namespace

TEST_CASE("kubernetes: discovery, legacy and aggregated, names the same resources") {
  const k8s::Discovery discovery(mk::kinds::all());
  CHECK(body(discovery.api(get()))["versions"][0].text() == "v1");
  std::set<std::string> legacy, aggregated;
  for (const auto& [path, document] : discovery.legacy()) {
    const Json list = Json::parse(document.body).value();
    for (const Json& one : list["resources"].items())
      legacy.insert(std::string(list["groupVersion"].text()) + " " + std::string(one["name"].text()));
  }
  constexpr const char* kAll =
      "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
  for (const Json& list : {body(discovery.api(get(kAll))), body(discovery.apis(get(kAll)))}) {
    CHECK(list["kind"].text() == "APIGroupDiscoveryList");
    for (const Json& group : list["items"].items()) {
      const std::string name(group["metadata"]["name"].text());
      for (const Json& version : group["versions"].items()) {
        const std::string prefix =
            (name.empty() ? "" : name + "/") + std::string(version["version"].text()) + " ";
        for (const Json& resource : version["resources"].items()) {
          aggregated.insert(prefix + std::string(resource["resource"].text()));
          for (const Json& sub : resource["subresources"].items())
            aggregated.insert(prefix + std::string(resource["resource"].text()) + "/" +
                              std::string(sub["subresource"].text()));
        }
      }
    }
  }
  CHECK(legacy == aggregated);
  CHECK(legacy.contains("v1 pods/log"));
  CHECK(legacy.contains("apps/v1 deployments/scale"));
  CHECK(legacy.contains("serving.kserve.io/v1beta1 inferenceservices"));
}

TEST_CASE("kubernetes: OpenAPI made when the program was built is what it would make now") {
  const std::string now = k8s::make_openapi_bundle(mk::kinds::all());
  CHECK(now == mk::embedded::openapi());
  const k8s::OpenApiBundle bundle = k8s::read_openapi_bundle(now);
  CHECK(bundle.at("apis/apps/v1").etag == k8s::etag_of(bundle.at("apis/apps/v1").text));
  k8s::OpenApi openapi(mk::kinds::all());
  for (const auto& [path, made] : bundle) {
    CAPTURE(path);
    mk::net::Request request = get();
    mk::net::Response response;
    if (path == k8s::kOpenApiIndex)
      response = openapi.index(request);
    else if (path == k8s::kSwaggerJson)
      response = openapi.swagger(request);
    else if (path == k8s::kSwaggerProtobuf)
      response = openapi.swagger(get("application/com.github.proto-openapi.spec.v2@v1.0+protobuf"));
    else
      response = openapi.document(path, request);
    CHECK(response.status == 200);
    CHECK(response.body == made.text);
    CHECK(response.headers.get("ETag") == made.etag);
  }
  CHECK(k8s::read_openapi_bundle("").empty());
  CHECK(k8s::read_openapi_bundle("[[\"a\",\"\\\"x\\\"\",5]]\nab").at("a").text == "ab");
}

TEST_CASE("kubernetes: an unchanged document is not sent twice") {
  const k8s::Discovery discovery(mk::kinds::all());
  const auto first = discovery.apis(get());
  REQUIRE(first.status == 200);
  const auto again = discovery.apis(get("application/json", first.headers.get("ETag")));
  CHECK(again.status == 304);
  CHECK(again.body.empty());
  CHECK(discovery.apis(get("application/json", "\"other\"")).status == 200);
}

TEST_CASE("kubernetes: every OpenAPI document is closed, and says how lists merge") {
  k8s::OpenApi openapi(mk::kinds::all());
  const Json index = body(openapi.index(get()));
  REQUIRE(index["paths"].contains("apis/apps/v1"));
  for (const auto& [path, entry] : index["paths"].members()) {
    CAPTURE(path);
    const Json document = body(openapi.document(path, get()));
    std::set<std::string> refs;
    collect_refs(document, refs);
    for (const std::string& ref : refs) {
      CAPTURE(ref);
      CHECK(document["components"]["schemas"].contains(ref.substr(ref.rfind('/') + 1)));
    }
  }
  const Json apps = body(openapi.document("apis/apps/v1", get()));
  const Json& schemas = apps["components"]["schemas"];
  const Json& deployment = schemas["io.k8s.api.apps.v1.Deployment"];
  CHECK(deployment["x-kubernetes-group-version-kind"].dump() ==
        R"([{"group":"apps","kind":"Deployment","version":"v1"}])");
  CHECK(schemas["io.modelkit.PodSpec"]["properties"]["containers"]["x-kubernetes-patch-merge-key"].text() ==
        "name");
  const Json& patch = apps["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
  CHECK(patch["requestBody"]["content"].contains("application/strategic-merge-patch+json"));
  CHECK(openapi.document("apis/nothing/v1", get()).status == 404);
}

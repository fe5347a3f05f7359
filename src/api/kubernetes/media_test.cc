#include "api/kubernetes/media.h"

#include <doctest/doctest.h>

#include "api/kubernetes/status.h"

namespace k8s = mk::api::kubernetes;
using k8s::Shape;

TEST_CASE("kubernetes: what a client accepts") {
  struct Case {
    const char* accept;
    k8s::Shapes shapes;
    int shape;  // -1 = refused
    const char* version;
  };
  constexpr k8s::Shapes kObjects{.table = true, .partial = true};
  const Case cases[] = {
      {"", kObjects, int(Shape::kObject), "v1"},
      {"*/*", kObjects, int(Shape::kObject), "v1"},
      {"application/json", kObjects, int(Shape::kObject), "v1"},
      {"application/vnd.kubernetes.protobuf,application/json", kObjects, int(Shape::kObject), "v1"},
      {"application/json;as=Table;v=v1;g=meta.k8s.io,application/"
       "json;as=Table;v=v1beta1;g=meta.k8s.io,application/json",
       kObjects, int(Shape::kTable), "v1"},
      {"application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json", kObjects, int(Shape::kTable),
       "v1beta1"},
      {"application/json;as=Table;v=v9;g=meta.k8s.io,application/json", kObjects, int(Shape::kObject), "v1"},
      {"application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", kObjects, int(Shape::kPartial),
       "v1"},
      {"application/json;as=Table;v=v1;g=meta.k8s.io", {}, -1, ""},
      {"application/vnd.kubernetes.protobuf", kObjects, -1, ""},
      {"text/html", kObjects, -1, ""},
      {"application/json;q=0, application/yaml;q=0.5", kObjects, int(Shape::kObject), "v1"},
      {"application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json",
       {.discovery = true},
       int(Shape::kDiscovery),
       "v2"},
      {"application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json", kObjects,
       int(Shape::kObject), "v1"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.accept);
    const auto got = k8s::negotiate(c.accept, c.shapes);
    REQUIRE(got.has_value() == (c.shape >= 0));
    if (!got) {
      CHECK(k8s::status_code(got.error()).http == 406);
      continue;
    }
    CHECK(int(got->shape) == c.shape);
    CHECK(got->version == c.version);
  }
  CHECK(k8s::negotiate("application/json;q=0, application/yaml;q=0.5", {})->yaml);
  CHECK_FALSE(k8s::negotiate(std::string(5000, 'a'), {}));
}

TEST_CASE("kubernetes: request bodies") {
  const auto read = [](const char* type, std::string body) {
    mk::net::Request request;
    if (*type) request.headers.set("Content-Type", type);
    request.body = std::move(body);
    return k8s::read_body(request);
  };
  CHECK(read("", R"({"a":1})")->dump() == R"({"a":1})");
  CHECK(read("application/json; charset=utf-8", R"({"a":1})")->dump() == R"({"a":1})");
  CHECK(read("application/yaml", "a: 1\nb: [x]\n")->dump() == R"({"a":1,"b":["x"]})");
  CHECK_FALSE(read("application/yaml", "a: 1\n---\nb: 1\n"));
  CHECK_FALSE(read("application/yaml", "a: [1\n"));
  CHECK_FALSE(read("application/json", "[]"));
  CHECK_FALSE(read("application/json", "{"));
  CHECK_FALSE(read("application/json", std::string(300, '[') + std::string(300, ']')));
  CHECK(k8s::status_code(read("application/cbor", "x").error()).http == 415);
}

TEST_CASE("kubernetes: a Status says what, which and why") {
  const mk::Error error{mk::Code::kInvalidArgument, "invalid_object", "Deployment.apps \"web\" is invalid"};
  const mk::Json status = k8s::status_json(error, {"apps", "deployments", "Deployment", "web", {}},
                                           {{"spec.replicas", "FieldValueInvalid", "must be at least 0"}});
  CHECK(status["code"].integer() == 422);
  CHECK(status["reason"].text() == "Invalid");
  CHECK(
      status["details"].dump() ==
      R"({"causes":[{"field":"spec.replicas","message":"must be at least 0","reason":"FieldValueInvalid"}],)"
      R"("group":"apps","kind":"Deployment","name":"web"})");
  CHECK(k8s::status_json({mk::Code::kNotFound, "not_found", "pods \"x\" not found"},
                         {"", "pods", "Pod", "x", {}})["details"]
            .dump() == R"({"kind":"pods","name":"x"})");
  for (int code = 0; code <= int(mk::Code::kInternal); ++code)
    CHECK(k8s::status_code({mk::Code(code), "x", "x"}).http >= 400);
}

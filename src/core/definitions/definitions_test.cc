#include "core/definitions/definitions.h"

#include <doctest/doctest.h>

#include "base/yaml.h"
#include "core/definitions/definition.h"
#include "core/schema.h"
#include "kinds/registry.h"

using mk::Json;
using namespace mk::core;
namespace kinds = mk::kinds;

namespace {

constexpr std::string_view kGadgets = R"(
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gadgets.test.example.com}
spec:
  group: test.example.com
  scope: Namespaced
  names: {plural: gadgets, kind: Gadget}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              empty: {type: object}
              any: {type: object, additionalProperties: true}
              word: {type: string, maxLength: 3, nullable: true}
              odd: {not: {multipleOf: 2}, type: integer}
              one: {type: integer, oneOf: [{minimum: 5}, {maximum: 7}]}
              low: {type: number, minimum: 1.5, exclusiveMinimum: true}
              address: {type: string, format: ipv4}
              inner: {type: object, x-kubernetes-embedded-resource: true, x-kubernetes-preserve-unknown-fields: true}
            required: [word]
)";

struct Fixture {
  std::unique_ptr<mk::store::Store> store = mk::store::open_store({}).value();
  mk::os::SimulatedClock clock;
  mk::os::SeededRandom random{7};
  Objects objects{*store, clock, random};
  Definitions definitions{objects};
  Identity owner = Identity::owner_of_this_machine();
  const kinds::Kind& crds = *kinds::find_resource(definitions::kResource);
  Json definition = mk::parse_yaml(kGadgets).value().front();

  void put() {
    const std::string name(definition.at({"metadata", "name"}).text());
    REQUIRE(objects.create(owner, crds, "", definition));
    definitions.refresh(name);
  }
};

std::string first_cause(const Json& spec) {
  const kinds::Kind* kind = kinds::find_resource("gadgets.test.example.com");
  REQUIRE(kind);
  std::vector<Cause> causes;
  schema::validate(kind->schema, Json::object({{"spec", spec}}), "", causes, schema::Dialect::kCustom);
  return causes.empty() ? "" : causes.front().field + ": " + causes.front().message;
}

}  // namespace

TEST_CASE("definitions: a kind comes, changes and goes with its definition") {
  const uint64_t before = kinds::generation();
  {
    Fixture f;
    f.put();
    const kinds::Kind* kind = kinds::find_typed("gadget");
    REQUIRE(kind);
    CHECK(kind->custom);
    CHECK(kind->api_version() == "test.example.com/v1");
    CHECK(kinds::find_kind("test.example.com", "Gadget") == kind);
    const uint64_t served = kinds::generation();
    f.definitions.refresh("gadgets.test.example.com");  // nothing new
    CHECK(kinds::generation() == served);
    const auto rename = [](Json next) -> Admitted<Json> {
      next["spec"]["names"]["shortNames"] = Json::array({"gd"});
      return next;
    };
    REQUIRE(f.objects.modify(f.owner, f.crds,
                             {std::string(definitions::kResource), "", "gadgets.test.example.com"}, false,
                             rename));
    f.definitions.refresh("gadgets.test.example.com");
    CHECK(kinds::find_typed("gd"));
    CHECK(kind->plural == "gadgets");  // who still uses the old one finds it
  }
  CHECK_FALSE(kinds::find_typed("gadget"));
  CHECK(kinds::generation() > before);
}

TEST_CASE("definitions: schemas of users mean what Kubernetes says they mean") {
  Fixture f;
  f.put();
  const struct {
    const char *spec, *cause;
  } kCases[] = {
      {"{word: abc}", ""},
      {"{word: ''}", ""},  // given, though empty
      {"{word: null}", ""},
      {"{}", "spec.word: Required value"},
      {"{word: öäü}", ""},
      {"{word: abcd}", "spec.word: Too long: may not be more than 3 bytes"},
      {"{word: a, odd: 3}", ""},
      {"{word: a, odd: 4}",
       "spec.odd: Invalid value: 4: spec.odd in body must not validate the schema (not)"},
      {"{word: a, one: 6}",
       "spec.one: Invalid value: 6: spec.one in body must validate one and only one schema (oneOf)"},
      {"{word: a, one: 9}", ""},
      {"{word: a, low: 1.5}", "spec.low: Invalid value: 1.5: spec.low in body should be greater than 1.5"},
      {"{word: a, address: 10.0.0.1}", ""},
      {"{word: a, address: 10.0.0}", "spec.address: Invalid value: \"10.0.0\": must be of type ipv4"},
      {"{word: a, inner: {kind: Pod}}", "spec.inner.apiVersion: Required value"},
  };
  for (const auto& c : kCases) {
    CAPTURE(c.spec);
    CHECK(first_cause(mk::parse_yaml(c.spec).value().front()) == c.cause);
  }
  Json object =
      mk::parse_yaml("{spec: {word: null, empty: {a: 1}, any: {a: 1}, inner: {metadata: {}, x: 1}, z: 1}}")
          .value()
          .front();
  std::vector<std::string> unknown;
  schema::prune(kinds::find_resource("gadgets.test.example.com")->schema, object, "", unknown);
  CHECK(unknown == std::vector<std::string>{"spec.empty.a", "spec.z"});
  CHECK(object.dump() == R"({"spec":{"any":{"a":1},"empty":{},"inner":{"metadata":{},"x":1},"word":null}})");
}

TEST_CASE("definitions: names that are taken, in one order whatever the store's") {
  Fixture f;
  f.put();
  Json rival = f.definition;
  rival["metadata"]["name"] = "rivals.test.example.com";
  rival["spec"]["names"] = Json::object({{"plural", "rivals"}, {"kind", "Gadget"}});
  CHECK(judge_names(definitions::kind_of(rival)).message == "\"Gadget\" is already in use");
  rival["spec"]["names"]["kind"] = "Rival";
  CHECK(judge_names(definitions::kind_of(rival)).reason.empty());
  rival["spec"]["group"] = "apps";
  rival["spec"]["names"]["plural"] = "deployments";
  CHECK(judge_names(definitions::kind_of(rival)).by_us);
}

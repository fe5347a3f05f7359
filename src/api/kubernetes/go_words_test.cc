// What is said of bodies that do not read into Go's types.
#include "api/kubernetes/go_words.h"

#include <doctest/doctest.h>

#include "base/yaml.h"
#include "core/schema.h"

using namespace mk;
using namespace mk::api::kubernetes;

TEST_CASE("kubernetes: what is no JSON is refused in the words of Go's scanner") {
  struct Case {
    const char *text, *problem;
  };
  const Case cases[] = {
      {"", "unexpected end of JSON input"},
      {"{", "unexpected end of JSON input"},
      {"[1,", "unexpected end of JSON input"},
      {"\"a", "unexpected end of JSON input"},
      {"tru", "unexpected end of JSON input"},
      {" {\"a\": [1, -2.5e+3, \"\\u00e9\\n\", true, false, null, {}, []]} ", ""},
      {"x", "invalid character 'x' looking for beginning of value"},
      {"[1,]", "invalid character ']' looking for beginning of value"},
      {"{a: 1}", "invalid character 'a' looking for beginning of object key string"},
      {"{\"a\" 1}", "invalid character '1' after object key"},
      {"{\"a\": 1 \"b\"}", "invalid character '\"' after object key:value pair"},
      {"{\"a\": 1,}", "invalid character '}' looking for beginning of object key string"},
      {"[1 2]", "invalid character '2' after array element"},
      {"{} {}", "invalid character '{' after top-level value"},
      {"01", "invalid character '1' after top-level value"},
      {"-x", "invalid character 'x' in numeric literal"},
      {"1.x", "invalid character 'x' after decimal point in numeric literal"},
      {"1ex", "invalid character 'x' in exponent of numeric literal"},
      {"nul!", "invalid character '!' in literal null (expecting 'l')"},
      {"\"\\q\"", "invalid character 'q' in string escape code"},
      {"\"\\u12g\"", "invalid character 'g' in \\u hexadecimal character escape"},
      {"\"a\nb\"", "invalid character '\\n' in string literal"},
      {"'a'", "invalid character '\\'' looking for beginning of value"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.text);
    CHECK(json_problem(c.text) == c.problem);
  }
  // Not the stack, but the text bounds how deep it reads.
  CHECK(json_problem(std::string(1'000'000, '[')) == "unexpected end of JSON input");
  CHECK(summary("") == "<empty>");
  CHECK(summary("[]") == "5b5d");
  CHECK(summary("{\"a\": \"a text of more than thirty bytes\"}") == "{\"a\": \"a text of more than thi ...");
}

TEST_CASE("kubernetes: what Go's types cannot hold is named by the struct, the path and the type") {
  struct Case {
    const char *resource, *yaml, *problem;
  };
  const Case cases[] = {
      {"configmaps", "{data: text}",
       "json: cannot unmarshal string into Go struct field ConfigMap.data of type map[string]string"},
      {"configmaps", "{data: {x: 4}}",
       "json: cannot unmarshal number into Go struct field ConfigMap.data of type string"},
      {"configmaps", "{metadata: {labels: {example.com/a: true}}}",
       "json: cannot unmarshal bool into Go struct field ObjectMeta.metadata.labels of type string"},
      {"deployments.apps", "{spec: {replicas: two}}",
       "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32"},
      {"deployments.apps", "{spec: {replicas: 1.5}}",
       "json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32"},
      {"deployments.apps", "{spec: {replicas: 5000000000}}",
       "json: cannot unmarshal number 5000000000 into Go struct field DeploymentSpec.spec.replicas of type "
       "int32"},
      {"deployments.apps", "{spec: {template: []}}",
       "json: cannot unmarshal array into Go struct field DeploymentSpec.spec.template of type "
       "v1.PodTemplateSpec"},
      {"pods", "{spec: {containers: {name: c}}}",
       "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container"},
      {"pods", "{spec: {containers: [{name: c, image: 7}]}}",
       "json: cannot unmarshal number into Go struct field Container.spec.containers.image of type string"},
      {"pods", "{spec: {terminationGracePeriodSeconds: soon}}",
       "json: cannot unmarshal string into Go struct field PodSpec.spec.terminationGracePeriodSeconds of "
       "type int64"},
      // What reads itself comes first, wherever it stands.
      {"pods", "{spec: {containers: [{image: 7, resources: {limits: {cpu: lots}}}]}}",
       "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"},
      {"secrets", "{data: {a: \"1\"}}", "illegal base64 data at input byte 0"},
      // What is only wrong can be read.
      {"deployments.apps", "{spec: {replicas: -1}}", ""},
  };
  for (const Case& c : cases) {
    CAPTURE(c.yaml);
    const kinds::Kind& kind = *kinds::find_resource(c.resource);
    std::vector<core::Cause> causes;
    core::schema::validate(kind.schema, parse_yaml(c.yaml)->front(), "", causes);
    CHECK(decode_problem(kind, causes) == c.problem);
  }
}

TEST_CASE("kubernetes: an object of another kind is told what it cannot become") {
  const auto problem = [](const char* yaml, const char* wanted) {
    return other_kind_problem(parse_yaml(yaml)->front(), *kinds::find_resource(wanted), "v1");
  };
  CHECK(problem("{apiVersion: apps/v1, kind: Deployment}", "configmaps") ==
        "converting (v1.Deployment) to (core.ConfigMap): unknown conversion");
  CHECK(problem("{apiVersion: v1, kind: Secret, data: {x: \"1\"}}", "configmaps") ==
        "illegal base64 data at input byte 0");
  CHECK(problem("{apiVersion: v2, kind: ConfigMap}", "configmaps") ==
        "no kind \"ConfigMap\" is registered for version \"v2\"");
}

#include "base/yaml.h"

#include <doctest/doctest.h>

using mk::dump_yaml;
using mk::Json;
using mk::parse_yaml;

TEST_CASE("yaml: documents, scalars and nesting") {
  auto documents = parse_yaml(R"(
kind: Pod
metadata: {name: a, labels: {n: "1", yes: no}}
spec:
  containers:
  - name: c
    args: [--x, 0x10, 1.5, ~, true]
---
---
kind: Service
)");
  REQUIRE(documents);
  REQUIRE(documents->size() == 2);
  const Json& pod = (*documents)[0];
  CHECK(pod.at({"metadata", "labels", "n"}).text() == "1");
  CHECK(pod.at({"metadata", "labels", "yes"}).text() == "no");
  CHECK(pod["spec"]["containers"][0]["args"].dump() == R"(["--x",16,1.5,null,true])");
}

TEST_CASE("yaml: anchors, merge keys, and bombs counted after expansion") {
  auto merged = parse_yaml("a: &x {p: 1, q: 2}\nb: {<<: *x, q: 3}\n");
  REQUIRE(merged);
  CHECK((*merged)[0]["b"].dump() == R"({"p":1,"q":3})");
  std::string bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 9; ++i) {
    const std::string above = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int k = 0; k < 10; ++k) bomb += (k ? "," : "") + above;
    bomb += "]\n";
  }
  auto refused = parse_yaml(bomb, {.nodes_max = 200'000});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("more than 200000 values") != std::string::npos);
}

TEST_CASE("yaml: errors name the place") {
  CHECK(parse_yaml("a: 1\na: 2\n").error().message ==
        "the YAML is wrong at line 2, column 1: the key \"a\" stands here twice");
  CHECK(parse_yaml("a: !!python/object x").error().message.find("not allowed") != std::string::npos);
  CHECK_FALSE(parse_yaml("a: [1"));
  CHECK_FALSE(parse_yaml(std::string(500, '[')));
}

TEST_CASE("yaml: what is printed reads back") {
  const Json value = Json::parse(R"({"a":["x: y","# c","1","true","-"," ",{"b":[],"c":{}},[1,[2]]],
    "k: ":null,"n":1.5,"m":"line\nbreak","s":"plain text","e":""})").value();
  auto again = parse_yaml(dump_yaml(value));
  REQUIRE(again);
  CHECK((*again)[0] == value);
}

TEST_CASE("yaml: what is wrong in the words of Go's library, which counts lines in its own way") {
  struct Case {
    const char *text, *problem;
  };
  const Case cases[] = {
      {"a: 1\n", ""},
      {"{ not yaml", "yaml: line 1: did not find expected ',' or '}'"},
      {"a: b: c\n", "yaml: mapping values are not allowed in this context"},
      {"a:\n  - b\n c: d\n", "yaml: line 2: did not find expected key"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.text);
    CHECK(mk::yaml_problem(c.text) == c.problem);
  }
}

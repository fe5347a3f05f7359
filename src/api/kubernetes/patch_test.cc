#include "api/kubernetes/patch.h"

#include <doctest/doctest.h>

#include <string>

using mk::Json;
namespace k8s = mk::api::kubernetes;

namespace {
struct Case {
  const char* what;
  const char* target;
  const char* patch;
  const char* wanted;  // JSON, or "!reason"
};

Json parse(const char* text) {
  return Json::parse(text).value();
}

void check(const Case& c, const mk::Result<Json>& got) {
  CAPTURE(c.what);
  if (c.wanted[0] == '!') {
    REQUIRE_FALSE(got);
    CHECK(got.error().reason == c.wanted + 1);
    return;
  }
  if (!got) FAIL(got.error().message);
  CHECK(got->dump() == parse(c.wanted).dump());
}
}  // namespace

TEST_CASE("kubernetes: JSON patch") {
  const Case cases[] = {
      {"add a member", R"({"a":1})", R"([{"op":"add","path":"/b","value":{"c":2}}])",
       R"({"a":1,"b":{"c":2}})"},
      {"add replaces", R"({"a":1})", R"([{"op":"add","path":"/a","value":2}])", R"({"a":2})"},
      {"insert", R"({"a":[1,3]})", R"([{"op":"add","path":"/a/1","value":2}])", R"({"a":[1,2,3]})"},
      {"append", R"({"a":[1]})", R"([{"op":"add","path":"/a/-","value":2}])", R"({"a":[1,2]})"},
      {"past the end", R"({"a":[1]})", R"([{"op":"add","path":"/a/3","value":2}])", "!unprocessable"},
      {"leading zero", R"({"a":[1,2]})", R"([{"op":"remove","path":"/a/01"}])", "!unprocessable"},
      {"remove", R"({"a":[1,2],"b":0})", R"([{"op":"remove","path":"/a/0"},{"op":"remove","path":"/b"}])",
       R"({"a":[2]})"},
      {"remove what is absent", R"({})", R"([{"op":"remove","path":"/a"}])", "!unprocessable"},
      {"replace what is absent", R"({})", R"([{"op":"replace","path":"/a","value":1}])", "!unprocessable"},
      {"replace with null", R"({"a":1})", R"([{"op":"replace","path":"/a","value":null}])", R"({"a":null})"},
      {"test holds", R"({"a":{"b":[1]}})", R"([{"op":"test","path":"/a","value":{"b":[1]}}])",
       R"({"a":{"b":[1]}})"},
      {"test fails", R"({"a":1})", R"([{"op":"test","path":"/a","value":2}])", "!unprocessable"},
      {"move", R"({"a":{"b":1}})", R"([{"op":"move","from":"/a/b","path":"/c"}])", R"({"a":{},"c":1})"},
      {"copy", R"({"a":{"b":1}})", R"([{"op":"copy","from":"/a","path":"/c"}])",
       R"({"a":{"b":1},"c":{"b":1}})"},
      {"move into itself", R"({"a":{"b":1}})", R"([{"op":"move","from":"/a","path":"/a/b"}])",
       "!invalid_patch"},
      {"escapes", R"({"metadata":{"labels":{"a/b":"1","c~d":"2"}}})",
       R"([{"op":"remove","path":"/metadata/labels/a~1b"},{"op":"replace","path":"/metadata/labels/c~0d","value":"3"}])",
       R"({"metadata":{"labels":{"c~d":"3"}}})"},
      {"bad escape", R"({})", R"([{"op":"add","path":"/a~2","value":1}])", "!invalid_patch"},
      {"no slash", R"({})", R"([{"op":"add","path":"a","value":1}])", "!invalid_patch"},
      {"no value", R"({})", R"([{"op":"add","path":"/a"}])", "!invalid_patch"},
      {"unknown operation", R"({})", R"([{"op":"swap","path":"/a","value":1}])", "!unprocessable"},
      {"not a list", R"({})", R"({"op":"add"})", "!invalid_patch"},
      {"into a scalar", R"({"a":1})", R"([{"op":"add","path":"/a/b","value":1}])", "!unprocessable"},
      {"whole object", R"({"a":1})", R"([{"op":"replace","path":"","value":{"b":1}}])", R"({"b":1})"},
      {"remove the whole", R"({"a":1})", R"([{"op":"remove","path":""}])", "!unprocessable"},
  };
  for (const Case& c : cases) check(c, k8s::json_patch(parse(c.target), parse(c.patch)));
}

TEST_CASE("kubernetes: a JSON patch that keeps doubling the object is stopped") {
  Json operations = Json::array();
  for (int i = 0; i < 60; ++i) operations.push_back(parse(R"({"op":"copy","from":"/a","path":"/a/-"})"));
  const Json target = Json::object({{"a", Json::array({Json(std::string(1000, 'x'))})}});
  const auto got = k8s::json_patch(target, operations);
  REQUIRE_FALSE(got);
  CHECK(got.error().code == mk::Code::kTooLarge);
}

TEST_CASE("kubernetes: merge patch") {
  const Case cases[] = {
      {"sets and deletes", R"({"a":1,"b":{"c":1,"d":2}})", R"({"a":null,"b":{"c":3}})",
       R"({"b":{"c":3,"d":2}})"},
      {"lists are replaced", R"({"a":[1,2]})", R"({"a":[3]})", R"({"a":[3]})"},
      {"an object replaces a scalar", R"({"a":1})", R"({"a":{"b":1,"c":null}})", R"({"a":{"b":1}})"},
      {"empty changes nothing", R"({"a":1})", R"({})", R"({"a":1})"},
  };
  for (const Case& c : cases) check(c, k8s::merge_patch(parse(c.target), parse(c.patch)));
}

TEST_CASE("kubernetes: strategic merge patch of a Pod's spec") {
  const k8s::Message& pod = *k8s::find_message("core.PodSpec");
  const Case cases[] = {
      {"a container by name", R"({"containers":[{"name":"a","image":"x:1"},{"name":"b","image":"y"}]})",
       R"({"containers":[{"name":"a","image":"x:2"}]})",
       R"({"containers":[{"name":"a","image":"x:2"},{"name":"b","image":"y"}]})"},
      {"a new container", R"({"containers":[{"name":"a"}]})",
       R"({"containers":[{"name":"b","image":null,"tty":true}]})",
       R"({"containers":[{"name":"a"},{"name":"b","tty":true}]})"},
      {"nested lists",
       R"({"containers":[{"name":"a","env":[{"name":"X","value":"1"},{"name":"Y","value":"2"}]}]})",
       R"({"containers":[{"name":"a","env":[{"name":"Y","value":"3"},{"name":"X","$patch":"delete"}]}]})",
       R"({"containers":[{"name":"a","env":[{"name":"Y","value":"3"}]}]})"},
      {"ports by containerPort", R"({"containers":[{"name":"a","ports":[{"containerPort":80}]}]})",
       R"({"containers":[{"name":"a","ports":[{"containerPort":80,"name":"http"},{"containerPort":81}]}]})",
       R"({"containers":[{"name":"a","ports":[{"containerPort":80,"name":"http"},{"containerPort":81}]}]})"},
      {"atomic lists are replaced", R"({"containers":[{"name":"a","args":["1","2"]}]})",
       R"({"containers":[{"name":"a","args":["3"]}]})", R"({"containers":[{"name":"a","args":["3"]}]})"},
      {"tolerations are atomic", R"({"tolerations":[{"key":"a"}]})", R"({"tolerations":[{"key":"b"}]})",
       R"({"tolerations":[{"key":"b"}]})"},
      {"delete an item", R"({"containers":[{"name":"a"},{"name":"b"}]})",
       R"({"containers":[{"name":"a","$patch":"delete"}]})", R"({"containers":[{"name":"b"}]})"},
      {"replace a list", R"({"containers":[{"name":"a"},{"name":"b"}]})",
       R"({"containers":[{"$patch":"replace"},{"name":"c"}]})", R"({"containers":[{"name":"c"}]})"},
      {"replace an object", R"({"nodeSelector":{"a":"1","b":"2"}})",
       R"({"nodeSelector":{"$patch":"replace","c":"3"}})", R"({"nodeSelector":{"c":"3"}})"},
      {"delete an object", R"({"nodeSelector":{"a":"1"}})", R"({"nodeSelector":{"$patch":"delete"}})",
       R"({"nodeSelector":{}})"},
      {"null deletes", R"({"nodeName":"n","hostname":"h"})", R"({"nodeName":null,"absent":null})",
       R"({"hostname":"h"})"},
      {"retainKeys drops the rest", R"({"volumes":[{"name":"v","emptyDir":{}}]})",
       R"({"volumes":[{"name":"v","$retainKeys":["name","hostPath"],"hostPath":{"path":"/x"}}]})",
       R"({"volumes":[{"name":"v","hostPath":{"path":"/x"}}]})"},
      {"retainKeys must list what is set", R"({"volumes":[{"name":"v"}]})",
       R"({"volumes":[{"name":"v","$retainKeys":["name"],"emptyDir":{}}]})", "!invalid_patch"},
      {"order of kubectl apply", R"({"containers":[{"name":"a"},{"name":"b"},{"name":"c"}]})",
       R"({"$setElementOrder/containers":[{"name":"c"},{"name":"a"}],"containers":[{"name":"b","$patch":"delete"}]})",
       R"({"containers":[{"name":"c"},{"name":"a"}]})"},
      {"order alone; what only the server has keeps its place",
       R"({"containers":[{"name":"a"},{"name":"x"},{"name":"b"}]})",
       R"({"$setElementOrder/containers":[{"name":"a"},{"name":"b"}]})",
       R"({"containers":[{"name":"a"},{"name":"x"},{"name":"b"}]})"},
      {"a new first item", R"({"containers":[{"name":"a"}]})",
       R"({"$setElementOrder/containers":[{"name":"n"},{"name":"a"}],"containers":[{"name":"n","image":"i"}]})",
       R"({"containers":[{"name":"n","image":"i"},{"name":"a"}]})"},
      {"no merge key", R"({"containers":[{"name":"a"}]})", R"({"containers":[{"image":"b"}]})",
       "!invalid_patch"},
      {"an item that is no object", R"({"containers":[{"name":"a"}]})", R"({"containers":["b"]})",
       "!invalid_patch"},
      {"unknown directive", R"({})", R"({"$patch":"explode"})", "!invalid_patch"},
      {"order that is no list", R"({"containers":[]})", R"({"$setElementOrder/containers":1})",
       "!invalid_patch"},
      {"a list replaces a wrong type", R"({"containers":7})", R"({"containers":[{"name":"a"}]})",
       R"({"containers":[{"name":"a"}]})"},
      {"directives never stay in what is new", R"({})",
       R"({"securityContext":{"$retainKeys":["runAsUser"],"runAsUser":7}})",
       R"({"securityContext":{"runAsUser":7}})"},
  };
  for (const Case& c : cases) check(c, k8s::strategic_patch(parse(c.target), parse(c.patch), pod));
}

TEST_CASE("kubernetes: strategic merge patch of metadata and whole kinds") {
  const k8s::Message& deployment = *k8s::message_of_kind("apps", "Deployment");
  const Case cases[] = {
      {"finalizers are a set", R"({"metadata":{"finalizers":["a","b"]}})",
       R"({"metadata":{"finalizers":["b","c"]}})", R"({"metadata":{"finalizers":["a","b","c"]}})"},
      {"delete from a set", R"({"metadata":{"finalizers":["a","b"]}})",
       R"({"metadata":{"$deleteFromPrimitiveList/finalizers":["a"]}})",
       R"({"metadata":{"finalizers":["b"]}})"},
      {"owners by uid", R"({"metadata":{"ownerReferences":[{"uid":"1","name":"a"}]}})",
       R"({"metadata":{"ownerReferences":[{"uid":"1","controller":true}]}})",
       R"({"metadata":{"ownerReferences":[{"uid":"1","name":"a","controller":true}]}})"},
      {"labels", R"({"metadata":{"labels":{"a":"1"}}})", R"({"metadata":{"labels":{"a":null,"b":"2"}}})",
       R"({"metadata":{"labels":{"b":"2"}}})"},
      {"the template's containers",
       R"({"spec":{"template":{"spec":{"containers":[{"name":"a","image":"1"}]}}}})",
       R"({"spec":{"template":{"spec":{"containers":[{"name":"a","image":"2"}]}}}})",
       R"({"spec":{"template":{"spec":{"containers":[{"name":"a","image":"2"}]}}}})"},
      {"the strategy keeps one form",
       R"({"spec":{"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":1}}}})",
       R"({"spec":{"strategy":{"$retainKeys":["type"],"type":"Recreate"}}})",
       R"({"spec":{"strategy":{"type":"Recreate"}}})"},
      {"conditions by type", R"({"status":{"conditions":[{"type":"A","status":"False"}]}})",
       R"({"status":{"conditions":[{"type":"B","status":"True"},{"type":"A","status":"True"}]}})",
       R"({"status":{"conditions":[{"type":"A","status":"True"},{"type":"B","status":"True"}]}})"},
  };
  for (const Case& c : cases) check(c, k8s::strategic_patch(parse(c.target), parse(c.patch), deployment));
  CHECK_FALSE(k8s::strategic_patch(Json::object(), Json::array(), deployment));
  CHECK(k8s::message_of_kind("serving.kserve.io", "InferenceService") == nullptr);
}

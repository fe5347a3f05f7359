#include "base/json_path.h"

#include <doctest/doctest.h>

using mk::Json;
using mk::JsonPath;

TEST_CASE("json path: what kubectl users write") {
  const Json root =
      Json::parse(R"({"a":{"b.c":1,"list":[{"t":"x","v":1,"on":true},{"t":"y","v":2},{"t":"x","v":3}]}})")
          .value();
  struct Case {
    const char* path;
    const char* values;
  };
  const Case cases[] = {
      {".a.list[0].v", "1"},
      {"$.a.list[-1].v", "3"},
      {".a.list[-1:].t", "\"x\""},
      {".a.list[*].v", "1 2 3"},
      {".a.list[?(@.t=='x')].v", "1 3"},
      {".a.list[?(@.t != \"x\")].v", "2"},
      {".a.list[?(@.on==true)].v", "1"},
      {".a.list[?(@.v==2)].t", "\"y\""},
      {".a['b.c']", "1"},
      {".a.b\\.c", "1"},
      {".a.list[7].v", ""},
      {".missing.x", ""},
  };
  for (const Case& c : cases) {
    CAPTURE(c.path);
    const auto path = JsonPath::parse(c.path);
    REQUIRE(path);
    std::string values;
    for (const Json* value : path->select(root)) values += (values.empty() ? "" : " ") + value->dump();
    CHECK(values == c.values);
  }
  for (const char* bad : {".a[", ".a[x]", ".a[?(t==1)]", ".a[?(@.t)]"}) CHECK_FALSE(JsonPath::parse(bad));
}

#include "base/json.h"

#include "base/json_duplicates.h"

#include <doctest/doctest.h>

using mk::Json;

TEST_CASE("json: reads what it prints") {
  for (const char* text :
       {R"({"a":[1,2.5,"x\n\u0001",true,null],"b":{"c":{}}})", R"([])", R"("\\\"")", "-7", "1e+300", "0.1"}) {
    auto value = Json::parse(text);
    REQUIRE(value);
    auto again = Json::parse(value->dump());
    REQUIRE(again);
    CHECK(*again == *value);
    CHECK(Json::parse(value->dump_pretty()).value() == *value);
  }
}

TEST_CASE("json: a missing member reads as null, all the way down") {
  const Json value = Json::parse(R"({"metadata":{"name":"wine"}})").value();
  CHECK(value.at({"metadata", "name"}).text() == "wine");
  CHECK(value["spec"]["replicas"].is_null());
  CHECK(value["spec"]["replicas"].integer(3) == 3);
}

TEST_CASE("json: refuses what would cost too much or mean two things") {
  CHECK(Json::parse("").error().message == "the JSON is empty");
  CHECK(Json::parse(R"({"a":1,"a":2})").error().message == "the JSON has the key \"a\" twice");
  CHECK_FALSE(Json::parse(std::string(200, '[') + std::string(200, ']')));
  CHECK_FALSE(Json::parse("[1,2,3]", {.nodes_max = 3}));
  CHECK(Json::parse("[1,2,3]", {.bytes_max = 3}).error().code == mk::Code::kTooLarge);
  CHECK_FALSE(Json::parse("\"\xff\""));
  CHECK_FALSE(Json::parse("{\"a\":}"));
  CHECK_FALSE(Json::parse("{} {}"));
}

TEST_CASE("json: whole floats keep their point, so a float stays a float") {
  CHECK(Json(2.0).dump() == "2.0");
  CHECK(Json(2).dump() == "2");
  CHECK(Json(2.0).integer() == 2);
  CHECK(Json(2.5).integer(9) == 9);
}

TEST_CASE("json: duplicate keys are refused, or the last one counts and is told") {
  constexpr const char* kText = R"({"a":1,"b":[{"c":1},{"c":1,"c":2}],"a":{"d":1,"d":2}})";
  CHECK_FALSE(Json::parse(kText));
  std::vector<std::string> duplicates;
  auto parsed = mk::parse_with_duplicates(kText, {}, duplicates);
  REQUIRE(parsed);
  CHECK(parsed->dump() == R"({"a":{"d":2},"b":[{"c":1},{"c":2}]})");
  CHECK(duplicates == std::vector<std::string>{"b[1].c", "a.d", "a"});
}

#include "dataplane/config/routing.h"

#include <cstdio>
#include <cstdlib>
#include <string>

#include <doctest/doctest.h>

using namespace mk;

namespace {

routing::Snapshot sample() {
  return {.generation = 7,
          .routes = {{.service = "default/wine",
                      .hosts = {"wine.default.example.com"},
                      .path_prefixes = {{"/serving/default/wine", true}, {"/v2/models/wine", false}},
                      .backends = {{"wine-00001", 90, {{"127.0.0.1", 9001}, {"127.0.0.1", 9002}}},
                                   {"wine-00002", 10, {}}}}}};
}

}  // namespace

TEST_CASE("routing: a snapshot reads back as it was written") {
  const auto back = routing::from_json(routing::to_json(sample()));
  REQUIRE(back);
  CHECK(*back == sample());
  CHECK(routing::from_json(routing::to_json({}))->routes.empty());
}

TEST_CASE("routing: what is wrong with a snapshot is named") {
  struct Row {
    const char* text;
    const char* says;
  };
  const Row rows[] = {
      {R"({"schemaVersion":2,"routes":[]})", "schema version 2"},
      {R"({"schemaVersion":1,"routes":[{}]})", "names no service"},
      {R"({"schemaVersion":1,"routes":[{"service":"a/b","pathPrefixes":[{"prefix":"x"}]}]})", "\"x\""},
      {R"({"schemaVersion":1,"routes":[{"service":"a/b","pathPrefixes":[{"prefix":"/x/"}]}]})", "\"/x/\""},
      {R"({"schemaVersion":1,"routes":[{"service":"a/b","hosts":["h"]},{"service":"a/c","hosts":["h"]}]})",
       "host h"},
      {R"({"schemaVersion":1,"routes":[{"service":"a/b","backends":[{"revision":"r","weight":-1}]}]})",
       "weight"},
      {R"({"schemaVersion":1,"routes":[{"service":"a/b","backends":[{"revision":"r","weight":1,
           "endpoints":[{"address":"1.2.3.4","port":70000}]}]}]})",
       "port"},
  };
  for (const Row& row : rows) {
    const auto result = routing::from_json(row.text);
    REQUIRE_FALSE(result);
    CHECK_MESSAGE(result.error().message.find(row.says) != std::string::npos, result.error().message);
  }
  CHECK_FALSE(routing::from_json("{"));
}

TEST_CASE("routing: publish replaces the file and load reads it") {
  char folder[] = "/tmp/mk-routing-XXXXXX";
  REQUIRE(mkdtemp(folder));
  const std::string inside = std::string(folder) + "/gateway";
  CHECK(routing::load(inside).error().code == Code::kNotFound);
  REQUIRE(routing::publish(inside, sample()));
  REQUIRE(routing::publish(inside, {.generation = 8}));
  CHECK(routing::load(inside)->generation == 8);
  std::remove((inside + "/routes.json").c_str());
  std::remove(inside.c_str());
  std::remove(folder);
}

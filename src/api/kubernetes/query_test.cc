#include "api/kubernetes/query.h"

#include <doctest/doctest.h>

namespace k8s = mk::api::kubernetes;

namespace {
mk::Result<k8s::ListQuery> parse(const char* raw) {
  return k8s::ListQuery::parse(mk::net::Query::parse(raw).value(), *mk::kinds::find_resource("pods"));
}
}  // namespace

TEST_CASE("kubernetes: list parameters that make no sense are refused by name") {
  for (const char* raw :
       {"limit=x", "limit=99999999999999999999", "resourceVersion=abc", "resourceVersion=-1",
        "timeoutSeconds=soon", "continue=!!!", "continue=e30",
        "fieldSelector=spec.nothing=1", "labelSelector=a%20b%20c", "labelSelector=,,,%3D",
        "resourceVersionMatch=Sometimes&resourceVersion=1", "resourceVersionMatch=Exact",
        "watch=1&resourceVersionMatch=Exact&resourceVersion=1", "sendInitialEvents=true",
        "watch=1&sendInitialEvents=true", "resourceVersion=0&resourceVersionMatch=Exact"}) {
    CAPTURE(raw);
    const auto got = parse(raw);
    REQUIRE_FALSE(got);
    CHECK(got.error().code == mk::Code::kInvalidArgument);
    CHECK_FALSE(got.error().message.empty());
  }
}

TEST_CASE("kubernetes: list parameters") {
  const auto watch = parse("watch=true&resourceVersion=12&allowWatchBookmarks=true&timeoutSeconds=5").value();
  CHECK(watch.watch);
  CHECK(watch.bookmarks);
  CHECK(watch.version == 12);
  CHECK(watch.timeout_s == 5);
  CHECK(parse("watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan")->initial_events);
  CHECK(parse("watch=perhaps")->watch);  // only false and 0 say no
  CHECK(parse("limit=-1")->limit == 0);
  CHECK_FALSE(parse("")->version);
  const std::string token = k8s::continue_token({"default", "web-7", 42});
  const auto page = parse(("limit=2&continue=" + token).c_str()).value();
  CHECK(page.after->space == "default");
  CHECK(page.after->name == "web-7");
  CHECK(page.after->version == 42);
  CHECK_FALSE(parse(("resourceVersion=7&continue=" + token).c_str()));
}

TEST_CASE("kubernetes: write parameters") {
  const auto query = [](const char* raw) {
    return k8s::parse_write_query(mk::net::Query::parse(raw).value(), "create");
  };
  CHECK(query("dryRun=All&fieldValidation=Strict&fieldManager=me")->dry_run);
  CHECK(query("fieldValidation=Strict")->field_validation == mk::core::FieldValidation::kStrict);
  CHECK(query("dryRun=Some").error().reason == "invalid_create_options");
  CHECK(query("dryRun=Some").error().field == "dryRun");
  CHECK_FALSE(query("fieldValidation=Loose"));
}

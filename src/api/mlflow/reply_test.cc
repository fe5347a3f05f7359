#include "api/mlflow/reply.h"

#include <doctest/doctest.h>

using namespace mk;
using namespace mk::api::mlflow;

namespace {

net::Request request(net::Method method, std::string target, std::string body = {}) {
  net::Request out;
  out.method = method;
  out.target = std::move(target);
  out.body = std::move(body);
  return out;
}

Arguments body(std::string text) {
  return Arguments::read(request(net::Method::kPost, "/x", std::move(text))).value();
}
Arguments query(std::string text) {
  return Arguments::read(request(net::Method::kGet, "/x?" + text)).value();
}

}  // namespace

TEST_CASE("mlflow reply: no mistake of a user is a 500, and every code has its name") {
  struct Case {
    Code code;
    int status;
    const char* error_code;
  };
  for (const auto& [code, status, error_code] :
       {Case{Code::kInvalidArgument, 400, "INVALID_PARAMETER_VALUE"},
        Case{Code::kFailedPrecondition, 400, "INVALID_PARAMETER_VALUE"},
        Case{Code::kGone, 400, "INVALID_PARAMETER_VALUE"},
        Case{Code::kNotFound, 404, "RESOURCE_DOES_NOT_EXIST"},
        Case{Code::kAlreadyExists, 400, "RESOURCE_ALREADY_EXISTS"},
        Case{Code::kConflict, 409, "RESOURCE_CONFLICT"},
        Case{Code::kPermissionDenied, 403, "PERMISSION_DENIED"},
        Case{Code::kResourceExhausted, 429, "RESOURCE_EXHAUSTED"},
        Case{Code::kUnavailable, 503, "TEMPORARILY_UNAVAILABLE"},
        Case{Code::kInternal, 500, "INTERNAL_ERROR"}}) {
    const net::Response reply = error_reply({code, "x", "it \"broke\"", "mend it"});
    CHECK(reply.status == status);
    CHECK(reply.body ==
          std::string("{\"error_code\":\"") + error_code + "\",\"message\":\"it \\\"broke\\\"; mend it\"}");
  }
  CHECK(
      error_reply({Code::kNotFound, "no_such_route", "there is no GET /x"}).body.find("ENDPOINT_NOT_FOUND") !=
      std::string::npos);
}

TEST_CASE("mlflow arguments: the query and the body read alike") {
  for (const Arguments& a : {body(R"({"t":"x","n":"5","list":["a","b"],"view":"ALL"})"),
                             query("t=x&n=5&list=a&list=b&view=ALL")}) {
    CHECK(a.text("t") == "x");
    CHECK(a.integer("n") == 5);
    CHECK(a.texts("list")->size() == 2);
    CHECK(a.texts("absent")->empty());
    CHECK(a.choice_if_any("view", {"ACTIVE_ONLY", "DELETED_ONLY", "ALL"}, 1).value() == size_t{2});
    CHECK_FALSE(a.text_if_any("absent")->has_value());
    CHECK(a.count("absent", 7, 9) == size_t{7});
    CHECK(a.count("n", 7, 9) == size_t{5});
  }
  CHECK(query("flag=true").boolean("flag", false) == true);
  CHECK(Arguments::read(request(net::Method::kPost, "/x")).value().texts("any")->empty());
}

TEST_CASE("mlflow arguments: what is wrong is named") {
  const Arguments a =
      body(R"({"t":5,"n":"x","f":1.5,"o":[1],"list":["a",1],"nan":"NaN","v":"no","empty":""})");
  CHECK(a.text("t").error().message == "the value of 't' must be a string, not 5");
  CHECK(a.text("empty").error().message == "the parameter 'empty' is missing");
  CHECK(a.integer("n").error().message == "the value of 'n' must be an integer of 64 bits, not \"x\"");
  CHECK_FALSE(a.integer("f"));
  CHECK(a.integer("absent").error().field == "absent");
  CHECK(a.texts("list").error().message == "the value of 'list[1]' must be a string, not 1");
  CHECK(a.objects("o").error().message == "the value of 'o[0]' must be an object, not 1");
  CHECK(a.objects("t").error().message == "the value of 't' must be a list of objects, not 5");
  CHECK_FALSE(a.object_if_any("list"));
  CHECK(a.number("nan").value() != a.number("nan").value());
  CHECK_FALSE(a.number("n"));
  CHECK_FALSE(a.boolean("t", true));
  CHECK(a.count("f", 1, 9).error().code == Code::kInvalidArgument);
  CHECK(a.choice_if_any("v", {"A", "B"}, 1).error().message ==
        "the value of 'v' must be one of A, B, not \"no\"");
  const Arguments nested = body(R"({"a":[{"b":[{"c":1}]}]})");
  CHECK(nested.objects("a").value()[0].objects("b").value()[0].text("c").error().field == "a[0].b[0].c");
  for (const char* text :
       {"[]", "5", "\"x\"", "null", "{", "{\"a\":1,\"a\":2}", "{\"a\":99999999999999999999}", "\xff"}) {
    CAPTURE(text);
    CHECK(Arguments::read(request(net::Method::kPost, "/x", text)).error().code == Code::kInvalidArgument);
  }
}

TEST_CASE("mlflow routes: each has a twin for browsers") {
  std::vector<mk::api::Route> rows;
  rows.push_back({net::Method::kGet, "/api/2.0/mlflow/x", core::Permission::anyone(), quick({})});
  rows = with_ajax_twins(std::move(rows));
  REQUIRE(rows.size() == 2);
  CHECK(rows[1].pattern == "/ajax-api/2.0/mlflow/x");
  CHECK((rows[1].error == error_reply));
}

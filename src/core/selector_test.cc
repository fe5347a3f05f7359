#include <doctest/doctest.h>

#include "core/objects.h"

using namespace mk;
using mk::core::Selector;

namespace {

store::Object object() {
  store::Object out;
  out.key = {"pods", "default", "web-0"};
  out.labels = {{"app", "web"}, {"example.com/tier", "front"}, {"empty", ""}};
  out.body =
      R"({"spec":{"nodeName":"n1","unschedulable":false},"status":{"phase":"Running"},"metadata":{"name":"web-0"}})";
  return out;
}

}  // namespace

TEST_CASE("selector: labels") {
  struct Case {
    const char* text;
    bool matches;
  };
  const Case cases[] = {
      {"", true},
      {"app=web", true},
      {"app==web", true},
      {"app = web", true},
      {"app=db", false},
      {"app!=db", true},
      {"app!=web", false},
      {"missing!=x", true},
      {"app", true},
      {"missing", false},
      {"!missing", true},
      {"! app", false},
      {"app in (web,db)", true},
      {"app in ( db , x )", false},
      {"app notin (db)", true},
      {"app notin (web)", false},
      {"missing notin (a)", true},
      {"missing in (a)", false},
      {"example.com/tier=front,app in (web),!gone", true},
      {"example.com/tier=front,app in (db)", false},
      {"empty=", true},
      {"empty in ()", true},
      {"app,empty", true},
  };
  for (const Case& c : cases) {
    CAPTURE(c.text);
    const auto selector = Selector::parse(c.text, "");
    REQUIRE(selector);
    CHECK(selector->matches(object()) == c.matches);
  }
}

TEST_CASE("selector: fields") {
  struct Case {
    const char* text;
    bool matches;
  };
  const Case cases[] = {
      {"metadata.name=web-0", true},
      {"metadata.name==web-1", false},
      {"metadata.namespace=default,metadata.name=web-0", true},
      {"metadata.namespace!=default", false},
      {"status.phase=Running", true},
      {"status.phase!=Running", false},
      {"spec.nodeName=n1", true},
      {"spec.nodeName=", false},
      {"status.podIP=", true},
      {"status.podIP!=1.2.3.4", true},
      {" status.phase = Running , metadata.name = web-0 ", true},
  };
  for (const Case& c : cases) {
    CAPTURE(c.text);
    const auto selector = Selector::parse("", c.text, kinds::find_resource("pods"));
    REQUIRE(selector);
    CHECK(selector->matches(object()) == c.matches);
  }
}

TEST_CASE("selector: what is none is refused with the reason") {
  for (const char* bad : {"=a", "a=b=c", "a in", "a in (b", "a in b", "a foo (b)", "a,,b", "a b", "a=b c",
                          "!!a", "a=-", "x/y/z=1", "a>1"}) {
    CAPTURE(bad);
    const auto selector = Selector::parse(bad, "");
    REQUIRE_FALSE(selector);
    CHECK(selector.error().code == Code::kInvalidArgument);
    CHECK(selector.error().message.starts_with("unable to parse requirement: "));
  }
  CHECK(Selector::parse("", "spec.replicas=1", kinds::find_resource("pods")).error().message ==
        "field label not supported: spec.replicas");
  CHECK_FALSE(Selector::parse("", "metadata.name"));
  std::string many = "a";
  for (int i = 0; i < 200; ++i) many += ",a";
  CHECK_FALSE(Selector::parse(many, ""));
}

TEST_CASE("selector: of a LabelSelector in an object") {
  const auto matches = [](const char* text) {
    const auto selector = Selector::parse(Json::parse(text).value());
    REQUIRE(selector);
    return selector->matches(object());
  };
  CHECK(matches("{}"));
  CHECK(matches(R"({"matchLabels":{"app":"web"}})"));
  CHECK_FALSE(matches(R"({"matchLabels":{"app":"web","x":"y"}})"));
  CHECK(matches(
      R"({"matchExpressions":[{"key":"app","operator":"In","values":["web"]},{"key":"x","operator":"DoesNotExist"}]})"));
  CHECK_FALSE(matches(R"({"matchExpressions":[{"key":"app","operator":"NotIn","values":["web"]}]})"));
  CHECK_FALSE(matches(R"({"matchExpressions":[{"key":"x","operator":"Exists"}]})"));
  CHECK_FALSE(
      Selector::parse(Json::parse(R"({"matchExpressions":[{"key":"x","operator":"Near"}]})").value()));
}

#include "api/impersonation.h"

#include <doctest/doctest.h>

#include "base/format.h"

namespace mk::api {
namespace {

const core::Identity kRoot{"root", {"system:authenticated"}};

// What is asked of the authoriser, in order; all of it is allowed but `not_this`.
std::string asked(const net::Headers& headers, std::string_view not_this = {}) {
  std::string out;
  const auto may = [&](const core::Ask& ask) {
    const std::string one =
        fmt::format("{}.{}/{} {}:{}", ask.resource, ask.group, ask.subresource, ask.space, ask.name);
    out += (out.empty() ? "" : ", ") + one;
    return one != not_this;
  };
  const auto as = impersonated(headers, kRoot, may);
  return as ? out : out + " refused: " + as.error().message;
}

TEST_CASE("impersonation: each part needs its right") {
  struct Case {
    net::Headers headers;
    std::string asked;
  };
  const Case cases[] = {
      {{}, ""},
      {{{"Impersonate-User", "ada"}}, "users./ :ada"},
      {{{"impersonate-user", "system:serviceaccount:bots:bot"}}, "serviceaccounts./ bots:bot"},
      {{{"Impersonate-User", "ada"}, {"Impersonate-Group", "a"}, {"Impersonate-Group", "b"}},
       "users./ :ada, groups./ :a, groups./ :b"},
      {{{"Impersonate-User", "ada"}, {"Impersonate-Uid", "17"}},
       "users./ :ada, uids.authentication.k8s.io/ :17"},
      {{{"Impersonate-User", "ada"},
        {"Impersonate-Extra-Acme.com%2FProject", "x"},
        {"Impersonate-Extra-scopes", "y"},
        {"Impersonate-Extra-scopes", "z"}},
       "users./ :ada, userextras.authentication.k8s.io/acme.com/project :x, "
       "userextras.authentication.k8s.io/scopes :y, userextras.authentication.k8s.io/scopes :z"},
  };
  for (const Case& one : cases) CHECK(asked(one.headers) == one.asked);
}

TEST_CASE("impersonation: what is refused") {
  CHECK(asked({{"Impersonate-User", "ada"}, {"Impersonate-Uid", "17"}}, "uids.authentication.k8s.io/ :17")
            .ends_with("refused: uids \"17\" is forbidden: User \"root\" cannot impersonate resource "
                       "\"uids\" in API group "
                       "\"authentication.k8s.io\" at the cluster scope"));
  CHECK(asked({{"Impersonate-User", "ada"}, {"Impersonate-Extra-scopes", "all"}},
              "userextras.authentication.k8s.io/scopes :all")
            .find("refused: userextras/scopes \"all\" is forbidden") != std::string::npos);
  for (const char* part : {"Impersonate-Group", "Impersonate-Uid", "Impersonate-Extra-x"})
    CHECK(asked({{part, "x"}}).find("without a user") != std::string::npos);
  CHECK(asked({{"Impersonate-User", "a"}, {"Impersonate-User", "b"}}).find("is not taken") !=
        std::string::npos);
  CHECK(asked({{"Impersonate-User", "a"}, {"Impersonate-Frob", "b"}}).find("Impersonate-Frob is not taken") !=
        std::string::npos);
  CHECK(asked({{"Impersonate-User", "a"}, {"Impersonate-Extra-", "b"}}).find("no percent-encoded key") !=
        std::string::npos);
  CHECK(asked({{"Impersonate-User", "a"}, {"Impersonate-Extra-%zz", "b"}}).find("no percent-encoded key") !=
        std::string::npos);
  net::Headers many{{"Impersonate-User", "a"}};
  for (int i = 0; i <= 100; ++i) many.add("Impersonate-Extra-x", "y");
  CHECK(asked(many).find("is not taken") != std::string::npos);
}

TEST_CASE("impersonation: who comes of it") {
  const auto all = [](const core::Ask&) { return true; };
  const auto as = impersonated({{"Impersonate-User", "ada"},
                                {"Impersonate-Uid", "17"},
                                {"Impersonate-Extra-scopes", "a"},
                                {"Impersonate-Extra-scopes", "b"}},
                               kRoot, all);
  REQUIRE(as);
  REQUIRE(*as);
  CHECK((*as)->user == "ada");
  CHECK((*as)->uid == "17");
  CHECK((*as)->groups == std::vector<std::string>{"system:authenticated"});
  REQUIRE((*as)->extra.size() == 1);
  CHECK((*as)->extra[0].second == std::vector<std::string>{"a", "b"});
  CHECK_FALSE((*as)->owner);
  const auto bot = impersonated({{"Impersonate-User", "system:serviceaccount:bots:bot"}}, kRoot, all);
  CHECK((*bot)->is_in("system:serviceaccounts:bots"));
}

}  // namespace
}  // namespace mk::api

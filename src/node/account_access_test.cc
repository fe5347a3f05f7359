#include "node/account_access.h"

#include <doctest/doctest.h>

#include "base/encoding.h"
#include "base/yaml.h"

namespace mk::node {
namespace {

Json yaml(std::string_view text) {
  auto parsed = parse_yaml(text);
  REQUIRE(parsed);
  return parsed->front();
}

std::string token(int64_t begin, int64_t end) {
  return "e." + base64url_encode(Json::object({{"iat", begin}, {"exp", end}}).dump()) + ".s";
}

TEST_CASE("account access: a token is replaced when four fifths of its life are over") {
  struct Case {
    std::string token;
    int64_t now;
    bool stale;
  };
  const Case cases[] = {
      {token(1000, 2000), 1000, false}, {token(1000, 2000), 1799, false}, {token(1000, 2000), 1800, true},
      {token(1000, 2000), 2500, true},  {"", 0, true},                    {"nonsense", 0, true},
      {"a.b.c", 0, true},
  };
  for (const Case& one : cases) {
    CAPTURE(one.token);
    CAPTURE(one.now);
    CHECK(is_stale(one.token, Time::from_ms(one.now * 1000)) == one.stale);
  }
}

TEST_CASE("account access: the files of a Pod that hold tokens") {
  const Json pod = yaml(
      "{metadata: {name: p}, spec: {volumes: [{name: a, emptyDir: {}}, {name: b, projected: {sources: [{configMap: {name: c}}, "
      "{serviceAccountToken: {path: x/t, audience: vault}}]}}]}}");
  const auto files = token_files(pod, true);
  REQUIRE(files.size() == 2);
  CHECK(files[0].path == "volumes/b/x/t");
  CHECK(files[0].source["audience"].text() == "vault");
  CHECK(files[1].path == "volumes/modelkit-service-account/token");
  CHECK(token_files(pod, false).size() == 1);
}

TEST_CASE("account access: a Pod may do without") {
  const Lookup nothing = [](const store::Key&) { return store::ObjectRef(); };
  CHECK(mounts_account(yaml("{metadata: {namespace: n}, spec: {}}"), nothing));
  CHECK_FALSE(mounts_account(yaml("{metadata: {namespace: n}, spec: {automountServiceAccountToken: false}}"), nothing));
}

}  // namespace
}  // namespace mk::node

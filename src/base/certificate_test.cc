#include "base/certificate.h"

#include <doctest/doctest.h>

namespace mk {
namespace {

constexpr Time kFrom = Time::from_ms(1'800'000'000'000);
constexpr Time kTo = Time::from_ms(1'900'000'000'000);

TEST_CASE("certificate: a key signs, and only what it signed is taken") {
  const EcKey key = EcKey::generate(), other = EcKey::generate();
  const std::string signature = key.sign("words");
  CHECK(signature.size() == 64);
  CHECK(key.verify("words", signature));
  CHECK_FALSE(key.verify("Words", signature));
  CHECK_FALSE(other.verify("words", signature));
  CHECK_FALSE(key.verify("words", signature.substr(1)));
  CHECK_FALSE(key.verify("words", ""));
  CHECK_FALSE(key.verify("words", std::string(64, '\0')));
  const auto again = EcKey::parse(key.pem());
  REQUIRE(again);
  CHECK(again->verify("words", signature));
  CHECK(again->x() == key.x());
  CHECK(key.y().size() == 32);
  CHECK_FALSE(EcKey::parse("-----BEGIN NONSENSE-----"));
}

TEST_CASE("certificate: what was wished for stands in it") {
  const EcKey authority = EcKey::generate(), key = EcKey::generate();
  const auto ca = issue_certificate({.common_name = "ca",
                                     .use = CertificateWish::Use::kAuthority,
                                     .not_before = kFrom,
                                     .not_after = kTo,
                                     .serial = "1"},
                                    authority, "", authority);
  REQUIRE(ca);
  const auto made = issue_certificate({.common_name = "ada",
                                       .organisations = {"team-a", "team-b"},
                                       .user_id = "uid-1",
                                       .names = {"localhost", "127.0.0.1", "::1"},
                                       .use = CertificateWish::Use::kClient,
                                       .not_before = kFrom,
                                       .not_after = kTo,
                                       .serial = std::string(20, '\xff')},
                                      key, *ca, authority);
  REQUIRE(made);
  const auto facts = read_certificate(*made);
  REQUIRE(facts);
  CHECK(facts->common_name == "ada");
  CHECK(facts->user_id == "uid-1");
  CHECK(facts->organisations == std::vector<std::string>{"team-a", "team-b"});
  CHECK(facts->names == std::vector<std::string>{"localhost", "127.0.0.1", "::1"});
  CHECK(facts->not_after == kTo);
  CHECK_FALSE(read_certificate("nonsense"));
}

TEST_CASE("certificate: names that would change its meaning are refused") {
  const EcKey key = EcKey::generate();
  for (const char* name : {"a,DNS:evil", "a b", "x:y"})
    CHECK_FALSE(issue_certificate({.common_name = "a", .names = {name}, .not_before = kFrom, .not_after = kTo, .serial = "1"},
                                  key, "", key));
  CHECK_FALSE(issue_certificate({.common_name = "", .not_before = kFrom, .not_after = kTo, .serial = "1"}, key, "", key));
}

}  // namespace
}  // namespace mk

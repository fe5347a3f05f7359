#include "base/encoding.h"

#include <doctest/doctest.h>

using namespace mk;

TEST_CASE("encoding: base64 as in RFC 4648 section 10") {
  for (auto [plain, coded] : {std::pair{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"}}) {
    CHECK(base64_encode(plain) == coded);
    CHECK(base64_decode(coded).value() == plain);
    CHECK(base64url_decode(base64url_encode(plain)).value() == plain);
  }
  for (const char* text : {"Z", "Zg=", "Zg==x", "Z*==", "===="}) CHECK_FALSE(base64_decode(text));
}

TEST_CASE("encoding: percent decodes once and refuses stray signs") {
  CHECK(percent_decode("a%2Fb+c").value() == "a/b+c");
  CHECK(percent_decode("a+b%3D", true).value() == "a b=");
  CHECK(percent_decode("%252e").value() == "%2e");
  for (const char* text : {"%", "%2", "%zz", "a%00"}) CHECK_FALSE(percent_decode(text));
  CHECK(percent_encode("a b/c~") == "a%20b%2Fc~");
}

TEST_CASE("encoding: hex") {
  CHECK(hex_encode("\x01\xff") == "01ff");
  CHECK(hex_decode("01fF").value() == "\x01\xff");
  CHECK_FALSE(hex_decode("0"));
}

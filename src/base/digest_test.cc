#include "base/digest.h"

#include <doctest/doctest.h>

TEST_CASE("digest: the example of FIPS 180-4, in one piece and in parts") {
  const char* wanted = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  CHECK(mk::sha256_hex("abc") == wanted);
  mk::Sha256 hash;
  hash.add("a");
  hash.add("bc");
  CHECK(hash.hex() == wanted);
}

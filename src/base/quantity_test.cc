#include "base/quantity.h"

#include <doctest/doctest.h>

using mk::Quantity;

TEST_CASE("quantity: parsed, rounded up and printed canonically") {
  struct Case {
    const char* text;
    const char* canonical;
    int64_t value, milli;
  };
  const Case cases[] = {
      {"0", "0", 0, 0},
      {"1", "1", 1, 1000},
      {"500m", "500m", 1, 500},
      {"0.5", "500m", 1, 500},
      {"1.5", "1500m", 2, 1500},
      {"-1.5", "-1500m", -1, -1500},
      {"1000m", "1", 1, 1000},
      {"1000k", "1M", 1'000'000, 1'000'000'000},
      {"1024Mi", "1Gi", 1 << 30, (int64_t{1} << 30) * 1000},
      {"0.5Gi", "512Mi", 1 << 29, (int64_t{1} << 29) * 1000},
      {"1.5Ki", "1536", 1536, 1536000},
      {"2Ei", "2Ei", int64_t{1} << 61, INT64_MAX},
      {"1e3", "1e3", 1000, 1'000'000},
      {"12E2", "1200", 1200, 1'200'000},
      {"1E", "1E", 1'000'000'000'000'000'000, INT64_MAX},
      {"100u", "100u", 1, 1},
      {"1n", "1n", 1, 1},
      {"0.1n", "1n", 1, 1},
      {"0.0000000001", "1n", 1, 1},
      {"+5", "5", 5, 5000},
      {".5", "500m", 1, 500},
      {"5.", "5", 5, 5000},
      {"9223372036854775807", "9223372036854775807", INT64_MAX, INT64_MAX},
  };
  for (const Case& c : cases) {
    CAPTURE(c.text);
    const auto quantity = Quantity::parse(c.text);
    REQUIRE(quantity);
    CHECK(quantity->text() == c.canonical);
    CHECK(quantity->value() == c.value);
    CHECK(quantity->milli() == c.milli);
    CHECK(Quantity::parse(quantity->text()).value() == *quantity);
  }
}

TEST_CASE("quantity: what is none is refused") {
  for (const char* text : {"", "-", "Gi", "1Zi", "1gi", "1 Gi", "1.2.3", "1e", "1e99", "--1", "0x10", "1Ki5",
                           "9223372036854775808", "10E", "8Ei",
                           "99999999999999999999999999999999999999999999", "NaN", "1e+", "1,5"}) {
    CAPTURE(text);
    CHECK_FALSE(Quantity::parse(text));
  }
}

TEST_CASE("quantity: compared and added exactly") {
  const auto q = [](const char* text) { return Quantity::parse(text).value(); };
  CHECK(q("1Gi") > q("1G"));
  CHECK(q("0.1") + q("0.2") == q("300m"));
  CHECK((q("1Gi") - q("512Mi")).text() == "512Mi");
  CHECK(Quantity::from_milli(1500) == q("1.5"));
  CHECK(Quantity::from_integer(8).text() == "8");
}

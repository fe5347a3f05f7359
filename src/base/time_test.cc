#include "base/time.h"

#include <doctest/doctest.h>

using namespace mk;

TEST_CASE("time: RFC 3339 both ways") {
  CHECK(Time::parse_rfc3339("2026-11-21T09:30:00Z")->rfc3339() == "2026-11-21T09:30:00Z");
  CHECK(Time::parse_rfc3339("2026-11-21T10:30:00.5+01:00")->rfc3339_micro() == "2026-11-21T09:30:00.500000Z");
  for (const char* text : {"", "2026-11-21", "2026-13-21T09:30:00Z", "2026-11-21T09:30:00", "2026-11-21T09:30:00+1"})
    CHECK_FALSE(Time::parse_rfc3339(text));
}

TEST_CASE("time: durations as people write and read them") {
  CHECK(parse_duration("1h2m3.5s")->ms() == 3723500);
  CHECK(parse_duration("300ms")->ms() == 300);
  CHECK(parse_duration("-2s")->ms() == -2000);
  for (const char* text : {"", "5", "s", "1x", "1h-2m"}) CHECK_FALSE(parse_duration(text));
  CHECK(human_duration(119_s) == "119s");
  CHECK(human_duration(182_s) == "3m2s");
  CHECK(human_duration(Duration::from_seconds(3600 * 30)) == "30h");
}

// What formats refuse, in Go's words where Go's decoder refuses it.
#include "core/formats.h"

#include <doctest/doctest.h>

using namespace mk;

TEST_CASE("formats: base64 and times are refused where and as Go refuses them") {
  struct Case {
    const char *format, *text, *why;
  };
  const Case cases[] = {
      {"byte", "YWJj", ""},
      {"byte", "YQ==", ""},
      {"byte", "1", "illegal base64 data at input byte 0"},
      {"byte", "not base64!", "illegal base64 data at input byte 3"},
      {"byte", "YWJjYQ", "illegal base64 data at input byte 4"},
      {"byte", "Y===", "illegal base64 data at input byte 1"},
      {"byte", "YQ=a", "illegal base64 data at input byte 3"},
      {"date-time", "2026-11-21T09:30:00Z", ""},
      {"date-time", "2026-11-21T09:30:00.123456+01:00", ""},
      {"date-time", "yesterday",
       R"(parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": cannot parse "yesterday" as "2006")"},
      {"date-time", "2026-1-21T09:30:00Z",
       R"(parsing time "2026-1-21T09:30:00Z" as "2006-01-02T15:04:05Z07:00": cannot parse "1-21T09:30:00Z" as "01")"},
      {"date-time", "2026-11-21T09:30:00",
       R"(parsing time "2026-11-21T09:30:00" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "Z07:00")"},
      {"date-time", "2026-11-21T09:30:00Zulu",
       R"(parsing time "2026-11-21T09:30:00Zulu": extra text: "ulu")"},
      {"date-time", "2026-13-21T09:30:00Z",
       R"(parsing time "2026-13-21T09:30:00Z": a month, day, hour, minute or second is out of range)"},
      {"no such format", "anything", ""},
  };
  for (const Case& c : cases) {
    CAPTURE(c.text);
    const auto problem = core::formats::check(c.format, c.text);
    CHECK(problem.why == c.why);
    CHECK(problem.unreadable == (*c.why != 0));
  }
  CHECK_FALSE(core::formats::check("port", 0).unreadable);
  CHECK(core::formats::check("port", 0).why == "must be between 1 and 65535, inclusive");
}

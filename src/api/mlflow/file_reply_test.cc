#include "api/mlflow/file_reply.h"

#include <doctest/doctest.h>

using namespace mk::api::mlflow;

TEST_CASE("mlflow: byte ranges") {
  struct Case {
    const char* header;
    uint64_t size;
    std::optional<ByteRange> wanted;
  };
  const Case cases[] = {
      {"bytes=0-9", 100, ByteRange{0, 10}},
      {"bytes=90-", 100, ByteRange{90, 10}},
      {"bytes=-5", 100, ByteRange{95, 5}},
      {"bytes=-500", 100, ByteRange{0, 100}},
      {"bytes=0-999", 100, ByteRange{0, 100}},
      {"bytes=100-", 100, ByteRange{0, 0}},
      {"bytes=0-0", 0, ByteRange{0, 0}},
      {"bytes=-0", 100, ByteRange{100, 0}},
      {"", 100, {}},
      {"bytes=5-1", 100, {}},
      {"bytes=0-1,3-4", 100, {}},
      {"bytes=a-b", 100, {}},
      {"bytes=-", 100, {}},
      {"lines=0-1", 100, {}},
      {"bytes=0-99999999999999999999", 100, {}},
      {"bytes=1-x", 100, {}},
  };
  for (const Case& c : cases) {
    CAPTURE(c.header);
    auto range = parse_range(c.header, c.size);
    REQUIRE(range.has_value() == c.wanted.has_value());
    if (!range) continue;
    CHECK(range->length == c.wanted->length);
    if (range->length) CHECK(range->first == c.wanted->first);
  }
}

TEST_CASE("mlflow: a browser is never handed what it would run") {
  for (const char* name : {"a.html", "a.htm", "a.svg", "a.xml", "a.xhtml", "a.js", "a", "model.pkl"}) {
    CHECK(content_type_of(name) == "application/octet-stream");
  }
  CHECK(content_type_of("MLmodel") == "text/plain");
  CHECK(content_type_of("x.png") == "image/png");
  CHECK(disposition_of("a\"b\r\n.txt") == "attachment; filename=\"a_b__.txt\"");
  CHECK(disposition_of("\xc3\xbc.txt") == "attachment; filename=\"__.txt\"; filename*=UTF-8''%C3%BC.txt");
}

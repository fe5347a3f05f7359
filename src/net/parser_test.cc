#include "net/parser.h"

#include <string>

#include <doctest/doctest.h>

#include "net/head.h"

using namespace mk;
using namespace mk::net;

namespace {

constexpr size_t kHeaderMax = 8 << 10;

struct Outcome {
  int status = 0;  // of the refusal; 0 = taken
  bool done = false;
  std::string body;
  std::string message;
};

// Feeds the bytes in steps of `step`, as a socket would.
Outcome feed(std::string_view bytes, size_t step = SIZE_MAX, uint64_t body_max = 1 << 20) {
  Parser parser(Parser::Kind::kRequest, kHeaderMax);
  Outcome outcome;
  parser.set_body(&outcome.body, body_max);
  std::string waiting;
  while (!parser.done()) {
    if (!bytes.empty()) {
      waiting.append(bytes.substr(0, step));
      bytes.remove_prefix(std::min(step, bytes.size()));
    }
    const auto taken = parser.put(waiting);
    if (!taken) return {taken.error().status, false, outcome.body, taken.error().error.message};
    waiting.erase(0, *taken);
    if (*taken == 0 && bytes.empty()) break;
  }
  outcome.done = parser.done();
  return outcome;
}

std::string post(std::string_view fields, std::string_view body) {
  return "POST /x HTTP/1.1\r\nHost: h\r\n" + std::string(fields) + "\r\n" + std::string(body);
}

}  // namespace

TEST_CASE("net parser: whatever two readers could read differently is refused") {
  struct Row {
    const char* what;
    std::string bytes;
    int status;
  };
  const Row rows[] = {
      {"length and chunks", post("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400},
      {"chunks and length", post("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", "0\r\n\r\n"), 400},
      {"two lengths", post("Content-Length: 3\r\nContent-Length: 4\r\n", "abcd"), 400},
      {"the same length twice", post("Content-Length: 3\r\nContent-Length: 3\r\n", "abc"), 400},
      {"a list of lengths", post("Content-Length: 3, 3\r\n", "abc"), 400},
      {"a sign", post("Content-Length: +3\r\n", "abc"), 400},
      {"a negative length", post("Content-Length: -3\r\n", "abc"), 400},
      {"hex", post("Content-Length: 0x3\r\n", "abc"), 400},
      {"too many digits", post("Content-Length: 99999999999999999999999\r\n", ""), 400},
      {"two encodings", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
       400},
      {"chunked not last", post("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"), 501},
      {"another encoding", post("Transfer-Encoding: gzip\r\n", ""), 501},
      {"a hidden encoding", post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"), 501},
      {"a vertical tab",
       post("Transfer-Encoding: \x0b"
            "chunked\r\n",
            "0\r\n\r\n"),
       400},
      {"a space before the colon", post("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"), 400},
      {"chunks in HTTP/1.0", "POST /x HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501},
      {"a chunk size of letters", post("Transfer-Encoding: chunked\r\n", "xyz\r\n"), 400},
      {"a chunk size with a sign", post("Transfer-Encoding: chunked\r\n", "+3\r\nabc\r\n0\r\n\r\n"), 400},
      {"a chunk size that overflows", post("Transfer-Encoding: chunked\r\n", "fffffffffffffffff\r\n"), 400},
      {"a chunk without its end", post("Transfer-Encoding: chunked\r\n", "3\r\nabcdef\r\n0\r\n\r\n"), 400},
      {"a bare LF after a size", post("Transfer-Encoding: chunked\r\n", "3\nabc\r\n0\r\n\r\n"), 400},
      {"no host", "GET / HTTP/1.1\r\n\r\n", 400},
      {"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
      {"a NUL in a value", std::string("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", 35), 400},
      {"no path", "GET x HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"a tunnel", "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"a space in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 505},
      {"another version", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
      {"another protocol", "\x16\x03\x01 hello\r\n\r\n", 400},
      {"an unknown expectation", post("Expect: a pony\r\n", ""), 417},
      {"a long header", "GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(kHeaderMax, 'x') + "\r\n\r\n", 431},
      {"a long target", "GET /" + std::string(2 * kHeaderMax, 'x'), 431},
  };
  for (const Row& row : rows) {
    for (const size_t step : {SIZE_MAX, size_t{1}}) {
      const Outcome outcome = feed(row.bytes, step);
      CHECK_MESSAGE(outcome.status == row.status, std::string(row.what) << " in steps of " << step << ": " << outcome.message);
    }
  }
}

TEST_CASE("net parser: lines that end in a bare LF are no message") {
  CHECK_FALSE(feed("GET / HTTP/1.1\nHost: h\n\n").done);
  CHECK_FALSE(feed("GET / HTTP/1.1\nHost: h\n\n", 1).done);
}

TEST_CASE("net parser: many fields are a bomb, also small ones") {
  std::string bytes = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (int i = 0; i < 200; ++i) bytes += "a: b\r\n";
  CHECK(feed(bytes + "\r\n").status == 431);
}

TEST_CASE("net parser: bodies come out the same however they are cut") {
  struct Row {
    std::string bytes;
    const char* body;
  };
  const Row rows[] = {
      {post("Content-Length: 5\r\n", "hello"), "hello"},
      {post("Content-Length: 0\r\n", ""), ""},
      {post("", ""), ""},
      {post("Transfer-Encoding: chunked\r\n", "0\r\n\r\n"), ""},
      {post("Transfer-Encoding: CHUNKED\r\n", "1\r\nh\r\n004;a=b\r\nello\r\n0\r\n\r\n"), "hello"},
      {post("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\nTrailer: x\r\n\r\n"), "hello"},
      {"POST http://other/x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello", "hello"},
  };
  for (const Row& row : rows) {
    for (const size_t step : {SIZE_MAX, size_t{1}, size_t{3}, size_t{7}}) {
      const Outcome outcome = feed(row.bytes, step);
      CHECK_MESSAGE(outcome.done, row.bytes << " in steps of " << step);
      CHECK(outcome.body == row.body);
    }
  }
}

TEST_CASE("net parser: a body is bounded, and so is what its chunks cost") {
  CHECK(feed(post("Transfer-Encoding: chunked\r\n", "b\r\nhello world\r\n0\r\n\r\n"), SIZE_MAX, 10).status ==
        413);
  CHECK(feed(post("Content-Length: 11\r\n", "hello world"), SIZE_MAX, 10).status == 413);
  std::string padded;
  const std::string extension(1000, 'e');
  for (int i = 0; i < 300; ++i) padded += "1;" + extension + "\r\nx\r\n";
  CHECK(feed(post("Transfer-Encoding: chunked\r\n", padded), 4096, 1000).status == 413);
}

TEST_CASE("net parser: an absolute target stands for path and host") {
  Parser parser(Parser::Kind::kRequest, kHeaderMax);
  REQUIRE(parser.put("GET http://evil.com:81?q HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  CHECK(parser.request().target == "/?q");
  CHECK(parser.request().headers.get("host") == "evil.com:81");
}

TEST_CASE("net parser: answers") {
  Parser parser(Parser::Kind::kResponse, kHeaderMax);
  std::string body;
  parser.set_body(&body, 1 << 20);
  REQUIRE(parser.put("HTTP/1.1 200 OK\r\n\r\n"));
  CHECK(parser.head_done());
  REQUIRE(parser.put("until the end"));
  CHECK_FALSE(parser.done());
  REQUIRE(parser.put_end());
  CHECK(parser.done());
  CHECK(body == "until the end");
  parser.reset(true);
  REQUIRE(parser.put("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"));
  CHECK(parser.done());
  parser.reset();
  REQUIRE(parser.put("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"));
  CHECK_FALSE(parser.put_end());
}

TEST_CASE("net head: no value of ours can end its line") {
  Response response = Response::text("body");
  response.headers.add("X-Good", "fine");
  response.headers.add("X-Evil", "a\r\nSet-Cookie: b");
  response.headers.add("X\r\nY", "a");
  response.headers.add("X-Nul", std::string("a\0b", 3));
  response.headers.add("Content-Length", "999");
  response.headers.add("Transfer-Encoding", "chunked");
  std::string out;
  append_response_head(out, response, {.length = response.body.size()});
  CHECK(out ==
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nX-Good: fine\r\nContent-Length: "
        "4\r\n\r\n");
}

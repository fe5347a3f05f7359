// HTTP/1.1 messages from bytes: no sockets, no clock. Stricter than the protocol asks wherever two readers of
// one message could disagree about where it ends. Facade over Boost.Beast's parser.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "net/http.h"

namespace mk::net {

// Why a message is refused, and the status that says so.
struct BadMessage {
  int status = 400;
  Error error;
};

// One message at a time: put() bytes until done(), then reset().
class Parser {
 public:
  enum class Kind : uint8_t { kRequest, kResponse };

  Parser(Kind kind, size_t header_bytes_max);
  ~Parser();
  Parser(Parser&&) = delete;

  // `head_only`: the response to a HEAD request, which has no body whatever its headers say.
  void reset(bool head_only = false);

  // Reads what it can and says how many bytes it took; unread bytes must be offered again with more behind
  // them. Stops after the head, so that the caller can decide where the body goes.
  std::expected<size_t, BadMessage> put(std::string_view bytes);
  // The peer closed: ends a response whose length only the end of the connection tells.
  std::expected<void, BadMessage> put_end();

  // Where body bytes are appended; may be changed between puts. More than `body_bytes_max` in all is an
  // error.
  void set_body(std::string* into, uint64_t body_bytes_max);

  bool started() const;  // the first byte was taken or awaited more
  bool head_done() const;
  bool done() const;

  // Valid once head_done().
  Request& request();
  Response& response();
  bool keep_alive() const;
  bool http_1_1() const;
  bool chunked() const;
  bool expects_continue() const;
  std::optional<uint64_t> content_length() const;
  uint64_t body_bytes() const;  // read so far

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mk::net

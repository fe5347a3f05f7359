// Writes the heads of messages. Fields that would break the framing (CR, LF, NUL, a bad name, or framing
// headers of the caller's own) never reach the wire.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "net/http.h"

namespace mk::net {

enum class Framing : uint8_t { kLength, kChunked, kUntilClose, kNone };

struct HeadFacts {
  Framing framing = Framing::kLength;
  uint64_t length = 0;
  bool keep_alive = true;
  bool http_1_1 = true;
  bool keep_length_field = false;  // answering HEAD: the handler's own Content-Length stands
  std::string_view date = {};
  std::string_view fixed = {};  // whole lines, already checked
};

void append_response_head(std::string& out, const Response& response, const HeadFacts& facts);
void append_request_head(std::string& out, Method method, std::string_view target, const Headers& headers,
                         std::string_view host, const HeadFacts& facts);

// 1xx, 204 and 304 never have a body.
bool status_has_body(int status);
void append_field(std::string& out, std::string_view name, std::string_view value);
bool valid_field(std::string_view name, std::string_view value);

}  // namespace mk::net

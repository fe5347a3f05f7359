#include "net/head.h"

#include <algorithm>
#include <charconv>

#include "base/log.h"

namespace mk::net {

namespace {

bool token_char(char c) {
  if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return true;
  return std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool framing_field(std::string_view name) {
  switch (name.size()) {
    case 10:
      return same_text(name, "connection") || same_text(name, "keep-alive");
    case 14:
      return same_text(name, "content-length");
    case 17:
      return same_text(name, "transfer-encoding");
    default:
      return false;
  }
}

void append_number(std::string& out, uint64_t value) {
  char text[20];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  out.append(text, end);
}

void append_fields(std::string& out, const Headers& headers, const HeadFacts& facts) {
  for (const auto& [name, value] : headers) {
    if (framing_field(name) && !(facts.keep_length_field && same_text(name, "content-length"))) continue;
    append_field(out, name, value);
  }
}

void append_framing(std::string& out, const HeadFacts& facts) {
  if (facts.framing == Framing::kChunked) out += "Transfer-Encoding: chunked\r\n";
  if (facts.framing == Framing::kLength && !facts.keep_length_field) {
    out += "Content-Length: ";
    append_number(out, facts.length);
    out += "\r\n";
  }
  if (!facts.keep_alive) {
    out += "Connection: close\r\n";
  } else if (!facts.http_1_1) {
    out += "Connection: keep-alive\r\n";
  }
  out += "\r\n";
}

}  // namespace

bool status_has_body(int status) {
  return status >= 200 && status != 204 && status != 304;
}

bool valid_field(std::string_view name, std::string_view value) {
  return !name.empty() && std::all_of(name.begin(), name.end(), token_char) &&
         std::none_of(value.begin(), value.end(), [](char c) {
           const auto byte = static_cast<unsigned char>(c);
           return (byte < 0x20 && c != '\t') || byte == 0x7f;
         });
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
  if (!valid_field(name, value)) {
    log::warn("a header field was left out: its name or value would break the message", {{"name", name}});
    return;
  }
  out.append(name).append(": ").append(value).append("\r\n");
}

void append_response_head(std::string& out, const Response& response, const HeadFacts& facts) {
  out += "HTTP/1.1 ";
  append_number(out, static_cast<uint64_t>(response.status));
  out.append(" ").append(status_text(response.status)).append("\r\n");
  if (!facts.date.empty() && !response.headers.has("Date"))
    out.append("Date: ").append(facts.date).append("\r\n");
  out.append(facts.fixed);
  append_fields(out, response.headers, facts);
  append_framing(out, facts);
}

void append_request_head(std::string& out, Method method, std::string_view target, const Headers& headers,
                         std::string_view host, const HeadFacts& facts) {
  out.append(method_name(method)).append(" ").append(target).append(" HTTP/1.1\r\n");
  if (!host.empty() && !headers.has("Host")) out.append("Host: ").append(host).append("\r\n");
  append_fields(out, headers, facts);
  append_framing(out, facts);
}

}  // namespace mk::net

// HTTP messages as our code sees them, whatever engine carries them.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/certificate.h"
#include "base/error.h"

namespace mk::net {

enum class Method : uint8_t { kGet, kHead, kPost, kPut, kPatch, kDelete, kOptions, kOther };
std::string_view method_name(Method method);
Method parse_method(std::string_view name);

// Equal but for the case of ASCII letters, as names of headers and hosts are compared.
bool same_text(std::string_view a, std::string_view b);

// "localhost", "127.0.0.1" and its 16 million neighbours, "[::1]": as a Host header names them, without the port.
bool is_loopback_host(std::string_view name);

// Header fields in order; names compare without case. A value never holds CR, LF or NUL.
class Headers {
 public:
  Headers() = default;
  Headers(std::initializer_list<std::pair<std::string, std::string>> fields) : fields_(fields) {}
  void add(std::string name, std::string value) { fields_.emplace_back(std::move(name), std::move(value)); }
  void set(std::string_view name, std::string value);  // replaces all of that name
  void remove(std::string_view name);
  std::string_view get(std::string_view name) const;  // first value, or empty
  bool has(std::string_view name) const;
  auto begin() const { return fields_.begin(); }
  auto end() const { return fields_.end(); }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

// The decoded query string; keys may repeat. Order is kept.
class Query {
 public:
  static Result<Query> parse(std::string_view raw);                                  // without the '?'
  std::string_view get(std::string_view key, std::string_view fallback = {}) const;  // first value
  std::vector<std::string_view> all(std::string_view key) const;
  bool has(std::string_view key) const;
  auto begin() const { return fields_.begin(); }
  auto end() const { return fields_.end(); }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

// Who is at the other end of the connection, found once at accept and pinned to it.
struct Peer {
  std::string address;  // "127.0.0.1"
  uint16_t port = 0;
  bool loopback = false;
  bool tls = false;
  std::optional<uint32_t> uid;  // of a loopback peer whose socket the kernel could name; never guessed
  std::shared_ptr<const CertificateFacts> certificate;  // of a client that showed one which TlsIdentity::client_ca_pem signed
};

struct Request {
  Method method = Method::kGet;
  std::string method_text = {};   // as sent, for kOther only
  std::string target = {};        // as sent: path and query, still encoded; starts with '/' (or is "*")
  std::string_view path() const;  // raw path, without the query
  std::string_view raw_query() const;
  Headers headers;
  std::string body;  // whole, within the route's bound; empty when the body is streamed
  Peer peer;
  std::vector<std::string> params;  // what a route's {segments} matched, decoded once, in order
};

struct Response {
  int status = 200;
  Headers headers;
  std::string body;

  static Response json(std::string body, int status = 200) {
    return {status, {{"Content-Type", "application/json"}}, std::move(body)};
  }
  static Response text(std::string body, int status = 200) {
    return {status, {{"Content-Type", "text/plain; charset=utf-8"}}, std::move(body)};
  }
};

std::string_view status_text(int status);

}  // namespace mk::net

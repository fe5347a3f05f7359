#include "net/parser.h"

#include <algorithm>

// Beast's parser asserts that the last chunk's line comes with five bytes or more; three can be all there is when a
// peer sends an empty chunked body bit by bit. The code behind the assertion is right, the assertion would let anyone
// end the process.
#define BOOST_DISABLE_ASSERTS
#include <boost/beast/http/basic_parser.hpp>

#include "base/format.h"
#include "net/limits.h"

namespace mk::net {

namespace {

namespace http = boost::beast::http;
using boost::beast::error_code;
using BoostView = boost::beast::string_view;

std::string_view view(BoostView text) {
  return {text.data(), text.size()};
}

BadMessage bad(int status, Code code, std::string reason, std::string message) {
  return {status, Error{code, std::move(reason), std::move(message)}};
}

BadMessage malformed(std::string message) {
  return bad(400, Code::kInvalidArgument, "bad_request", std::move(message));
}

bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// What Beast's parser found wrong, in words for the peer.
BadMessage translate(const error_code& code) {
  if (code == http::error::header_limit) {
    return bad(431, Code::kTooLarge, "header_too_large", "the header is too large");
  }
  if (code == http::error::bad_version) {
    return bad(505, Code::kUnimplemented, "bad_version", "only HTTP/1.1 and HTTP/1.0 are spoken here");
  }
  if (code == http::error::bad_content_length || code == http::error::multiple_content_length) {
    return malformed("Content-Length is not one plain number, or comes with Transfer-Encoding");
  }
  if (code == http::error::bad_transfer_encoding) {
    return malformed("Transfer-Encoding is given twice or together with Content-Length");
  }
  if (code == http::error::bad_chunk || code == http::error::bad_chunk_extension) {
    return malformed("a chunk of the body is malformed");
  }
  if (code == http::error::partial_message) {
    return malformed("the message ends too early");
  }
  return malformed("not a well-formed HTTP message: " + code.message());
}

// Receives what Beast reads and checks what it lets through.
template <bool kIsRequest>
class Sink final : public http::basic_parser<kIsRequest> {
  using Base = http::basic_parser<kIsRequest>;

 public:
  Sink(size_t header_bytes_max, bool head_only) {
    this->header_limit(static_cast<uint32_t>(header_bytes_max));
    this->body_limit(boost::none);  // counted here
    if (head_only) this->skip(true);
  }

  Request request;
  Response response;
  std::string* body = nullptr;
  uint64_t body_bytes_max = 0;
  uint64_t body_bytes = 0;
  std::optional<BadMessage> problem;
  bool expects_continue = false;
  bool http_1_1 = true;

 private:
  void refuse(BadMessage message, error_code& code) {
    if (!problem) problem = std::move(message);
    code = http::error::bad_value;
  }

  void on_request_impl(http::verb, BoostView method, BoostView target, int version,
                       error_code& code) override {
    http_1_1 = version == 11;
    request.method = parse_method(view(method));
    if (request.method == Method::kOther) request.method_text = view(method);
    request.target = view(target);
    take_absolute_form(code);
  }

  // "GET http://host/path" must be accepted; the authority then stands for the Host header.
  void take_absolute_form(error_code& code) {
    std::string& target = request.target;
    if (target.starts_with('/') || (target == "*" && request.method == Method::kOptions)) return;
    for (const std::string_view scheme : {"http://", "https://"}) {
      if (target.size() <= scheme.size() || !same_text(target.substr(0, scheme.size()), scheme)) continue;
      const size_t slash = std::min(target.find_first_of("/?", scheme.size()), target.size());
      absolute_host_ = target.substr(scheme.size(), slash - scheme.size());
      target.erase(0, slash);
      if (!target.starts_with('/')) target.insert(0, "/");
      return;
    }
    refuse(malformed("the request target must start with a slash"), code);
  }

  void on_response_impl(int status, BoostView, int version, error_code&) override {
    http_1_1 = version == 11;
    response.status = status;
  }

  void on_field_impl(http::field field, BoostView name, BoostView value, error_code& code) override {
    if (head_done_) return;  // a trailer: nothing here reads them
    if (++fields_ > kHeaderFieldsMax) {
      return refuse(bad(431, Code::kTooLarge, "header_too_large",
                        fmt::format("the header has more than {} fields", kHeaderFieldsMax)),
                    code);
    }
    check_framing(field, view(value), code);
    if (code) return;
    Headers& headers = kIsRequest ? request.headers : response.headers;
    headers.add(std::string(view(name)), std::string(view(value)));
  }

  void check_framing(http::field field, std::string_view value, error_code& code) {
    if (field == http::field::content_length) {
      if (lengths_++ > 0 || !all_digits(value)) {
        refuse(malformed("Content-Length must be one plain number, given once"), code);
      }
    } else if (field == http::field::transfer_encoding) {
      // Anything but this exact word is read differently by different servers.
      if (!same_text(value, "chunked") || !http_1_1) {
        refuse(bad(501, Code::kUnimplemented, "transfer_encoding",
                   "the only Transfer-Encoding understood is \"chunked\", in HTTP/1.1"),
               code);
      }
    } else if (kIsRequest && field == http::field::host) {
      if (hosts_++ > 0) refuse(malformed("the Host header is given twice"), code);
    } else if (kIsRequest && field == http::field::expect) {
      expects_continue = same_text(value, "100-continue");
      if (!expects_continue) {
        refuse(bad(417, Code::kInvalidArgument, "expectation", "the only Expect understood is 100-continue"),
               code);
      }
    }
  }

  void on_header_impl(error_code& code) override {
    head_done_ = true;
    if constexpr (kIsRequest) {
      if (hosts_ == 0 && http_1_1) return refuse(malformed("the Host header is missing"), code);
      if (!absolute_host_.empty()) request.headers.set("Host", absolute_host_);
    }
  }

  void on_body_init_impl(const boost::optional<uint64_t>&, error_code&) override {}

  size_t take(BoostView bytes, error_code& code) {
    body_bytes += bytes.size();
    if (body_bytes > body_bytes_max) {
      refuse(bad(413, Code::kTooLarge, "body_too_large",
                 fmt::format("the body is larger than {} bytes, the most taken here", body_bytes_max)),
             code);
      return 0;
    }
    if (body != nullptr) body->append(bytes.data(), bytes.size());
    return bytes.size();
  }
  size_t on_body_impl(BoostView bytes, error_code& code) override { return take(bytes, code); }
  size_t on_chunk_body_impl(uint64_t, BoostView bytes, error_code& code) override {
    return take(bytes, code);
  }
  void on_chunk_header_impl(uint64_t, BoostView, error_code&) override {}
  void on_finish_impl(error_code&) override {}

  std::string absolute_host_;
  size_t fields_ = 0;
  int lengths_ = 0;
  int hosts_ = 0;
  bool head_done_ = false;
};

}  // namespace

class Parser::Impl {
 public:
  Impl(Kind kind_of, size_t header_bytes_max) : kind(kind_of), header_max(header_bytes_max) { reset(false); }

  void reset(bool head_only) {
    if (kind == Kind::kRequest) {
      request.emplace(header_max, head_only);
    } else {
      response.emplace(header_max, head_only);
    }
    wire_bytes = 0;
  }

  template <typename F>
  auto with(F f) const {
    return kind == Kind::kRequest ? f(*request) : f(*response);
  }
  template <typename F>
  auto with(F f) {
    return kind == Kind::kRequest ? f(*request) : f(*response);
  }

  template <typename S>
  std::expected<size_t, BadMessage> put(S& sink, std::string_view bytes) {
    const bool had_head = sink.is_header_done();
    sink.eager(had_head);  // before the head is done, stop right behind it
    error_code code;
    const size_t taken = sink.put(boost::asio::const_buffer(bytes.data(), bytes.size()), code);
    if (had_head) wire_bytes += taken;
    if (code && code != http::error::need_more) {
      return std::unexpected(sink.problem ? *std::move(sink.problem) : translate(code));
    }
    if (sink.chunked() && wire_bytes > kChunkOverheadFloor + kChunkOverheadMax * sink.body_bytes_max &&
        sink.body_bytes_max < UINT64_MAX / (2 * kChunkOverheadMax)) {
      return std::unexpected(
          bad(413, Code::kTooLarge, "body_too_large", "the body's chunks carry too little"));
    }
    return taken;
  }

  const Kind kind;
  const size_t header_max;
  uint64_t wire_bytes = 0;
  std::optional<Sink<true>> request;
  std::optional<Sink<false>> response;
};

Parser::Parser(Kind kind, size_t header_bytes_max) : impl_(std::make_unique<Impl>(kind, header_bytes_max)) {}
Parser::~Parser() = default;
void Parser::reset(bool head_only) {
  impl_->reset(head_only);
}

std::expected<size_t, BadMessage> Parser::put(std::string_view bytes) {
  return impl_->with([&](auto& sink) { return impl_->put(sink, bytes); });
}

std::expected<void, BadMessage> Parser::put_end() {
  return impl_->with([](auto& sink) -> std::expected<void, BadMessage> {
    error_code code;
    if (!sink.got_some())
      return std::unexpected(malformed("the peer closed the connection without a message"));
    if (!sink.is_done()) sink.put_eof(code);
    if (code) return std::unexpected(translate(code));
    return {};
  });
}

void Parser::set_body(std::string* into, uint64_t body_bytes_max) {
  impl_->with([&](auto& sink) {
    sink.body = into;
    sink.body_bytes_max = body_bytes_max;
  });
}

bool Parser::started() const {
  return impl_->with([](const auto& sink) { return sink.got_some(); });
}
bool Parser::head_done() const {
  return impl_->with([](const auto& sink) { return sink.is_header_done(); });
}
bool Parser::done() const {
  return impl_->with([](const auto& sink) { return sink.is_done(); });
}
Request& Parser::request() {
  return impl_->request->request;
}
Response& Parser::response() {
  return impl_->response->response;
}
bool Parser::keep_alive() const {
  return impl_->with([](const auto& sink) { return sink.keep_alive(); });
}
bool Parser::http_1_1() const {
  return impl_->with([](const auto& sink) { return sink.http_1_1; });
}
bool Parser::chunked() const {
  return impl_->with([](const auto& sink) { return sink.chunked(); });
}
bool Parser::expects_continue() const {
  return impl_->with([](const auto& sink) { return sink.expects_continue; });
}
std::optional<uint64_t> Parser::content_length() const {
  return impl_->with([](const auto& sink) -> std::optional<uint64_t> {
    const auto length = sink.content_length();
    if (!length) return std::nullopt;
    return *length;
  });
}
uint64_t Parser::body_bytes() const {
  return impl_->with([](const auto& sink) { return sink.body_bytes; });
}

}  // namespace mk::net

#include "dataplane/gateway/proxy.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/format.h"
#include "base/json.h"
#include "dataplane/gateway/limits.h"
#include "os/clock.h"
#include "os/random.h"

namespace mk::gateway {

namespace {

constexpr std::string_view kHopByHop[] = {"Connection",
                                          "Keep-Alive",
                                          "Proxy-Authenticate",
                                          "Proxy-Authorization",
                                          "TE",
                                          "Trailer",
                                          "Transfer-Encoding",
                                          "Upgrade",
                                          "Proxy-Connection",
                                          "Expect"};

bool names(std::string_view list, std::string_view name) {
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    std::string_view item = list.substr(0, comma);
    while (item.starts_with(' ') || item.starts_with('\t')) item.remove_prefix(1);
    while (item.ends_with(' ') || item.ends_with('\t')) item.remove_suffix(1);
    if (net::same_text(item, name)) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

// What concerns only one of the two connections does not pass. Content-Length passes or not with the body's
// framing.
net::Headers end_to_end(const net::Headers& from) {
  const std::string_view listed = from.get("Connection");
  net::Headers to;
  for (const auto& [name, value] : from) {
    const auto same = [&](std::string_view other) { return net::same_text(other, name); };
    if (std::any_of(std::begin(kHopByHop), std::end(kHopByHop), same)) continue;
    if (!listed.empty() && names(listed, name)) continue;
    to.add(name, value);
  }
  return to;
}

std::optional<uint64_t> content_length(const net::Headers& headers) {
  const std::string_view text = headers.get("Content-Length");
  uint64_t length = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), length);
  if (text.empty() || code != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return length;
}

int64_t now() {
  return os::system_clock().monotonic().nanoseconds;
}

int status_of(Code code) {
  switch (code) {
    case Code::kInvalidArgument:
      return 400;
    case Code::kNotFound:
      return 404;
    case Code::kTooLarge:
      return 413;
    case Code::kDeadlineExceeded:
      return 504;
    case Code::kUnavailable:
    case Code::kResourceExhausted:
      return 503;
    default:
      return 502;
  }
}

}  // namespace

net::Response oip_error(const Error& error) {
  return net::Response::json(Json::object({{"error", error.sentence()}}).dump(), status_of(error.code));
}

// One request on its way. Keeps itself alive through the callbacks of the call that runs.
class Flight : public std::enable_shared_from_this<Flight> {
 public:
  Flight(Proxy& proxy, std::shared_ptr<const Table> table, Table::Found found, net::Request request,
         net::Reply reply, std::optional<net::Body> body)
      : proxy_(proxy),
        table_(std::move(table)),
        route_(*found.route),
        revision_(&route_.next()),
        request_(std::move(request)),
        reply_(std::move(reply)),
        body_(std::move(body)),
        began_(now()) {
    prepare(found.stripped);
    revision_->stats->begin();
  }

  void start() {
    reply_->on_closed([weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->client_gone();
    });
    attempt();
  }

 private:
  void prepare(size_t stripped) {
    request_id_ = request_.headers.get("X-Request-Id");
    if (request_id_.empty() || request_id_.size() > kRequestIdBytesMax)
      request_id_ = proxy_.next_request_id();
    net::Headers headers = end_to_end(request_.headers);
    headers.set("X-Request-Id", request_id_);
    std::string chain(headers.get("X-Forwarded-For"));
    chain.append(chain.empty() ? "" : ", ").append(request_.peer.address);
    headers.set("X-Forwarded-For", std::move(chain));
    headers.set("X-Forwarded-Proto", request_.peer.tls ? "https" : "http");
    headers.set("X-Forwarded-Host", std::string(request_.headers.get("Host")));
    body_length_ = content_length(request_.headers);
    request_.headers = std::move(headers);
    if (stripped > 0) {
      request_.target.erase(0, stripped);
      if (!request_.target.starts_with('/')) request_.target.insert(0, "/");
    }
  }

  void attempt() {
    auto upstream = choose(*revision_, tried_, now());
    while (!upstream && next_revision()) upstream = choose(*revision_, tried_, now());
    if (!upstream || tried_.size() >= kAttemptsMax) {
      return fail_with(Error{Code::kUnavailable, "no_endpoint",
                             fmt::format("no server of {} (revision {}) can be reached right now",
                                         route_.service(), revision_->name),
                             "try again in a moment"});
    }
    tried_.push_back(upstream.get());
    upstream_ = upstream;
    net::ClientRequest request{.method = request_.method,
                               .target = request_.target,
                               .headers = request_.headers,
                               .connect_deadline = kConnectDeadline,
                               .deadline = kAnswerDeadline,
                               .body_bytes_max = UINT64_MAX};
    if (body_) {
      request.stream_body = true;
      request.body_length = body_length_;
    } else {
      request.body = request_.body;
    }
    const auto self = shared_from_this();
    net::Client::Events events{
        .head = [self](net::Response head) { self->on_head(std::move(head)); },
        .data = [self](std::string_view bytes) { return self->on_data(bytes); },
        .done = [self](Result<void> result,
                       net::Progress progress) { self->on_done(std::move(result), progress); }};
    if (body_) events.writable = [self] { self->pump_body(); };
    call_ = proxy_.client_->start(upstream->endpoint, std::move(request), std::move(events));
    if (body_ && !finished_) pump_body();
  }

  // A revision that cannot be reached at all: another one answers rather than nobody.
  bool next_revision() {
    exhausted_.push_back(revision_);
    for (const RevisionTarget& other : route_.revisions()) {
      if (std::find(exhausted_.begin(), exhausted_.end(), &other) != exhausted_.end()) continue;
      revision_->stats->end(0, {now() - began_});
      revision_ = &other;
      revision_->stats->begin();
      return true;
    }
    return false;
  }

  // Moves the request's body on as fast as the upstream takes it.
  void pump_body() {
    if (finished_ || body_done_) return;
    body_->read([self = shared_from_this()](Result<std::string_view> bytes) {
      if (self->finished_) return;
      if (!bytes) {
        self->body_error_ = bytes.error();
        return self->call_->cancel();
      }
      self->body_sent_ = true;
      if (bytes->empty()) {
        self->body_done_ = true;
        return self->call_->end_body();
      }
      if (self->call_->write(*bytes)) self->pump_body();
    });
  }

  void on_head(net::Response head) {
    status_ = head.status;
    head_ = net::Response{head.status, end_to_end(head.headers), {}};
    head_.headers.set("X-Modelkit-Revision", revision_->name);
    head_.headers.set("X-Request-Id", request_id_);
    const auto length = content_length(head.headers);
    whole_ = request_.method == net::Method::kHead || (length && *length <= kWholeReplyBytesMax) ||
             head.status == 204 || head.status == 304;
    if (!whole_) {
      stream_.emplace(reply_->stream(std::move(head_)));
      reply_.reset();
      stream_->on_closed([weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->client_gone();
      });
    }
  }

  bool on_data(std::string_view bytes) {
    if (whole_) {
      head_.body.append(bytes);
      return true;
    }
    if (!stream_->write(bytes)) return true;  // the client is gone; client_gone() cancels
    if (stream_->queued_bytes() <= kReplyQueueBytesMax) return true;
    stream_->on_drained([weak = weak_from_this()] {
      if (const auto self = weak.lock(); self && self->call_) self->call_->resume();
    });
    return false;
  }

  void on_done(Result<void> result, net::Progress progress) {
    if (finished_) return;
    if (result) {
      finish(status_);
      if (whole_) return reply_->send(std::move(head_));
      return stream_->finish();
    }
    if (stream_ || body_error_) {
      const Error error = body_error_.value_or(result.error());
      finish(0);
      stream_.reset();  // cut: the client sees that its answer is not whole
      if (reply_) reply_->send(with_revision(oip_error(error)));
      return;
    }
    const bool refused = progress == net::Progress::kNotSent && result.error().code == Code::kUnavailable;
    const bool stale = result.error().reason == "stale_connection" && net::is_idempotent(request_.method);
    if (refused) upstream_->ejected_until = now() + kEjectFor.nanoseconds;
    if (stale) tried_.pop_back();  // the server is well; only that connection was old
    if ((refused || (stale && !std::exchange(stale_once_, true))) && !body_sent_) return attempt();
    const Error& error = result.error();
    if (error.code == Code::kResourceExhausted) {
      return fail_with(Error{Code::kUnavailable, "busy",
                             fmt::format("{} (revision {}) is busy: {}", route_.service(), revision_->name, error.message),
                             "try again in a moment"});
    }
    fail_with(error.code == Code::kDeadlineExceeded
                  ? error
                  : Error{Code::kInternal, "bad_gateway",
                          fmt::format("the server of {} (revision {}) broke off before it answered",
                                      route_.service(), revision_->name)});
  }

  net::Response with_revision(net::Response response) const {
    response.headers.set("X-Modelkit-Revision", revision_->name);
    response.headers.set("X-Request-Id", request_id_);
    return response;
  }

  void fail_with(const Error& error) {
    net::Response response = with_revision(oip_error(error));
    finish(response.status);
    if (reply_) reply_->send(std::move(response));
  }

  void client_gone() {
    if (finished_) return;
    finish(499);
    if (call_) call_->cancel();
  }

  void finish(int status) {
    finished_ = true;
    revision_->stats->end(status, {now() - began_});
  }

  Proxy& proxy_;
  const std::shared_ptr<const Table> table_;
  const RouteTarget& route_;
  const RevisionTarget* revision_;
  std::vector<const RevisionTarget*> exhausted_;
  net::Request request_;
  std::optional<net::Reply> reply_;
  std::optional<net::Body> body_;
  const int64_t began_;
  std::string request_id_;
  std::optional<uint64_t> body_length_;
  std::vector<const Upstream*> tried_;
  std::shared_ptr<Upstream> upstream_;
  std::shared_ptr<net::Client::Call> call_;
  net::Response head_;
  std::optional<net::Stream> stream_;
  std::optional<Error> body_error_;
  int status_ = 0;
  bool whole_ = false;
  bool body_sent_ = false, body_done_ = false;
  bool stale_once_ = false;
  bool finished_ = false;
};

Proxy::Proxy(std::shared_ptr<net::Io> io)
    : client_(net::make_client(
          {.io = std::move(io),
           .idle_connections_per_endpoint_max = kConnectionsPerServerMax,
           .connections_max = 8192,
           .connections_per_endpoint_max = kConnectionsPerServerMax,
           .waiting_per_endpoint_max = kWaitingPerServerMax,
           .waiting_bytes_max = kWaitingBytesMax})),
      table_(std::make_shared<const Table>(routing::Snapshot{}, nullptr)),
      id_prefix_(os::system_random().hex(16)) {}

std::shared_ptr<const Table> Proxy::table() const {
  const std::lock_guard lock(table_mutex_);
  return table_;
}

void Proxy::set_table(std::shared_ptr<const Table> table) {
  std::shared_ptr<const Table> before = table;
  {
    const std::lock_guard lock(table_mutex_);
    before.swap(table_);
  }
  for (const net::Endpoint& gone : table->gone_since(*before)) client_->close_idle(gone);
}

// Unique among processes by its random half, in this one by its count.
std::string Proxy::next_request_id() {
  return fmt::format("{}{:016x}", id_prefix_, id_turn_.fetch_add(1, std::memory_order_relaxed));
}

net::Decision Proxy::dispatch(net::Request& request) {
  net::Decision decision;
  decision.error = oip_error;
  decision.body_bytes_max = kBodyBytesMax;
  auto table = this->table();
  const std::string_view host = request.headers.get("Host");
  const Table::Found found = table->find(host, request.path());
  if (found.route == nullptr) {
    const std::string message =
        table->knows_host(host) ? fmt::format("no model is served at {}", request.path().substr(0, 200))
                                : fmt::format("no model is served for the host \"{}\"", host.substr(0, 200));
    decision.refuse =
        oip_error({Code::kNotFound, "no_route", message, "see: modelkit get inferenceservices"});
    return decision;
  }
  if (request.method == net::Method::kOther) {
    net::Response response =
        oip_error({Code::kInvalidArgument, "method", "this method is not carried to model servers"});
    response.status = 501;
    decision.refuse = std::move(response);
    return decision;
  }
  if (!found.route->ready()) {
    decision.refuse = oip_error({Code::kUnavailable, "not_ready",
                                 fmt::format("{} has no server that is ready", found.route->service()),
                                 "its status says why: modelkit get inferenceservices"});
    return decision;
  }
  const auto length = content_length(request.headers);
  const bool has_body = length.value_or(0) > 0 || request.headers.has("Transfer-Encoding");
  if (has_body && length.value_or(UINT64_MAX) > kWholeRequestBytesMax) {
    decision.policy = net::BodyPolicy::kStream;
    decision.stream = [this, table, found](net::Request taken, net::Body body, net::Reply reply) {
      std::make_shared<Flight>(*this, table, found, std::move(taken), std::move(reply), std::move(body))
          ->start();
    };
    return decision;
  }
  decision.whole = [this, table = std::move(table), found = Table::Found(found)](net::Request taken, net::Reply reply) mutable {
    // The body may have taken its time; what was chosen by the head may be gone.
    if (auto now = this->table(); now != table) {
      table = std::move(now);
      found = table->find(taken.headers.get("Host"), taken.path());
      if (found.route == nullptr || !found.route->ready())
        return reply.send(oip_error({Code::kUnavailable, "not_ready", "the model was withdrawn while the request came in"}));
    }
    std::make_shared<Flight>(*this, table, found, std::move(taken), std::move(reply), std::nullopt)->start();
  };
  return decision;
}

}  // namespace mk::gateway

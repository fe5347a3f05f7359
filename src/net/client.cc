#include "net/client.h"

#include <condition_variable>
#include <mutex>
#include <utility>

#include <charconv>

#include "base/format.h"
#include "net/client_connection.h"
#include "net/limits.h"

namespace mk::net {

namespace {

class PooledClient final : public Client {
 public:
  explicit PooledClient(Options options)
      : own_io_(!options.io), io_(own_io_ ? std::make_shared<Io>(options.threads, "client") : options.io) {
    for (size_t i = 0; i < io_->size(); ++i) {
      threads_.push_back(std::make_shared<ClientThread>(io_->thread(i), options));
    }
  }

  ~PooledClient() override {
    on_every_thread([](ClientThread& thread) {
      thread.closed = true;
      std::vector<std::shared_ptr<ClientCall>> waiting;
      for (const auto& [_, lane] : thread.lanes) waiting.insert(waiting.end(), lane.waiting.begin(), lane.waiting.end());
      for (const auto& call : waiting) call->cancel();
      const auto all = thread.all;
      for (const auto& [_, weak] : all) {
        if (const auto connection = weak.lock()) {
          connection->fail_call(Code::kCancelled, "cancelled", "the client was closed");
        }
      }
    });
    if (own_io_) io_->stop();
  }

  std::shared_ptr<Call> start(const Endpoint& to, ClientRequest request, Events events) override {
    const auto& owner = near();
    auto call = std::make_shared<ClientCall>(owner, to, std::move(request), std::move(events));
    owner->thread->run([call] { call->begin(); });
    return call;
  }

  void close_idle(const Endpoint& to) override {
    for (const auto& owner : threads_) {
      owner->thread->run([owner, to] {
        const auto lane = owner->lanes.find(to);
        if (lane == owner->lanes.end()) return;
        const auto connections = lane->second.idle;
        for (const auto& connection : connections) connection->close();
      });
    }
  }

 private:
  const std::shared_ptr<ClientThread>& near() {
    const auto& thread = io_->near();
    for (const auto& owner : threads_) {
      if (owner->thread == thread) return owner;
    }
    return threads_.front();
  }

  template <typename F>
  void on_every_thread(F f) {
    std::mutex mutex;
    std::condition_variable ready;
    size_t left = threads_.size();
    for (const auto& owner : threads_) {
      owner->thread->run([&, owner] {
        f(*owner);
        const std::lock_guard lock(mutex);
        if (--left == 0) ready.notify_all();
      });
    }
    std::unique_lock lock(mutex);
    ready.wait(lock, [&] { return left == 0; });
  }

  const bool own_io_;
  const std::shared_ptr<Io> io_;
  std::vector<std::shared_ptr<ClientThread>> threads_;
};

// A whole reply in the making.
struct Fetch {
  Client& client;
  Endpoint to;
  ClientRequest request;
  std::function<void(Result<Response>, Progress)> done;
  Response response;
  bool again = false;  // this is the second try
};

void run_fetch(const std::shared_ptr<Fetch>& fetch) {
  ClientRequest request = fetch->again ? std::move(fetch->request) : fetch->request;
  Client::Events events;
  events.head = [fetch](Response head) { fetch->response = std::move(head); };
  events.data = [fetch](std::string_view bytes) {
    fetch->response.body.append(bytes);
    return true;
  };
  events.done = [fetch](Result<void> result, Progress progress) {
    if (result) return fetch->done(std::move(fetch->response), progress);
    const bool stale = result.error().reason == "stale_connection";
    const bool safe = progress == Progress::kNotSent || is_idempotent(fetch->request.method);
    if (stale && safe && !std::exchange(fetch->again, true)) return run_fetch(fetch);
    fetch->done(fail(std::move(result).error()), progress);
  };
  fetch->client.start(fetch->to, std::move(request), std::move(events));
}

}  // namespace

std::unique_ptr<Client> make_client(Client::Options options) {
  return std::make_unique<PooledClient>(std::move(options));
}

bool is_idempotent(Method method) {
  return method == Method::kGet || method == Method::kHead || method == Method::kPut ||
         method == Method::kDelete || method == Method::kOptions;
}

void Client::fetch(const Endpoint& to, ClientRequest request,
                   std::function<void(Result<Response>, Progress)> done) {
  request.deadline_covers_body = true;
  run_fetch(std::make_shared<Fetch>(*this, to, std::move(request), std::move(done), Response{}, false));
}

Result<Response> Client::fetch(const Endpoint& to, ClientRequest request) {
  std::mutex mutex;
  std::condition_variable ready;
  std::optional<Result<Response>> answer;
  fetch(to, std::move(request), [&](Result<Response> result, Progress) {
    const std::lock_guard lock(mutex);
    answer = std::move(result);
    ready.notify_all();
  });
  std::unique_lock lock(mutex);
  ready.wait(lock, [&] { return answer.has_value(); });
  return std::move(*answer);
}

Result<Url> Url::parse(std::string_view text) {
  Url url;
  std::string_view rest = text;
  if (rest.starts_with("https://")) {
    url.endpoint.tls = true;
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else {
    return invalid(
        fmt::format("the URL \"{}\" does not start with http:// or https://", text.substr(0, 200)));
  }
  const size_t end = std::min(rest.find_first_of("/?#"), rest.size());
  std::string_view authority = rest.substr(0, end);
  rest.remove_prefix(end);
  if (authority.find('@') != std::string_view::npos)
    return invalid("a URL with a user name in it is not taken");
  url.endpoint.port = url.endpoint.tls ? 443 : 80;
  const size_t colon = authority.rfind(':');
  if (colon != std::string_view::npos && authority.find(']', colon) == std::string_view::npos) {
    const std::string_view port = authority.substr(colon + 1);
    const auto [stop, code] = std::from_chars(port.data(), port.data() + port.size(), url.endpoint.port);
    if (code != std::errc() || stop != port.data() + port.size() || url.endpoint.port == 0) {
      return invalid(fmt::format("the URL \"{}\" has a bad port", text.substr(0, 200)));
    }
    authority = authority.substr(0, colon);
  }
  if (authority.starts_with('[') && authority.ends_with(']'))
    authority = authority.substr(1, authority.size() - 2);
  if (authority.empty()) return invalid(fmt::format("the URL \"{}\" names no host", text.substr(0, 200)));
  url.endpoint.host = authority;
  rest = rest.substr(0, rest.find('#'));
  url.target = rest.starts_with('/') ? std::string(rest) : "/" + std::string(rest);
  return url;
}

}  // namespace mk::net

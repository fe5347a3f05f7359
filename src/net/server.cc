#include "net/server.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <utility>

#include "base/format.h"
#include "base/log.h"
#include "net/connection.h"
#include "net/limits.h"
#include "net/peer.h"
#include "net/tls.h"
#include "os/clock.h"

namespace mk::net {

namespace {

Failure bind_failure(const std::string& where, int error) {
  Error failure{Code::kUnavailable, "cannot_listen",
                fmt::format("cannot listen on {}: {}", where, std::strerror(error))};
  if (error == EADDRINUSE) failure.hint = "another program has it; choose another port, or 0 for any";
  return fail(std::move(failure));
}

struct Listening {
  int fd = -1;
  uint16_t port = 0;
};

Result<Listening> listen_unix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return fail(Code::kInvalidArgument, "cannot_listen", fmt::format("the socket path {} is too long", path));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  ::unlink(path.c_str());
  if (fd < 0 || ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::chmod(path.c_str(), 0600) != 0 || ::listen(fd, SOMAXCONN) != 0) {
    const int error = errno;
    if (fd >= 0) ::close(fd);
    return bind_failure(path, error);
  }
  return Listening{fd, 0};
}

Result<Listening> listen_tcp(const std::string& host, uint16_t port) {
  const std::string where = fmt::format("{}:{}", host, port);
  addrinfo hints{}, *found = nullptr;
  hints.ai_flags = AI_NUMERICHOST | AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  if (::getaddrinfo(host.c_str(), fmt::format("{}", port).c_str(), &hints, &found) != 0) {
    return fail(Code::kInvalidArgument, "cannot_listen", fmt::format("\"{}\" is not an IP address", host));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> guard(found, ::freeaddrinfo);
  const int fd = ::socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  if (fd < 0 || ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      ::bind(fd, found->ai_addr, found->ai_addrlen) != 0 || ::listen(fd, SOMAXCONN) != 0 ||
      ::getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size) != 0) {
    const int error = errno;
    if (fd >= 0) ::close(fd);
    return bind_failure(where, error);
  }
  const uint16_t network = bound.ss_family == AF_INET6
                               ? reinterpret_cast<const sockaddr_in6&>(bound).sin6_port
                               : reinterpret_cast<const sockaddr_in&>(bound).sin_port;
  return Listening{fd, ntohs(network)};
}

Peer describe_peer(const sockaddr_storage& address) {
  Peer peer;
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET) {
    const auto& in = reinterpret_cast<const sockaddr_in&>(address);
    ::inet_ntop(AF_INET, &in.sin_addr, text, sizeof text);
    peer.port = ntohs(in.sin_port);
  } else if (address.ss_family == AF_INET6) {
    const auto& in6 = reinterpret_cast<const sockaddr_in6&>(address);
    ::inet_ntop(AF_INET6, &in6.sin6_addr, text, sizeof text);
    peer.port = ntohs(in6.sin6_port);
  }
  peer.address = text;
  peer.loopback = is_loopback(address);
  return peer;
}

std::optional<uint32_t> unix_peer_uid(int fd) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return std::nullopt;
  return credentials.uid;
}

// Waits for connections on the first thread and hands them round.
class Listener final : public std::enable_shared_from_this<Listener> {
 public:
  Listener(std::shared_ptr<Io> io, std::shared_ptr<ServerShared> shared, Listening listening,
           bool unix_socket)
      : io_(std::move(io)),
        thread_(io_->thread(0)),
        shared_(std::move(shared)),
        socket_(thread_->context, listening.fd),
        pause_(thread_->context),
        unix_(unix_socket),
        seen_(io_->size()) {}

  void wait() {
    socket_.async_wait(asio::posix::stream_descriptor::wait_read,
                       [self = shared_from_this()](const ErrorCode& code) {
                         if (!code) self->accept_all();
                       });
  }

  // On the first thread. With `admit`, who is connected but not yet accepted still is: closing would reset them.
  void stop(bool admit) {
    while (admit && socket_.is_open() && accept_one()) {
    }
    ErrorCode ignored;
    socket_.close(ignored);
    pause_.cancel();
  }

  // Calls `f` with every connection, each on its thread, and waits until that is done.
  template <typename F>
  void for_each_connection(F f) {
    std::mutex mutex;
    std::condition_variable ready;
    size_t left = io_->size();
    for (size_t i = 0; i < io_->size(); ++i) {
      io_->thread(i)->run([&, i] {
        const auto all = seen_[i];
        for (const auto& weak : all) {
          if (const auto connection = weak.lock()) f(*connection);
        }
        const std::lock_guard lock(mutex);
        if (--left == 0) ready.notify_all();
      });
    }
    std::unique_lock lock(mutex);
    ready.wait(lock, [&] { return left == 0; });
  }

 private:
  void accept_all() {
    constexpr int kBatch = 64;
    for (int i = 0; i < kBatch && socket_.is_open(); ++i) {
      if (accept_one()) continue;
      if (errno != EAGAIN) return rest();
      break;
    }
    if (socket_.is_open()) wait();
  }

  // False when nobody waits (EAGAIN), or when the machine has no room for another one.
  bool accept_one() {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    const int fd = ::accept4(socket_.native_handle(), reinterpret_cast<sockaddr*>(&address), &size,
                             SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) admit(fd, address);
    const bool full = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
    return fd >= 0 || (errno != EAGAIN && !full);  // others are one connection's own errors
  }

  void rest() {
    log::warn("no connection can be accepted for a moment: out of file descriptors or memory");
    pause_.expires_after(std::chrono::milliseconds(kAcceptPauseMs));
    pause_.async_wait([self = shared_from_this()](const ErrorCode& code) {
      if (!code) self->wait();
    });
  }

  void admit(int fd, const sockaddr_storage& address) {
    if (shared_->connections >= shared_->limits.connections_max) {
      constexpr std::string_view kFull =
          "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\nRetry-After: "
          "1\r\n\r\n";
      if (!shared_->tls) ::send(fd, kFull.data(), kFull.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      ::close(fd);
      return;
    }
    Peer peer = describe_peer(address);
    if (unix_) {
      peer.loopback = true;
      peer.uid = unix_peer_uid(fd);
    } else {
      const int on = 1;
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      if (shared_->find_peer_uid) peer.uid = lookup_.uid_of_peer(fd);
    }
    const size_t index = turn_++ % io_->size();
    const auto& thread = io_->thread(index);
    thread->run([self = shared_from_this(), thread, index, fd, peer = std::move(peer)]() mutable {
      self->open(thread, index, fd, std::move(peer));
    });
  }

  void open(const std::shared_ptr<IoThread>& thread, size_t index, int fd, Peer peer) {
    Socket socket(thread->context);
    ErrorCode code;
    socket.assign(asio::generic::stream_protocol(unix_ ? AF_UNIX : AF_INET, unix_ ? 0 : IPPROTO_TCP), fd,
                  code);
    if (code) {
      ::close(fd);
      return;
    }
    socket.native_non_blocking(true, code);
    auto connection = std::make_shared<Connection>(thread, shared_, std::move(socket), std::move(peer));
    auto& seen = seen_[index];
    if (seen.size() >= 64 && seen.size() >= 2 * shared_->connections) {
      std::erase_if(seen, [](const auto& weak) { return weak.expired(); });
    }
    seen.push_back(connection);
    connection->start();
  }

  const std::shared_ptr<Io> io_;
  const std::shared_ptr<IoThread> thread_;
  const std::shared_ptr<ServerShared> shared_;
  asio::posix::stream_descriptor socket_;
  asio::steady_timer pause_;
  PeerLookup lookup_;
  const bool unix_;
  size_t turn_ = 0;
  std::vector<std::vector<std::weak_ptr<Connection>>> seen_;  // by thread; touched on that thread only
};

class SocketServer final : public Server {
 public:
  SocketServer(std::shared_ptr<Io> io, bool own_io, std::shared_ptr<ServerShared> shared, Listening listening,
               std::string unix_path)
      : io_(std::move(io)),
        own_io_(own_io),
        shared_(std::move(shared)),
        port_(listening.port),
        unix_path_(std::move(unix_path)),
        listener_(std::make_shared<Listener>(io_, shared_, listening, !unix_path_.empty())) {
    io_->thread(0)->post([listener = listener_] { listener->wait(); });
  }

  ~SocketServer() override {
    stop_listening(false);
    listener_->for_each_connection([](Connection& connection) { connection.close(); });
    if (own_io_) io_->stop();
  }

  uint16_t port() const override { return port_; }
  size_t connections() const override { return shared_->connections; }

  void drain(Duration deadline) override {
    shared_->draining = true;
    const Duration start = os::system_clock().monotonic(), end = start + deadline;
    const auto drain_all = [&] { listener_->for_each_connection([](Connection& connection) { connection.drain(); }); };
    drain_all();
    // Who was sent here a moment before we were taken out of use still gets in.
    wait_for_the_last(std::min(end, start + Duration::from_ms(kDrainGraceMs)));
    stop_listening(true);
    drain_all();
    wait_for_the_last(end);
    listener_->for_each_connection([](Connection& connection) { connection.close(); });
  }

 private:
  void wait_for_the_last(Duration until) const {
    while (shared_->connections > 0 && os::system_clock().monotonic() < until) ::usleep(2'000);
  }

  void stop_listening(bool admit) {
    if (std::exchange(stopped_, true)) return;
    std::mutex mutex;
    std::condition_variable ready;
    bool done = false;
    io_->thread(0)->run([&] {
      listener_->stop(admit);
      const std::lock_guard lock(mutex);
      done = true;
      ready.notify_all();
    });
    std::unique_lock lock(mutex);
    ready.wait(lock, [&] { return done; });
    if (!unix_path_.empty()) ::unlink(unix_path_.c_str());
  }

  const std::shared_ptr<Io> io_;
  const bool own_io_;
  const std::shared_ptr<ServerShared> shared_;
  const uint16_t port_;
  const std::string unix_path_;
  const std::shared_ptr<Listener> listener_;
  bool stopped_ = false;
};

}  // namespace

Result<std::unique_ptr<Server>> serve(ServerOptions options, Dispatch dispatch) {
  auto shared = std::make_shared<ServerShared>();
  shared->dispatch = std::move(dispatch);
  shared->limits = options.limits;
  shared->find_peer_uid = options.find_peer_uid;
  for (const auto& [name, value] : options.reply_headers) append_field(shared->reply_lines, name, value);
  if (options.tls) {
    MK_TRY(shared->tls, server_tls(*options.tls));
  }
  const bool own_io = !options.io;
  MK_TRY(const Listening listening, options.unix_path.empty() ? listen_tcp(options.address, options.port)
                                                              : listen_unix(options.unix_path));
  auto io = own_io ? std::make_shared<Io>(options.threads) : options.io;
  const Limits& limits = options.limits;
  const Duration shortest = std::min({limits.header_deadline, limits.body_idle_deadline,
                                      limits.write_deadline, limits.idle_deadline, Duration::from_ms(1000)});
  for (size_t i = 0; i < io->size(); ++i) {
    const auto thread = io->thread(i);
    thread->run([thread, shortest] { thread->sweep_at_least_every({shortest.nanoseconds / 4}); });
  }
  return std::make_unique<SocketServer>(io, own_io, shared, listening, options.unix_path);
}

}  // namespace mk::net

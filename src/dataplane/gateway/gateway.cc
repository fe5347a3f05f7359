#include "dataplane/gateway/gateway.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>

#include "base/format.h"
#include "base/json.h"
#include "base/log.h"
#include "dataplane/config/routing.h"
#include "dataplane/gateway/limits.h"
#include "dataplane/gateway/proxy.h"
#include "net/server.h"
#include "os/files.h"

namespace mk::gateway {

struct Gateway::Impl {
  GatewayOptions options;
  std::shared_ptr<net::Io> io;
  std::unique_ptr<Proxy> proxy;
  std::unique_ptr<net::Server> server;
  std::unique_ptr<net::Server> admin;

  net::Response answer_admin(const net::Request& request) const {
    const auto table = proxy->table();
    if (request.path() == "/healthz") {
      return net::Response::json(Json::object({{"generation", table->generation()},
                                               {"connections", static_cast<uint64_t>(server->connections())}})
                                     .dump());
    }
    if (request.path() == "/stats") return net::Response::json(stats_json(table->stats()).dump());
    if (request.path() == "/metrics") return net::Response::text(stats_prometheus(table->stats()));
    return oip_error({Code::kNotFound, "no_route", "the admin socket answers /healthz, /stats and /metrics"});
  }
};

Gateway::Gateway(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Gateway::~Gateway() {
  if (!impl_) return;
  impl_->admin.reset();
  impl_->server.reset();
  impl_->proxy.reset();
  impl_->io->stop();
}

Result<std::unique_ptr<Gateway>> Gateway::start(GatewayOptions options) {
  auto impl = std::make_unique<Impl>();
  impl->options = std::move(options);
  impl->io = std::make_shared<net::Io>(impl->options.threads, "gateway");
  impl->proxy = std::make_unique<Proxy>(impl->io);
  Impl* raw = impl.get();
  auto gateway = std::unique_ptr<Gateway>(new Gateway(std::move(impl)));
  if (auto loaded = gateway->reload(); !loaded && loaded.error().code != Code::kNotFound) {
    log::error("the last routing snapshot cannot be used; starting without routes",
               {{"error", loaded.error().message}});
  }
  MK_TRY(raw->server, net::serve({.address = raw->options.address, .port = raw->options.port, .io = raw->io},
                                 [raw](net::Request& request) { return raw->proxy->dispatch(request); }));
  if (!raw->options.admin_path.empty()) {
    const auto dispatch = [raw](net::Request&) {
      net::Decision decision;
      decision.error = oip_error;
      decision.whole = [raw](net::Request request, net::Reply reply) {
        reply.send(raw->answer_admin(request));
      };
      return decision;
    };
    MK_TRY(raw->admin, net::serve({.unix_path = raw->options.admin_path, .io = raw->io}, dispatch));
  }
  return gateway;
}

uint16_t Gateway::port() const {
  return impl_->server->port();
}
routing::Taken Gateway::taken() const {
  const auto table = impl_->proxy->table();
  return {table->generation(), table->leaving()};
}
void Gateway::drain(Duration deadline) {
  impl_->server->drain(deadline);
}

Result<void> Gateway::reload() {
  MK_TRY(const routing::Snapshot snapshot, routing::load(impl_->options.folder));
  const auto before = impl_->proxy->table();
  impl_->proxy->set_table(std::make_shared<const Table>(snapshot, before.get()));
  return {};
}

namespace {

// Watches a folder for files renamed into it.
class FolderWatch {
 public:
  explicit FolderWatch(const std::string& folder) : fd_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
    watching_ = fd_ >= 0 && ::inotify_add_watch(fd_, folder.c_str(), IN_MOVED_TO | IN_CLOSE_WRITE) >= 0;
  }
  ~FolderWatch() {
    if (fd_ >= 0) ::close(fd_);
  }
  FolderWatch(const FolderWatch&) = delete;
  FolderWatch& operator=(const FolderWatch&) = delete;

  int fd() const { return fd_; }
  bool watching() const { return watching_; }

  // Whether routes.json was among what happened.
  bool take() const {
    bool ours = false;
    alignas(inotify_event) char block[4096];
    ssize_t count = 0;
    while ((count = ::read(fd_, block, sizeof block)) > 0) {
      for (ssize_t at = 0; at < count;) {
        const auto* event = reinterpret_cast<const inotify_event*>(block + at);
        if ((event->mask & IN_Q_OVERFLOW) || (event->len > 0 && event->name == routing::kFileName))
          ours = true;
        at += static_cast<ssize_t>(sizeof *event + event->len);
      }
    }
    return ours;
  }

 private:
  int fd_ = -1;
  bool watching_ = false;
};

bool write_listening(const std::string& folder, const Listening& what) {
  const Json json = Json::object({{"address", what.address},
                                  {"port", int{what.port}},
                                  {"pid", what.pid},
                                  {"version", what.version},
                                  {"error", what.error}});
  return os::write_file(fmt::format("{}/{}", folder, kListeningFile), json.dump() + "\n").has_value();
}

int cannot_start(const std::string& folder, const Error& error) {
  log::error("the gateway cannot start", {{"error", error.sentence()}});
  write_listening(folder, {.error = error.sentence()});
  return 1;
}

}  // namespace

Result<Listening> read_listening(const std::string& folder) {
  const std::string path = fmt::format("{}/{}", folder, kListeningFile);
  if (!os::exists(path)) return fail(Code::kNotFound, "not_listening", "the gateway has not started yet");
  MK_TRY(const std::string text, os::read_file(path, 64 << 10));
  MK_TRY(const Json json, Json::parse(text));
  return Listening{.address = std::string(json["address"].text()),
                   .port = static_cast<uint16_t>(json["port"].integer()),
                   .pid = json["pid"].integer(),
                   .version = std::string(json["version"].text()),
                   .error = std::string(json["error"].text())};
}

int run_gateway(const GatewayOptions& options) {
  // Before any thread starts, so that all of them leave these signals to the descriptor.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  const int signal_fd = ::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);

  // The watch first, then the first read: a snapshot published in between is seen twice, never missed.
  const FolderWatch watch(options.folder);
  if (signal_fd < 0 || !watch.watching()) {
    log::error("the gateway cannot watch its folder",
               {{"folder", options.folder}, {"error", std::strerror(errno)}});
    return 1;
  }
  auto gateway = Gateway::start(options);
  if (!gateway) return cannot_start(options.folder, gateway.error());
  if (!write_listening(options.folder, {.address = options.address,
                                        .port = (*gateway)->port(),
                                        .pid = ::getpid(),
                                        .version = MODELKIT_VERSION})) {
    return cannot_start(options.folder,
                        {Code::kUnavailable, "folder", "the gateway cannot write to its folder"});
  }
  log::info("gateway listening", {{"address", options.address},
                                  {"port", int{(*gateway)->port()}},
                                  {"generation", (*gateway)->taken().generation}});
  std::optional<routing::Taken> told;
  const auto tell = [&] {
    routing::Taken taken = (*gateway)->taken();
    if (told == taken) return;
    if (const auto written = routing::acknowledge(options.folder, taken); !written)
      return log::error("the gateway cannot tell which routes it follows", {{"error", written.error().message}});
    told = std::move(taken);
  };
  tell();
  pollfd waits[] = {{signal_fd, POLLIN, 0}, {watch.fd(), POLLIN, 0}};
  while (true) {
    const bool leaving = told && !told->leaving.empty();
    if (::poll(waits, 2, leaving ? static_cast<int>(kLeavingPoll.ms()) : -1) < 0 && errno != EINTR) return 1;
    if (waits[0].revents != 0) break;
    if (leaving) tell();
    if (waits[1].revents == 0 || !watch.take()) continue;
    if (const auto loaded = (*gateway)->reload(); !loaded) {
      log::error("a routing snapshot was not taken; the one before goes on",
                 {{"error", loaded.error().message}});
      continue;
    }
    tell();
  }
  log::info("gateway draining", {});
  (*gateway)->drain(kDrainDeadline);
  ::close(signal_fd);
  return 0;
}

}  // namespace mk::gateway

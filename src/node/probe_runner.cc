#include "node/probe_runner.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "base/format.h"
#include "node/limits.h"
#include "os/files.h"

namespace mk::node {
namespace {

using Done = std::function<void(bool, std::string)>;
constexpr Duration kExecLook = Duration::from_ms(50);  // between looks at a running exec probe

std::string try_connect(const std::string& host, uint16_t port, Duration timeout) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), fmt::format("{}", port).c_str(), &hints, &found) != 0 || found == nullptr)
    return fmt::format("dial tcp {}:{}: no such host", host, port);
  const int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  int error = connect(fd, found->ai_addr, found->ai_addrlen) == 0 ? 0 : errno;
  freeaddrinfo(found);
  if (error == EINPROGRESS) {
    pollfd waiting{fd, POLLOUT, 0};
    socklen_t size = sizeof error;
    if (poll(&waiting, 1, static_cast<int>(timeout.ms())) <= 0)
      error = ETIMEDOUT;
    else
      getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  }
  if (fd >= 0) close(fd);
  return error == 0 ? "" : fmt::format("dial tcp {}:{}: connect: {}", host, port, strerrordesc_np(error));
}

// One exec probe: a run with the container's own spec but another command.
struct ExecTry {
  std::string folder;
  Duration until;
  Done done;
};

class Runner final : public ProbeRunner {
 public:
  Runner(net::Client& client, os::Processes& processes, os::Executor& executor)
      : client_(client), processes_(processes), executor_(executor) {}

  void run(const Probe& probe, const Target& target, Done done) override {
    const std::string host = probe.host.empty() ? target.address : probe.host;
    switch (probe.kind) {
      case Probe::Kind::kNone:
        return done(true, "");
      case Probe::Kind::kHttp:
        return http(probe, host, std::move(done));
      case Probe::Kind::kTcp: {
        const std::string wrong = try_connect(host, probe.port, probe.timeout);
        return done(wrong.empty(), wrong);
      }
      case Probe::Kind::kExec:
        return exec(probe, target, std::move(done));
    }
  }

 private:
  void http(const Probe& probe, const std::string& host, Done done) {
    net::Endpoint to{.host = host, .port = probe.port, .tls = probe.tls};
    net::ClientRequest request;
    request.target = probe.path;
    request.headers = {{"User-Agent", "kube-probe/modelkit"}, {"Accept", "*/*"}, {"Connection", "close"}};
    for (const auto& [name, value] : probe.headers) request.headers.set(name, value);
    request.connect_deadline = probe.timeout;
    request.deadline = probe.timeout;
    request.body_bytes_max = kProbeBodyMax;
    const std::string url =
        fmt::format("{}://{}:{}{}", probe.tls ? "https" : "http", host, probe.port, probe.path);
    client_.fetch(to, std::move(request),
                  [url, done = std::move(done)](Result<net::Response> reply, net::Progress) {
                    // A body over the bound is still an answer.
                    if (!reply && reply.error().code == Code::kTooLarge) return done(true, "");
                    if (!reply) return done(false, fmt::format("Get \"{}\": {}", url, reply.error().message));
                    const bool ok = reply->status >= 200 && reply->status < 400;
                    done(ok, ok ? "" : fmt::format("HTTP probe failed with statuscode: {}", reply->status));
                  });
  }

  void exec(const Probe& probe, const Target& target, Done done) {
    auto spec = processes_.spec_of(target.run_folder);
    if (!spec) return done(false, spec.error().message);
    spec->argv = probe.command;
    spec->open_exec = false;
    spec->beside = target.run_folder;
    spec->log_bytes_max = kProbeBodyMax;
    spec->log_files_max = 1;
    auto attempt = std::make_shared<ExecTry>();
    attempt->folder = fmt::format("{}/probe{}", target.run_folder, next_.fetch_add(1));
    attempt->until = executor_.clock().monotonic() + probe.timeout;
    attempt->done = std::move(done);
    if (auto made = os::make_folder(attempt->folder); !made)
      return attempt->done(false, made.error().message);
    if (auto started = processes_.start(attempt->folder, *spec); !started)
      return attempt->done(false, started.error().message);
    look(std::move(attempt));
  }

  void look(std::shared_ptr<ExecTry> attempt) {
    const os::ProcessState state = processes_.look(attempt->folder);
    const bool late = executor_.clock().monotonic() >= attempt->until;
    if (!state.exited() && !late) {
      executor_.post_after(kExecLook, [this, attempt] { look(attempt); });
      return;
    }
    if (!state.exited()) (void)processes_.stop(attempt->folder, {});
    (void)os::remove_all(attempt->folder);
    if (!state.exited()) return attempt->done(false, "command timed out");
    attempt->done(state.exit_code == 0,
                  state.message.empty() ? fmt::format("command terminated with exit code {}", state.exit_code)
                                        : state.message);
  }

  net::Client& client_;
  os::Processes& processes_;
  os::Executor& executor_;
  std::atomic<uint64_t> next_{0};
};

}  // namespace

std::unique_ptr<ProbeRunner> make_probe_runner(net::Client& client, os::Processes& processes,
                                               os::Executor& executor) {
  return std::make_unique<Runner>(client, processes, executor);
}

}  // namespace mk::node

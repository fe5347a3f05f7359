// Requests a second of the HTTP server and of the gateway in front of it, by wrk with 1, 8 and 64
// connections. Every part is a process of its own with one I/O thread. Prints a Markdown table. Usage:
// bench_http [SECONDS]
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <string>

#include "base/format.h"
#include "dataplane/config/routing.h"
#include "dataplane/gateway/gateway.h"
#include "net/server.h"

namespace {

using namespace mk;

// Runs `serve` in a child, which tells its port; the child is killed at the end.
class Child {
 public:
  explicit Child(const std::function<uint16_t()>& serve) {
    int pipe_fds[2];
    if (::pipe(pipe_fds) != 0) std::exit(1);
    pid_ = ::fork();
    if (pid_ == 0) {
      const uint16_t port = serve();
      if (::write(pipe_fds[1], &port, sizeof port) != sizeof port) ::_exit(1);
      while (true) ::pause();
    }
    if (::read(pipe_fds[0], &port_, sizeof port_) != sizeof port_) std::exit(1);
    ::close(pipe_fds[0]);
    ::close(pipe_fds[1]);
  }
  ~Child() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  uint16_t port() const { return port_; }

 private:
  pid_t pid_ = -1;
  uint16_t port_ = 0;
};

uint16_t serve_echo() {
  static auto server = net::serve({}, [](net::Request&) {
                         net::Decision decision;
                         decision.whole = [](net::Request request, net::Reply reply) {
                           reply.send(net::Response::json(std::move(request.body)));
                         };
                         return decision;
                       }).value();
  return server->port();
}

struct Figures {
  std::string rate, p50, p99;
};

Figures measure(const std::string& url, const std::string& script, int connections, int seconds) {
  const std::string command = fmt::format("wrk -t1 -c{} -d{}s --latency {} {}", connections, seconds,
                                          script.empty() ? "" : "-s " + script, url);
  Figures figures;
  FILE* pipe = ::popen(command.c_str(), "r");
  char line[256];
  while (pipe != nullptr && std::fgets(line, sizeof line, pipe) != nullptr) {
    char value[64];
    if (std::sscanf(line, " 50%% %63s", value) == 1) figures.p50 = value;
    if (std::sscanf(line, " 99%% %63s", value) == 1) figures.p99 = value;
    if (std::sscanf(line, "Requests/sec: %63s", value) == 1) figures.rate = value;
    if (std::string_view(line).find("Non-2xx") != std::string_view::npos) figures.rate += " with failures";
  }
  if (pipe != nullptr) ::pclose(pipe);
  return figures;
}

}  // namespace

int main(int count, char** words) {
  const int seconds = count > 1 ? std::atoi(words[1]) : 3;
  char folder[] = "/tmp/bench-http-XXXXXX";
  if (::mkdtemp(folder) == nullptr) return 1;
  const std::string script = std::string(folder) + "/post.lua";
  std::ofstream(script) << "wrk.method = \"POST\"\nwrk.body = string.rep(\"0.123456,\", 784)\n"
                           "wrk.headers[\"Content-Type\"] = \"application/json\"\n";
  {
    const Child echo(serve_echo);
    if (!routing::publish(folder,
                          {.generation = 1,
                           .routes = {{.service = "default/echo",
                                       .path_prefixes = {{"/echo", false}},
                                       .backends = {{"echo-1", 1, {{"127.0.0.1", echo.port()}}}}}}})) {
      return 1;
    }
    const Child gate([&] {
      static auto gateway = gateway::Gateway::start({.folder = folder}).value();
      return gateway->port();
    });
    std::printf("| what | connections | requests/s | p50 | p99 |\n|---|---|---|---|---|\n");
    const struct {
      const char* what;
      uint16_t port;
      bool post;
    } rows[] = {{"server, GET", echo.port(), false},
                {"server, POST 7 KB and back", echo.port(), true},
                {"gateway, GET", gate.port(), false},
                {"gateway, POST 7 KB and back", gate.port(), true}};
    for (const auto& row : rows) {
      for (const int connections : {1, 8, 64}) {
        const Figures figures = measure(fmt::format("http://127.0.0.1:{}/echo", row.port),
                                        row.post ? script : "", connections, seconds);
        std::printf("| %s | %d | %s | %s | %s |\n", row.what, connections, figures.rate.c_str(),
                    figures.p50.c_str(), figures.p99.c_str());
        std::fflush(stdout);
      }
    }
  }
  for (const char* name : {"/post.lua", "/routes.json"}) ::unlink((std::string(folder) + name).c_str());
  ::rmdir(folder);
  return 0;
}

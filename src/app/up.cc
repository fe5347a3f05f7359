#include "app/up.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/access.h"
#include "app/control_plane.h"
#include "base/format.h"
#include "base/log.h"
#include "cli/data_folder.h"
#include "os/clock.h"
#include "os/files.h"

namespace mk::app {
namespace {

// Its absolute path, once it is there and ours to write.
Result<std::string> usable_folder(const std::string& folder) {
  const auto unusable = [&](std::string_view why) {
    return fail(Error{Code::kFailedPrecondition, "data_folder",
                      fmt::format("the data folder {} cannot be used: {}", folder, why)}
                    .with_hint("name another with --data DIR"));
  };
  if (const auto made = os::make_folder(folder, 0711); !made) return unusable(made.error().message);
  char absolute[PATH_MAX];
  struct stat info{};
  if (!realpath(folder.c_str(), absolute) || stat(absolute, &info) != 0) return unusable(strerror(errno));
  if (!S_ISDIR(info.st_mode)) return unusable("it is a file");
  if (access(absolute, R_OK | W_OK | X_OK) != 0)
    return unusable(errno == EROFS ? "its disk is mounted read-only" : "you may not write there");
  return std::string(absolute);
}

Result<Settings> read_settings(const cli::Arguments& arguments) {
  Settings settings;
  settings.listen = arguments.text("--listen");
  if (settings.listen == "localhost") settings.listen = "127.0.0.1";
  const struct {
    const char* name;
    uint16_t* port;
  } ports[] = {
      {"--port", &settings.port}, {"--data-port", &settings.data_port}, {"--grpc-port", &settings.grpc_port}};
  for (const auto& [name, port] : ports) {
    MK_TRY(const int64_t number, arguments.integer(name, 0, 65535));
    *port = static_cast<uint16_t>(number);
  }
  std::string folder = arguments.has("--data") ? arguments.text("--data") : cli::default_data_folder();
  // Where nothing was ever kept there is no user either: then not even the folder is made.
  if (!is_loopback_address(settings.listen) && !os::exists(folder + "/store.db"))
    return fail(unsafe_listen(settings.listen));
  MK_TRY(settings.data, usable_folder(folder));
  settings.hosts = arguments.all("--host");
  settings.model_files = arguments.all("--model-files");
  return settings;
}

void print_summary(const Settings& settings, const Endpoints& endpoints, Duration took) {
  fmt::print("modelkit {} is ready ({} ms)\n", MODELKIT_VERSION, took.ms());
  fmt::print("  console   {}\n", endpoints.http);
  fmt::print("  tracking  export MLFLOW_TRACKING_URI={}\n", endpoints.http);
  fmt::print("  kubectl   export KUBECONFIG={}/kubeconfig\n", settings.data);
  fmt::print("  models    {}\n", endpoints.data.empty() ? "not served" : endpoints.data);
  fmt::print("  data      {}   (stop with Ctrl-C)\n", settings.data);
  std::fflush(stdout);
}

// SIGINT is a person at the keyboard: everything stops. SIGTERM is a service being restarted: what runs goes
// on.
Result<int> run(const cli::Arguments& arguments) {
  const Duration start = os::system_clock().monotonic();
  MK_TRY(const Settings settings, read_settings(arguments));
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // before any thread starts
  signal(SIGPIPE, SIG_IGN);
  MK_TRY(auto plane, ControlPlane::start(settings));
  print_summary(settings, plane->endpoints(), os::system_clock().monotonic() - start);
  int caught = 0;
  sigwait(&signals, &caught);
  fmt::print(stderr, "{}",
             caught == SIGINT ? "\nstopping everything\n" : "stopping; models and pods go on\n");
  plane->stop(caught == SIGINT);
  return cli::kOk;
}

}  // namespace

cli::Verb up_verb() {
  return {.name = "up",
          .usage = "up [--data DIR]",
          .what = "start the platform on this machine",
          .options = {{"--data", "DIR",
                       "where everything is kept (else /var/lib/modelkit for root, ~/.modelkit)"},
                      {"--listen", "ADDRESS", "the address to listen on", "127.0.0.1"},
                      {.name = "--host",
                       .value = "NAME",
                       .what = "a name to be called by beside localhost, as behind a proxy",
                       .repeats = true},
                      {"--port", "N", "console, MLflow and Kubernetes; 0 = any", "7070"},
                      {"--data-port", "N", "predictions; 0 = any", "7080"},
                      {"--grpc-port", "N", "predictions by gRPC; 0 = any", "7081"},
                      {.name = "--model-files",
                       .value = "DIR",
                       .what = "serve models of file:/// URIs beneath it",
                       .repeats = true}},
          .run = run,
          .examples =
              "  modelkit up\n  modelkit up --data ./state --port 0 --data-port 0   (ports in "
              "./state/endpoints.json)"};
}

}  // namespace mk::app

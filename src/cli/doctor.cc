// modelkit doctor: what this machine gives modelkit, what is missing, and what that costs.
#include <sys/statvfs.h>
#include <unistd.h>

#include <cstdlib>

#include "base/format.h"
#include "cli/connection.h"
#include "cli/data_folder.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "dataplane/engines/onnx/library.h"
#include "os/files.h"
#include "os/users.h"

namespace mk::cli {
namespace {

struct Finding {
  std::string what;
  bool good = true;
  std::string detail;  // what is there, or what is missing and what to do
};

Finding server(const Arguments& arguments) {
  auto connection = Connection::open(arguments);
  if (!connection) return {"server", false, connection.error().sentence()};
  auto health = connection->call(net::Method::kGet, "/health");
  if (!health) return {"server", false, health.error().sentence()};
  return {"server", true, fmt::format("{} answers; predictions at {}", connection->server(), connection->data().empty() ? "no gateway" : connection->data())};
}

Finding disk(const std::string& folder) {
  constexpr uint64_t kEnough = 1u << 30;
  std::string there = folder;
  while (there.size() > 1 && !os::exists(there)) there.resize(std::max<size_t>(there.rfind('/'), 1));
  struct statvfs info{};
  if (statvfs(there.c_str(), &info) != 0) return {"disk", false, fmt::format("{} cannot be looked at", folder)};
  const uint64_t bytes_free = info.f_bavail * info.f_frsize;
  return {"disk", bytes_free > kEnough,
          fmt::format("{:.1f} GiB free for {}{}", static_cast<double>(bytes_free) / (1u << 30), folder,
                      bytes_free > kEnough ? "" : "; make room, or use another folder with --data")};
}

Finding isolation() {
  const auto users = os::open_users("");
  if (!users)
    return {"isolation", false,
            fmt::format("Pods would run as you, so none is started: {}; see docs/pods.md", users.error().sentence())};
  const os::UserRange range = (*users)->range();
  return {"isolation", true,
          fmt::format("every Pod runs as a user of its own, {} - {}", range.first, range.first + range.count - 1)};
}

Finding namespaces() {
  auto text = os::read_file("/proc/sys/user/max_user_namespaces");
  const bool some = text && std::atol(text->c_str()) > 0;
  return {"sandbox", some,
          some ? "user namespaces are there: models in Python run without a network and without your files"
               : "no user namespaces: models in Python cannot be sandboxed and will not be served; allow them with sysctl "
                 "user.max_user_namespaces=10000"};
}

Finding program(const char* what, std::string_view name, std::string_view otherwise) {
  const char* path = std::getenv("PATH");
  std::string_view rest = path ? path : "";
  while (!rest.empty()) {
    const std::string_view folder = rest.substr(0, rest.find(':'));
    rest.remove_prefix(std::min(folder.size() + 1, rest.size()));
    const std::string candidate = fmt::format("{}/{}", folder, name);
    if (access(candidate.c_str(), X_OK) == 0) return {what, true, candidate};
  }
  return {what, false, std::string(otherwise)};
}

Finding python() {
  constexpr const char* kDebian = "/usr/bin/python3.11";
  if (access(kDebian, X_OK) == 0) return {"python", true, kDebian};
  return {"python", false, "no /usr/bin/python3.11, so models in Python cannot be served; apt-get install python3.11 python3-venv"};
}

Finding onnxruntime() {
  for (const std::string& candidate : dataplane::onnx::library_candidates(""))
    if (os::exists(candidate)) return {"onnxruntime", true, candidate};
  return {"onnxruntime", false, "not found, so ONNX models cannot be served; run ./x setup, or set MODELKIT_ONNXRUNTIME"};
}

Result<int> run_doctor(const Arguments& arguments) {
  const Finding findings[] = {
      server(arguments),
      disk(data_folder_of(arguments)),
      isolation(),
      namespaces(),
      onnxruntime(),
      python(),
      program("uv", "uv", "no uv: environments are built with pip, which is slower; pip install uv"),
  };
  std::vector<std::vector<std::string>> rows;
  bool all_good = true;
  for (const Finding& finding : findings) {
    rows.push_back({finding.good ? "ok" : "--", finding.what, finding.detail});
    all_good = all_good && finding.good;
  }
  fmt::print("{}", align(rows));
  return all_good ? kOk : kFailed;
}

}  // namespace

Verb doctor_verb() {
  return {.name = "doctor",
          .usage = "doctor",
          .what = "look at what this machine gives, and say what is missing",
          .options = with_connection({}),
          .run = run_doctor};
}

}  // namespace mk::cli

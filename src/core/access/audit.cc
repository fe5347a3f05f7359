#include "core/access/audit.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

#include "base/format.h"
#include "base/json.h"
#include "base/log.h"
#include "core/limits.h"
#include "os/files.h"

namespace mk::core {
namespace {

std::string line_of(const AuditEntry& entry, Time at) {
  Json line = Json::object({{"time", at.rfc3339_micro()},
                            {"user", entry.user},
                            {"verb", entry.verb},
                            {"source", entry.source},
                            {"status", entry.status},
                            {"latency_us", entry.latency.nanoseconds / 1000}});
  const auto put = [&](const char* key, const std::string& text) {
    if (!text.empty()) line[key] = text.substr(0, limits::kAuditTextBytesMax);
  };
  put("as", entry.as);
  put("resource", entry.resource);
  put("namespace", entry.space);
  put("name", entry.name);
  put("path", entry.path);
  return line.dump() + "\n";
}

}  // namespace

bool is_audited(const Ask& ask, bool refused) {
  if (refused || ask.resource == "secrets") return true;
  if (ask.verb == "get" || ask.verb == "list" || ask.verb == "watch" || !ask.path.empty()) return false;
  if (ask.group == "mlflow.kubeflow.org") return ask.resource != "runs" && ask.resource != "artifacts";
  return ask.resource != "events" && ask.resource != "leases" && !ask.resource.ends_with("reviews");
}

struct Audit::State {
  State(std::string where, os::Executor& on) : folder(std::move(where)), executor(on) {}
  ~State() {
    if (file >= 0) ::close(file);
  }

  std::string path(int number) const {
    return number == 0 ? folder + "/audit.log" : fmt::format("{}/audit.{}.log", folder, number);
  }

  Result<void> open_file() {
    file = ::open(path(0).c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    struct stat info{};
    if (file < 0 || ::fstat(file, &info) != 0)
      return fail(Code::kFailedPrecondition, "audit", fmt::format("the audit log {} cannot be written", path(0)));
    bytes = static_cast<size_t>(info.st_size);
    return {};
  }

  void rotate() {
    ::close(file);
    for (int number = limits::kAuditFilesMax - 1; number > 0; --number)
      (void)std::rename(path(number - 1).c_str(), path(number).c_str());
    if (auto opened = open_file(); !opened) log::error(opened.error().message, {});
  }

  // On one thread at a time.
  void write_all() {
    const std::lock_guard writing(file_mutex);
    std::string lines;
    uint64_t lost = 0;
    {
      const std::lock_guard lock(mutex);
      lines.swap(waiting);
      lost = std::exchange(dropped, 0);
      scheduled = false;
    }
    if (lost > 0)
      lines += Json::object({{"time", executor.clock().now().rfc3339_micro()}, {"dropped", lost}}).dump() + "\n";
    if (lines.empty()) return;
    if (bytes > 0 && bytes + lines.size() > limits::kAuditFileBytesMax) rotate();
    if (file < 0 || ::write(file, lines.data(), lines.size()) != static_cast<ssize_t>(lines.size())) {
      if (!std::exchange(complained, true)) log::error("the audit log cannot be written", {{"folder", folder}});
      return;
    }
    complained = false;
    bytes += lines.size();
  }

  const std::string folder;
  os::Executor& executor;
  std::mutex mutex;  // guards the next three
  std::string waiting;
  uint64_t dropped = 0;
  bool scheduled = false;
  std::mutex file_mutex;  // guards the rest
  int file = -1;
  size_t bytes = 0;
  bool complained = false;
};

Audit::Audit(std::string folder, os::Executor& executor)
    : state_(std::make_shared<State>(std::move(folder), executor)) {}

Audit::~Audit() {
  state_->write_all();
}

Result<std::unique_ptr<Audit>> Audit::open(std::string folder, os::Executor& executor) {
  MK_OK(os::make_folder(folder, 0700));
  auto audit = std::unique_ptr<Audit>(new Audit(std::move(folder), executor));
  MK_OK(audit->state_->open_file());
  return audit;
}

void Audit::record(AuditEntry entry) {
  const std::string line = line_of(entry, state_->executor.clock().now());
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->waiting.size() + line.size() > limits::kAuditWaitingBytesMax) {
      ++state_->dropped;
      return;
    }
    state_->waiting += line;
    if (std::exchange(state_->scheduled, true)) return;
  }
  // A little later, so that a burst is one write.
  state_->executor.post_after(limits::kAuditDelay, [weak = std::weak_ptr(state_)] {
    if (const auto state = weak.lock()) state->write_all();
  });
}

void Audit::flush() {
  state_->write_all();
}

}  // namespace mk::core

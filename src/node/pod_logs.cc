#include "node/pod_logs.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <deque>
#include <optional>

#include "base/format.h"
#include "os/files.h"
#include "os/shim_protocol.h"

namespace mk::node {
namespace {

constexpr size_t kChunkBytes = 64u << 10;
constexpr int kStopCheckMs = 250;    // how soon a follower notices that its reader has left
constexpr size_t kStampBytes = 30;   // "2026-11-21T09:30:00.123456789Z"
constexpr size_t kPrefixBytes = 40;  // stamp, stream, mark
constexpr int64_t kTailMax = 1'000'000;

std::string name_of(const std::string& folder, uint64_t age) {
  return age == 0 ? fmt::format("{}/{}", folder, os::shim::kLogFile)
                  : fmt::format("{}/{}.{}", folder, os::shim::kLogFile, age);
}

ino_t inode(const std::string& path) {
  struct stat info{};
  return stat(path.c_str(), &info) == 0 ? info.st_ino : 0;
}

// Reads a run's files oldest first and goes on from one to the next, whatever rotation does to their names.
class Files {
 public:
  explicit Files(std::string folder) : folder_(std::move(folder)) {}
  ~Files() {
    if (fd_ >= 0) close(fd_);
  }
  Files(const Files&) = delete;
  Files& operator=(const Files&) = delete;

  // More bytes at the end of `out`; false when there are none now.
  bool read(std::string& out) {
    if (fd_ < 0 && !open_at(oldest())) return false;
    while (true) {
      if (read_some(out)) return true;
      const std::optional<uint64_t> next = next_age();
      if (!next) return false;
      if (read_some(out)) return true;  // written between our last read and the rotation
      if (!open_at(*next)) return false;
    }
  }

 private:
  bool read_some(std::string& out) {
    const size_t before = out.size();
    out.resize(before + kChunkBytes);
    const ssize_t got = ::read(fd_, out.data() + before, kChunkBytes);
    out.resize(before + static_cast<size_t>(std::max<ssize_t>(got, 0)));
    return got > 0;
  }
  uint64_t oldest() const {
    uint64_t age = 0;
    while (age < os::shim::kLogFilesMax && os::exists(name_of(folder_, age + 1))) ++age;
    return age;
  }
  // Where the file after the open one lies now: found by inode, because names move on. Empty at the newest.
  std::optional<uint64_t> next_age() const {
    for (uint64_t age = 0; age <= os::shim::kLogFilesMax; ++age)
      if (inode(name_of(folder_, age)) == inode_) return age == 0 ? std::optional<uint64_t>() : age - 1;
    return oldest();  // ours was rotated away: go on with what is left
  }
  bool open_at(uint64_t age) {
    const int fd = open(name_of(folder_, age).c_str(), O_RDONLY | O_CLOEXEC);
    struct stat info{};
    if (fd < 0 || fstat(fd, &info) != 0) return false;
    // Another rotation between the look and the open would make us skip a file: look again.
    if (fd_ >= 0 && inode(name_of(folder_, age)) != info.st_ino) {
      close(fd);
      const std::optional<uint64_t> next = next_age();
      return next && *next != age && open_at(*next);
    }
    if (fd_ >= 0) close(fd_);
    fd_ = fd;
    inode_ = info.st_ino;
    return true;
  }

  std::string folder_;
  int fd_ = -1;
  ino_t inode_ = 0;
};

struct Line {
  std::string_view stamp, text;
  bool whole = true;  // false: a part (P), more of the line follows
};

std::optional<Line> parse(std::string_view raw) {
  if (raw.size() < kPrefixBytes) return {};
  return Line{raw.substr(0, kStampBytes), raw.substr(kPrefixBytes), raw[38] == 'F'};
}

// Turns CRI lines into what the reader asked for.
class Printer {
 public:
  Printer(const core::PodIo::LogOptions& options, Time now, const std::function<bool(std::string_view)>& sink)
      : options_(options), sink_(sink) {
    if (options.since_seconds)
      since_ = Time{now.nanoseconds - *options.since_seconds * 1'000'000'000}.rfc3339_micro();
    if (options.limit_bytes) left_ = *options.limit_bytes;
  }
  // Prints the complete lines of `buffer` and keeps the rest. False when the reader wants no more.
  bool print(std::string& buffer) {
    std::string out;
    size_t at = 0;
    for (size_t end = buffer.find('\n'); end != buffer.npos; end = buffer.find('\n', at)) {
      const std::string_view raw = std::string_view(buffer).substr(at, end - at);
      at = end + 1;
      const auto line = parse(raw);
      // RFC 3339 in UTC compares as text as far as both reach.
      if (!line ||
          (!since_.empty() && line->stamp.substr(0, since_.size() - 1) < since_.substr(0, since_.size() - 1)))
        continue;
      if (options_.timestamps && fresh_) out.append(line->stamp).append(" ");
      out += line->text;
      if (line->whole) out += '\n';
      fresh_ = line->whole;
    }
    buffer.erase(0, at);
    if (left_ && static_cast<int64_t>(out.size()) > *left_) out.resize(static_cast<size_t>(*left_));
    if (left_) *left_ -= static_cast<int64_t>(out.size());
    if (!out.empty() && !sink_(out)) return false;
    return !left_ || *left_ > 0;
  }

 private:
  const core::PodIo::LogOptions& options_;
  const std::function<bool(std::string_view)>& sink_;
  std::string since_;
  std::optional<int64_t> left_;
  bool fresh_ = true;
};

// The last lines of a log, each with its parts.
class Tail {
 public:
  explicit Tail(size_t lines) : lines_(lines) {}
  // Takes the complete lines of `buffer`.
  void take(std::string& buffer) {
    size_t at = 0;
    for (size_t end = buffer.find('\n'); end != buffer.npos; end = buffer.find('\n', at)) {
      const std::string_view raw = std::string_view(buffer).substr(at, end + 1 - at);
      at = end + 1;
      const auto line = parse(raw.substr(0, raw.size() - 1));
      if (!line) continue;
      if (open_)
        kept_.back() += raw;
      else
        kept_.emplace_back(raw);
      open_ = !line->whole;
      if (kept_.size() > lines_) kept_.pop_front();
      if (kept_.empty()) open_ = false;
    }
    buffer.erase(0, at);
  }
  std::string text() const {
    std::string all;
    for (const std::string& line : kept_) all += line;
    return all;
  }

 private:
  size_t lines_;
  std::deque<std::string> kept_;
  bool open_ = false;  // the last one ends in a part
};

// Wakes when something in the folder changes.
class FolderWatch {
 public:
  explicit FolderWatch(const std::string& folder) : fd_(inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
    if (fd_ >= 0) inotify_add_watch(fd_, folder.c_str(), IN_MODIFY | IN_CREATE | IN_MOVED_TO);
  }
  ~FolderWatch() {
    if (fd_ >= 0) close(fd_);
  }
  FolderWatch(const FolderWatch&) = delete;
  FolderWatch& operator=(const FolderWatch&) = delete;
  void wait() const {
    pollfd waiting{fd_, POLLIN, 0};
    poll(&waiting, fd_ >= 0 ? 1 : 0, fd_ >= 0 ? kStopCheckMs : 50);
    char events[4096];
    while (fd_ >= 0 && ::read(fd_, events, sizeof events) > 0) {
    }
  }

 private:
  int fd_;
};

}  // namespace

Result<void> read_run_log(const std::string& folder, const core::PodIo::LogOptions& options, Time now,
                          const std::function<bool(std::string_view)>& sink,
                          const std::function<bool()>& stopped) {
  if (options.limit_bytes && *options.limit_bytes <= 0) return invalid("limitBytes must be greater than 0");
  // Only for those that follow, and before they read: closing a watch costs the kernel 8 to 16 ms.
  std::optional<FolderWatch> changes;
  if (options.follow) changes.emplace(folder);
  Files files(folder);
  Printer printer(options, now, sink);
  std::string buffer;
  if (options.tail_lines) {
    if (*options.tail_lines < 0) return invalid("tailLines must be greater than or equal to 0");
    Tail tail(static_cast<size_t>(std::min(*options.tail_lines, kTailMax)));
    while (files.read(buffer)) tail.take(buffer);
    std::string kept = tail.text();
    if (!printer.print(kept)) return {};
  }
  while (true) {
    // Before the reading: what is printed before the end was recorded is in the file by then.
    const bool ended = os::exists(folder + "/" + os::shim::kExitFile);
    while (files.read(buffer))
      if (!printer.print(buffer) || stopped()) return {};
    if (ended || !options.follow || stopped()) return {};
    changes->wait();
  }
}

std::string log_tail(const std::string& folder, size_t lines_max, size_t bytes_max) {
  std::string text;
  core::PodIo::LogOptions options;
  options.tail_lines = static_cast<int64_t>(lines_max);
  (void)read_run_log(
      folder, options, {},
      [&](std::string_view chunk) {
        text += chunk;
        return true;
      },
      [] { return false; });
  if (text.size() > bytes_max) text.erase(0, text.size() - bytes_max);
  return text;
}

Result<void> PodLogs::logs(const store::Key& pod, const LogOptions& options,
                           const std::function<bool(std::string_view)>& sink,
                           const std::function<bool()>& stopped) {
  const store::ObjectRef object = objects_.get(pod);
  if (object == nullptr)
    return fail(Code::kNotFound, "pod_not_found", fmt::format("pods \"{}\" not found", pod.name));
  const Json json = object->json();
  std::string names, container = options.container;
  bool known = false;
  for (std::string_view list : {"initContainers", "containers"}) {
    for (const Json& each : json["spec"][list].items()) {
      known = known || each["name"].text() == container;
      if (!names.empty()) names += ' ';
      names += each["name"].text();
    }
  }
  if (container.empty() && json.at({"spec", "containers"}).size() == 1) {
    container = json.at({"spec", "containers"})[0]["name"].text();
    known = true;
  }
  if (container.empty())
    return invalid(
        fmt::format("a container name must be specified for pod {}, choose one of: [{}]", pod.name, names));
  if (!known)
    return invalid(
        fmt::format("container {} is not valid for pod {}, choose one of: [{}]", container, pod.name, names));
  int life = -1;
  for (const std::string& name :
       os::list_folder(fmt::format("{}/c/{}", records_.home(object->uid), container))) {
    int number = -1;
    std::from_chars(name.data(), name.data() + name.size(), number);
    life = std::max(life, number);
  }
  if (options.previous && (life < 1 || !os::exists(records_.run_folder(object->uid, container, life - 1))))
    return invalid(
        fmt::format("previous terminated container \"{}\" in pod \"{}\" not found", container, pod.name));
  if (life < 0) {
    std::string_view reason = "ContainerCreating";
    for (std::string_view list : {"initContainerStatuses", "containerStatuses"})
      for (const Json& each : json["status"][list].items())
        if (each["name"].text() == container) reason = each.at({"state", "waiting", "reason"}).text(reason);
    return invalid(
        fmt::format("container \"{}\" in pod \"{}\" is waiting to start: {}", container, pod.name, reason));
  }
  return read_run_log(records_.run_folder(object->uid, container, options.previous ? life - 1 : life),
                      options, clock_.now(), sink, stopped);
}

}  // namespace mk::node

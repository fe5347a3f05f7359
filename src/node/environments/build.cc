#include "node/environments/build.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <deque>
#include <filesystem>

#include "base/digest.h"
#include "base/format.h"
#include "node/environments/limits.h"
#include "os/clock.h"
#include "os/files.h"
#include "os/sandbox.h"

namespace mk::node {
namespace {

namespace fs = std::filesystem;

// An advisory lock on a file, held until destroyed; released by the kernel when we die.
class FileLock {
 public:
  FileLock(const std::string& path, int how) : fd_(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
    if (fd_ < 0) fd_ = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    while (fd_ >= 0 && !(held_ = flock(fd_, how) == 0) && errno == EINTR) {
    }
  }
  ~FileLock() {
    if (fd_ >= 0) close(fd_);
  }
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  bool held() const { return held_; }

 private:
  int fd_ = -1;
  bool held_ = false;
};

// Runs one command, feeding its output line by line; the last lines are kept for an error.
class Command {
 public:
  Command(const os::Sandbox& sandbox, std::vector<std::string> env, const BuildOptions& options)
      : sandbox_(sandbox), env_(std::move(env)), options_(options) {}

  bool quiet = false;  // its lines are no progress

  Result<void> run(const std::vector<std::string>& argv) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC)) return fail(Code::kUnavailable, "no_descriptors", "no file descriptors are left");
    os::Program program{.argv = argv, .env = env_, .cwd = "/tmp", .output = ends[1]};
    auto pid = os::start_sandboxed(sandbox_, program);
    close(ends[1]);
    if (!pid) {
      close(ends[0]);
      return fail(std::move(pid).error());
    }
    const auto ended = read_lines(ends[0], os::system_clock().monotonic() + kBuildDeadline);
    close(ends[0]);
    const auto status = os::reap(*pid, !ended);
    MK_OK(ended);
    if (status.code == 0) return {};
    return fail(Code::kFailedPrecondition, "build_failed", explain(status.code));
  }

 private:
  // To the end of the output; an error when something else came first.
  Result<void> read_lines(int fd, Duration deadline) {
    std::string pending;
    char bytes[4096];
    while (true) {
      const Duration left = deadline - os::system_clock().monotonic();
      if (left.nanoseconds <= 0)
        return fail(Code::kDeadlineExceeded, "build_slow",
                    fmt::format("the environment was not built within {:.0f} s", kBuildDeadline.seconds()));
      if (options_.stopped && options_.stopped())
        return fail(Code::kCancelled, "stopping", "the build was stopped");
      pollfd wanted{fd, POLLIN, 0};
      constexpr int kAskPeriodMs = 200;
      if (poll(&wanted, 1, kAskPeriodMs) <= 0) continue;
      const ssize_t n = read(fd, bytes, sizeof bytes);
      if (n <= 0) return {};
      pending.append(bytes, static_cast<size_t>(n));
      for (size_t end; (end = pending.find('\n')) != pending.npos; pending.erase(0, end + 1))
        take_line(pending.substr(0, end));
      if (pending.size() > sizeof bytes) pending.clear();
    }
  }

  void take_line(std::string line) {
    if (line.empty()) return;
    if (!quiet) options_.progress(line);
    lines_.push_back(std::move(line));
    if (lines_.size() > kBuildLinesKept) lines_.pop_front();
  }

  // The installer's own words: its lines from the first that looks like an error.
  std::string explain(int code) const {
    auto from = std::ranges::find_if(lines_, [](const std::string& line) {
      return line.find("rror") != line.npos || line.find("×") != line.npos || line.find("No solution") != line.npos;
    });
    if (from == lines_.end() && !lines_.empty()) from = lines_.end() - 1;
    std::string words;
    for (; from != lines_.end() && words.size() < 600; ++from) {
      const auto start = from->find_first_not_of(" \t");
      if (start != from->npos) words += (words.empty() ? "" : " ") + from->substr(start);
    }
    return fmt::format("installing the model's packages failed (exit code {}): {}", code, words);
  }

  const os::Sandbox& sandbox_;
  std::vector<std::string> env_;
  const BuildOptions& options_;
  std::deque<std::string> lines_;
};

std::string own_variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

// Everything beneath belongs to us and nobody writes to it any more. Links are not followed.
Result<void> seal(const std::string& folder) {
  const bool root = geteuid() == 0;
  std::error_code failed;
  const auto seal_one = [&](const fs::path& path, const fs::file_status& status) {
    if (root && lchown(path.c_str(), 0, 0) != 0) return false;
    if (status.type() == fs::file_type::symlink) return true;
    const auto bits = status.permissions();
    const bool runs = (bits & fs::perms::owner_exec) != fs::perms::none;
    return chmod(path.c_str(), runs ? 0555 : 0444) == 0;
  };
  std::vector<fs::path> folders = {folder};
  for (auto it = fs::recursive_directory_iterator(folder, failed); !failed && it != fs::recursive_directory_iterator();
       it.increment(failed)) {
    const auto status = it->symlink_status();
    if (status.type() == fs::file_type::directory)
      folders.push_back(it->path());
    else if (!seal_one(it->path(), status))
      return fail(Code::kUnavailable, "build_failed", "the finished environment cannot be made read-only");
  }
  if (failed) return fail(Code::kUnavailable, "build_failed", "the finished environment cannot be read");
  for (const auto& path : folders) {
    if (root && lchown(path.c_str(), 0, 0) != 0)
      return fail(Code::kUnavailable, "build_failed", "the finished environment cannot be made read-only");
    chmod(path.c_str(), 0755);  // folders stay ours to remove
  }
  return {};
}

// Every installed package by the name of its record: exact versions, without running any code.
std::string lock_text(const std::string& folder, const std::string& python) {
  std::string text = python + "\n";
  for (const auto& lib : os::list_folder(folder + "/lib"))
    for (const auto& name : os::list_folder(folder + "/lib/" + lib + "/site-packages"))
      if (name.ends_with(".dist-info")) text += name.substr(0, name.size() - std::string_view(".dist-info").size()) + "\n";
  return text;
}

class Builder {
 public:
  Builder(const BuildOptions& options, Installer installer, std::string key)
      : options_(options),
        variable_(options.variable ? options.variable : own_variable),
        installer_(std::move(installer)),
        work_(options.environments + "/.building-" + key) {}
  ~Builder() { (void)os::remove_all(work_); }

  // Leaves a finished environment in the work folder.
  Result<void> build(const Requirements& requirements) {
    MK_OK(os::remove_all(work_));
    MK_OK(os::make_folder(work_, 0755));
    std::string text;
    for (const auto& line : requirements.lines) text += line + "\n";
    std::vector<std::string> env;
    os::Sandbox sandbox = build_sandbox(installer_, work_, variable_, env);
    sandbox.files.push_back({"/tmp/requirements.txt", text});
    if (geteuid() == 0 && chown(work_.c_str(), sandbox.uid_for_root, sandbox.uid_for_root) != 0)
      return fail(Code::kUnavailable, "build_failed", "the build's folder cannot be given to the build's user");
    Command command(sandbox, env, options_);
    for (const auto& argv : installer_.commands(work_, "/tmp/requirements.txt")) MK_OK(command.run(argv));
    compile(sandbox, env);
    return seal(work_);
  }

  // Byte code now, since nobody can write it later. By the system's interpreter without the packages' start-up
  // hooks, and without the network: no code of theirs runs. Files that do not compile stay as they are.
  void compile(os::Sandbox sandbox, const std::vector<std::string>& env) {
    options_.progress("compiling byte code");
    sandbox.network = false;
    Command command(sandbox, env, options_);
    command.quiet = true;
    (void)command.run({installer_.python, "-I", "-S", "-m", "compileall", "-q", "-j", "0", work_ + "/lib"});
  }

  // Moves the work folder to its lasting place, unless an equal one is there.
  Result<Environment> keep() {
    const std::string lock = sha256_hex(lock_text(work_, installer_.python)).substr(0, 32);
    Environment out{options_.environments + "/" + lock, lock, true};
    if (!os::exists(out.path) && std::rename(work_.c_str(), out.path.c_str()) != 0 && !os::exists(out.path))
      return fail(Code::kUnavailable, "build_failed", "the finished environment cannot be moved to its place");
    return out;
  }

  const std::string& work() const { return work_; }

 private:
  const BuildOptions& options_;
  const ReadVariable variable_;
  const Installer installer_;
  const std::string work_;
};

Result<Environment> build_new(const Requirements& full, const BuildOptions& options, const std::string& key) {
  MK_TRY(auto installer, find_installer(full.python, options.variable ? options.variable : own_variable));
  Builder builder(options, std::move(installer), key);
  const Requirements light = lighten(full);
  if (options.trial && light != full) {
    options.progress("installing packages, mlflow-skinny in place of mlflow");
    auto built = builder.build(light);
    if (built) {
      options.progress("trying to load the model");
      built = options.trial(builder.work());
    }
    if (built) return builder.keep();
    options.progress("the light environment does not do: " + built.error().message);
  }
  options.progress("installing packages");
  MK_OK(builder.build(full));
  if (options.trial) {
    options.progress("trying to load the model");
    if (auto loaded = options.trial(builder.work()); !loaded) {
      loaded.error().message = "the model does not load in its environment: " + loaded.error().message;
      return fail(std::move(loaded).error());
    }
  }
  return builder.keep();
}

// Removes the least recently used beyond the bound, and what interrupted builds left.
void collect_garbage(const std::string& environments, const std::string& keep) {
  constexpr std::string_view kBuilding = ".building-";
  for (const auto& name : os::list_folder(environments)) {
    if (!name.starts_with(kBuilding)) continue;
    FileLock abandoned(environments + "/.locks/" + name.substr(kBuilding.size()), LOCK_EX | LOCK_NB);
    if (abandoned.held()) (void)os::remove_all(environments + "/" + name);
  }
  std::vector<std::pair<fs::file_time_type, std::string>> found;
  std::error_code failed;
  for (const auto& name : os::list_folder(environments))
    if (name[0] != '.' && name != keep)
      found.emplace_back(fs::last_write_time(environments + "/.used/" + name, failed), name);
  std::ranges::sort(found);
  for (size_t i = 0; i + kEnvironmentsKept <= found.size(); ++i) {
    const std::string path = environments + "/" + found[i].second;
    FileLock unused(path + "/pyvenv.cfg", LOCK_EX | LOCK_NB);
    if (unused.held()) (void)os::remove_all(path);
  }
}

}  // namespace

Result<Environment> build_environment(const std::string& model_folder, const BuildOptions& options) {
  MK_TRY(const Requirements requirements, read_requirements(model_folder));
  const std::string key = requirements_key(requirements);
  for (const char* folder : {"", "/.locks", "/.index", "/.used"})
    MK_OK(os::make_folder(options.environments + folder, 0755));
  FileLock lock(options.environments + "/.locks/" + key, LOCK_EX);
  if (!lock.held()) return fail(Code::kUnavailable, "build_failed", "the build's lock cannot be had");
  const std::string index = options.environments + "/.index/" + key;
  if (auto known = os::read_file(index, 64)) {
    const std::string path = options.environments + "/" + *known;
    if (os::exists(path + "/bin/python")) {
      MK_OK(os::write_file(options.environments + "/.used/" + *known, ""));
      return Environment{path, *known, false};
    }
  }
  MK_TRY(auto environment, build_new(requirements, options, key));
  MK_OK(os::write_file(index, environment.lock));
  MK_OK(os::write_file(options.environments + "/.used/" + environment.lock, ""));
  collect_garbage(options.environments, environment.lock);
  return environment;
}

}  // namespace mk::node

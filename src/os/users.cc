#include "os/users.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "base/format.h"
#include "os/files.h"

extern char** environ;

namespace mk::os {
namespace {

constexpr UserRange kRootsRange = {200'000, 63 * 65'536};
constexpr uint32_t kCountMin = 16'128;      // 63 blocks of Pods (node/pod_records.h), 256 in each
constexpr uint32_t kCountUsual = 65'536;    // what useradd gives
constexpr uint32_t kFirstUsual = 100'000;
constexpr size_t kPathsPerErrand = 1'000;   // keeps the command line far from the kernel's bound
constexpr size_t kComplaintMax = 300;
constexpr int kAbove = 64;  // out of the way of the descriptors that a shim is given

struct Entry {
  std::string_view name;
  UserRange range;
};

// "name:first:count" lines; others are passed over.
template <typename Each>
void each_entry(std::string_view table, Each each) {
  while (!table.empty()) {
    const size_t end = table.find('\n');
    const std::string_view line = table.substr(0, end);
    table.remove_prefix(end == table.npos ? table.size() : end + 1);
    const size_t a = line.find(':'), b = a == line.npos ? a : line.find(':', a + 1);
    if (b == line.npos) continue;
    Entry entry{line.substr(0, a), {}};
    const auto first = std::from_chars(line.data() + a + 1, line.data() + b, entry.range.first);
    const auto count = std::from_chars(line.data() + b + 1, line.data() + line.size(), entry.range.count);
    if (first.ec == std::errc() && count.ec == std::errc() && first.ptr == line.data() + b) each(entry);
  }
}

// Runs a program to its end; what it complained about when it failed, or nothing.
std::optional<std::string> run_program(const std::string& path, const std::vector<std::string>& arguments, int passed = -1) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return "no file descriptor is left";
  std::vector<char*> argv = {const_cast<char*>(path.c_str())};
  for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
  if (passed >= 0) posix_spawn_file_actions_adddup2(&actions, passed, 3);
  posix_spawn_file_actions_addclosefrom_np(&actions, passed >= 0 ? 4 : 3);
  pid_t pid = 0;
  const int error = posix_spawn(&pid, path.c_str(), &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  std::string text;
  char chunk[512];
  for (ssize_t n = 0; error == 0 && (n = read(ends[0], chunk, sizeof chunk)) != 0;) {
    if (n < 0 && errno != EINTR) break;
    if (n > 0 && text.size() < kComplaintMax) text.append(chunk, static_cast<size_t>(n));
  }
  close(ends[0]);
  if (error != 0) return fmt::format("{}: {}", path, strerrordesc_np(error));
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  while (!text.empty() && text.back() == '\n') text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text.empty() ? path + " failed" : text;
}

class RootsUsers final : public Users {
 public:
  UserRange range() const override { return kRootsRange; }
  int user_namespace() const override { return -1; }
  Result<void> give(const std::vector<std::string>& paths, uint32_t uid) override {
    for (const std::string& path : paths)
      if (lchown(path.c_str(), uid, uid) != 0)
        return fail(Code::kUnavailable, "file", fmt::format("cannot give a Pod its files: {}", strerrordesc_np(errno)));
    return {};
  }
  Result<void> remove_all(const std::string& path) override { return os::remove_all(path); }
};

class SubordinateUsers final : public Users {
 public:
  SubordinateUsers(std::string shim, UserRange range, int space) : shim_(std::move(shim)), range_(range), namespace_(space) {}
  ~SubordinateUsers() override { close(namespace_); }
  UserRange range() const override { return range_; }
  int user_namespace() const override { return namespace_; }

  Result<void> give(const std::vector<std::string>& paths, uint32_t uid) override {
    for (size_t at = 0; at < paths.size(); at += kPathsPerErrand) {
      std::vector<std::string> words = {"--give", "3", fmt::format("{}", uid)};
      words.insert(words.end(), paths.begin() + static_cast<ptrdiff_t>(at),
                   paths.begin() + static_cast<ptrdiff_t>(std::min(at + kPathsPerErrand, paths.size())));
      if (const auto complaint = run_program(shim_, words, namespace_))
        return fail(Code::kUnavailable, "file", "cannot give a Pod its files: " + *complaint);
    }
    return {};
  }
  Result<void> remove_all(const std::string& path) override {
    if (os::remove_all(path)) return {};
    if (const auto complaint = run_program(shim_, {"--remove", "3", path}, namespace_))
      return fail(Code::kUnavailable, "file", "cannot remove a Pod's files: " + *complaint);
    return {};
  }

 private:
  std::string shim_;
  UserRange range_;
  int namespace_;
};

struct Me {
  std::string name;  // its number when it has none
  uint32_t uid = geteuid(), gid = getegid();
};

Me read_me() {
  Me me;
  passwd entry{};
  passwd* found = nullptr;
  char text[16 << 10];
  getpwuid_r(me.uid, &entry, text, sizeof text, &found);
  me.name = found != nullptr ? entry.pw_name : fmt::format("{}", me.uid);
  return me;
}

Failure lacking(std::string what, std::string hint) {
  return fail(Error{Code::kFailedPrecondition, "not_isolated", std::move(what)}.with_hint(std::move(hint)));
}

Result<UserRange> own_range(const Me& me, const char* file, const std::string& remedy) {
  const auto range = find_range(read_file(file).value_or(""), me.name, me.uid);
  if (!range) return lacking(fmt::format("user {} has no range in {}", me.name, file), remedy);
  if (range->count < kCountMin)
    return lacking(fmt::format("the range of user {} in {} holds {} ids, and Pods need {}", me.name, file, range->count,
                               kCountMin),
                   remedy);
  return *range;
}

std::string find_program(std::string_view name) {
  for (const char* folder : {"/usr/bin", "/bin", "/usr/local/bin", "/usr/sbin"}) {
    std::string path = fmt::format("{}/{}", folder, name);
    if (access(path.c_str(), X_OK) == 0) return path;
  }
  return {};
}

// A user namespace with nobody in it yet but a child that waits until `mapped` has set its maps; kept by descriptor.
template <typename Mapped>
Result<int> make_namespace(Mapped mapped) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return fail(Code::kUnavailable, "no_descriptors", "no file descriptor is left");
  // Raw, as fork runs handlers that wait for locks of other threads.
  const long child = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
  if (child == 0) {
    syscall(SYS_close, ends[1]);
    char byte = 0;
    while (syscall(SYS_read, ends[0], &byte, 1) < 0) {
    }
    syscall(SYS_exit_group, 0);
  }
  const int error = errno;
  close(ends[0]);
  Result<int> space = -1;
  if (child < 0) {
    space = lacking(fmt::format("no user namespace can be made: {}", strerrordesc_np(error)),
                    "allow them: sudo sysctl user.max_user_namespaces=10000");
  } else if (const std::optional<Error> wrong = mapped(static_cast<int>(child))) {
    space = fail(*wrong);
  } else {
    const int opened = open(fmt::format("/proc/{}/ns/user", child).c_str(), O_RDONLY | O_CLOEXEC);
    const int fd = fcntl(opened, F_DUPFD_CLOEXEC, kAbove);
    if (opened >= 0) close(opened);
    if (fd >= 0)
      space = fd;
    else
      space = lacking("the user namespace cannot be opened", "mount /proc");
  }
  close(ends[1]);  // the child ends
  if (child > 0)
    while (waitpid(static_cast<pid_t>(child), nullptr, 0) < 0 && errno == EINTR) {
    }
  return space;
}

}  // namespace

std::optional<UserRange> find_range(std::string_view table, std::string_view name, uint32_t uid) {
  std::optional<UserRange> best;
  const std::string number = fmt::format("{}", uid);
  each_entry(table, [&](const Entry& entry) {
    if (entry.name != name && entry.name != number) return;
    if (!best || entry.range.count > best->count) best = entry.range;
  });
  return best;
}

uint32_t next_free_uid(std::string_view table) {
  uint32_t next = kFirstUsual;
  each_entry(table, [&](const Entry& entry) {
    const uint64_t end = uint64_t{entry.range.first} + entry.range.count;
    if (end > next && end < 4'000'000'000) next = static_cast<uint32_t>(end);
  });
  return next;
}

Result<std::unique_ptr<Users>> open_users(const std::string& shim) {
  const Me me = read_me();
  if (me.uid == 0) return std::make_unique<RootsUsers>();
  const uint32_t from = std::max(next_free_uid(read_file("/etc/subuid").value_or("")),
                                 next_free_uid(read_file("/etc/subgid").value_or("")));
  const std::string remedy = fmt::format("sudo usermod --add-subuids {0}-{1} --add-subgids {0}-{1} {2}, then start modelkit again",
                                         from, from + kCountUsual - 1, me.name);
  MK_TRY(const UserRange uids, own_range(me, "/etc/subuid", remedy));
  MK_TRY(const UserRange gids, own_range(me, "/etc/subgid", remedy));
  const std::string map_uids = find_program("newuidmap"), map_gids = find_program("newgidmap");
  if (map_uids.empty() || map_gids.empty())
    return lacking("newuidmap and newgidmap are not installed",
                   "sudo apt-get install uidmap, then start modelkit again");
  const UserRange range{uids.first, std::min(uids.count, gids.count)};
  MK_TRY(const int space, make_namespace([&](int child) -> std::optional<Error> {
           const auto map = [&](const std::string& program, uint32_t own, uint32_t outside) {
             return run_program(program, {fmt::format("{}", child), fmt::format("{}", own), fmt::format("{}", own), "1",
                                          fmt::format("{}", range.first), fmt::format("{}", outside),
                                          fmt::format("{}", range.count)});
           };
           auto complaint = map(map_uids, me.uid, uids.first);
           if (!complaint) complaint = map(map_gids, me.gid, gids.first);
           if (!complaint) return {};
           return Error{Code::kFailedPrecondition, "not_isolated",
                        fmt::format("the range in /etc/subuid cannot be used: {}", *complaint)}
               .with_hint("look at /etc/subuid and /etc/subgid: both must give the user a range of 65536");
         }));
  return std::make_unique<SubordinateUsers>(shim, range, space);
}

}  // namespace mk::os

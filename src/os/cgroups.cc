#include "os/cgroups.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/format.h"
#include "os/files.h"

namespace mk::os {
namespace {

constexpr int kMakeTriesMax = 8;               // the last run of ours may just be taking the folder above away
constexpr uint64_t kCpuPeriodUs = 100'000;
constexpr uint64_t kCpuQuotaMinUs = 1'000;     // the kernel takes no less
constexpr std::string_view kOurs = "modelkit";
constexpr std::string_view kNames[kCgroupControllers] = {"memory", "cpu", "pids"};

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t end = text.find(at);
    parts.push_back(text.substr(0, end));
    if (end == text.npos) return parts;
    text.remove_prefix(end + 1);
  }
}

// O_CREAT does nothing on a cgroup file system, where a bound that the kernel does not know is an error; it lets tests stand
// in with an ordinary folder.
bool put(const std::string& file, std::string_view value) {
  const int fd = open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  const ssize_t n = write(fd, value.data(), value.size());
  const int error = errno;
  close(fd);
  errno = error;
  return n == static_cast<ssize_t>(value.size());
}

bool set_bound(const Cgroups::Place& place, CgroupController controller, const std::string& folder, const CgroupBounds& bounds) {
  const bool old = place.version == 1;
  const auto number = [](uint64_t value) { return fmt::format("{}", value); };
  switch (controller) {
    case CgroupController::kMemory: {
      if (bounds.memory_bytes == 0) return true;
      const std::string bytes = number(bounds.memory_bytes);
      // Swapped out is used as well; a kernel that counts no swap has no such file.
      if (old) {
        const bool ok = put(folder + "/memory.limit_in_bytes", bytes);
        (void)put(folder + "/memory.memsw.limit_in_bytes", bytes);
        return ok;
      }
      (void)put(folder + "/memory.swap.max", "0");
      (void)put(folder + "/memory.oom.group", "1");  // a container that has lost one process is no container
      return put(folder + "/memory.max", bytes);
    }
    case CgroupController::kCpu: {
      if (bounds.cpu_millis == 0) return true;
      const uint64_t quota = std::max(bounds.cpu_millis * (kCpuPeriodUs / 1000), kCpuQuotaMinUs);
      if (!old) return put(folder + "/cpu.max", fmt::format("{} {}", quota, kCpuPeriodUs));
      return put(folder + "/cpu.cfs_period_us", number(kCpuPeriodUs)) && put(folder + "/cpu.cfs_quota_us", number(quota));
    }
    case CgroupController::kTasks:
      return bounds.tasks == 0 || put(folder + "/pids.max", number(bounds.tasks));
  }
  return false;
}

bool wants(const CgroupBounds& bounds, CgroupController controller) {
  return (controller == CgroupController::kMemory && bounds.memory_bytes != 0) ||
         (controller == CgroupController::kCpu && bounds.cpu_millis != 0) ||
         (controller == CgroupController::kTasks && bounds.tasks != 0);
}

// A child that waits to be put somewhere; gone with the object.
class Guinea {
 public:
  Guinea() {
    if (pipe2(ends_, O_CLOEXEC) != 0) return;
    pid_ = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);  // raw, as fork runs handlers that wait for locks of other threads
    if (pid_ == 0) {
      syscall(SYS_close, ends_[1]);
      char byte = 0;
      while (syscall(SYS_read, ends_[0], &byte, 1) < 0) {
      }
      syscall(SYS_exit_group, 0);
    }
    close(ends_[0]);
  }
  ~Guinea() {
    if (pid_ <= 0) return;
    close(ends_[1]);
    while (waitpid(static_cast<pid_t>(pid_), nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  Guinea(const Guinea&) = delete;
  Guinea& operator=(const Guinea&) = delete;
  bool join(const std::string& folder) const {
    return pid_ > 0 && put(folder + "/cgroup.procs", fmt::format("{}", pid_)) &&
           read_file(folder + "/cgroup.procs").value_or("").find(fmt::format("{}\n", pid_)) != std::string::npos;
  }

 private:
  int ends_[2] = {-1, -1};
  long pid_ = -1;
};

bool works(const std::string& name, const Cgroups::Places& places) {
  const Cgroups trial(name, places);
  const auto group = trial.make(fmt::format("probe-{}", getpid()), {.memory_bytes = 64u << 20, .cpu_millis = 1000, .tasks = 16});
  if (!group) return false;
  bool ok = true;
  // Root may join any group of version 1; elsewhere it is a matter of who owns which folder above. Tried only there, as it
  // takes time.
  const bool certain = geteuid() == 0 && std::ranges::none_of(places, [](const Cgroups::Place& p) { return p.version == 2; });
  if (!certain) {
    Guinea guinea;
    ok = std::ranges::all_of(group->folders, [&](const std::string& folder) { return guinea.join(folder); });
  }
  for (const std::string& folder : group->folders)
    remove_cgroup(folder);
  return ok && !group->folders.empty();
}

std::optional<size_t> index_of(std::string_view controller) {
  const auto* found = std::ranges::find(kNames, controller);
  return found == std::end(kNames) ? std::nullopt : std::optional<size_t>(found - std::begin(kNames));
}

bool has_controller(const std::string& folder, std::string_view controller) {
  const std::string available = read_file(folder + "/cgroup.controllers").value_or("");
  const auto words = split(std::string_view(available).substr(0, available.find('\n')), ' ');
  return std::ranges::find(words, controller) != words.end();
}

// Version 2 lets a group hold either processes or groups with bounds. So: where we are when we are alone there (a service
// with Delegate=yes) after stepping aside, else beside us, else further up.
std::vector<std::string> places_of_version_2(const CgroupHierarchy& hierarchy) {
  std::vector<std::string> folders;
  for (std::string at = hierarchy.own; at.size() >= hierarchy.mount.size(); at.resize(at.rfind('/'))) {
    folders.push_back(at);
    if (at.find('/') == at.npos) break;
  }
  return folders;
}

void step_aside(const CgroupHierarchy& hierarchy) {
  const std::string alone = fmt::format("{}\n", getpid());
  if (read_file(hierarchy.own + "/cgroup.procs").value_or("") != alone) return;
  const std::string aside = hierarchy.own + "/modelkit-itself";
  if (make_folder(aside, 0755)) (void)put(aside + "/cgroup.procs", "0");
}

bool enable(const std::string& folder, std::string_view controller) {
  return has_controller(folder, controller) && put(folder + "/cgroup.subtree_control", fmt::format("+{}", controller));
}

bool may_be_bounded(const CgroupHierarchy& hierarchy) {
  return std::ranges::any_of(kNames, [&](std::string_view name) { return has_controller(hierarchy.mount, name); });
}

}  // namespace

std::vector<CgroupHierarchy> find_cgroups(std::string_view mountinfo, std::string_view self) {
  std::vector<CgroupHierarchy> found;
  for (const std::string_view line : split(mountinfo, '\n')) {
    const auto words = split(line, ' ');
    const auto dash = std::ranges::find(words, "-");
    if (words.size() < 5 || words.end() - dash < 4) continue;
    const std::string_view type = dash[1], root = words[3], mount = words[4];
    if (type != "cgroup" && type != "cgroup2") continue;
    const int version = type == "cgroup2" ? 2 : 1;
    const auto options = split(dash[3], ',');
    for (const std::string_view entry : split(self, '\n')) {
      const size_t a = entry.find(':'), b = a == entry.npos ? a : entry.find(':', a + 1);
      if (b == entry.npos) continue;
      const std::string_view list = entry.substr(a + 1, b - a - 1);
      std::string_view own = entry.substr(b + 1);
      CgroupHierarchy each{.version = version, .controllers = {}, .mount = std::string(mount), .own = {}};
      if ((version == 2) != list.empty()) continue;
      if (version == 1) {
        const auto controllers = split(list, ',');
        if (!std::ranges::all_of(controllers, [&](auto c) { return std::ranges::find(options, c) != options.end(); })) continue;
        each.controllers.assign(controllers.begin(), controllers.end());
      }
      // In a container the mount may show a part of the hierarchy only.
      if (root != "/" && own.starts_with(root)) own.remove_prefix(root.size());
      each.own = each.mount;
      if (own.size() > 1) each.own += own;
      found.push_back(std::move(each));
    }
  }
  return found;
}

void remove_cgroup(const std::string& folder) {
  std::string at = folder;
  for (int level = 0; level < 3; ++level, at.resize(at.rfind('/')))
    if (rmdir(at.c_str()) != 0) return;
}

std::string Cgroups::sentence(bool tasks_by_user) const {
  std::string kept, others;
  for (const int version : {1, 2}) {
    std::string list;
    for (size_t i = 0; i < kCgroupControllers; ++i)
      if (places_[i].version == version && !(tasks_by_user && i == static_cast<size_t>(CgroupController::kTasks)))
        list += fmt::format("{}{}", list.empty() ? "" : ", ", kNames[i]);
    if (!list.empty()) kept += fmt::format("{}{} by cgroup v{}", kept.empty() ? "" : "; ", list, version);
  }
  if (!keeps(CgroupController::kMemory)) others += "; memory only of each process by itself (RLIMIT_DATA)";
  if (!keeps(CgroupController::kCpu)) others += "; cpu not at all";
  if (tasks_by_user) others += "; pids by each Pod's own user";
  if (!tasks_by_user && !keeps(CgroupController::kTasks)) others += "; pids not at all";
  return "limits of containers are kept: " + (kept.empty() ? others.substr(2) : kept + others);
}

Result<Cgroup> Cgroups::make(std::string_view run, const CgroupBounds& bounds) const {
  Cgroup group;
  for (size_t i = 0; i < kCgroupControllers; ++i) {
    const Place& place = places_[i];
    const auto controller = static_cast<CgroupController>(i);
    if (place.version == 0 || !wants(bounds, controller)) continue;
    const std::string folder = fmt::format("{}/{}/{}/{}", place.folder, kOurs, name_, run);
    bool made = std::ranges::find(group.folders, folder) != group.folders.end();
    for (int tries = 0; !made && tries < kMakeTriesMax; ++tries) {
      made = make_folder(folder.substr(0, folder.rfind('/')), 0755) && (mkdir(folder.c_str(), 0755) == 0 || errno == EEXIST);
      if (!made || place.version != 2) continue;
      for (const std::string& above : {place.folder, fmt::format("{}/{}", place.folder, kOurs), folder.substr(0, folder.rfind('/'))})
        for (size_t c = 0; c < kCgroupControllers; ++c)
          if (places_[c] == place) (void)enable(above, kNames[c]);
    }
    if (made && std::ranges::find(group.folders, folder) == group.folders.end()) group.folders.push_back(folder);
    if (!made || !set_bound(place, controller, folder, bounds)) {
      const int error = errno;
      for (const std::string& each : group.folders) remove_cgroup(each);
      return fail(Code::kUnavailable, "cgroup",
                  fmt::format("the container's {} limit cannot be set: {}", kNames[i], strerrordesc_np(error)));
    }
    if (controller == CgroupController::kMemory)
      group.oom_file = folder + (place.version == 1 ? "/memory.oom_control" : "/memory.events");
  }
  return group;
}

Cgroups open_cgroups(std::string name) {
  const auto hierarchies = find_cgroups(read_file("/proc/self/mountinfo").value_or(""), read_file("/proc/self/cgroup").value_or(""));
  Cgroups::Places places;
  for (const CgroupHierarchy& hierarchy : hierarchies) {
    if (hierarchy.version == 2 && may_be_bounded(hierarchy)) step_aside(hierarchy);
    const auto candidates = hierarchy.version == 2 ? places_of_version_2(hierarchy) : std::vector{hierarchy.own, hierarchy.mount};
    const auto controllers = hierarchy.version == 2 ? std::vector<std::string>(std::begin(kNames), std::end(kNames)) : hierarchy.controllers;
    for (const std::string& controller : controllers) {
      const auto index = index_of(controller);
      if (!index || places[*index].version != 0) continue;
      if (hierarchy.version == 2 && !has_controller(hierarchy.mount, controller)) continue;
      for (const std::string& folder : candidates) {
        Cgroups::Places trial;
        trial[*index] = {hierarchy.version, folder};
        if (!works(name, trial)) continue;
        places[*index] = trial[*index];
        break;
      }
    }
  }
  return {std::move(name), std::move(places)};
}

}  // namespace mk::os

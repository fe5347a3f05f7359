#include "node/container_start.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/format.h"
#include "base/quantity.h"
#include "node/limits.h"
#include "os/files.h"

namespace mk::node {
namespace {

constexpr std::string_view kHome = "/pod";  // where a Pod with a view of its own finds its home
constexpr std::string_view kPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// The home folder as the process sees it, mounted when the process has a view of its own.
Result<std::string> prepare_home(const Ground& ground, os::ProcessSpec& process) {
  const std::string folder = ground.home + "/home";
  // Only once: what lies in it is the Pod's from then on, and may be a link to somewhere else.
  if (!os::exists(folder)) {
    MK_OK(os::make_folder(folder + "/tmp"));
    if (ground.give) {
      auto given = ground.give({folder + "/tmp", folder});
      if (!given) (void)os::remove_all(folder);  // the next try begins anew
      MK_OK(given);
    }
  }
  if (!ground.user) return folder;
  process.mounts.push_back({folder, std::string(kHome), false});
  return std::string(kHome);
}

Variables base_variables(const PodSpec& spec, const Container& container, const ImageProgram& image,
                         const std::string& home, const Ground& ground) {
  std::string path;
  for (const std::string& folder : image.path) path += folder + ":";
  path += kPath;
  Variables variables = {{"PATH", path},
                         {"HOME", home},
                         {"TMPDIR", home + "/tmp"},
                         {"HOSTNAME", spec.name},
                         {"LANG", "C.UTF-8"},
                         {"POD_IP", ground.pod_ip},
                         {"POD_NAME", spec.name},
                         {"POD_NAMESPACE", spec.space},
                         {"NODE_NAME", ground.node_name}};
  if (ground.access != nullptr && ground.access->port != 0) {
    variables.emplace_back("KUBERNETES_SERVICE_HOST", ground.access->host);
    variables.emplace_back("KUBERNETES_SERVICE_PORT", fmt::format("{}", ground.access->port));
  }
  if (container.port != 0) variables.emplace_back("PORT", fmt::format("{}", container.port));
  return variables;
}

// An image's folder may lie behind a parent that only its owner may pass: then the Pod sees the folder alone.
void show(const std::string& folder, os::ProcessSpec& process) {
  const std::string wall = private_root(folder);
  const auto covers = [&](const std::string& hidden) { return folder.starts_with(hidden + "/"); };
  const bool covered = std::any_of(process.hidden.begin(), process.hidden.end(), covers);
  if (!covered && wall == folder) return;
  if (!covered) process.hidden.push_back(wall);
  process.mounts.push_back({folder, folder, true});
}

// Zero when there is none, or when it is none: admission has refused what is no quantity.
Quantity limit_of(const Container& container, std::string_view name) {
  const Json& limit = container.resources["limits"][name];
  auto quantity = Quantity::parse(limit.is_string() ? std::string(limit.text()) : limit.is_null() ? "0" : limit.dump());
  return quantity && !quantity->is_negative() ? *quantity : Quantity();
}

void add_limits(os::ProcessSpec& process, const Container& container, const Ground& ground) {
  process.bounds.memory_bytes = static_cast<uint64_t>(limit_of(container, "memory").value());
  process.bounds.cpu_millis = static_cast<uint64_t>(limit_of(container, "cpu").milli());
  if (!ground.memory_kept && process.bounds.memory_bytes != 0)
    process.limits.push_back({"data", process.bounds.memory_bytes, process.bounds.memory_bytes});
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  const uint64_t hard = std::min<uint64_t>(files.rlim_max, kOpenFilesMax);
  process.limits.push_back({"nofile", hard, hard});
  process.limits.push_back({"core", 0, 0});
  // Counted by uid: without a uid of its own the Pod would share the bound with everything of its user's.
  if (process.uid)
    process.limits.push_back({"nproc", kTasksMax, kTasksMax});
  else
    process.bounds.tasks = kTasksMax;
}

}  // namespace

std::string private_root(const std::string& folder) {
  for (size_t at = folder.find('/', 1);; at = folder.find('/', at + 1)) {
    const std::string part = folder.substr(0, at);
    struct stat info{};
    if (at == std::string::npos || (stat(part.c_str(), &info) == 0 && (info.st_mode & S_IXOTH) == 0))
      return part;
  }
}

Result<os::ProcessSpec> process_spec(const Json& pod, const PodSpec& spec, const Container& container,
                                     const ImageProgram& image, const Volumes& volumes, const Ground& ground,
                                     const Lookup& lookup) {
  os::ProcessSpec process;
  process.pod = spec.uid;
  process.uid = ground.user;
  process.own_pids = true;
  process.grace = spec.grace;
  process.log_bytes_max = kLogFileBytes;
  process.log_files_max = kLogFiles;
  MK_TRY(const std::string home, prepare_home(ground, process));
  if (ground.user) {
    process.hidden = ground.hidden;
    for (const std::string& folder : ground.visible)
      if (os::exists(folder)) process.mounts.push_back({folder, folder, true});
    if (!image.folder.empty()) show(image.folder, process);
  }
  MK_TRY(auto mounts, container_mounts(container, volumes));
  Variables base = base_variables(spec, container, image, home, ground);
  for (const auto& mount : container.mounts.items()) {
    const auto volume = volumes.find(mount["name"].text());
    if (volume != volumes.end() && volume->second.model)
      base.emplace_back("MODELKIT_MODEL_DIR", mount["mountPath"].text());
  }
  process.mounts.insert(process.mounts.end(), mounts.begin(), mounts.end());
  MK_TRY(const Variables variables, container_variables(pod, container, std::move(base), lookup));
  process.env = as_environment(variables);
  const std::vector<std::string>& command = container.has_command ? container.command : image.command;
  for (const std::string& word : command) process.argv.push_back(expand(word, variables));
  for (const std::string& word : container.args) process.argv.push_back(expand(word, variables));
  if (command.empty())
    return fail(Code::kFailedPrecondition, "CreateContainerConfigError",
                fmt::format("image \"{}\" brings no command of its own; give container {} a command",
                            container.image, container.name));
  process.open_exec = image.open_exec && !container.has_command;
  process.cwd = !container.cwd.empty() ? container.cwd : image.cwd.empty() ? home : image.cwd;
  add_limits(process, container, ground);
  return process;
}

}  // namespace mk::node

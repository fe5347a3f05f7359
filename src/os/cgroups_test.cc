#include "os/cgroups.h"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/format.h"
#include "os/files.h"

using namespace mk;
using os::CgroupController;
using os::CgroupHierarchy;

TEST_CASE("cgroups: the hierarchies of version 1, 2, both, and of a container's view") {
  const struct {
    const char *what, *mountinfo, *self;
    std::vector<CgroupHierarchy> found;
  } cases[] = {
      {"version 2",
       "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
       "0::/user.slice/user-1000.slice/session-3.scope\n",
       {{2, {}, "/sys/fs/cgroup", "/sys/fs/cgroup/user.slice/user-1000.slice/session-3.scope"}}},
      {"hybrid",
       "33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
       "40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd\n"
       "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n",
       "2:cpu,cpuacct:/a\n1:name=systemd:/\n0::/\n",
       {{1, {"cpu", "cpuacct"}, "/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct/a"},
        {1, {"name=systemd"}, "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/systemd"},
        {2, {}, "/sys/fs/cgroup/unified", "/sys/fs/cgroup/unified"}}},
      {"a container sees its own part",
       "33 31 0:30 /docker/7f /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
       "4:memory:/docker/7f/x\n",
       {{1, {"memory"}, "/sys/fs/cgroup/memory", "/sys/fs/cgroup/memory/x"}}},
      {"none", "22 1 0:20 / /proc rw - proc proc rw\n\ngarbage\n", "garbage\n", {}},
  };
  for (const auto& each : cases) {
    CAPTURE(each.what);
    CHECK(os::find_cgroups(each.mountinfo, each.self) == each.found);
  }
}

TEST_CASE("cgroups: what is written, for each version") {
  char name[] = "/tmp/mk-cgroups-XXXXXX";
  const std::string root = mkdtemp(name);
  const auto read = [&](const std::string& path) { return os::read_file(root + path).value_or("none"); };
  for (const char* each : {"/m", "/c", "/u"}) REQUIRE(os::make_folder(root + each));
  const os::Cgroups old("n", {{{1, root + "/m"}, {1, root + "/c"}, {}}});
  const auto first = old.make("r", {.memory_bytes = 1000, .cpu_millis = 250, .tasks = 5});
  REQUIRE(first);
  CHECK(first->folders == std::vector{root + "/m/modelkit/n/r", root + "/c/modelkit/n/r"});
  CHECK(first->oom_file == root + "/m/modelkit/n/r/memory.oom_control");
  CHECK(read("/m/modelkit/n/r/memory.limit_in_bytes") == "1000");
  CHECK(read("/c/modelkit/n/r/cpu.cfs_quota_us") == "25000");
  CHECK(old.sentence(false) ==
        "limits of containers are kept: memory, cpu by cgroup v1; pids not at all");
  CHECK(old.make("s", {.tasks = 5})->folders.empty());

  REQUIRE(os::write_file(root + "/u/cgroup.controllers", "cpuset cpu memory pids\n"));
  const os::Cgroups young("n", {{{2, root + "/u"}, {2, root + "/u"}, {2, root + "/u"}}});
  const auto second = young.make("r", {.memory_bytes = 1000, .cpu_millis = 1, .tasks = 5});
  REQUIRE(second);
  CHECK(second->folders == std::vector{root + "/u/modelkit/n/r"});
  CHECK(second->oom_file == root + "/u/modelkit/n/r/memory.events");
  CHECK(read("/u/modelkit/n/r/memory.max") == "1000");
  CHECK(read("/u/modelkit/n/r/memory.oom.group") == "1");
  CHECK(read("/u/modelkit/n/r/cpu.max") == "1000 100000");
  CHECK(read("/u/modelkit/n/r/pids.max") == "5");
  CHECK(read("/u/cgroup.subtree_control") != "none");
  CHECK(young.sentence(false) == "limits of containers are kept: memory, cpu, pids by cgroup v2");
  CHECK(young.sentence(true) == "limits of containers are kept: memory, cpu by cgroup v2; pids by each Pod's own user");
  CHECK(os::Cgroups().sentence(true) ==
        "limits of containers are kept: memory only of each process by itself (RLIMIT_DATA); cpu not at all; "
        "pids by each Pod's own user");
  REQUIRE(os::remove_all(root));
}

TEST_CASE("cgroups: a group of this machine, if it gives any, comes and goes and leaves nothing") {
  const std::string name = fmt::format("test-{}", getpid());
  const os::Cgroups groups = os::open_cgroups(name);
  MESSAGE(groups.sentence(false));
  const auto group = groups.make("run", {.memory_bytes = 64 << 20, .cpu_millis = 500, .tasks = 8});
  REQUIRE(group);
  for (const std::string& folder : group->folders) {
    CHECK(os::exists(folder + "/cgroup.procs"));
    os::remove_cgroup(folder);
    CHECK_FALSE(os::exists(folder.substr(0, folder.rfind('/'))));
  }
}

#include "os/processes.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "base/format.h"
#include "os/files.h"

using namespace mk;
using os::ProcessSpec;
using os::ProcessState;

namespace {

// A folder of runs, with real shims that are gone when the test is.
class Runs {
 public:
  Runs() {
    char name[] = "/tmp/mk-processes-XXXXXX";
    root = mkdtemp(name);
    shim = os::install_shim(root + "/bin").value();
    open();
  }
  ~Runs() {
    for (const std::string& run : folders) {
      if (processes->look(run).running()) (void)processes->stop(run, {});
      wait(run);
    }
    processes.reset();
    (void)os::remove_all(root);
  }
  void open() {
    processes = os::make_shim_processes({.shim = shim});
    processes->on_exit([this](const std::string& folder) {
      std::lock_guard lock(mutex);
      ended.push_back(folder);
      changed.notify_all();
    });
  }
  std::string folder() {
    folders.push_back(fmt::format("{}/run{}", root, folders.size()));
    REQUIRE(os::make_folder(folders.back()));
    return folders.back();
  }
  ProcessSpec shell(const std::string& script) {
    ProcessSpec spec;
    spec.pod = "test";
    spec.argv = {"sh", "-c", script};
    spec.env = {"PATH=/usr/bin:/bin"};
    return spec;
  }
  ProcessState wait(const std::string& run) {
    for (int i = 0; i < 5000 && processes->look(run).running(); ++i) usleep(2000);
    return processes->look(run);
  }
  // A word for command lines that no other test and no other run of the tests has.
  std::string marker() { return fmt::format("mk-marker-{}-{}", getpid(), ++markers); }
  // How many processes of this machine have it in their command line.
  static int marked(const std::string& word) {
    int count = 0;
    for (const std::string& pid : os::list_folder("/proc")) {
      if (pid[0] < '0' || pid[0] > '9') continue;
      const std::string line = os::read_file("/proc/" + pid + "/cmdline").value_or("");
      count += line.find(word) != std::string::npos;
    }
    return count;
  }
  int shim_of(const std::string& run) {
    const std::string state = os::read_file(run + "/state").value();
    return std::atoi(state.c_str() + state.find("\nshim ") + 6);
  }
  std::string log(const std::string& run) { return os::read_file(run + "/log").value_or(""); }

  std::string root, shim;
  std::vector<std::string> folders, ended;
  int markers = 0;
  std::mutex mutex;
  std::condition_variable changed;
  std::unique_ptr<os::Processes> processes;
};

std::string run_as(uid_t uid, const std::string& command) {
  std::string text;
  int out[2];
  REQUIRE(pipe(out) == 0);
  const pid_t pid = fork();
  if (pid == 0) {
    dup2(out[1], 1);
    dup2(out[1], 2);
    if (setgid(uid) != 0 || setuid(uid) != 0) _exit(9);
    execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
    _exit(9);
  }
  ::close(out[1]);
  char chunk[512];
  ssize_t n = 0;
  while ((n = read(out[0], chunk, sizeof chunk)) > 0) text.append(chunk, static_cast<size_t>(n));
  ::close(out[0]);
  waitpid(pid, nullptr, 0);
  return text;
}

}  // namespace

TEST_CASE("processes: a run is seen from start to exit, with its output and exit code") {
  Runs runs;
  const std::string run = runs.folder();
  CHECK(runs.processes->look(run).phase == ProcessState::Phase::kAbsent);
  auto started = runs.processes->start(run, runs.shell("echo hello; echo oops >&2; printf end; exit 3"));
  REQUIRE(started);
  const ProcessState state = runs.wait(run);
  CHECK(state.exited());
  CHECK(state.exit_code == 3);
  CHECK(state.reason == "Error");
  CHECK(state.started <= state.finished);
  const std::string log = runs.log(run);
  CHECK(log.find(" stdout F hello\n") == 30);
  CHECK(log.find(" stderr F oops\n") != std::string::npos);
  CHECK(log.find(" stdout F end\n") != std::string::npos);
  std::unique_lock lock(runs.mutex);
  CHECK(runs.changed.wait_for(lock, std::chrono::seconds(5), [&] { return !runs.ended.empty(); }));
  CHECK(runs.ended == std::vector{run});
}

TEST_CASE("processes: what cannot start says why and which") {
  Runs runs;
  const struct {
    std::vector<std::string> argv;
    std::string cwd, message;
  } cases[] = {
      {{"no-such-program"}, "/", "cannot run no-such-program: No such file or directory"},
      {{"/etc/passwd"}, "/", "cannot run /etc/passwd: Permission denied"},
      {{"sh"},
       "/no/such/folder",
       "cannot enter its working folder /no/such/folder: No such file or directory"},
  };
  for (const auto& wanted : cases) {
    const std::string run = runs.folder();
    ProcessSpec spec = runs.shell("");
    spec.argv = wanted.argv;
    spec.cwd = wanted.cwd;
    auto started = runs.processes->start(run, spec);
    REQUIRE(started);
    CHECK(started->exited());
    CHECK(started->exit_code == 128);
    CHECK(started->reason == "StartError");
    CHECK(started->message == wanted.message);
  }
}

TEST_CASE("processes: another instance adopts what runs and learns its exit code; no log line is lost") {
  Runs runs;
  const std::string run = runs.folder();
  REQUIRE(
      runs.processes->start(run, runs.shell("i=0; while [ $i -lt 300 ]; do echo line $i; i=$((i+1)); done; "
                                            "while [ ! -e " +
                                            runs.root + "/go ]; do sleep 0.02; done; echo last; exit 42")));
  REQUIRE(runs.processes->look(run).running());
  const int pid = runs.processes->look(run).pid;
  runs.processes.reset();  // as after kill -9: nothing is handed over but the folder
  runs.open();
  CHECK(runs.processes->look(run).running());
  CHECK(runs.processes->look(run).pid == pid);
  REQUIRE(os::write_file(runs.root + "/go", ""));
  CHECK(runs.wait(run).exit_code == 42);
  CHECK(runs.log(run).find("stdout F line 299\n") != std::string::npos);
  CHECK(runs.log(run).find("stdout F last\n") != std::string::npos);
  std::unique_lock lock(runs.mutex);
  CHECK(runs.changed.wait_for(lock, std::chrono::seconds(5), [&] { return !runs.ended.empty(); }));
}

TEST_CASE("processes: stop asks first, kills after the grace, and takes every descendant along") {
  Runs runs;
  const std::string polite = runs.folder(), stubborn = runs.folder(), marker = runs.marker();
  REQUIRE(runs.processes->start(
      polite, runs.shell("trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.05; done")));
  REQUIRE(runs.processes->start(
      stubborn,
      runs.shell(
          "trap '' TERM; (setsid sh -c ': " + marker + "; sleep 600' & setsid sh -c ': " + marker + "; sleep 600 & sleep 600' &) ; "
          "echo up; sleep 600; : " + marker)));
  while (runs.log(polite).find("up") == std::string::npos ||
         runs.log(stubborn).find("up") == std::string::npos)
    usleep(1000);
  REQUIRE(runs.processes->stop(polite, Duration::from_seconds(20)));
  CHECK(runs.wait(polite).exit_code == 5);
  CHECK(runs.log(polite).find("stdout F bye\n") != std::string::npos);
  REQUIRE(runs.processes->stop(stubborn, Duration::from_ms(50)));
  const ProcessState state = runs.wait(stubborn);
  CHECK(state.exit_code == 137);
  CHECK(state.signal == SIGKILL);
  CHECK(runs.marked(marker) == 0);
}

TEST_CASE("processes: logs rotate within their bound and long lines come in parts") {
  Runs runs;
  const std::string run = runs.folder();
  ProcessSpec spec = runs.shell(
      "head -c 40000 /dev/zero | tr '\\0' x; echo; i=0; while [ $i -lt 4000 ]; do "
      "echo \"$i 0123456789012345678901234567890123456789\"; i=$((i+1)); done");
  spec.log_bytes_max = 64 << 10;
  spec.log_files_max = 3;
  REQUIRE(runs.processes->start(run, spec));
  CHECK(runs.wait(run).exit_code == 0);
  CHECK(os::exists(run + "/log.2"));
  CHECK_FALSE(os::exists(run + "/log.3"));
  const std::string text =
      os::read_file(run + "/log.2").value() + os::read_file(run + "/log.1").value() + runs.log(run);
  CHECK(text.size() <= 3 * (64u << 10));
  int last = -1, gaps = 0;
  for (size_t at = text.find("stdout F "); at != std::string::npos; at = text.find("stdout F ", at + 1)) {
    const int line = std::atoi(text.c_str() + at + 9);
    gaps += last >= 0 && line != last + 1;
    last = line;
  }
  CHECK(last == 3999);
  CHECK(gaps == 0);
}

TEST_CASE("processes: a run whose shim was killed, or never came up, is lost for good and says so") {
  Runs runs;
  const std::string killed = runs.folder(), never = runs.folder(), marker = runs.marker();
  REQUIRE(runs.processes->start(killed, runs.shell("(setsid sh -c ': " + marker + "; sleep 600 & sleep 600' &); : " + marker + "; echo up; sleep 600")));
  while (runs.log(killed).find("up") == std::string::npos || runs.marked(marker) < 2) usleep(1000);
  kill(runs.shim_of(killed), SIGKILL);
  const ProcessState seen = runs.wait(killed);
  CHECK(seen.exited());
  CHECK(seen.reason == "Lost");
  CHECK(seen.exit_code == 137);
  CHECK(runs.marked(marker) == 0);  // also what has left its session
  REQUIRE(os::write_file(never + "/spec", "modelkit-shim-spec 1\narg true\n"));
  CHECK(runs.processes->look(never).reason == "Lost");
  // A shim that comes late finds the run decided.
  CHECK(run_as(getuid(), runs.shim + " " + never + " 1; echo $?") == "3\n");
}

TEST_CASE("processes: pids of its own: it sees no others, and however its shim ends, nothing of it remains") {
  Runs runs;
  const std::string run = runs.folder(), beside = runs.folder(), marker = runs.marker();
  ProcessSpec spec = runs.shell("(setsid sh -c ': " + marker + "; sleep 600 & sleep 600' &); setsid sh -c ': " + marker +
                                "; exec sleep 600 " + "' & ls -d /proc/[0-9]* | wc -l; : " + marker + "; echo up; wait");
  spec.own_pids = true;
  auto started = runs.processes->start(run, spec);
  REQUIRE(started);
  CHECK(started->message == "");
  while (runs.log(run).find("up") == std::string::npos) usleep(1000);
  const std::string state = os::read_file(run + "/state").value();
  const bool possible = run_as(getuid(), "unshare --user --pid --fork true; echo $?") == "0\n";
  CHECK((state.find("\nown_pids 1") != std::string::npos) == possible);
  if (!possible) return;
  const std::string log = runs.log(run);
  CHECK(std::atoi(log.c_str() + log.find(" stdout F ") + 10) < 12);
  CHECK(started->pid > 0);
  CHECK(runs.marked(marker) > 0);
  // A probe's process is among them, with the same numbers.
  ProcessSpec probe = runs.processes->spec_of(run).value();
  CHECK(probe.own_pids);
  probe.argv = {"sh", "-c", "kill -0 2 && ls /proc/2/cmdline && grep -c . /proc/1/comm"};
  probe.beside = run;
  auto joined = runs.processes->start(beside, probe);
  REQUIRE(joined);
  CHECK(joined->message == "");
  CHECK(runs.wait(beside).exit_code == 0);
  CHECK(runs.log(beside).find("stdout F /proc/2/cmdline\n") != std::string::npos);
  kill(runs.shim_of(run), SIGKILL);
  CHECK(runs.wait(run).reason == "Lost");
  CHECK(runs.marked(marker) == 0);
}

TEST_CASE("processes: pids of its own: stop, exit codes and start errors are as without") {
  Runs runs;
  const std::string polite = runs.folder(), stubborn = runs.folder(), code = runs.folder(), wrong = runs.folder(), marker = runs.marker();
  const auto start = [&](const std::string& run, const std::string& script) {
    ProcessSpec spec = runs.shell(script);
    spec.own_pids = true;
    return runs.processes->start(run, spec);
  };
  REQUIRE(start(polite, "trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.05; done"));
  REQUIRE(start(stubborn, "trap '' TERM; (setsid sh -c ': " + marker + "; sleep 600' &) ; echo up; sleep 600"));
  REQUIRE(start(code, "exit 17"));
  ProcessSpec none = runs.shell("");
  none.argv = {"no-such-program"};
  none.own_pids = true;
  CHECK(runs.processes->start(wrong, none)->message == "cannot run no-such-program: No such file or directory");
  while (runs.log(polite).find("up") == std::string::npos || runs.log(stubborn).find("up") == std::string::npos)
    usleep(1000);
  CHECK(runs.wait(code).exit_code == 17);
  REQUIRE(runs.processes->stop(polite, Duration::from_seconds(20)));
  CHECK(runs.wait(polite).exit_code == 5);
  REQUIRE(runs.processes->stop(stubborn, Duration::from_ms(50)));
  CHECK(runs.wait(stubborn).signal == SIGKILL);
  CHECK(runs.marked(marker) == 0);
}

TEST_CASE("processes: bounds of memory, CPU and tasks hold for all processes of a run together") {
  Runs runs;
  const std::string name = fmt::format("test-{}", getpid());
  const os::Cgroups cgroups = os::open_cgroups(name);
  runs.processes = os::make_shim_processes({.shim = runs.shim, .cgroups = cgroups});
  const auto run = [&](const std::string& python, os::CgroupBounds bounds) {
    const std::string folder = runs.folder();
    ProcessSpec spec = runs.shell("");
    spec.argv = {"/usr/bin/python3", "-I", "-S", "-c", python};
    spec.bounds = bounds;
    spec.own_pids = true;
    auto started = runs.processes->start(folder, spec);
    REQUIRE(started);
    CHECK(started->message == "");
    return folder;
  };
  if (cgroups.keeps(os::CgroupController::kMemory)) {
    // Three processes of 60 MiB; each by itself would fit.
    const std::string big = "import os, time\nfor i in range(2):\n  if os.fork() == 0: break\nb = bytearray(60 << 20); b[::4096] = b'x' * len(b[::4096])\ntime.sleep(1)";
    const std::string one = "b = bytearray(300 << 20)";
    CHECK(runs.wait(run(big, {.memory_bytes = 400u << 20})).exit_code == 0);
    const ProcessState alone = runs.wait(run(one, {.memory_bytes = 64u << 20}));
    CHECK(alone.exit_code == 137);
    CHECK(alone.reason == "OOMKilled");
    const std::string together = runs.folder();
    ProcessSpec spec = runs.shell("/usr/bin/python3 -c \"" + big + "\"; exit 3");
    spec.bounds.memory_bytes = 100u << 20;
    REQUIRE(runs.processes->start(together, spec));
    CHECK(runs.wait(together).reason == "OOMKilled");
  }
  if (cgroups.keeps(os::CgroupController::kTasks)) {
    const std::string fork_many =
        "import os\nr, w = os.pipe()\nfor i in range(40):\n  if os.fork() == 0: os.close(w); os.read(r, 1); os._exit(0)";
    CHECK(runs.wait(run(fork_many, {.tasks = 60})).exit_code == 0);
    const std::string bounded = run(fork_many, {.tasks = 20});
    CHECK(runs.wait(bounded).exit_code == 1);
    CHECK(runs.log(bounded).find("BlockingIOError") != std::string::npos);
  }
  if (cgroups.keeps(os::CgroupController::kCpu)) {
    const std::string spin =
        "import time\nend = time.monotonic() + 1\nwhile time.monotonic() < end: pass\nprint(int(time.process_time() * 1000))";
    const std::string bounded = run(spin, {.cpu_millis = 200});
    CHECK(runs.wait(bounded).exit_code == 0);
    const std::string log = runs.log(bounded);
    CHECK(std::atoi(log.c_str() + log.find(" stdout F ") + 10) < 500);
  }
  // Nothing of the groups stays behind.
  for (const std::string& folder : runs.folders) {
    const std::string spec = os::read_file(folder + "/spec").value();
    for (size_t at = spec.find("\ncgroup "); at != std::string::npos; at = spec.find("\ncgroup ", at + 1)) {
      const std::string group = spec.substr(at + 8, spec.find('\n', at + 1) - at - 8);
      CHECK_FALSE(os::exists(group));
      CHECK_FALSE(os::exists(group.substr(0, group.rfind('/'))));
    }
  }
}

TEST_CASE("processes: a parent killed with -9 stops nothing and loses nothing") {
#if __has_feature(thread_sanitizer)
  MESSAGE("not run: a forked child may not start threads under tsan");
  return;
#endif
  Runs runs;
  for (int round = 0; round < 5; ++round) {
    const std::string run = runs.folder();
    int go[2];
    REQUIRE(pipe(go) == 0);
    const pid_t parent = fork();
    if (parent == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);  // a test that fails must leave nobody behind: it would keep files locked
      alarm(60);
      // A process of its own with its own threads, as modelkit is.
      auto mine = os::make_shim_processes({.shim = runs.shim});
      ProcessSpec spec = runs.shell("i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done; exit 17");
      (void)mine->start(run, spec);
      [[maybe_unused]] const ssize_t n = write(go[1], "x", 1);
      pause();
      _exit(0);
    }
    ::close(go[1]);  // a child that ends ends the wait, too
    char byte = 0;
    ssize_t got = 0;
    do got = read(go[0], &byte, 1);
    while (got < 0 && errno == EINTR);  // by another test's signal handler
    REQUIRE(got == 1);
    usleep(static_cast<useconds_t>(round * 700));
    kill(parent, SIGKILL);
    waitpid(parent, nullptr, 0);
    ::close(go[0]);
    const ProcessState state = runs.wait(run);
    CHECK(state.exit_code == 17);
    const std::string log = runs.log(run);
    int lines = 0;
    for (const char c : log) lines += c == '\n';
    CHECK(lines == 2000);
    CHECK(log.find("stdout F line 1999\n") != std::string::npos);
  }
}

TEST_CASE("processes: volumes lie where asked, private folders are hidden, the machine is unchanged") {
  Runs runs;
  const std::string run = runs.folder(), volume = runs.root + "/volume";
  REQUIRE(os::make_folder(volume, 0755));
  REQUIRE(os::write_file(volume + "/key", "value\n", 0644));
  ProcessSpec spec = runs.shell(
      "cat /etc/mk-test/deep/key /mk-test-data/key; ls " + runs.root +
      "; echo x 2>/dev/null > /etc/mk-test/deep/new || echo read-only; cat /etc/passwd | head -c 4");
  spec.mounts = {{volume, "/etc/mk-test/deep", true}, {volume, "/mk-test-data", false}};
  spec.hidden = {runs.root};
  auto started = runs.processes->start(run, spec);
  REQUIRE(started);
  CHECK(started->message == "");
  CHECK(runs.wait(run).exit_code == 0);
  std::string lines;
  const std::string log = runs.log(run);
  for (size_t at = log.find(" stdout F "); at != std::string::npos; at = log.find(" stdout F ", at + 1))
    lines += log.substr(at + 10, log.find('\n', at) - at - 9);
  CHECK(lines == "value\nvalue\nread-only\nroot\n");
  CHECK_FALSE(os::exists("/etc/mk-test"));
  CHECK_FALSE(os::exists("/mk-test-data"));
}

TEST_CASE("processes: a part of a volume is made when missing, and no link leads out of the volume") {
  Runs runs;
  const std::string volume = runs.root + "/volume", secret = runs.root + "/secret";
  REQUIRE(os::make_folder(volume, 0777));
  REQUIRE(os::make_folder(secret, 0755));
  REQUIRE(os::write_file(secret + "/key", "hush", 0644));
  REQUIRE(symlink(secret.c_str(), (volume + "/out").c_str()) == 0);
  REQUIRE(symlink("../secret", (volume + "/up").c_str()) == 0);
  REQUIRE(symlink("a/b", (volume + "/in").c_str()) == 0);
  const struct {
    const char *beneath, *message;
  } cases[] = {{"a/b", ""},
               {"in", ""},
               {"out", "cannot open a volume: Invalid cross-device link"},
               {"up", "cannot open a volume: Invalid cross-device link"},
               {"out/new", "cannot open a volume: Invalid cross-device link"}};
  for (const auto& [beneath, message] : cases) {
    CAPTURE(beneath);
    const std::string run = runs.folder();
    ProcessSpec spec = runs.shell("echo x > /mk-part/file && stat -c %a /mk-part");
    spec.mounts = {{volume, "/mk-part", false, beneath}};
    auto started = runs.processes->start(run, spec);
    REQUIRE(started);
    CHECK(started->message == message);
    CHECK(runs.processes->spec_of(run)->mounts[0].beneath == beneath);
    if (message[0] == 0) CHECK(runs.wait(run).exit_code == 0);
    if (message[0] == 0) CHECK(runs.log(run).find("stdout F 777\n") != std::string::npos);
  }
  CHECK(os::exists(volume + "/a/b/file"));
  CHECK_FALSE(os::exists(secret + "/new"));
}

TEST_CASE(
    "processes: a run under its own uid reads nothing of the owner's; without it the same attack works" *
    doctest::skip(getuid() != 0)) {
  Runs runs;
  chmod(runs.root.c_str(), 0755);
  const std::string secret = runs.root + "/secret";
  REQUIRE(os::write_file(secret, "owner only\n", 0600));
  const int parent = getpid();
  const std::string attack = fmt::format(
      "cat {0}; echo spoilt >> {0}; kill -0 {1} && echo could-kill; cat /proc/{1}/environ > /dev/null && "
      "echo could-peek; id -u",
      secret, parent);
  const auto output = [&](std::optional<uint32_t> uid) {
    const std::string run = runs.folder();
    ProcessSpec spec = runs.shell(attack);
    spec.uid = uid;
    auto started = runs.processes->start(run, spec);
    REQUIRE(started);
    CHECK(started->message == "");
    runs.wait(run);
    return runs.log(run);
  };
  const std::string open = output({});
  CHECK(open.find("stdout F owner only") != std::string::npos);
  CHECK(open.find("could-kill") != std::string::npos);
  CHECK(open.find("could-peek") != std::string::npos);
  CHECK(os::read_file(secret).value() == "owner only\nspoilt\n");
  const std::string closed = output(200'777);
  CHECK(closed.find("owner only") == std::string::npos);
  CHECK(closed.find("could-") == std::string::npos);
  CHECK(closed.find("stdout F 200777\n") != std::string::npos);
  CHECK(os::read_file(secret).value() == "owner only\nspoilt\n");
}

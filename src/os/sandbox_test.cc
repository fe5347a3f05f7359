// What a sandboxed process can and cannot do, each next to the same thing done without the sandbox.
#include "os/sandbox.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>

#include "base/format.h"
#include "os/files.h"

namespace mk::os {
namespace {

namespace fs = std::filesystem;

struct Outcome {
  int code = -1;
  std::string output;
};

struct Folder {
  std::string path;
  Folder() {
    char name[] = "/tmp/mk_sandbox_XXXXXX";
    path = mkdtemp(name);
    chmod_all();
  }
  ~Folder() { fs::remove_all(path); }
  void chmod_all() const { fs::permissions(path, fs::perms(0755)); }
};

// Runs a shell line and gives its exit code and output.
Outcome shell(const std::string& line, const Sandbox* sandbox) {
  int ends[2];
  REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
  Program program{.argv = {"/bin/sh", "-c", line}, .env = {"PATH=/usr/bin:/bin"}, .output = ends[1]};
  auto pid = sandbox ? start_sandboxed(*sandbox, program) : start_trusted(program);
  close(ends[1]);
  REQUIRE_MESSAGE(pid, pid.error().sentence());
  Outcome outcome;
  char bytes[4096];
  for (ssize_t n; (n = read(ends[0], bytes, sizeof bytes)) > 0;) outcome.output.append(bytes, static_cast<size_t>(n));
  close(ends[0]);
  outcome.code = reap(*pid, false).code;
  return outcome;
}

TEST_CASE("sandbox: runs programs, with the files it was given") {
  Folder folder;
  REQUIRE(write_file(folder.path + "/a", "given", 0644));
  Sandbox sandbox = Sandbox::with_system();
  sandbox.binds.push_back({folder.path, "/given"});
  sandbox.files.push_back({"/tmp/note", "written"});
  const auto outcome = shell("cat /given/a /tmp/note; exit 7", &sandbox);
  CHECK(outcome.output == "givenwritten");
  CHECK(outcome.code == 7);
}

TEST_CASE("sandbox: a bind beneath /tmp is visible, other files of /tmp are not") {
  Folder folder;
  REQUIRE(write_file(folder.path + "/a", "given", 0644));
  Sandbox sandbox = Sandbox::with_system();
  CHECK(shell("cat " + folder.path + "/a", nullptr).output == "given");
  CHECK(shell("cat " + folder.path + "/a", &sandbox).code != 0);
  sandbox.binds.push_back({folder.path, folder.path});
  CHECK(shell("cat " + folder.path + "/a", &sandbox).output == "given");
}

TEST_CASE("sandbox: nothing of the host can be written but writable binds") {
  Folder folder;
  Sandbox sandbox = Sandbox::with_system();
  sandbox.binds.push_back({folder.path, "/given"});
  CHECK(shell("touch " + folder.path + "/x", nullptr).code == 0);
  CHECK(shell("touch /given/y", &sandbox).code != 0);
  CHECK(shell("touch /usr/y || touch /y || touch /dev/y", &sandbox).code != 0);
  CHECK(shell("mount -o remount,rw /usr || umount /given || chroot /", &sandbox).code != 0);
  CHECK(shell("touch /tmp/y && touch /dev/shm/y", &sandbox).code == 0);
  CHECK_FALSE(exists("/tmp/y"));
  fs::permissions(folder.path, fs::perms(0777));
  sandbox.binds.back().writable = true;
  CHECK(shell("touch /given/y", &sandbox).code == 0);
}

TEST_CASE("sandbox: no other process, no privilege, no new namespace") {
  const Sandbox sandbox = Sandbox::with_system();
  const std::string count = "set -- /proc/[0-9]*; echo $#";  // one program: nothing that ends meanwhile can be missed
  CHECK(std::stoi(shell(count, nullptr).output) > 3);
  CHECK(std::stoi(shell(count, &sandbox).output) <= 3);
  CHECK(shell("grep -E '^Cap(Inh|Prm|Eff|Bnd|Amb)' /proc/self/status | grep -v 0000000000000000", &sandbox).output.empty());
  CHECK(shell("grep NoNewPrivs /proc/self/status", &sandbox).output == "NoNewPrivs:\t1\n");
  CHECK(shell("grep Seccomp: /proc/self/status", &sandbox).output == "Seccomp:\t2\n");
  CHECK(shell("unshare -Ur true", nullptr).code == 0);
  CHECK(shell("unshare -Ur true", &sandbox).code != 0);
  CHECK(shell("kill -0 " + fmt::format("{}", getpid()), &sandbox).code != 0);
  CHECK(shell("id -u", &sandbox).output != "0\n");
}

TEST_CASE("sandbox: no network, also not the machine's own") {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  REQUIRE(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(listen(listener, 8) == 0);
  socklen_t size = sizeof address;
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  const std::string connect = fmt::format(
      "/usr/bin/python3.11 -I -S -c 'import socket; socket.create_connection((\"127.0.0.1\", {}), 5)'", ntohs(address.sin_port));
  Sandbox sandbox = Sandbox::with_system();
  CHECK(shell(connect, nullptr).code == 0);
  CHECK(shell(connect, &sandbox).output.find("Network is unreachable") != std::string::npos);
  sandbox.network = true;
  CHECK(shell(connect, &sandbox).code == 0);
  close(listener);
}

TEST_CASE("sandbox: memory, processes and /tmp are bounded") {
  Sandbox sandbox = Sandbox::with_system();
  sandbox.memory_bytes_max = 256u << 20;
  sandbox.processes_max = 20;
  sandbox.tmp_bytes_max = 1u << 20;
  sandbox.uid_for_root = 1'999'990'001;  // counts processes by user: of its own here
  const std::string python = "/usr/bin/python3.11 -I -S -c ";
  CHECK(shell(python + "'bytearray(600 << 20)'", nullptr).code == 0);
  CHECK(shell(python + "'bytearray(600 << 20)'", &sandbox).output.find("MemoryError") != std::string::npos);
  // Not a fork bomb outside: the same forty processes, which end with their parent.
  const std::string fork_many = python +
      "'import os\nr, w = os.pipe()\nfor i in range(40):\n  if os.fork() == 0: os.close(w); os.read(r, 1); os._exit(0)'";
  CHECK(shell(fork_many, nullptr).code == 0);
  CHECK(shell(fork_many, &sandbox).output.find("BlockingIOError") != std::string::npos);
  CHECK(shell("head -c 2000000 /dev/zero > /tmp/x", &sandbox).code != 0);
}

TEST_CASE("sandbox: what cannot be started says so") {
  const Sandbox sandbox = Sandbox::with_system();
  const Program program{.argv = {"/nonexistent/program"}};
  const auto pid = start_sandboxed(sandbox, program);
  REQUIRE_FALSE(pid);
  CHECK(pid.error().code == Code::kUnavailable);
  CHECK(pid.error().message.find("/nonexistent/program") != std::string::npos);
}

}  // namespace
}  // namespace mk::os

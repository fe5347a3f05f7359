// A process that can do nothing but compute: namespaces, a file system of its own, no privileges, bounded memory and
// processes. Own code over clone and mount calls rather than bubblewrap: one file to install, one process less per
// worker, seccomp and limits in the same place.
//
// Not as root: a user namespace makes the others possible; the process keeps our uid outside. As root: it gets
// `uid_for_root` instead, which owns nothing.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"

namespace mk::os {

struct Sandbox {
  struct Bind {
    std::string source, target;  // a folder or a file; absent sources are left out
    bool writable = false;
  };
  struct File {
    std::string path, content;  // below /tmp
    bool executable = false;
  };
  // All that exists besides /proc, /dev with harmless devices, and private, empty /tmp and /dev/shm.
  std::vector<Bind> binds;
  std::vector<File> files;
  bool network = false;  // false: no interface at all, not even loopback; true: the host's network
  uint32_t uid_for_root = 65534;
  uint64_t memory_bytes_max = 0;  // of each process's own memory; 0 = unbounded
  uint64_t tmp_bytes_max = uint64_t{1} << 30;
  uint64_t processes_max = 256;  // threads count too
  uint64_t open_files_max = 1024;
  uint64_t cpu_seconds_max = 0;  // of each process; 0 = unbounded

  // The parts of the host that any dynamically linked program needs: /usr, its links, the loader's cache.
  static Sandbox with_system();
};

struct Program {
  std::vector<std::string> argv;  // argv[0] is the executable's path, inside the sandbox
  std::vector<std::string> env;   // "NAME=value"; nothing is inherited
  std::string cwd = "/";
  int channel = -1;  // becomes descriptor 3
  int output = -1;   // becomes stdout and stderr; -1 = our stderr
};

// Starts the program and returns its pid, a child of ours to be reaped by reap(); fails when any part of the sandbox
// cannot be had, naming it: there is never silently less of it. The child and all its descendants die when the
// calling thread ends, and when the child ends.
Result<int> start_sandboxed(const Sandbox& sandbox, const Program& program);

// The same without any isolation: for programs that we trust, and to show in tests what the sandbox prevents.
Result<int> start_trusted(const Program& program);

struct ExitStatus {
  int code = 0;    // 128 + signal when a signal ended it
  int signal = 0;
};
// Kills with SIGKILL when `kill` is set, waits and returns how it ended.
ExitStatus reap(int pid, bool kill);

}  // namespace mk::os

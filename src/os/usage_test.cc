#include "os/usage.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>

#include "base/format.h"
#include "os/files.h"

namespace mk::os {
namespace {

std::string stat(int pid, int parent, int user, int system, int ended, int pages) {
  return fmt::format(
      "{} (a (b) c) S {} 1 1 0 -1 4194560 100 0 0 0 {} {} {} 0 20 0 1 0 12345 1000000 {} 184467 1 1\n", pid,
      parent, user, system, ended, pages);
}

TEST_CASE("usage: a process's line, whatever its name") {
  const auto figures = read_process_figures(stat(7, 3, 11, 22, 33, 44));
  REQUIRE(figures);
  CHECK(figures->parent == 3);
  CHECK(figures->own_ticks == 33);
  CHECK(figures->ended_ticks == 33);
  CHECK(figures->pages == 44);
  for (const char* bad : {"", "7 (x", "7 (x) S 1 2 3", ")"}) CHECK_FALSE(read_process_figures(bad));
}

TEST_CASE("usage: all descendants count, the supervisor itself does not") {
  std::map<int, ProcessFigures> all;
  all[1] = {.parent = 0, .own_ticks = 1'000, .ended_ticks = 1'000, .pages = 1'000};
  all[10] = {.parent = 1, .own_ticks = 5, .ended_ticks = 7, .pages = 100};  // the supervisor
  all[11] = {.parent = 10, .own_ticks = 20, .ended_ticks = 1, .pages = 2};
  all[12] = {.parent = 11, .own_ticks = 30, .ended_ticks = 0, .pages = 3};
  all[13] = {.parent = 10, .own_ticks = 40, .ended_ticks = 0, .pages = 4};
  all[20] = {.parent = 1, .own_ticks = 500, .ended_ticks = 0, .pages = 500};  // somebody else's
  const Usage sum = sum_of_tree(10, all, 100, 4096);
  CHECK(sum.cpu.ms() == (7 + 21 + 30 + 40) * 10);
  CHECK(sum.memory_bytes == 9 * 4096);
  CHECK(sum_of_tree(99, all, 100, 4096).memory_bytes == 0);
  all[30] = {.parent = 31, .pages = 1};  // no tree, as when numbers are used again while we read
  all[31] = {.parent = 30, .pages = 1};
  CHECK(sum_of_tree(30, all, 100, 4096).memory_bytes > 0);
}

TEST_CASE("usage: of the machine") {
  const Usage usage =
      read_machine_usage("cpu  100 10 20 9999 9999 3 4 5 50 5\ncpu0 1 1 1 1\n",
                         "MemTotal:       1000 kB\nMemFree:  10 kB\nMemAvailable:    400 kB\n", 100);
  CHECK(usage.cpu.ms() == (100 + 10 + 20 + 3 + 4 + 5) * 10);
  CHECK(usage.memory_bytes == 600 * 1024);
  CHECK(read_machine_usage("", "", 100).memory_bytes == 0);
  const Usage here = usage_of_machine();
  CHECK(here.cpu.ms() > 0);
  CHECK(here.memory_bytes > 0);
}

TEST_CASE("usage: a run that does not run is left out") {
  char folder[] = "/tmp/usage_test.XXXXXX";
  REQUIRE(mkdtemp(folder) != nullptr);
  CHECK(usage_of_runs({folder}).empty());
  const auto write_state = [&](int pid) {
    REQUIRE(write_file(std::string(folder) + "/state",
                       fmt::format("modelkit-shim-state 1\nboot x\nshim {} 1\n", pid)));
  };
  write_state(getppid());  // we are a descendant of it
  REQUIRE(usage_of_runs({folder}).size() == 1);
  CHECK(usage_of_runs({folder}).at(folder).memory_bytes > 0);
  write_state(0);
  CHECK(usage_of_runs({folder}).empty());
  write_state(getppid());
  REQUIRE(write_file(std::string(folder) + "/exit", "modelkit-shim-exit 1\n"));
  CHECK(usage_of_runs({folder}).empty());
  REQUIRE(remove_all(folder));
}

}  // namespace
}  // namespace mk::os

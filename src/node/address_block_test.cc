#include "node/address_block.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <chrono>
#include <set>
#include <thread>
#include <vector>

#include "base/format.h"
#include "node/limits.h"
#include "os/files.h"
#include "os/processes.h"

using namespace mk;
using node::AddressBlock;

namespace {

// Blocks of this test's own, so that modelkits of this machine are not disturbed.
struct Ground {
  Ground() {
    char name[] = "/tmp/mk-blocks-XXXXXX";
    folder = mkdtemp(name);
    prefix = fmt::format("mk-test-{}", getpid());
  }
  ~Ground() { (void)os::remove_all(folder); }
  Result<AddressBlock> take(std::string_view root) {
    return AddressBlock::take(fmt::format("{}/{}", folder, root), prefix);
  }
  std::string folder, prefix;
};

}  // namespace

TEST_CASE("address_block: every modelkit of a machine has another, and keeps its own over restarts") {
  Ground ground;
  std::vector<AddressBlock> all;
  std::set<uint32_t> numbers;
  for (uint32_t i = 0; i < node::kSlotBlocks; ++i) {
    auto block = ground.take(fmt::format("data{}", i));
    REQUIRE(block);
    numbers.insert(block->number());
    all.push_back(std::move(*block));
  }
  CHECK(numbers.size() == node::kSlotBlocks);
  const auto refused = ground.take("one-more");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message == "all 63 blocks of Pod addresses of this machine are in use");
  const uint32_t third = all[3].number();
  all[3] = AddressBlock();
  CHECK(ground.take("data3")->number() == third);
  // Whatever the file holds.
  all.clear();
  for (const char* garbage : {"", "x", "63", "-1", "99999999999"}) {
    REQUIRE(os::write_file(ground.folder + "/data3.block", garbage));
    CHECK(ground.take("data3")->number() < node::kSlotBlocks);
  }
}

TEST_CASE("address_block: Pods keep it when modelkit is killed, and give it back to the next") {
  Ground ground;
  const std::string shim = os::install_shim(ground.folder + "/bin").value();
  const std::string run = ground.folder + "/pods/uid/c/main/0";
  REQUIRE(os::make_folder(run));
  uint32_t number = 0;
  std::unique_ptr<os::Processes> processes;
  {
    auto block = ground.take("pods");
    REQUIRE(block);
    number = block->number();
    processes = os::make_shim_processes({.shim = shim, .kept = block->holder()});
    os::ProcessSpec spec;
    spec.argv = {"/bin/sleep", "600"};
    REQUIRE(processes->start(run, spec));
  }
  // Nobody else gets it: not even one that wants just this.
  REQUIRE(os::write_file(ground.folder + "/other.block", fmt::format("{}\n", number)));
  CHECK(ground.take("other")->number() != number);
  REQUIRE(processes->look(run).running());
  auto again = ground.take("pods");
  REQUIRE(again);
  CHECK(again->number() == number);
  // Now it is ours without the Pod.
  REQUIRE(processes->stop(run, {}));
  CHECK(processes->wait(run, Duration::from_seconds(20)).exited());
  REQUIRE(os::write_file(ground.folder + "/third.block", fmt::format("{}\n", number)));
  CHECK(ground.take("third")->number() != number);
  again = AddressBlock();
  // The Pod's shim still holds it for the moment between recording the exit and ending.
  uint32_t given = node::kSlotBlocks;
  for (const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
       given != number && std::chrono::steady_clock::now() < until; std::this_thread::yield()) {
    REQUIRE(os::write_file(ground.folder + "/third.block", fmt::format("{}\n", number)));
    given = ground.take("third")->number();
  }
  CHECK(given == number);
}

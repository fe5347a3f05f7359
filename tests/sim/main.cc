// modelkit_sim SEED [--count N] [--bug NAME] [--steps N] [--verbose]: runs the control plane under virtual
// time, with all that can go wrong, drawn from the seed. Ends with 1 when something was wrong, and says with
// which seed. With --bug it ends with 0 when the planted bug was found.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <string>

#include "base/format.h"
#include "convergence.h"
#include "core/limits.h"
#include "people.h"
#include "world.h"

namespace mk::sim {
namespace {

constexpr Duration kResync =
    core::limits::kBackoffMax;  // the longest that a controller waits before it looks again

struct Outcome {
  Complaints complaints;
  uint64_t digest = 0, changes = 0, lives = 0;
};

void do_harm(World& world) {
  os::SeededRandom& random = world.random;
  switch (random.below(14)) {
    case 0:
      return world.crash();
    case 1:
    case 2:
      return world.crash_within(static_cast<int>(1 + random.below(80)));
    case 3:
      return random.below(2) == 0 ? world.fail_sync() : world.lose_agent();
    case 4:
      return world.executor.jump(Duration::from_seconds(static_cast<int64_t>(random.below(7200)) - 3600));
    case 5:
    case 6:
      return world.end_some_process();
    case 7:
      return world.sicken(random.below(3) == 0);
    default:
      return;
  }
}

// Watches that come and go, from versions of their own choice.
class Watchers {
 public:
  explicit Watchers(World& world) : world_(world) {}
  void look() {
    if (seen_life_ != world_.lives) watches_.clear();
    seen_life_ = world_.lives;
    store::Store& store = world_.objects().store();
    for (auto& watch : watches_)
      if (watch && world_.random.below(2) == 0 && !watch->take(1 + world_.random.below(50))) watch.reset();
    if (watches_.size() >= kMax) watches_.erase(watches_.begin());
    constexpr const char* kResources[] = {"", "pods", "configmaps", "deployments.apps"};
    store::Selection selection{.resource = kResources[world_.random.below(4)]};
    if (world_.random.below(2) == 0) selection.space = "default";
    const store::Version back = world_.random.below(30), now = store.version();
    auto opened = store.watch(selection, now > back ? now - back : now, nullptr);
    if (opened) watches_.push_back(*std::move(opened));
  }

 private:
  static constexpr size_t kMax = 6;
  World& world_;
  uint64_t seen_life_ = 0;
  std::vector<std::unique_ptr<store::Watch>> watches_;
};

void act(World& world, uint64_t seed, int steps) {
  People people(world, seed * 13 + 5);
  Watchers watchers(world);
  const auto person = [&] { people.do_something(); };
  world.run_for(Duration::from_seconds(1));
  (void)world.objects().create(
      core::Identity::owner_of_this_machine(), *kinds::find_resource("images.modelkit.dev"), "",
      Json::parse(R"({"apiVersion":"modelkit.dev/v1","kind":"Image","metadata":{"name":"any"},)"
                  R"("spec":{"name":"*","environment":{"name":"machine"}}})")
          .value());
  for (int step = 0; step < steps && !world.complaints.any(); ++step) {
    person();
    if (world.random.below(3) == 0) person();
    watchers.look();
    do_harm(world);
    world.run_for(
        Duration::from_ms(static_cast<int64_t>(world.random.below(world.random.below(4) == 0 ? 8000 : 300))));
  }
}

Outcome run(const Options& options, int steps) {
  Outcome out;
  World world(options);
  act(world, options.seed, steps);
  if (!world.complaints.any()) {
    world.end_faults();
    world.run_for(kResync * 2);
    world.model.compare(world.objects().store());
    check_convergence(world);
  }
  if (!world.complaints.any()) {  // and all of that is on the disk
    world.crash();
    world.run_for(Duration::from_seconds(30));
    check_convergence(world);
  }
  out.complaints = world.complaints;
  out.digest = world.model.digest();
  out.changes = world.model.changes();
  out.lives = world.lives;
  return out;
}

// Named by the seed: names of folders reach messages, and the same seed must give the same run.
Outcome run_in_folder(Options options, int steps) {
  Outcome out;
  const bool memory = std::filesystem::is_directory("/dev/shm");
  const std::string all = fmt::format("{}/mk-sim-{}", memory ? "/dev/shm" : "/tmp", getuid());
  std::filesystem::create_directories(all);
  options.folder = fmt::format("{}/{}", all, options.seed);
  const int lock = open((options.folder + ".lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  if (lock < 0 || flock(lock, LOCK_EX) != 0) {
    out.complaints.add("no folder could be made for the run");
    return out;
  }
  std::filesystem::remove_all(options.folder);  // of a run that was ended
  std::filesystem::create_directories(options.folder);
  try {
    out = run(options, steps);
  } catch (const std::exception& error) {
    out.complaints.add(fmt::format("the run ended with: {}", error.what()));
  }
  std::filesystem::remove_all(options.folder);
  close(lock);
  return out;
}

int usage() {
  fmt::print(stderr, "usage: modelkit_sim SEED [--count N] [--steps N] [--bug NAME] [--verbose]\n  bugs:");
  for (const auto& [name, bug] : kBugs) fmt::print(stderr, " {}", name);
  fmt::print(stderr, "\n");
  return 2;
}

}  // namespace

int main(int count, char** words) {
  Options options;
  uint64_t first = 0, seeds = 1;
  int steps = 40;
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i], value = i + 1 < count ? words[i + 1] : "";
    if (word == "--verbose") {
      options.verbose = true;
      continue;
    }
    if (word[0] != '-') {
      first = std::strtoull(words[i], nullptr, 10);
      continue;
    }
    ++i;
    if (word == "--count")
      seeds = std::strtoull(value.c_str(), nullptr, 10);
    else if (word == "--steps")
      steps = std::atoi(value.c_str());
    else if (word == "--bug") {
      for (const auto& [name, bug] : kBugs)
        if (value == name) options.bug = bug;
      if (options.bug == Bug::kNone) return usage();
    } else
      return usage();
  }
  if (first == 0 || seeds == 0 || steps <= 0) return usage();
  uint64_t changes = 0, lives = 0, wrong = 0;
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    options.seed = seed;
    const Outcome outcome = run_in_folder(options, steps);
    changes += outcome.changes;
    lives += outcome.lives;
    if (seeds == 1) fmt::print("seed {}: digest {:016x}\n", seed, outcome.digest);
    if (!outcome.complaints.any()) continue;
    ++wrong;
    fmt::print("seed {}: {} complaints\n", seed, outcome.complaints.count());
    for (const std::string& text : outcome.complaints.texts()) fmt::print("  {}\n", text);
    std::fflush(stdout);
    if (options.bug != Bug::kNone) {
      fmt::print("the planted bug was found after {} seeds\n", seed - first + 1);
      return 0;
    }
  }
  fmt::print("{} seeds, {} lives, {} changes: {} wrong\n", seeds, lives, changes, wrong);
  return wrong > 0 || options.bug != Bug::kNone ? 1 : 0;
}

}  // namespace mk::sim

int main(int count, char** words) {
  return mk::sim::main(count, words);
}

// What people do, drawn from the seed: create, apply, scale, update, delete in every way, and make again
// under the same name at once.
#pragma once
#include "world.h"

namespace mk::sim {

class People {
 public:
  People(World& world, uint64_t seed) : world_(world), random_(seed) {}
  void do_something();

 private:
  void apply(const std::string& yaml);
  void change(const store::Key& key, const std::function<void(Json&)>& edit);
  void remove(const store::Key& key);
  void deployment();
  void bare_pod();
  void configuration();
  void service();
  void own_namespace();
  std::string some_space();
  bool one_in(uint64_t n) { return random_.below(n) == 0; }
  void answered(const std::string& what, const core::Refusal* refusal);

  World& world_;
  os::SeededRandom random_;
};

}  // namespace mk::sim

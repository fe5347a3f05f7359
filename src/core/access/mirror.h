// Follows the objects of a few kinds, so that what is derived from them can be made anew when they change. A change is
// seen by everyone who asks after its writer was answered, because the store says `ready` before it answers.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "store/store.h"

namespace mk::core {

class Mirror {
 public:
  Mirror(store::Store& store, std::vector<std::string> resources);
  ~Mirror();

  // Whether something changed that settle() does not cover yet. Cheap, from any thread.
  bool changed() const { return *written_ != settled_; }
  struct Change {
    store::Key key;
    store::ObjectRef object;  // null: gone
  };
  // What changed since the last call, in any order between kinds; one caller at a time. The first call gives all that
  // there is. `anew` is called first when everything known so far is void. Returns what to settle() once the result is
  // there for all to see.
  uint64_t take(const std::function<void()>& anew, const std::function<void(const Change&)>& each);
  void settle(uint64_t taken) { settled_ = taken; }

 private:
  struct Followed {
    std::string resource;
    std::unique_ptr<store::Watch> watch;
  };
  bool follow(Followed& one, const std::function<void(const Change&)>& each);

  store::Store& store_;
  const std::shared_ptr<std::atomic<uint64_t>> written_ = std::make_shared<std::atomic<uint64_t>>(1);
  std::atomic<uint64_t> settled_ = 0;
  std::vector<Followed> followed_;
};

}  // namespace mk::core

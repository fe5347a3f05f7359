// What the node remembers of its Pods across its own restarts: a folder for each, with a small record.
//   ROOT/UID/pod.json      schema, names, slot, lives of the containers
//   ROOT/UID/c/NAME/LIFE/  run folders (os/processes.h)
//   ROOT/UID/volumes/, ROOT/UID/home/
// Not durable against power loss on purpose: then the processes are gone as well.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "os/users.h"

namespace mk::node {

struct PodRecord {
  struct Container {
    int life = -1;    // number of the current life; -1 = never begun
    int crashes = 0;  // ends in a row before it
  };
  std::string space, name, uid;
  uint32_t slot = 0;  // decides address and uid; no two living Pods share one
  Time taken;
  Duration grace;  // for when the Pod's declaration is gone
  std::map<std::string, Container, std::less<>> containers;
};

class PodRecords {
 public:
  // `root` is made when missing. Unreadable records are left where they are and reported.
  // `users`: of the Pods; null when they run as us. Outlives the records. `block`: node/address_block.h.
  explicit PodRecords(std::string root, os::Users* users = nullptr, uint32_t block = 0);
  Result<std::vector<PodRecord>> load() const;
  Result<void> save(const PodRecord& record) const;
  void remove(std::string_view uid) const;

  std::string home(std::string_view uid) const;
  std::string run_folder(std::string_view uid, std::string_view container, int life) const;
  // The Pod's uid that a run folder belongs to; empty when it is none of ours.
  std::string uid_of(std::string_view run_folder) const;
  const std::string& root() const { return root_; }

  // Addresses and uids of different data folders on one machine lie in different blocks.
  std::string address(uint32_t slot) const;  // "127.64.0.1"
  uint32_t user(uint32_t slot) const;        // only with users
  uint32_t slots() const { return slots_; }

 private:
  std::string root_;
  os::Users* users_;
  uint32_t block_ = 0, slots_ = 0;
};

}  // namespace mk::node

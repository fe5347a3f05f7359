// Gives Services their cluster addresses (10.96.0.0/12) and node ports (30000-32767), none to two of them.
// What is taken is what the stored Services say, so it is as durable as they are and needs no record of its
// own; what a write on its way was given is held until that write is stored or refused. Thread-safe.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "core/access/mirror.h"
#include "core/objects.h"
#include "os/random.h"

namespace mk::core {

class ServiceAddresses {
 public:
  ServiceAddresses(store::Store& store, os::Random& random);

  // Until this is gone nobody else gets what was given. Outlives neither the store nor us.
  using Hold = std::shared_ptr<const void>;
  // Fills in what `service`, complete and right by itself, leaves open, and takes what it asks for. A cause
  // for each thing that it cannot have; then nothing is held.
  Hold give(const Key& key, Json& service, std::vector<Cause>& causes);

 private:
  using Item = uint64_t;  // an IPv4 address, or kPort + a port
  struct Held;
  // Where free ones are looked for: first above the low part, which is left to those who ask for a number by
  // name.
  struct Range {
    Item first, last, dynamic_first;
  };
  static const Range kAddresses, kPorts;

  void catch_up();
  void forget(const Key& key);
  bool is_free(Item item, const Key& key) const;
  std::optional<Item> choose(const Range& range);
  void give_address(const Key& key, Json& service, Held& held, std::vector<Cause>& causes);
  void give_ports(const Key& key, Json& service, Held& held, std::vector<Cause>& causes);
  void give_back(const Held& held);

  os::Random& random_;
  std::mutex mutex_;  // of all that follows
  Mirror mirror_;
  std::unordered_map<Item, Key> taken_;  // by stored Services
  std::map<Key, std::vector<Item>> by_service_;
  struct Pending {
    Key key;
    size_t writes = 0;
  };
  std::unordered_map<Item, Pending> pending_;  // by writes on their way
};

}  // namespace mk::core

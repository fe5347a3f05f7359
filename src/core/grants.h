// What an object is given out of what all objects share, once it is right by itself: the addresses and node
// ports of a Service, the priority of a Pod, the selector of a Job. Thread-safe.
#pragma once
#include "core/objects.h"
#include "core/service_addresses.h"

namespace mk::core {

class Grants {
 public:
  Grants(store::Store& store, os::Random& random) : store_(store), addresses_(store, random) {}

  // Changes `object`, which has its uid. What comes back is to be kept until the write is stored or refused;
  // null: nothing to keep. `old` is null on create.
  Admitted<ServiceAddresses::Hold> give(const kinds::Kind& kind, const Key& key, Json& object,
                                        const Json* old);

 private:
  Admitted<void> give_priority(const kinds::Kind& kind, Json& pod) const;

  store::Store& store_;
  ServiceAddresses addresses_;
};

}  // namespace mk::core

// Keeps as many Pods of a ReplicaSet as it wants. Pure.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/time.h"
#include "store/store.h"

namespace mk::workloads {

// A Pod as its ReplicaSet looks at it.
struct Replica {
  store::Key key;
  std::string uid;
  Time created, ready_since;  // ready_since unset: not ready
  bool bound = false, running = false, leaving = false, over = false;
  bool all_labels = true;  // carries every label of the template
  int64_t restarts = 0;
};
Replica read_replica(const store::Object& object, const Json& replica_set);

struct ReplicaPlan {
  std::vector<std::string> create;  // names of Pods to make
  std::vector<Replica> remove;
  Json status;
  std::optional<Duration> again;  // until a ready Pod counts as available
};

// Names come from the ReplicaSet's uid and a number, never from chance: a Pod that was made but is not seen
// yet (the reader may be late) is not made twice, its name is taken.
ReplicaPlan plan_replicas(const Json& replica_set, const std::vector<Replica>& pods, Time now);

std::string replica_name(const Json& replica_set, int64_t number);
// The Pod for one name: the template with its owner.
Json replica_pod(const Json& replica_set, const std::string& name);

}  // namespace mk::workloads

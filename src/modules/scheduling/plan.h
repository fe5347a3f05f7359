// Decides where one Pod goes, or says in one sentence why nowhere. Pure.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/quantity.h"

namespace mk::scheduling {

using Resources = std::map<std::string, Quantity, std::less<>>;

// One node with what is left of it.
struct Room {
  std::string name;
  Resources allocatable, used;
  int64_t pods_max = 0, pods = 0;
  bool ready = true, open = true;  // open: not cordoned
  Json labels = Json::object(), taints = Json::array();
};

// What a Pod asks for: the sum of its containers, or its largest init container where that is more.
Resources requests(const Json& pod);

// What the node object offers; nothing used yet.
Room room_of(const Json& node);

struct Placement {
  std::string node;  // empty: nowhere
  std::string why;   // "needs 1 nvidia.com/gpu; no node has one"
};
// The node with most left (by its scarcest resource); among equals the first by name.
Placement place(const Json& pod, const std::vector<Room>& rooms);

}  // namespace mk::scheduling

#include "modules/scheduling/plan.h"

#include <algorithm>
#include <optional>

#include "base/format.h"

namespace mk::scheduling {
namespace {

Quantity quantity(const Json& value) {
  const auto parsed = Quantity::parse(value.is_string() ? std::string(value.text()) : value.dump());
  return parsed ? *parsed : Quantity();
}

Quantity amount(const Resources& resources, std::string_view name) {
  const auto found = resources.find(name);
  return found == resources.end() ? Quantity() : found->second;
}

bool tolerated(const Json& pod, const Json& taint) {
  for (const Json& toleration : pod.at({"spec", "tolerations"}).items()) {
    const std::string_view key = toleration["key"].text(), effect = toleration["effect"].text();
    if (!effect.empty() && effect != taint["effect"].text()) continue;
    if (toleration["operator"].text() == "Exists"
            ? key.empty() || key == taint["key"].text()
            : key == taint["key"].text() && toleration["value"] == taint["value"])
      return true;
  }
  return false;
}

// Why the Pod may not go to this node whatever is free there; empty when it may.
std::string refusal(const Json& pod, const Room& room) {
  if (!room.ready) return fmt::format("node {} is not ready", room.name);
  if (!room.open) return fmt::format("node {} is cordoned", room.name);
  for (const auto& [key, value] : pod.at({"spec", "nodeSelector"}).members())
    if (!(room.labels[key] == value))
      return fmt::format("its nodeSelector wants {}={}, which node {} does not have", key, value.text(),
                         room.name);
  for (const Json& taint : room.taints.items())
    if (taint["effect"].text() != "PreferNoSchedule" && !tolerated(pod, taint))
      return fmt::format("node {} has the taint {}, which the Pod does not tolerate", room.name,
                         taint["key"].text());
  return {};
}

// The first resource that is not left on this node.
const std::string* lacking(const Resources& wanted, const Room& room) {
  for (const auto& [name, need] : wanted)
    if (!need.is_zero() && amount(room.allocatable, name) - amount(room.used, name) < need) return &name;
  return nullptr;
}

// "needs 64 cpu; the largest node has 2", "needs 2 cpu; 500m of 2 are free"
std::string shortage(const std::string& name, const Quantity& need, const std::vector<Room>& rooms) {
  Quantity most, most_free;
  for (const Room& room : rooms) {
    most = std::max(most, amount(room.allocatable, name));
    most_free = std::max(most_free, amount(room.allocatable, name) - amount(room.used, name));
  }
  const std::string needs = fmt::format("needs {} {}", need.text(), name);
  if (most.is_zero())
    return fmt::format("{}; no node has {}", needs, need == Quantity::from_integer(1) ? "one" : "any");
  if (most < need) return fmt::format("{}; the largest node has {}", needs, most.text());
  return fmt::format("{}; {} of {} is free", needs, most_free.text(), most.text());
}

// How full the node would be at its fullest, in thousandths.
int64_t fullness(const Resources& wanted, const Room& room) {
  int64_t worst = 0;
  for (const auto& [name, has] : room.allocatable) {
    const int64_t all = has.milli();
    if (all > 0) {
      const __int128 used = (amount(room.used, name) + amount(wanted, name)).milli();
      worst = std::max(worst, static_cast<int64_t>(used * 1000 / all));
    }
  }
  return worst;
}

}  // namespace

Resources requests(const Json& pod) {
  Resources sum, peak;
  const auto of = [](const Json& container, std::string_view name) {
    const Json& asked = container.at({"resources", "requests"})[name];
    return quantity(asked.is_null() ? container.at({"resources", "limits"})[name] : asked);
  };
  const auto each = [&](std::string_view list, const auto& take) {
    for (const Json& container : pod["spec"][list].items())
      for (std::string_view part : {"requests", "limits"})
        for (const auto& [name, ignored] : container["resources"][part].members())
          // A name in both counts once.
          if (part == "requests" || !container.at({"resources", "requests"}).contains(name))
            take(name, of(container, name));
  };
  each("containers", [&](const std::string& name, Quantity value) {
    sum[name] = sum.contains(name) ? sum[name] + value : value;  // a sum is written as its first part is
  });
  each("initContainers",
       [&](const std::string& name, Quantity value) { peak[name] = std::max(amount(peak, name), value); });
  for (const auto& [name, value] : peak) sum[name] = std::max(amount(sum, name), value);
  return sum;
}

Room room_of(const Json& node) {
  Room room;
  room.name = node.at({"metadata", "name"}).text();
  room.labels = node.at({"metadata", "labels"});
  room.taints = node.at({"spec", "taints"});
  room.open = !node.at({"spec", "unschedulable"}).boolean();
  for (const auto& [name, value] : node.at({"status", "allocatable"}).members()) {
    if (name == "pods")
      room.pods_max = quantity(value).value();
    else
      room.allocatable[name] = quantity(value);
  }
  room.ready = false;
  for (const Json& condition : node.at({"status", "conditions"}).items())
    if (condition["type"].text() == "Ready") room.ready = condition["status"].text() == "True";
  return room;
}

Placement place(const Json& pod, const std::vector<Room>& rooms) {
  if (rooms.empty()) return {{}, "no node is registered"};
  const Resources wanted = requests(pod);
  std::vector<Room> allowed;
  std::string refused, short_of;
  for (const Room& room : rooms) {
    std::string why = refusal(pod, room);
    if (why.empty())
      allowed.push_back(room);
    else if (refused.empty())
      refused = std::move(why);
  }
  if (allowed.empty())
    return {
        {},
        rooms.size() == 1 ? refused : fmt::format("none of {} nodes takes it: {}", rooms.size(), refused)};
  const Room* best = nullptr;
  bool any_lacks = false, full = false;
  for (const Room& room : allowed) {
    if (const std::string* name = lacking(wanted, room)) {
      any_lacks = true;
      if (short_of.empty()) short_of = shortage(*name, amount(wanted, *name), allowed);
      continue;
    }
    if (room.pods >= room.pods_max) {
      full = true;
      continue;
    }
    if (best == nullptr || fullness(wanted, room) < fullness(wanted, *best)) best = &room;
  }
  if (best != nullptr) return {best->name, {}};
  if (any_lacks) return {{}, short_of};
  return {{},
          full ? fmt::format("no node runs another Pod: {} of {} run", allowed[0].pods, allowed[0].pods_max)
               : ""};
}

}  // namespace mk::scheduling

#include "modules/scheduling/controller.h"

#include <memory>
#include <unordered_map>

#include "base/format.h"
#include "modules/scheduling/limits.h"
#include "modules/scheduling/plan.h"

namespace mk::scheduling {
namespace {

constexpr std::string_view kScheduler = "default-scheduler";

bool is_over(const Json& pod) {
  const std::string_view phase = pod.at({"status", "phase"}).text();
  return phase == "Succeeded" || phase == "Failed";
}

// What Pods take of their nodes, read anew only where a Pod changed. Holds bindings that the reader, which
// may be late, has not shown yet, so that no room is given away twice.
class Ledger {
 public:
  std::vector<Room> rooms(const core::Reader& reader) {
    std::map<std::string, Room, std::less<>> rooms;
    for (const core::ObjectRef& node : reader.list({.resource = "nodes"})) {
      Room room = room_of(node->json());
      rooms.emplace(room.name, std::move(room));
    }
    std::unordered_map<std::string, Entry> fresh;
    for (const core::ObjectRef& pod : reader.list({.resource = "pods"})) {
      auto known = pods_.find(pod->uid);
      Entry entry;
      if (known != pods_.end() && known->second.version == pod->version)
        entry = std::move(known->second);
      else
        entry = read(*pod);
      if (const auto assumed = assumed_.find(pod->uid); assumed != assumed_.end()) {
        if (entry.node.empty())
          entry.node = assumed->second;
        else
          assumed_.erase(assumed);
      }
      if (const auto room = rooms.find(entry.node); room != rooms.end() && !entry.over) {
        ++room->second.pods;
        for (const auto& [name, value] : entry.wanted) {
          Quantity& used = room->second.used[name];
          used = used + value;
        }
      }
      fresh.emplace(pod->uid, std::move(entry));
    }
    pods_ = std::move(fresh);
    std::vector<Room> list;
    for (auto& [name, room] : rooms) list.push_back(std::move(room));
    return list;
  }
  void assume(const std::string& uid, const std::string& node) {
    if (assumed_.size() >= kAssumedMax) assumed_.clear();
    assumed_[uid] = node;
    // Read anew, with its node.
    pods_.erase(uid);
  }

 private:
  struct Entry {
    store::Version version = 0;
    std::string node;
    bool over = false;
    Resources wanted;
  };
  static Entry read(const store::Object& object) {
    const Json pod = object.json();
    return {object.version, std::string(pod.at({"spec", "nodeName"}).text()), is_over(pod), requests(pod)};
  }

  std::unordered_map<std::string, Entry> pods_;
  std::unordered_map<std::string, std::string> assumed_;  // uid -> node
};

// Sets PodScheduled=False; false when it says so already.
bool set_unscheduled(Json& pod, std::string_view reason, std::string_view message, Time now) {
  Json& status = pod["status"];
  if (std::as_const(status)["phase"].is_null()) status["phase"] = "Pending";
  Json fresh = Json::object({{"type", "PodScheduled"},
                             {"status", "False"},
                             {"reason", reason},
                             {"message", message},
                             {"lastProbeTime", nullptr},
                             {"lastTransitionTime", now.rfc3339()}});
  for (Json& condition : status["conditions"].items()) {
    if (std::as_const(condition)["type"].text() != "PodScheduled") continue;
    const Json& old = condition;
    if (old["status"].text() == "False" && old["message"].text() == message) return false;
    if (old["status"].text() == "False") fresh["lastTransitionTime"] = old["lastTransitionTime"];
    condition = std::move(fresh);
    return true;
  }
  status["conditions"].push_back(std::move(fresh));
  return true;
}

Result<core::Again> schedule(Ledger& ledger, core::World& world, const core::Key& key) {
  const core::ObjectRef object = world.reader.get(key);
  if (object == nullptr) return core::Again::never();
  Json pod = object->json();
  const Json& spec = std::as_const(pod)["spec"];
  if (!spec["nodeName"].text().empty() || pod["metadata"].contains("deletionTimestamp") || is_over(pod) ||
      spec["schedulerName"].text(kScheduler) != kScheduler)
    return core::Again::never();
  const bool gated = !spec["schedulingGates"].empty();
  const Placement placement = gated ? Placement{{}, "Scheduling is blocked due to non-empty scheduling gates"}
                                    : place(pod, ledger.rooms(world.reader));
  if (placement.node.empty()) {
    if (set_unscheduled(pod, gated ? "SchedulingGated" : "Unschedulable", placement.why, world.clock.now())) {
      auto written = world.writer.update_status(std::move(pod));
      if (!written) return fail(std::move(written).error());
      if (!gated) world.writer.event(*object, "Warning", "FailedScheduling", placement.why);
    }
    return core::Again::in(kLookAgain);
  }
  pod["spec"]["nodeName"] = placement.node;
  auto bound = world.writer.update(std::move(pod));
  if (!bound) return fail(std::move(bound).error());
  ledger.assume(object->uid, placement.node);
  world.writer.event(*object, "Normal", "Scheduled",
                     fmt::format("Successfully assigned {}/{} to {}", key.space, key.name, placement.node));
  return core::Again::never();
}

std::vector<core::Key> waiting_pods(const core::Reader& reader) {
  std::vector<core::Key> keys;
  for (const core::ObjectRef& pod : reader.list({.resource = "pods"}))
    if (pod->body.find("\"nodeName\"") == std::string::npos) keys.push_back(pod->key);
  return keys;
}

}  // namespace

core::Controller make_controller() {
  auto ledger = std::make_shared<Ledger>();
  // A Pod that ends leaves room to those that wait.
  const auto freed = [](const core::Reader& reader, const store::Object& changed) {
    const std::string& body = changed.body;
    const bool over = body.find("\"deletionTimestamp\"") != body.npos ||
                      body.find("\"phase\":\"Succeeded\"") != body.npos ||
                      body.find("\"phase\":\"Failed\"") != body.npos;
    return over ? waiting_pods(reader) : std::vector<core::Key>();
  };
  const auto node_changed = [](const core::Reader& reader, const store::Object&) {
    return waiting_pods(reader);
  };
  return {.name = "scheduler",
          .resource = "pods",
          .related = {{.resource = "nodes", .owner = false, .map = node_changed},
                      {.resource = "pods", .owner = false, .map = freed}},
          .reconcile = [ledger](core::World& world, const core::Key& key) {
            return schedule(*ledger, world, key);
          }};
}

}  // namespace mk::scheduling

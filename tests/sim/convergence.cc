#include "convergence.h"

#include <map>
#include <set>

#include "base/format.h"
#include "kinds/kind.h"
#include "os/files.h"

namespace mk::sim {
namespace {

using store::Key;
using store::ObjectRef;

class Check {
 public:
  explicit Check(World& world) : world_(world) {
    for (const ObjectRef& object : world.objects().store().list({}).objects) {
      objects_[object->key] = object->json();
      uids_.insert(object->uid);
    }
  }

  void run() {
    for (const auto& [key, object] : objects_) {
      leaving(key, object);
      owners(key, object);
      if (!key.space.empty() && !objects_.contains({"namespaces", "", key.space}))
        complain(key, "its namespace is gone");
      if (key.resource == "deployments.apps") deployment(key, object);
      if (key.resource == "replicasets.apps") replica_set(key, object);
      if (key.resource == "pods") pod(key, object);
      if (key.resource == "inferenceservices.serving.kserve.io") service(key, object);
    }
    processes();
    records();
    routes();
  }

 private:
  void complain(const Key& key, const std::string& what) {
    world_.complaints.add(fmt::format("{}: {}", key.text(), what));
  }

  void leaving(const Key& key, const Json& object) {
    if (object["metadata"].contains("deletionTimestamp")) complain(key, "was deleted and is still there");
  }

  void owners(const Key& key, const Json& object) {
    int controllers = 0;
    for (const Json& owner : object.at({"metadata", "ownerReferences"}).items()) {
      controllers += owner["controller"].boolean();
      if (!uids_.contains(std::string(owner["uid"].text())))
        complain(key, fmt::format("an orphan: its owner {} is gone", owner["name"].text()));
    }
    if (controllers > 1) complain(key, fmt::format("owned by {} controllers", controllers));
  }

  void deployment(const Key& key, const Json& object) {
    const int64_t wanted = object.at({"spec", "replicas"}).integer();
    const Json& status = object["status"];
    if (status["observedGeneration"] != object.at({"metadata", "generation"}))
      complain(key, "the last change was not seen");
    for (const char* field : {"replicas", "updatedReplicas", "readyReplicas", "availableReplicas"})
      if (status[field].integer(0) != wanted)
        complain(key, fmt::format("status.{} is {} of {}", field, status[field].integer(0), wanted));
  }

  void replica_set(const Key& key, const Json& object) {
    int64_t pods = 0;
    for (const ObjectRef& owned : world_.objects().store().owned_by(object.at({"metadata", "uid"}).text()))
      pods += owned->key.resource == "pods";
    if (pods != object.at({"spec", "replicas"}).integer())
      complain(key, fmt::format("{} pods of {}", pods, object.at({"spec", "replicas"}).integer()));
  }

  static bool is_true(const Json& object, std::string_view type) {
    for (const Json& condition : object.at({"status", "conditions"}).items())
      if (condition["type"].text() == type) return condition["status"].text() == "True";
    return false;
  }

  void pod(const Key& key, const Json& object) {
    if (object.at({"status", "phase"}).text() != "Running" || !is_true(object, "Ready"))
      complain(key, fmt::format("is not ready: {}", object["status"].dump().substr(0, 600)));
    const std::string address(object.at({"status", "podIP"}).text());
    if (!address.empty() && !addresses_.insert(address).second)
      complain(key, "shares its address with another");
  }

  void service(const Key& key, const Json& object) {
    if (!is_true(object, "Ready"))
      complain(key, fmt::format("is not ready: {}", object["status"].dump().substr(0, 600)));
  }

  // Each container of each pod runs once; nothing else runs.
  void processes() {
    std::map<std::string, int> runs;  // by uid
    for (const std::string& folder : world_.processes.running()) ++runs[world_.records().uid_of(folder)];
    for (const auto& [uid, count] : runs) {
      if (!uids_.contains(uid))
        world_.complaints.add(fmt::format("an orphan: a process of the pod {} that is gone", uid));
      if (count > 1)
        world_.complaints.add(fmt::format("a container of the pod {} runs {} times", uid, count));
    }
    for (const auto& [key, object] : objects_)
      if (key.resource == "pods" && !runs.contains(std::string(object.at({"metadata", "uid"}).text())))
        complain(key, "has no process");
  }

  void records() {
    for (const std::string& uid : os::list_folder(world_.records().root()))
      if (!uids_.contains(uid))
        world_.complaints.add(fmt::format("an orphan: the folder of the pod {} that is gone", uid));
  }

  void routes() {
    const auto snapshot = Json::parse(world_.published_routes());
    std::set<std::string> routed;
    if (snapshot)
      for (const Json& route : (*snapshot)["routes"].items()) routed.emplace(route["service"].text());
    std::set<std::string> services;
    for (const auto& [key, object] : objects_)
      if (key.resource == "inferenceservices.serving.kserve.io") services.insert(key.space + "/" + key.name);
    if (routed != services)
      world_.complaints.add(fmt::format("{} services have routes, {} exist", routed.size(), services.size()));
  }

  World& world_;
  std::map<Key, Json> objects_;
  std::set<std::string> uids_, addresses_;
};

}  // namespace

void check_convergence(World& world) {
  Check(world).run();
}

}  // namespace mk::sim

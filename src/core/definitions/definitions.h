// Kinds that users bring: keeps the registry of kinds as the stored CustomResourceDefinitions say.
// Thread-safe.
#pragma once
#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "core/controller.h"
#include "core/objects.h"

namespace mk::core {

class Definitions {
 public:
  explicit Definitions(Objects& objects) : objects_(objects) {}
  ~Definitions();  // takes its kinds out of the registry

  // Everything that is stored. Once, before anybody asks for kinds.
  void load();
  // Makes the registry say what the definition `name` says now. What wrote a definition calls it before it
  // answers, so that the kind is served by then.
  void refresh(const std::string& name);
  // Told the resource of each kind that comes. Set before load().
  void on_served(std::function<void(const std::string& resource)> call) { on_served_ = std::move(call); }

  // Writes the conditions; ends definitions that are deleted, with their objects.
  Controller controller();

 private:
  struct Served {
    std::string uid, resource;
    int64_t generation = 0;
    bool ending = false;
  };
  void refresh_locked(const std::string& name);
  Result<Again> reconcile(const Key& key);
  Result<Again> end(const ObjectRef& object, const Json& definition);
  Result<void> write_status(const Key& key);

  Objects& objects_;
  std::function<void(const std::string&)> on_served_;
  std::mutex mutex_;
  std::map<std::string, Served> served_;  // by the definition's name
};

// Why the names of `kind` cannot be had, in the reason and message of a condition; empty = they can. `by_us`
// = the program itself brings this kind.
struct NameVerdict {
  std::string reason, message;
  bool by_us = false;
};
NameVerdict judge_names(const kinds::Kind& kind);

}  // namespace mk::core

// metadata.managedFields: who manages which fields of an object, by applying (server-side apply) or by any
// other write. Pure.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "core/managed/typed.h"
#include "kinds/kind.h"

namespace mk::core::managed {

// Who writes. Without a name nothing is recorded, but what is changed is taken from those who managed it.
struct Author {
  std::string_view name;
  std::string_view api_version;  // of what was sent
  std::string_view subresource;  // "", "status" or "scale"
  Time now;
};

struct Entry {
  std::string name, api_version, subresource, time;
  bool applied = false;  // by apply; else by create, update or patch
  // Manages whatever the object has and no other entry names. Whoever makes an object begins so: nothing is
  // written about each field until somebody applies the object, which keeps plain objects small and their
  // writes quick.
  bool rest = false;
  Fields fields;
};

class Managers {
 public:
  // Errors: not what managedFields may hold.
  static Result<Managers> parse(const Json& list);
  Json json() const;  // null when nobody manages anything
  bool empty() const { return entries_.empty(); }

  // Gives the author what it changed, and takes that from everybody else.
  void record(Changes changes, const Author& author);

  Entry* find(const Author& author, bool applied);
  Entry& add(const Author& author, bool applied);
  std::vector<Entry>& entries() { return entries_; }
  const std::vector<Entry>& entries() const { return entries_; }
  void forget_empty();
  // Writes out what the entry of the rest manages of `object`.
  void resolve(const kinds::Kind& kind, const Json& object);

 private:
  void join_oldest();
  std::vector<Entry> entries_;
};

// What managedFields becomes by a create (`old` null), update, patch or status update to `next`. `sent` is
// what the caller had in managedFields: nothing and [] keep what is there, [{}] forgets everything. Null: the
// object has none.
Json after_write(const kinds::Kind& kind, const Json& old, const Json& next, const Json& sent,
                 const Author& author);

// Does a stored object have an entry of the rest, which clients must not see so? `body` is its JSON.
bool is_brief(std::string_view body);
// Writes managedFields out as clients know it.
void write_out(const kinds::Kind& kind, Json& object);

// One field that somebody else manages with another value.
struct Conflict {
  std::string manager;  // "kubectl-edit" using apps/v1
  std::string path;     // .spec.replicas
};

struct Applied {
  Json object;  // still to be defaulted and checked; without managedFields
  Json managed_fields;
  std::vector<Conflict> conflicts;  // when not empty, nothing else counts
};
// Lays `config` over `live` (null: makes an object) and takes out what the author applied before and no
// longer does. Errors: the config makes no sense.
Result<Applied> apply(const kinds::Kind& kind, const Json& live, const Json& config, const Author& author,
                      bool force);

// "Apply failed with 1 conflict: conflict with "kubectl-edit" using apps/v1: .spec.replicas"
std::string conflict_message(const std::vector<Conflict>& conflicts);

bool same_but_for_time(const Json& one, const Json& other);

}  // namespace mk::core::managed

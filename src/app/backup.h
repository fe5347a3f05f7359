// The data folder, copied while it is in use, and brought back. A backup is a folder that holds many
// snapshots:
//   FROM/snapshots/NAME/{manifest.json, store.db}   NAME: when and which version
//   FROM/objects/AB/ABCD...                         artifacts by SHA-256, shared by all snapshots
// A snapshot is there whole or not at all; what an interrupted one has copied serves the next.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "app/layout.h"
#include "base/error.h"

namespace mk::app {

struct Copied {
  std::string snapshot;                // its name
  uint64_t version = 0;                // of the store
  size_t files = 0, files_copied = 0;  // artifacts: in the snapshot, and not there before
  uint64_t bytes_copied = 0;           // with the database
  size_t secrets = 0;                  // that need keys, which are not in it
};

// Everything in the snapshot is of one version of the store. Errors say what to do; the folder that is backed
// up is never changed.
Result<Copied> back_up(const Layout& data, const std::string& to);
std::vector<std::string> snapshots(const std::string& from);  // oldest first
struct RestoreOptions {
  std::string snapshot = {};     // empty: the newest
  std::string keys = {};         // a file of keys for the Secrets, copied into the new folder
  bool without_secrets = false;  // leave them out
};
// `data` must be absent or empty. Checks every byte against the manifest before it becomes visible.
// Without the keys that its Secrets need it is refused: what came of it could not start.
Result<Copied> restore(const std::string& from, const std::string& data, const RestoreOptions& options = {});

}  // namespace mk::app

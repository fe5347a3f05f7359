// Decides what must change to make the world match one InferenceService: which revisions exist, how many replicas
// each has, and who gets which share of the requests.
// Pure: no clock, no I/O, no locks. The same input gives the same decision.
//
// Revisions follow KServe's model (v1beta1 canaryTrafficPercent): a change of the predictor makes a new revision; it
// gets no request before it is ready; without canaryTrafficPercent it then gets all of them and is "rolled out"; with
// it, it gets that share and the rolled-out revision keeps the rest.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "dataplane/config/routing.h"

namespace mk::serving {

struct Wanted {
  std::string name;                   // of the InferenceService
  std::string predictor_hash;         // of everything that makes a revision; see spec.h
  std::optional<int> canary_percent;  // 0..100
  int replicas = 1;
  bool stopped = false;               // being deleted or stopped: no revisions
};

// Why a revision does not become ready.
struct RevisionFailure {
  std::string message;   // one sentence; empty: nothing failed
  std::string pod;       // where
  bool loading = false;  // its process ran and ended; else it never came so far
  int exit_code = 0;
  bool empty() const { return message.empty(); }
};

struct Revision {
  std::string name;      // "wine-predictor-00002"
  int number = 0;
  std::string predictor_hash;
  int replicas_wanted = 0;
  std::vector<routing::Endpoint> ready_endpoints;
  RevisionFailure failure;  // empty while it may become ready
  Time idle_since;       // when it dropped out of the traffic; unset while it is in it
  bool leaving = false;  // out of the traffic, and the gateway still waits for answers of it
  bool ready() const { return !ready_endpoints.empty(); }
};

// What keeps the wanted revision from being made yet, if anything.
struct Preparation {
  enum class State { kReady, kWorking, kFailed } state = State::kReady;
  std::string reason;   // "BuildingEnvironment", "ModelNotFound"
  std::string message;
};

struct Observed {
  std::vector<Revision> revisions;   // ordered by number
  std::string rolled_out;            // the revision that last had all traffic; empty at first
  std::string previously_rolled_out;
  Preparation preparation;
};

struct Action {
  enum class Kind { kCreate, kScale, kMarkIdle, kMarkBusy, kDelete } kind;
  std::string revision;
  int number = 0;    // kCreate
  int replicas = 0;  // kCreate, kScale
  bool operator==(const Action&) const = default;
};

struct Share {
  std::string revision;
  int percent = 0;
  bool latest = false;
  bool operator==(const Share&) const = default;
};

struct Decision {
  std::vector<Action> actions;
  std::vector<Share> traffic;          // sums to 100, or empty while nothing is ready
  std::string latest_created, latest_ready, rolled_out, previously_rolled_out;
  bool ready = false;                  // all that is wanted is so
  std::string reason, message;         // why not, in one sentence
  bool latest_failed = false;
  std::optional<Duration> again;       // look once more after this
};

Decision plan(const Wanted& wanted, const Observed& seen, Time now);

std::string revision_name(std::string_view service, int number);

}  // namespace mk::serving

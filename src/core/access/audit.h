// Who did what, when, from where, with what outcome: JSON lines in DATA/audit, rotated by size, so bounded. Never a body, a
// header or a query. What cannot be written fast enough is counted and dropped. Thread-safe; record() never waits.
#pragma once
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "core/access.h"
#include "os/executor.h"

namespace mk::core {

struct AuditEntry {
  std::string user, as;  // who called, and for whom they spoke, if for another
  std::string verb, resource, space, name;
  std::string path;    // for what is no object
  std::string source;  // the caller's address
  int status = 0;      // HTTP
  Duration latency;    // until the answer began
};

// Whether a call of this kind leaves a line: every refusal, every change of what is declared, everything about secrets. Not
// what is merely read, and not the stream of metrics.
bool is_audited(const Ask& ask, bool refused);

class Audit {
 public:
  static Result<std::unique_ptr<Audit>> open(std::string folder, os::Executor& executor);
  ~Audit();  // writes what waits
  Audit(const Audit&) = delete;
  Audit& operator=(const Audit&) = delete;

  void record(AuditEntry entry);
  void flush();  // waits until what was recorded lies in the file

 private:
  Audit(std::string folder, os::Executor& executor);
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace mk::core

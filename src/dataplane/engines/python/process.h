// One Python process that has a model loaded: see runtimes/python/worker.py.
#pragma once
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "dataplane/engines/python/frame.h"
#include "dataplane/engines/python/workers.h"
#include "os/sandbox.h"

namespace mk::dataplane::python {

// Used by one thread at a time, but for interrupt().
class Process {
 public:
  // `number` tells the processes of one model server apart.
  Process(const WorkerOptions& options, int number) : options_(options), number_(number) {}
  ~Process() { end(); }

  // Starts it and waits for the model; gives its first frame, which describes the model. On a thread that outlives the
  // process, because the kernel ends a child with the thread that started it.
  Result<Frame> start();
  // One request. After an error the process has to be ended: the channel may stand anywhere.
  Result<Frame> ask(const std::vector<Tensor>& inputs, Duration until);
  // False when it ended by itself. Only between requests.
  bool lives() const;
  // Kills it, if it runs.
  os::ExitStatus end();
  // From any thread: what waits for this process gives up, now and later.
  void interrupt();

 private:
  os::Program make_program(int channel) const;
  os::Sandbox make_sandbox() const;

  const WorkerOptions& options_;
  const int number_;
  int pid_ = -1;
  std::mutex mutex_;  // interrupt() against the end of the channel
  int channel_ = -1;
  bool interrupted_ = false;
};

}  // namespace mk::dataplane::python

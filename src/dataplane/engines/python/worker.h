// Models in Python: a worker process with the model's own environment, in a sandbox, over one socket.
//
// Pickles and user code run there and nowhere else. A worker that dies is started again with a growing pause; one that
// does not answer in time is killed. Meanwhile requests get kUnavailable and the reason.
#pragma once
#include <memory>
#include <string>

#include "base/error.h"
#include "base/time.h"
#include "dataplane/engines/engine.h"

namespace mk::dataplane::python {

struct WorkerOptions {
  std::string environment;  // folder with bin/python
  std::string folder;       // the model's folder, readable in the sandbox
  std::string file;         // of the loader "sklearn"
  std::string loader;       // "pyfunc": an MLflow model; "sklearn": a pickled estimator
  bool sandboxed = true;
  uint64_t memory_bytes_max = uint64_t{4} << 30;
  Duration load_deadline = Duration::from_seconds(180);
};

// Starts the worker and waits until the model is loaded. The error is the worker's own last sentence.
Result<std::unique_ptr<Engine>> start_worker(WorkerOptions options);

// Whether an MLflow model loads in an environment, in the run sandbox.
Result<void> try_model(const std::string& folder, const std::string& environment);

}  // namespace mk::dataplane::python

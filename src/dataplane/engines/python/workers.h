// Models in Python: worker processes with the model's own environment, each in a sandbox of its own, over one socket
// each.
//
// Pickles and user code run there and nowhere else. One process works on one request at a time; a further one starts
// when a request finds all of them busy. One that dies fails only the request that it worked on and is started again,
// with a growing pause if it answered nothing; one that does not answer in time is killed.
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
  int processes_max = 1;    // each holds the model in its own memory
  bool sandboxed = true;
  uint64_t memory_bytes_max = uint64_t{4} << 30;  // of each
  Duration load_deadline = Duration::from_seconds(180);
};

// Starts the first worker and waits until the model is loaded. The error is the worker's own last sentence.
Result<std::unique_ptr<Engine>> start_workers(WorkerOptions options);

// Whether an MLflow model loads in an environment, in the run sandbox.
Result<void> try_model(const std::string& folder, const std::string& environment);

}  // namespace mk::dataplane::python

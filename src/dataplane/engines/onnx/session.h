// A model in ONNX Runtime. Runs on the calling thread (and on no other unless asked for more).
#pragma once
#include <memory>
#include <string>

#include "base/error.h"
#include "base/time.h"
#include "dataplane/engines/engine.h"

namespace mk::dataplane::onnx {

struct SessionOptions {
  int threads = 1;   // of one run
  Duration awake = {};  // how long an idle one looks for work before it sleeps: quicker, and takes the processor from others
  std::string library;  // where ONNX Runtime is; empty = see library_candidates
  bool try_batching = true;
};

// Loads the model file. The error says what the file lacks or which input or output we cannot carry.
// Sequences of maps, which scikit-learn classifiers give (ZipMap), come out as one tensor [rows, classes], classes in
// the maps' key order; other sequences, maps and sparse tensors are refused at load.
Result<std::unique_ptr<Engine>> load_session(const std::string& file, const SessionOptions& options = {});

}  // namespace mk::dataplane::onnx

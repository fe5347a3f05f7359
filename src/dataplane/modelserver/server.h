// The model server: one model behind the Open Inference Protocol V2 over HTTP. `modelkit model-server` runs it, in a
// Pod or by hand.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "base/error.h"
#include "base/time.h"

namespace mk::dataplane {

struct ModelServerOptions {
  std::string name;                   // in the routes; empty = the folder's name
  std::string version = "1";
  std::string folder;                 // or an .onnx file
  std::string address = "127.0.0.1";
  uint16_t port = 8080;               // 0 = any
  std::string environment;            // a Python environment (see node/environments), for models in Python
  std::string onnxruntime;            // folder or file of the library; empty = found
  int threads = 0;                    // of one run of ONNX Runtime; 0 = see Server::load_onnx
  int64_t batch_rows_max = 32;        // 1 = requests never share a run
  Duration run_deadline = Duration::from_seconds(60);     // of one request, waiting included
  int workers_max = 0;                // Python processes of the model; 0 = one a processor, at most 4
  uint64_t worker_memory_bytes_max = uint64_t{4} << 30;
  Duration load_deadline = Duration::from_seconds(180);  // of a model in Python
  bool sandbox = true;                // false: the Python worker can do what we can; for trusted models and tests
};

// A running server. Its health answers from the start; it is ready once the model is loaded.
class ModelServer {
 public:
  virtual ~ModelServer() = default;
  virtual uint16_t port() const = 0;
  // Loads the model; blocks. Afterwards ready and infer answer.
  virtual Result<void> load() = 0;
  virtual void drain(Duration deadline) = 0;
};

Result<std::unique_ptr<ModelServer>> start_model_server(ModelServerOptions options);

// Starts, loads and serves until SIGTERM or SIGINT, then drains. The error of a model that does not load is one
// sentence for its owner.
Result<int> run_model_server(ModelServerOptions options);

}  // namespace mk::dataplane

// What one module needs of another without including it: implemented once per mode, handed over in app/.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "store/store.h"

namespace mk::core {

// Logs of Pods (exec joins later). Implemented by node/.
class PodIo {
 public:
  struct LogOptions {
    std::string container;  // empty = the only one
    bool follow = false;
    bool previous = false;  // of the container's last life
    bool timestamps = false;
    std::optional<int64_t> tail_lines;
    std::optional<int64_t> since_seconds;
    std::optional<int64_t> limit_bytes;
  };
  // Feeds whole chunks to `sink` until the end, or until sink returns false. Runs on the calling thread; with
  // follow it blocks until the Pod ends or `stopped` returns true.
  virtual ~PodIo() = default;
  virtual Result<void> logs(const store::Key& pod, const LogOptions& options,
                            const std::function<bool(std::string_view)>& sink,
                            const std::function<bool()>& stopped) = 0;
};

// What Pods and their machine use now. Implemented by node/. Thread-safe; reads all of /proc, so never on an I/O thread.
class UsageMeter {
 public:
  struct Amount {
    int64_t nanocores = 0;  // the mean over `window`
    int64_t memory_bytes = 0;
    Duration window;  // 0: nothing runs
  };
  virtual ~UsageMeter() = default;
  // By container, of those that run here now.
  virtual std::map<store::Key, std::map<std::string, Amount>> pods(const std::vector<store::ObjectRef>& pods) = 0;
  virtual Amount machine() = 0;
  virtual std::string node_name() const = 0;
};

// What a model URI stands for now. Implemented by modules/registry.
struct ResolvedModel {
  std::string folder;   // local, read-only, holds MLmodel or the model file itself
  std::string name;     // "wine", empty for runs:/ and file:
  std::string version;  // "3", empty likewise
  std::string digest;   // changes when the bytes or the version an alias names change
};
class ModelResolver {
 public:
  virtual ~ModelResolver() = default;
  // models:/NAME/VERSION, models:/NAME@ALIAS, models:/m-ID, runs:/RUN/PATH, file:///PATH beneath an allowed
  // root.
  virtual Result<ResolvedModel> resolve(std::string_view uri) = 0;
  // Called (any thread) when what a URI stands for may have changed: an alias moved, a version was deleted.
  virtual void on_change(std::function<void()> call) = 0;
};

// What the registry and the artifact routes must know of runs and experiments. Implemented by
// modules/tracking.
class RunDirectory {
 public:
  struct Run {
    std::string id, experiment_id;
    std::string artifact_uri;  // "mlflow-artifacts:/1/<run>/artifacts"
  };
  struct Experiment {
    std::string id;
    std::string artifact_location;  // "mlflow-artifacts:/1"
  };
  virtual ~RunDirectory() = default;
  virtual Result<Run> run(std::string_view id) const = 0;                // kNotFound when absent
  virtual Result<Experiment> experiment(std::string_view id) const = 0;  // kNotFound when absent or deleted
};

// A metric point that names a logged model (log_metric(model_id=...)). modules/tracking hands these over
// inside the Txn that records the point for its run, so both are there or neither; modules/registry keeps
// them by model.
struct ModelMetric {
  std::string model_id, run_id, key;
  double value = 0;
  int64_t timestamp_ms = 0, step = 0;
  std::string dataset_name, dataset_digest;  // empty when the point is about no data set
};
using RecordModelMetrics = std::function<Result<void>(store::RowWriter&, const std::vector<ModelMetric>&)>;

// The Python environment that a model needs, made once and shared by its lock hash. Implemented by node/.
class Environments {
 public:
  struct State {
    enum class Phase : uint8_t { kNotNeeded, kReady, kWorking, kFailed } phase = Phase::kNotNeeded;
    std::string path;     // kReady: the environment's folder
    std::string message;  // kWorking: what is being done; kFailed: why not, one sentence with the next step
  };
  virtual ~Environments() = default;
  // Starts the work when it is not done yet; never blocks on it.
  virtual State ensure(const std::string& model_folder) = 0;
  // Called (any thread) when a state may have changed.
  virtual void on_change(std::function<void()> call) = 0;
};

}  // namespace mk::core

// Experiments, runs and what they log: the one door for protocols. Checks everything it is given; nothing is
// acknowledged before it is durable. Thread-safe.
//
// Calls with a `done` are for the hot path: they never block, and call back on the store's writer thread (or
// at once, on the caller's, when the input is refused). All others block on the store: never on an I/O
// thread.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "core/ports.h"
#include "modules/tracking/experiment_search.h"
#include "modules/tracking/history.h"
#include "modules/tracking/repository.h"
#include "modules/tracking/run_index.h"
#include "os/clock.h"
#include "os/executor.h"
#include "os/random.h"
#include "store/store.h"

namespace mk::tracking {

struct NewExperiment {
  std::string name;
  std::string artifact_location;  // empty = mlflow-artifacts:/ID
  std::vector<Tag> tags;
};

struct NewRun {
  int64_t experiment = 0;
  std::string name, user;
  std::optional<int64_t> start_ms;  // unset = now
  std::vector<Tag> tags;
};
struct CreatedRun {
  RunInfo info;
  std::vector<Tag> tags;
};

struct RunUpdate {
  std::string run_id;
  std::optional<RunStatus> status;
  std::optional<int64_t> end_ms;
  std::string name;  // empty = as it is
};

struct RunPage {
  RunList list;
  std::string next_page_token;
};

template <typename T>
using Done = std::function<void(Result<T>)>;

class Tracking {
 public:
  struct Parts {
    store::Store& store;  // with schema() among its schemas
    os::Executor& executor;
    const os::Clock& clock;
    os::Random& random;
    // Records points that belong to a logged model, in the same transaction. Unset: they are only the run's.
    core::RecordModelMetrics record_model_metrics = {};
  };
  // Makes the experiment "0" if this is a new store.
  static Result<std::unique_ptr<Tracking>> open(Parts parts);
  ~Tracking();  // waits for what was submitted

  Result<int64_t> create_experiment(NewExperiment wanted);
  Result<Experiment> get_experiment(int64_t id) const;
  Result<Experiment> get_experiment(std::string_view name) const;
  Result<ExperimentPage> search_experiments(const ExperimentQuery& query) const;
  Result<void> delete_experiment(int64_t id);   // and its runs
  Result<void> restore_experiment(int64_t id);  // and its runs
  Result<void> rename_experiment(int64_t id, std::string_view name);
  Result<void> set_experiment_tag(int64_t id, const Tag& tag);
  Result<void> delete_experiment_tag(int64_t id, std::string_view key);
  Result<std::vector<DatasetSummary>> search_datasets(const std::vector<int64_t>& experiments) const;

  void create_run(NewRun wanted, Done<CreatedRun> done);
  void update_run(RunUpdate update, Done<RunInfo> done);
  void log(Batch batch, Done<void> done);
  Result<RunList> get_run(std::string_view run_id) const;
  Result<RunPage> search_runs(const RunQuery& query);
  Result<void> delete_run(std::string_view run_id);
  Result<void> restore_run(std::string_view run_id);
  Result<void> delete_tag(std::string_view run_id, std::string_view key);
  Result<void> log_inputs(std::string_view run_id, std::vector<DatasetInput> datasets,
                          const std::vector<std::string>& models);
  Result<void> log_outputs(std::string_view run_id, const std::vector<ModelOutput>& models);
  // MLflow 2's record of a logged model: appended to a tag of the run.
  Result<void> log_model_record(std::string_view run_id, std::string_view model_json);

  // All of these fail with kNotFound when there is no such run; an unknown metric has no points.
  Result<HistoryPage> metric_history(std::string_view run_id, std::string_view key, size_t points_max,
                                     std::string_view page_token);
  Result<std::vector<Point>> sampled_history(std::string_view run_id, std::string_view key, size_t points_max,
                                             std::optional<std::pair<int64_t, int64_t>> steps);

  // What the registry and the artifact routes may know. Lives as long as this.
  const core::RunDirectory& directory() const { return *directory_; }

  size_t index_bytes() const { return index_.bytes(); }

 private:
  explicit Tracking(Parts parts);
  Result<void> need_run(std::string_view run_id) const;
  Result<void> write(std::function<Result<void>(store::RowWriter&)> rows);
  // A rare write to one active run, which the read model then reads again.
  Result<void> write_run(std::string_view run_id,
                         const std::function<Result<void>(store::RowWriter&, const RunPlace&)>& rows);
  Result<void> move_run(std::string_view run_id, Stage stage);
  Result<void> move_experiment(int64_t id, Stage stage);

  Parts parts_;
  RunIndex index_;
  std::shared_ptr<History> history_;
  std::unique_ptr<const core::RunDirectory> directory_;
};

}  // namespace mk::tracking

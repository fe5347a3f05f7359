// A small world for tests of controllers: a memory store with admission, virtual time, seeded order, and, on
// request, everything that makes a cluster hard (see LaggyStore). Time moves only in run_for.
//
//   testing::TestWorld w({.seed = 7, .cluster_like = true});
//   w.add(my_controller());
//   w.apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}");
//   w.run_for(10_s);
//   CHECK(w.get("configmaps", "a").at({"data", "x"}).text() == "1");
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/controller.h"
#include "core/events.h"
#include "core/objects.h"
#include "core/store_access.h"
#include "core/testing/laggy_store.h"
#include "core/testing/simulated_store.h"

namespace mk::core::testing {

class TestWorld {
 public:
  struct Options {
    uint64_t seed = 1;
    bool cluster_like = false;  // late views, merged changes, relists, conflicts, writes that fail
    bool services = true;       // garbage collection and ending namespaces, as in the embedded mode
    LaggyStore::Lag lag = {};   // for cluster_like
    SimulatedStore::Faults faults = {.conflict_percent = 10, .unavailable_percent = 2};  // for cluster_like
  };
  TestWorld();
  explicit TestWorld(Options options);
  ~TestWorld();

  void add(Controller controller);  // before the first run_for
  void run_for(Duration span);
  void restart();  // controllers stop and start anew, as after a crash
  // Faults off, then time passes: what must hold in the end, must hold after this.
  void calm(Duration span);

  // What a person does. All documents of `yaml`, each created, or replaced when it exists; fails the test if
  // refused.
  void apply(std::string_view yaml);
  void edit(std::string_view resource, std::string_view name, const std::function<void(Json&)>& change);
  void edit_status(std::string_view resource, std::string_view name,
                   const std::function<void(Json&)>& change);
  void remove(std::string_view resource, std::string_view name, const RemoveOptions& options = {});

  // The true state. Names are in namespace "default" unless they say "namespace/name".
  Json get(std::string_view resource, std::string_view name) const;  // null when absent
  std::vector<Json> list(std::string_view resource) const;           // of all namespaces
  // "Warning BackOff: message (x3)" of every Event about objects of this name.
  std::vector<std::string> events(std::string_view name) const;

  Objects& objects() { return objects_; }
  Reader& reader() { return reader_; }  // what controllers see
  Writer& writer() { return writer_; }
  ControllerHost& host();
  os::SimulatedExecutor& executor() { return executor_; }

 private:
  void start();
  Key key_of(std::string_view resource, std::string_view name) const;
  void change(std::string_view resource, std::string_view name, bool status,
              const std::function<void(Json&)>& change);

  const Options options_;
  os::SimulatedExecutor executor_;
  os::SeededRandom random_;
  SimulatedStore store_;
  Objects objects_;
  std::unique_ptr<LaggyStore> late_;  // null when not cluster-like
  store::Store& view_;                // what controllers read and watch
  EventRecorder events_;
  StoreReader reader_;
  StoreWriter writer_;
  StoreReader true_reader_;
  std::vector<Controller> controllers_;
  std::unique_ptr<ControllerHost> host_, services_;
};

}  // namespace mk::core::testing

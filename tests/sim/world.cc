#include "world.h"

#include <cstdio>
#include <filesystem>
#include <stdexcept>

#include "base/format.h"
#include "base/log.h"
#include "core/bootstrap.h"
#include "core/garbage.h"
#include "core/namespaces.h"
#include "core/retention.h"
#include "core/store_access.h"
#include "core/testing/laggy_store.h"
#include "modules/scheduling/controller.h"
#include "modules/serving/controller.h"
#include "modules/workloads/controllers.h"
#include "node/agent.h"
#include "os/files.h"
#include "store/testing/fault_vfs.h"

namespace mk::sim {
namespace {

constexpr Duration kAgentAway = Duration::from_seconds(8);
constexpr Duration kReadOnlyFor = Duration::from_seconds(5);  // then somebody restarts it
constexpr int kStartAttemptsMax = 8;

struct Models final : core::ModelResolver {
  explicit Models(std::string folder) : folder_(std::move(folder)) {}
  Result<core::ResolvedModel> resolve(std::string_view uri) override {
    const std::string version(uri.substr(uri.rfind('/') + 1));
    const std::string folder = folder_ + "/wine-" + version;
    MK_OK(os::make_folder(folder));
    return core::ResolvedModel{folder, "wine", version, "digest-" + version};
  }
  void on_change(std::function<void()>) override {}

 private:
  const std::string folder_;
};

struct NoEnvironments final : core::Environments {
  State ensure(const std::string&) override { return {}; }
  void on_change(std::function<void()>) override {}
};

// A planted bug: what exists already is adopted, whoever it belongs to.
class AdoptingWriter final : public core::Writer {
 public:
  AdoptingWriter(core::Writer& real, store::Store& store) : real_(real), store_(store) {}
  Result<core::ObjectRef> create(Json object) override {
    const Json wanted = object;
    auto made = real_.create(std::move(object));
    if (made || made.error().code != Code::kAlreadyExists) return made;
    const kinds::Kind* kind = kinds::find_kind_of(wanted);
    const core::ObjectRef there =
        store_.get({kind->resource(), std::string(wanted.at({"metadata", "namespace"}).text()),
                    std::string(wanted.at({"metadata", "name"}).text())});
    if (!there) return made;
    Json body = there->json();
    for (const Json& owner : wanted.at({"metadata", "ownerReferences"}).items()) {
      bool has = false;
      for (const Json& other : std::as_const(body).at({"metadata", "ownerReferences"}).items())
        has = has || other["uid"] == owner["uid"];
      if (!has && std::as_const(body).at({"metadata", "ownerReferences"}).is_array())
        body["metadata"]["ownerReferences"].items().push_back(owner);
    }
    store::Txn txn;
    txn.objects.push_back({store::ObjectOp::Kind::kUpdate, there->key, std::move(body), there->version});
    auto adopted = store_.commit(std::move(txn));
    if (!adopted) return fail(std::move(adopted).error());
    return adopted->objects[0];
  }
  Result<core::ObjectRef> update(Json object) override { return real_.update(std::move(object)); }
  Result<core::ObjectRef> update_status(Json object) override {
    return real_.update_status(std::move(object));
  }
  Result<void> remove(const store::Key& key, std::optional<std::string> uid,
                      std::optional<int64_t> grace) override {
    return real_.remove(key, std::move(uid), grace);
  }
  void event(const store::Object& about, std::string_view type, std::string_view reason,
             std::string_view message) override {
    real_.event(about, type, reason, message);
  }

 private:
  core::Writer& real_;
  store::Store& store_;
};

}  // namespace

// One life of the control plane. Members are built top to bottom and destroyed bottom to top.
struct World::Life {
  Life(World& w, std::unique_ptr<store::Store> real)
      : world(w),
        store(std::move(real), {w.model, w.complaints, w.executor, w.random, w.ring_max_, w.options.bug}),
        objects(store, w.executor.clock(), w.ids_),
        late(w.laggy_
                 ? std::make_unique<core::testing::LaggyStore>(
                       store, store.on_commit, w.executor, w.random.next(), core::testing::LaggyStore::Lag{})
                 : nullptr),
        view(late ? static_cast<store::Store&>(*late) : store),
        events(objects, "modelkit"),
        reader(view),
        true_reader(store),
        writer(objects, events, "controllers"),
        adopting(writer, store),
        models(w.options.folder + "/models"),
        routes(serving::Routes::open(w.options.folder + "/gateway").value()),
        services(store, true_reader, writer, w.executor),
        host(view, reader, w.options.bug == Bug::kTwoOwners ? static_cast<core::Writer&>(adopting) : writer,
             w.executor),
        retention(objects, w.executor) {}
  ~Life() { agent.reset(); }  // its processes outlive it, and must not call it

  Result<void> start() {
    MK_OK(core::make_first_objects(objects));
    services.add(core::garbage_collector(objects));
    services.add(core::namespace_controller(objects));
    for (core::Controller& controller : workloads::make_controllers()) add(std::move(controller));
    add(scheduling::make_controller());
    add(serving::make_controller({models, environments, routes, "http://127.0.0.1:7080"}));
    std::vector<std::string> served;
    for (const store::ObjectRef& service : store.list({std::string(serving::kServices), {}}).objects)
      served.push_back(service->key.space + "/" + service->key.name);
    MK_OK(routes.retain(served));
    open_agent();
    core::Controller pods = agent->controller();
    pods.reconcile = [this](core::World& w, const store::Key& key) -> Result<core::Again> {
      if (!agent) return core::Again::never();  // it looks at all when it is back
      return agent->controller().reconcile(w, key);
    };
    for (auto& related : pods.related)
      related.map = [this](const core::Reader& from, const store::Object& object) {
        return agent ? agent->controller().related[0].map(from, object) : std::vector<store::Key>{};
      };
    add(std::move(pods));
    add(node::registration(node::testing::PodWorld::machine(), "sim"));
    services.start();
    host.start();
    wake_node();
    retention.start();
    return {};
  }

  void add(core::Controller controller) {
    if (world.options.bug == Bug::kLostRequeue) {
      controller.reconcile = [this, real = controller.reconcile](core::World& w, const store::Key& key) {
        auto result = real(w, key);
        return result || world.random.below(4) > 0 ? result : core::Again::never();
      };
    }
    host.add(std::move(controller));
  }

  void open_agent() {
    node::AgentSettings settings;
    settings.node_name = "n1";
    settings.data = world.options.folder;
    settings.self = "/usr/bin/true";
    agent = std::make_unique<node::Agent>(settings, node::PodRecords(world.options.folder + "/pods"),
                                          world.stepped, world.probes, world.shared_executor());
    const auto adopted =
        agent->adopt([this](const store::Key& key) { host.wake(node::Agent::kControllerName, key); });
    MK_CHECK(adopted);
  }
  void wake_node() {
    host.wake("node", node::node_key(node::testing::PodWorld::machine()));
    agent->wake_all();
  }
  void lose_agent() {
    agent.reset();
    world.executor.post_after(kAgentAway, [this, here = std::weak_ptr<bool>(alive)] {
      if (!here.lock()) return;
      open_agent();
      wake_node();
      for (const store::ObjectRef& pod : store.list({"pods", {}}).objects)
        host.wake(node::Agent::kControllerName, pod->key);
    });
  }

  World& world;
  SimStore store;
  core::Objects objects;
  std::unique_ptr<core::testing::LaggyStore> late;
  store::Store& view;
  core::EventRecorder events;
  core::StoreReader reader, true_reader;
  core::StoreWriter writer;
  AdoptingWriter adopting;
  Models models;
  NoEnvironments environments;
  serving::Routes routes;
  core::ControllerHost services, host;
  core::Retention retention;
  std::unique_ptr<node::Agent> agent;
  std::shared_ptr<bool> alive = std::make_shared<bool>(true);
};

World::World(const Options& o)
    : options(o),
      executor(o.seed),
      random(o.seed * 31 + 7),
      model(complaints),
      processes(executor.clock()),
      probes(std::make_shared<node::testing::SaidProbes>()),
      laggy_(o.seed % 2 == 0),
      ring_max_(!laggy_ && o.seed % 3 == 0 ? 40 : 10'000),
      ids_(o.seed * 17 + 3) {
  log::set_level(o.verbose ? log::Level::kInfo : static_cast<log::Level>(99));
  store::register_fault_vfs();
  store::FaultPlan& plan = store::fault_plan();
  plan.reset();
  plan.seed = o.seed;
  plan.lose_unsynced = true;
  plan.leak_one_in = o.seed % 4 == 0 ? 0 : 3;
  plan.ignore_syncs = o.bug == Bug::kAckBeforeSync;
  MK_CHECK(os::make_folder(options.folder + "/gateway"));
  start();
}

World::~World() {
  store::fault_plan().steps_left = 0;
  end_life();
  store::fault_plan().reset();
  executor.drop_tasks();
}

void World::note(const std::string& what) {
  if (options.verbose) fmt::print("{:10.3f} {}\n", executor.clock().monotonic().seconds() - 1.7e9, what);
}

std::shared_ptr<os::Executor> World::shared_executor() {
  return {std::shared_ptr<void>(), &executor};
}

core::Objects& World::objects() {
  return life_->objects;
}
const node::PodRecords& World::records() const {
  return life_->agent->records();
}
bool World::idle() const {
  return life_->host.waiting() == 0 && life_->services.waiting() == 0;
}

// ---- processes

namespace {
Failure machine_is_down() {
  return fail(Code::kUnavailable, "process_control", "the machine is down");
}
}  // namespace

Result<os::ProcessState> SteppedProcesses::start(const std::string& folder, const os::ProcessSpec& spec) {
  if (store::fault_plan().step()) return machine_is_down();
  return real_.start(folder, spec);
}
Result<void> SteppedProcesses::stop(const std::string& folder, Duration grace) {
  if (store::fault_plan().step()) return machine_is_down();
  return real_.stop(folder, grace);
}
Result<void> SteppedProcesses::signal(const std::string& folder, int number) {
  if (store::fault_plan().step()) return machine_is_down();
  return real_.signal(folder, number);
}

// ---- lives

bool World::try_start() {
  store::FaultPlan& plan = store::fault_plan();
  // What is done to the folder of Pods in the moments after the machine went down never happened.
  const std::string pods = options.folder + "/pods", then = options.folder + "/pods-then";
  plan.on_crash = [pods, then] {
    std::error_code error;
    std::filesystem::rename(pods, then, error);
  };
  if (std::filesystem::exists(then)) {
    std::filesystem::remove_all(pods);
    std::filesystem::rename(then, pods);
  }
  read_only_seen_ = false;
  ++lives;
  store::StoreOptions how;
  how.path = options.folder + "/m.db";
  how.vfs = store::kFaultVfs;
  how.executor = &executor;
  how.watch_ring_events_max = ring_max_;
  auto opened = store::open_store(std::move(how));
  if (!opened) {
    if (!plan.crashed()) complaints.add("the store does not open: " + opened.error().sentence());
    return false;
  }
  model.compare_after_restart(**opened);
  life_ = std::make_unique<Life>(*this, *std::move(opened));
  if (life_->start() && !plan.crashed()) return true;
  if (!plan.crashed()) complaints.add("the control plane does not start");
  return false;
}

void World::start() {
  for (int attempt = 0; attempt < kStartAttemptsMax; ++attempt) {
    store::fault_plan().steps_left = -1;
    // Now and then the start dies, too.
    if (!calm_ && lives > 0 && random.below(5) == 0 && attempt < 3)
      store::fault_plan().steps_left = static_cast<int>(1 + random.below(20));
    if (try_start()) {
      if (calm_ || lives == 1) return;
      life_->store.faults = {.conflict_percent = static_cast<unsigned>(random.below(15)),
                             .unavailable_percent = static_cast<unsigned>(random.below(5)),
                             .slow_percent = static_cast<unsigned>(random.below(3))};
      return;
    }
    if (complaints.any()) break;
    end_life();
  }
  if (!life_) {
    complaints.add("no life could be started");
    throw std::runtime_error("no life");  // only main catches it: the run is over
  }
}

// The process is gone, with all that it had in memory. What it wrote is in the kernel, if power was not lost
// as well.
void World::end_life() {
  store::FaultPlan& plan = store::fault_plan();
  const bool power = !calm_ && random.below(2) == 0;
  if (!plan.crashed()) {
    plan.steps_left = 0;
    if (plan.on_crash) plan.on_crash();
  }
  if (!power) store::write_back_all();
  executor.drop_tasks();
  life_.reset();
  executor.drop_tasks();
  plan.syncs_left = -1;
  if (power) lose_power();
  note(power ? "power was lost" : "killed");
}

// Processes are gone, and records that nobody synced may be.
void World::lose_power() {
  for (auto& [folder, run] : processes.runs) {
    if (!run.state.running()) continue;
    run.state.phase = os::ProcessState::Phase::kExited;
    run.state.finished = executor.clock().now();
    run.state.exit_code = 137;
    run.state.reason = "Lost";
  }
  std::string pods = options.folder + "/pods-then";
  if (!os::exists(pods)) pods = options.folder + "/pods";
  for (const std::string& uid : os::list_folder(pods)) {
    const uint64_t fate = random.below(6);
    if (fate == 0) (void)os::write_file(pods + "/" + uid + "/pod.json", "");
    if (fate == 1) std::filesystem::remove_all(pods + "/" + uid);
    if (fate > 1) continue;
    std::erase_if(processes.runs,
                  [&](const auto& run) { return run.first.find("/" + uid + "/") != std::string::npos; });
  }
}

void World::run_for(Duration span) {
  const Duration end = executor.clock().monotonic() + span;
  while (executor.clock().monotonic() < end) {
    const auto down = [] { return store::fault_plan().crashed(); };
    if (!down()) executor.run_until(end - executor.clock().monotonic(), down);
    if (!down() && life_->store.stats().read_only) {
      note("the store is read-only");
      executor.run_until(kReadOnlyFor, down);
    } else if (!down()) {
      continue;
    }
    end_life();
    start();
  }
}

void World::end_faults() {
  calm_ = true;
  if (store::fault_plan().crashed() || life_->store.stats().read_only) {
    end_life();
    start();
  }
  store::fault_plan().steps_left = store::fault_plan().syncs_left = -1;
  life_->store.faults = {};
  probes->all_sick = false;
}

// ---- what goes wrong

void World::crash() {
  note("crash");
  end_life();
  start();
}
void World::crash_within(int steps) {
  if (store::fault_plan().crashed()) return;  // it is down already, and its next life has yet to begin
  note(fmt::format("a crash comes within {} steps", steps));
  store::fault_plan().steps_left = steps;
}
void World::fail_sync() {
  note("the next sync fails");
  store::fault_plan().syncs_left = static_cast<int>(1 + random.below(10));
}
void World::lose_agent() {
  if (!life_->agent) return;
  note("the agent is lost");
  life_->lose_agent();
}
void World::end_some_process() {
  const auto running = processes.running();
  if (running.empty()) return;
  const std::string& folder = running[random.below(running.size())];
  note("a process ends: " + folder);
  processes.exit(folder, static_cast<int>(random.below(3)));
}

std::string World::published_routes() const {
  const auto text = os::read_file(options.folder + "/gateway/routes.json");
  return text ? *text : std::string();
}

}  // namespace mk::sim

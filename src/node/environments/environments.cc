#include "node/environments/environments.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>

#include "base/log.h"
#include "node/environments/limits.h"
#include "os/files.h"

namespace mk::node {
namespace {

using State = core::Environments::State;

class Builds final : public core::Environments {
 public:
  explicit Builds(EnvironmentsOptions options) : shared_(std::make_shared<Shared>()) {
    shared_->options = std::move(options);
  }

  ~Builds() override { shared_->stopping = true; }

  State ensure(const std::string& folder) override {
    auto& s = *shared_;
    {
      std::lock_guard lock(s.mutex);
      if (auto known = s.models.find(folder); known != s.models.end() && usable(known->second)) return known->second.state;
    }
    auto needed = needs_python(folder);
    if (!needed) return {State::Phase::kFailed, {}, needed.error().sentence()};
    if (!*needed) return {State::Phase::kNotNeeded, {}, {}};
    std::lock_guard lock(s.mutex);
    if (s.models.size() >= kModelsRemembered)
      std::erase_if(s.models, [](const auto& entry) { return entry.second.state.phase != State::Phase::kWorking; });
    Model& model = s.models[folder];
    if (model.state.phase == State::Phase::kWorking) return model.state;
    model.state = {State::Phase::kWorking, {}, "building the model's Python environment"};
    s.options.executor->post([shared = shared_, folder] { build(shared, folder); });
    return model.state;
  }

  void on_change(std::function<void()> call) override {
    std::lock_guard lock(shared_->mutex);
    shared_->listeners.push_back(std::move(call));
  }

 private:
  struct Model {
    State state;
    Duration pause = kRetryFirst;
    bool retry_due = false;
  };
  // Outlives this object while a build runs.
  struct Shared {
    EnvironmentsOptions options;
    std::mutex mutex;
    std::map<std::string, Model, std::less<>> models;
    std::vector<std::function<void()>> listeners;
    std::atomic<bool> stopping = false;  // running builds end soon, their outcome is nobody's any more
  };

  static bool usable(const Model& model) {
    switch (model.state.phase) {
      case State::Phase::kNotNeeded:
      case State::Phase::kWorking: return true;
      case State::Phase::kReady: return os::exists(model.state.path + "/bin/python");  // not removed since
      case State::Phase::kFailed: return !model.retry_due;
    }
    return false;
  }

  static void build(const std::shared_ptr<Shared>& shared, const std::string& folder) {
    BuildOptions options{.environments = shared->options.environments};
    options.progress = [&](std::string_view line) {
      std::lock_guard lock(shared->mutex);
      shared->models[folder].state.message = "building the model's Python environment: " + std::string(line.substr(0, 200));
    };
    if (shared->options.trial)
      options.trial = [&](const std::string& environment) { return shared->options.trial(folder, environment); };
    options.stopped = [&] { return shared->stopping.load(); };
    auto built = build_environment(folder, options);
    if (shared->stopping) return;
    if (built)
      log::info("Python environment is ready", {{"lock", built->lock}, {"built", built->built}});
    else
      log::warn("Python environment failed", {{"why", built.error().message}});
    {
      std::lock_guard lock(shared->mutex);
      Model& model = shared->models[folder];
      model.retry_due = false;
      if (built) {
        model.state = {State::Phase::kReady, built->path, {}};
        model.pause = kRetryFirst;
      } else {
        model.state = {State::Phase::kFailed, {}, built.error().sentence()};
        retry_later(shared, folder, std::exchange(model.pause, std::min(model.pause * 2, kRetryMax)));
      }
    }
    tell(shared);
  }

  // A failure may pass: an index that was away, a full disk. The next ensure() after the pause builds again.
  static void retry_later(const std::shared_ptr<Shared>& shared, const std::string& folder, Duration pause) {
    shared->options.executor->post_after(pause, [shared, folder] {
      {
        std::lock_guard lock(shared->mutex);
        if (auto model = shared->models.find(folder); model != shared->models.end()) model->second.retry_due = true;
      }
      tell(shared);
    });
  }

  static void tell(const std::shared_ptr<Shared>& shared) {
    std::vector<std::function<void()>> listeners;
    {
      std::lock_guard lock(shared->mutex);
      listeners = shared->listeners;
    }
    for (const auto& call : listeners) call();
  }

  std::shared_ptr<Shared> shared_;
};

}  // namespace

std::unique_ptr<core::Environments> make_environments(EnvironmentsOptions options) {
  return std::make_unique<Builds>(std::move(options));
}

}  // namespace mk::node

#include "node/node.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <mutex>

#include "base/log.h"
#include "net/client.h"
#include "os/leftovers.h"
#include "node/limits.h"
#include "node/probe_runner.h"
#include "node/registration.h"

namespace mk::node {

// Keeps the tokens in Pods' volumes fresh for as long as the node lives.
struct Node::Refresher {
  Refresher(Agent& with, const core::Reader& reader, os::Executor& on) : agent(&with), objects(reader), executor(on) {}
  std::mutex mutex;
  Agent* agent;  // null: the node is gone
  const core::Reader& objects;
  os::Executor& executor;
};

Result<std::unique_ptr<Node>> Node::open(NodeSettings settings, core::Reader& objects) {
  auto node = std::unique_ptr<Node>(new Node());
  MK_TRY(const std::string shim, os::install_shim(settings.binaries));
  node->machine_ = read_machine(settings.data);
  AgentSettings agent;
  if (auto users = os::open_users(shim)) {
    node->users_ = std::move(*users);
  } else {
    agent.not_isolated = users.error().sentence();
    log::warn("Pods cannot be kept apart from their owner, so none will start", {{"why", agent.not_isolated}});
  }
  MK_TRY(node->block_, AddressBlock::take(settings.pods));
  os::ShimSettings shims{.shim = shim, .user_namespace = node->users_ == nullptr ? -1 : node->users_->user_namespace(),
                         .kept = node->block_.holder(),
                         .cgroups = os::open_cgroups(os::folder_id(settings.data))};
  agent.bounds_kept = shims.cgroups;
  node->machine_.limits = shims.cgroups.sentence(node->users_ != nullptr);
  node->machine_.limits_kept = shims.cgroups.keeps(os::CgroupController::kMemory) &&
                               shims.cgroups.keeps(os::CgroupController::kCpu) &&
                               (node->users_ != nullptr || shims.cgroups.keeps(os::CgroupController::kTasks));
  node->processes_ = os::make_shim_processes(std::move(shims));
  node->client_ = net::make_client();
  node->threads_ = os::make_thread_pool(kThreads, "node");
  node->probes_ = make_probe_runner(*node->client_, *node->processes_, *node->threads_);
  std::error_code error;
  agent.node_name = node->machine_.host_name;
  agent.data = settings.data;
  agent.visible = std::move(settings.visible);
  agent.self = std::filesystem::read_symlink("/proc/self/exe", error).string();
  agent.users = node->users_.get();
  agent.user = geteuid();
  agent.access = settings.access;
  node->agent_ = std::make_unique<Agent>(std::move(agent), PodRecords(settings.pods, node->users_.get(), node->block_.number()), *node->processes_,
                                         node->probes_, node->threads_);
  node->refresher_ = std::make_shared<Refresher>(*node->agent_, objects, *node->threads_);
  node->logs_ = std::make_unique<PodLogs>(objects, node->agent_->records(), node->threads_->clock());
  node->usage_ = std::make_unique<PodUsage>(node->machine_.host_name, node->agent_->records(), node->threads_->clock());
  return node;
}

Node::~Node() {
  if (!refresher_) return;
  const std::lock_guard lock(refresher_->mutex);
  refresher_->agent = nullptr;
}

void Node::refresh_later(const std::shared_ptr<Refresher>& refresher) {
  refresher->executor.post_after(kTokenPeriod, [weak = std::weak_ptr(refresher)] {
    const auto self = weak.lock();
    if (!self) return;
    {
      const std::lock_guard lock(self->mutex);
      if (self->agent == nullptr) return;
      self->agent->refresh_tokens(self->objects);
    }
    refresh_later(self);
  });
}

std::vector<core::Controller> Node::controllers() {
  return {registration(machine_, MODELKIT_VERSION), agent_->controller()};
}

Result<void> Node::adopt(core::ControllerHost& host) {
  return agent_->adopt([&host](const store::Key& key) { host.wake(Agent::kControllerName, key); });
}

void Node::begin(core::ControllerHost& host) {
  host.wake("node", node_key(machine_));
  refresh_later(refresher_);
  agent_->wake_all();
}

void Node::stop_everything(Duration limit) {
  agent_->stop_everything(limit);
}

core::UsageMeter& Node::usage() {
  return *usage_;
}

core::PodIo& Node::pod_io() {
  return *logs_;
}

}  // namespace mk::node

#include "node/pod_usage.h"

#include <algorithm>
#include <charconv>

#include "base/format.h"
#include "node/limits.h"
#include "os/files.h"

namespace mk::node {
namespace {

// The folder of a container's latest life; empty when it has had none.
std::string latest_run(const PodRecords& records, const std::string& uid, const std::string& container) {
  int life = -1;
  for (const std::string& name : os::list_folder(fmt::format("{}/c/{}", records.home(uid), container))) {
    int number = -1;
    std::from_chars(name.data(), name.data() + name.size(), number);
    life = std::max(life, number);
  }
  return life < 0 ? std::string() : records.run_folder(uid, container, life);
}

struct Running {
  store::Key pod;
  std::string container, folder;
  Duration age;
};

std::vector<Running> running_here(const std::vector<store::ObjectRef>& pods, const std::string& node,
                                  const PodRecords& records, Time now) {
  std::vector<Running> out;
  for (const store::ObjectRef& pod : pods) {
    const Json object = pod->json();
    if (object.at({"spec", "nodeName"}).text() != node) continue;
    for (const char* list : {"containerStatuses", "initContainerStatuses"}) {
      for (const Json& status : object["status"][list].items()) {
        const Json* state = status["state"].find("running");
        if (state == nullptr) continue;
        const std::string name(status["name"].text());
        const std::string folder = latest_run(records, pod->uid, name);
        const auto started = Time::parse_rfc3339((*state)["startedAt"].text());
        if (!folder.empty()) out.push_back({pod->key, name, folder, started ? now - *started : Duration{}});
      }
    }
  }
  return out;
}

}  // namespace

PodUsage::PodUsage(std::string node_name, const PodRecords& records, const os::Clock& clock)
    : node_name_(std::move(node_name)),
      records_(records),
      clock_(clock),
      machine_before_{clock.monotonic(), os::usage_of_machine().cpu} {}

core::UsageMeter::Amount PodUsage::amount(Reading& before, const Reading& now, uint64_t memory_bytes) {
  const Duration window = now.at - before.at;
  Amount out{.memory_bytes = static_cast<int64_t>(memory_bytes), .window = window};
  if (window.nanoseconds > 0) {
    const double cores =
        static_cast<double>((now.cpu - before.cpu).nanoseconds) / static_cast<double>(window.nanoseconds);
    out.nanocores = static_cast<int64_t>(std::max(cores, 0.0) * 1e9);
  }
  if (window >= kUsageWindow) before = now;
  return out;
}

std::map<store::Key, std::map<std::string, core::UsageMeter::Amount>> PodUsage::pods(
    const std::vector<store::ObjectRef>& pods) {
  const std::vector<Running> running = running_here(pods, node_name_, records_, clock_.now());
  std::vector<std::string> folders;
  for (const Running& one : running) folders.push_back(one.folder);
  const std::map<std::string, os::Usage> usage = os::usage_of_runs(folders);
  const Duration now = clock_.monotonic();
  std::map<store::Key, std::map<std::string, Amount>> out;
  const std::lock_guard lock(mutex_);
  // What has ended; a container's next life has another folder.
  std::erase_if(before_, [&](const auto& one) { return now - one.second.at > kUsageKept; });
  for (const Running& one : running) {
    const auto found = usage.find(one.folder);
    if (found == usage.end()) continue;
    const auto [before, fresh] = before_.try_emplace(one.folder, Reading{now - one.age, {}});
    Amount figure = amount(before->second, {now, found->second.cpu}, found->second.memory_bytes);
    if (fresh) before->second = {now, found->second.cpu};
    out[one.pod][one.container] = figure;
  }
  return out;
}

core::UsageMeter::Amount PodUsage::machine() {
  const os::Usage usage = os::usage_of_machine();
  const std::lock_guard lock(mutex_);
  return amount(machine_before_, {clock_.monotonic(), usage.cpu}, usage.memory_bytes);
}

}  // namespace mk::node

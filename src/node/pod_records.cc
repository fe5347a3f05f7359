#include "node/pod_records.h"

#include <algorithm>

#include "base/format.h"
#include "base/json.h"
#include "base/log.h"
#include "node/limits.h"
#include "os/files.h"

namespace mk::node {
namespace {
constexpr int64_t kSchema = 1;
}

PodRecords::PodRecords(std::string root, os::Users* users, uint32_t block)
    : root_(std::move(root)), users_(users), block_(block) {
  slots_ = users_ == nullptr ? kSlots : std::min(kSlots, users_->range().count / kSlotBlocks);
}

std::string PodRecords::address(uint32_t slot) const {
  return fmt::format("127.{}.{}.{}", 64 + block_, slot >> 8, slot & 255);
}
uint32_t PodRecords::user(uint32_t slot) const {
  // The slot of a record may come from a wider range.
  return users_->range().first + block_ * slots_ + slot % slots_;
}

std::string PodRecords::home(std::string_view uid) const {
  return fmt::format("{}/{}", root_, uid);
}
std::string PodRecords::run_folder(std::string_view uid, std::string_view container, int life) const {
  return fmt::format("{}/{}/c/{}/{}", root_, uid, container, life);
}
std::string PodRecords::uid_of(std::string_view folder) const {
  if (!folder.starts_with(root_ + "/")) return {};
  folder.remove_prefix(root_.size() + 1);
  return std::string(folder.substr(0, folder.find('/')));
}

Result<void> PodRecords::save(const PodRecord& record) const {
  Json containers = Json::object();
  for (const auto& [name, container] : record.containers)
    containers[name] = Json::object({{"life", container.life}, {"crashes", container.crashes}});
  const Json json = Json::object({{"schema", kSchema},
                                  {"namespace", record.space},
                                  {"name", record.name},
                                  {"uid", record.uid},
                                  {"slot", record.slot},
                                  {"taken", record.taken.nanoseconds},
                                  {"grace_ms", record.grace.ms()},
                                  {"containers", std::move(containers)}});
  MK_OK(os::make_folder(home(record.uid)));
  return os::write_file(home(record.uid) + "/pod.json", json.dump());
}

Result<std::vector<PodRecord>> PodRecords::load() const {
  MK_OK(os::make_folder(root_));
  std::vector<PodRecord> records;
  for (const std::string& uid : os::list_folder(root_)) {
    auto text = os::read_file(root_ + "/" + uid + "/pod.json");
    if (!text) {
      remove(uid);  // cut off before anything ran
      continue;
    }
    auto json = Json::parse(*text);
    if (!json) {  // written when power was lost: what ran is gone, too
      remove(uid);
      continue;
    }
    if ((*json)["schema"].integer() != kSchema || (*json)["uid"].text() != uid) {
      log::error("a pod's record is of another version; its processes are left alone", {{"pod_uid", uid}});
      continue;
    }
    PodRecord record;
    record.space = (*json)["namespace"].text();
    record.name = (*json)["name"].text();
    record.uid = uid;
    record.slot = static_cast<uint32_t>((*json)["slot"].integer());
    record.taken = {(*json)["taken"].integer()};
    record.grace = Duration::from_ms((*json)["grace_ms"].integer());
    for (const auto& [name, container] : (*json)["containers"].members())
      record.containers[name] = {static_cast<int>(container["life"].integer()),
                                 static_cast<int>(container["crashes"].integer())};
    records.push_back(std::move(record));
  }
  return records;
}

void PodRecords::remove(std::string_view uid) const {
  auto removed = users_ == nullptr ? os::remove_all(home(uid)) : users_->remove_all(home(uid));
  if (!removed)
    log::warn("a pod's folder cannot be removed", {{"pod_uid", uid}, {"why", removed.error().message}});
}

}  // namespace mk::node

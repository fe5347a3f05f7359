#include "node/address_block.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstddef>
#include <cstring>
#include <optional>

#include "base/format.h"
#include "node/limits.h"
#include "os/files.h"
#include "os/processes.h"

namespace mk::node {
namespace {

constexpr int kAbove = 64;  // out of the way of the descriptors that a shim is given

struct Name {
  sockaddr_un address{};
  socklen_t size = 0;
};

// Of the abstract kind: it belongs to the network namespace, and the kernel takes it away with the last descriptor.
Name name_of(std::string_view prefix, uint32_t number) {
  Name name;
  name.address.sun_family = AF_UNIX;
  const std::string text = fmt::format("{}-{}", prefix, number);
  std::memcpy(name.address.sun_path + 1, text.data(), text.size());
  name.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + text.size());
  return name;
}

int upwards(int fd) {
  const int higher = fcntl(fd, F_DUPFD_CLOEXEC, kAbove);
  close(fd);
  return higher;
}

int hold(const Name& name) {
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  if (bind(fd, reinterpret_cast<const sockaddr*>(&name.address), name.size) == 0) return upwards(fd);
  close(fd);
  return -1;
}

bool bears(int fd, const Name& name) {
  sockaddr_un bound{};
  socklen_t size = sizeof bound;
  return getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size) == 0 && size == name.size &&
         std::memcmp(&bound, &name.address, size) == 0;
}

// Whether a Pod of ours holds it, from before we were started: then we hold it, too.
int hold_with_pods(const std::string& root, const Name& name) {
  for (const std::string& uid : os::list_folder(root))
    for (const std::string& container : os::list_folder(fmt::format("{}/{}/c", root, uid)))
      for (const std::string& life : os::list_folder(fmt::format("{}/{}/c/{}", root, uid, container))) {
        const int fd = os::kept_by_run(fmt::format("{}/{}/c/{}/{}", root, uid, container, life));
        if (fd >= 0 && bears(fd, name)) return upwards(fd);
        if (fd >= 0) close(fd);
      }
  return -1;
}

std::optional<uint32_t> last_time(const std::string& file) {
  const std::string text = os::read_file(file).value_or("");
  uint32_t number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  return read.ec == std::errc() && number < kSlotBlocks ? std::optional(number) : std::nullopt;
}

}  // namespace

AddressBlock& AddressBlock::operator=(AddressBlock&& other) noexcept {
  std::swap(number_, other.number_);
  std::swap(holder_, other.holder_);
  return *this;
}

AddressBlock::~AddressBlock() {
  if (holder_ >= 0) close(holder_);
}

Result<AddressBlock> AddressBlock::take(const std::string& root, std::string_view prefix) {
  MK_OK(os::make_folder(root, 0711));
  const std::string file = root + ".block";  // beside the folder: what lies in it are Pods
  const auto before = last_time(file);
  uint32_t hash = 2166136261u;  // FNV-1a: folders begin at different blocks
  for (const char c : root) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  const uint32_t first = before.value_or(hash % kSlotBlocks);
  for (uint32_t i = 0; i < kSlotBlocks; ++i) {
    const uint32_t number = (first + i) % kSlotBlocks;
    const Name name = name_of(prefix, number);
    int holder = hold(name);
    if (holder < 0 && number == before) holder = hold_with_pods(root, name);
    if (holder < 0) continue;
    AddressBlock block(number, holder);
    MK_OK(os::write_file(file, fmt::format("{}\n", number)));
    return block;
  }
  return fail(Error{Code::kResourceExhausted, "address_blocks",
                    fmt::format("all {} blocks of Pod addresses of this machine are in use", kSlotBlocks)}
                  .with_hint("stop another modelkit, with its Pods, on this machine"));
}

}  // namespace mk::node

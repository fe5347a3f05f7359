#include "os/shim_socket.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "base/format.h"
#include "os/shim_protocol.h"

namespace mk::os {
namespace {

constexpr int kAnswerTimeoutMs = 2'000;  // the shim answers from memory

}  // namespace

bool ask_shim(const std::string& folder, std::string_view request, int* passed) {
  // Through /proc/self/fd the address fits whatever the folder's length.
  const int where = open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (where < 0) return false;
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = fmt::format("/proc/self/fd/{}/{}", where, shim::kSocketFile);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const bool connected =
      fd >= 0 && connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
      send(fd, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size());
  close(where);
  char reply[600];
  iovec part{reply, sizeof reply};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr message{.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  pollfd waiting{fd, POLLIN, 0};
  ssize_t got = 0;
  if (connected && poll(&waiting, 1, kAnswerTimeoutMs) > 0) got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
  if (fd >= 0) close(fd);
  const cmsghdr* header = got > 0 ? CMSG_FIRSTHDR(&message) : nullptr;
  if (header != nullptr && header->cmsg_type == SCM_RIGHTS) {
    int descriptor = -1;
    std::memcpy(&descriptor, CMSG_DATA(header), sizeof descriptor);
    if (passed != nullptr)
      *passed = descriptor;
    else
      close(descriptor);
  }
  return got >= 2 && std::string_view(reply, 2) == "ok";
}

}  // namespace mk::os

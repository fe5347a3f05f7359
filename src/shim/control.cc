#include "shim/control.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <cerrno>
#include <cstring>

#include "os/shim_protocol.h"
#include "shim/text.h"

namespace mk::shim {

bool Control::listen() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, os::shim::kSocketFile);
  unlink(address.sun_path);
  listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const mode_t before = umask(0177);
  const bool ok = listener_ >= 0 &&
                  bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
                  ::listen(listener_, kClientsMax) == 0;
  umask(before);
  return ok;
}

int Control::fill(pollfd* fds) const {
  int count = 0;
  fds[count++] = {listener_, POLLIN, 0};
  for (const Client& client : clients_)
    if (client.fd >= 0) fds[count++] = {client.fd, POLLIN, 0};
  return count;
}

void Control::accept_client() {
  const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) return;
  ucred peer{};
  socklen_t size = sizeof peer;
  const bool known = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == getuid();
  for (Client& client : clients_) {
    if (!known || client.fd >= 0) continue;
    client.fd = fd;
    client.size = 0;
    return;
  }
  ::close(fd);
}

bool Control::send_kept(int fd) const {
  char text[] = "ok\n";
  iovec part{text, sizeof text - 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (kept_ >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &kept_, sizeof kept_);
  }
  return sendmsg(fd, &message, MSG_NOSIGNAL) > 0;
}

bool Control::read_client(Client& client, Answer answer, void* who) const {
  const ssize_t got = read(client.fd, client.line + client.size, sizeof client.line - 1 - client.size);
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  if (got == 0) return false;
  client.size += static_cast<size_t>(got);
  client.line[client.size] = 0;
  while (char* newline = std::strchr(client.line, '\n')) {
    *newline = 0;
    char reply[512] = {};
    const bool kept = std::strcmp(client.line, "kept") == 0;
    if (!kept) answer(who, client.line, reply, sizeof reply);
    const size_t used = static_cast<size_t>(newline + 1 - client.line);
    const bool sent = kept ? send_kept(client.fd) : send(client.fd, reply, std::strlen(reply), MSG_NOSIGNAL) > 0;
    if (!sent) return false;
    std::memmove(client.line, newline + 1, client.size - used + 1);
    client.size -= used;
  }
  return client.size < sizeof client.line - 1;  // a longer request is no request
}

void Control::serve(const pollfd* fds, int count, Answer answer, void* who) {
  for (int i = 0; i < count; ++i) {
    if (fds[i].revents == 0) continue;
    if (fds[i].fd == listener_) {
      accept_client();
      continue;
    }
    for (Client& client : clients_) {
      if (client.fd != fds[i].fd || read_client(client, answer, who)) continue;
      ::close(client.fd);
      client.fd = -1;
    }
  }
}

void Control::close() {
  unlink(os::shim::kSocketFile);
  if (listener_ >= 0) ::close(listener_);
  for (Client& client : clients_)
    if (client.fd >= 0) ::close(client.fd);
}

}  // namespace mk::shim

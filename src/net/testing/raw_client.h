// For tests: a client that sends exactly the bytes it is told, over loopback TCP.
#pragma once
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <string_view>
#include <utility>

namespace mk::net::testing {

class RawClient {
 public:
  explicit RawClient(uint16_t port) {
    fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    timeval limit{5, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    connected = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~RawClient() { close(); }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t count = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(count));
    }
    return true;
  }
  // Reads until the text has been seen, the end, or five seconds.
  std::string read_until(std::string_view text) {
    std::string all;
    char block[4096];
    while (all.find(text) == std::string::npos) {
      const ssize_t count = ::recv(fd_, block, sizeof block, 0);
      if (count <= 0) break;
      all.append(block, static_cast<size_t>(count));
    }
    return all;
  }
  std::string read_to_end() { return read_until(std::string_view("\0never\0", 7)); }
  int fd() const { return fd_; }
  bool connected = false;

 private:
  int fd_ = -1;
};

inline bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace mk::net::testing

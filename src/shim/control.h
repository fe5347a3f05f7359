// The run's Unix socket: who may ask (only the user that the shim runs as) and in what words.
#pragma once
#include <poll.h>

#include <cstddef>

namespace mk::shim {

class Control {
 public:
  static constexpr int kClientsMax = 8;
  // Answers one request line (NUL-terminated, without newline) into `reply` (with newline).
  using Answer = void (*)(void* who, char* request, char* reply, size_t reply_size);

  bool listen();  // at "sock" in the working folder
  void keep(int fd) { kept_ = fd; }  // handed out to whoever asks "kept"
  // Appends what to poll; returns how many.
  int fill(pollfd* fds) const;
  void serve(const pollfd* fds, int count, Answer answer, void* who);
  void close();

 private:
  struct Client {
    int fd = -1;
    char line[256];
    size_t size = 0;
  };
  void accept_client();
  bool read_client(Client& client, Answer answer, void* who) const;
  bool send_kept(int fd) const;

  int listener_ = -1, kept_ = -1;
  Client clients_[kClientsMax];
};

}  // namespace mk::shim

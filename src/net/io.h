// The threads that wait for sockets. Servers and clients that share an Io run on the same threads, so a
// gateway's request and its upstream call never change threads.
#pragma once
#include <cstddef>
#include <functional>
#include <memory>

namespace mk::net {

class IoThread;

class Io {
 public:
  explicit Io(size_t threads, const char* name = "io");
  ~Io();  // stop()
  Io(const Io&) = delete;
  Io& operator=(const Io&) = delete;

  // Ends the threads; nothing runs on them afterwards. Not to be called on one of them.
  void stop();
  size_t size() const;
  // Runs `task` on one of the threads: the current one if it is one of them.
  void post(std::function<void()> task);

  // Inside net/ only.
  const std::shared_ptr<IoThread>& thread(size_t index) const;
  const std::shared_ptr<IoThread>& near();  // the current thread if it is one of ours, else the next in turn

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mk::net

#include "os/exit_watcher.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>

namespace mk::os {

ExitWatcher::ExitWatcher() : epoll_(epoll_create1(EPOLL_CLOEXEC)), stop_(eventfd(0, EFD_CLOEXEC)) {
  epoll_event event{.events = EPOLLIN, .data = {.fd = stop_}};
  epoll_ctl(epoll_, EPOLL_CTL_ADD, stop_, &event);
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), "processes");
}

ExitWatcher::~ExitWatcher() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = write(stop_, &one, sizeof one);
  thread_.join();
  for (const auto& [fd, folder] : folders_) close(fd);
  close(epoll_);
  close(stop_);
}

void ExitWatcher::on_exit(std::function<void(const std::string&)> call) {
  std::lock_guard lock(call_mutex_);
  call_ = std::move(call);
}

void ExitWatcher::add(int pidfd, const std::string& folder) {
  std::lock_guard lock(mutex_);
  if (!watched_.insert(folder).second) {
    close(pidfd);
    return;
  }
  folders_[pidfd] = folder;
  epoll_event event{.events = EPOLLIN, .data = {.fd = pidfd}};
  epoll_ctl(epoll_, EPOLL_CTL_ADD, pidfd, &event);
}

void ExitWatcher::run() {
  while (true) {
    epoll_event events[32];
    const int count = epoll_wait(epoll_, events, 32, -1);
    for (int i = 0; i < count; ++i) {
      if (events[i].data.fd == stop_) return;
      ended(events[i].data.fd);
    }
  }
}

void ExitWatcher::ended(int pidfd) {
  siginfo_t info{};
  waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED | WNOHANG);  // ours: leaves no zombie behind
  std::string folder;
  {
    std::lock_guard lock(mutex_);
    const auto found = folders_.find(pidfd);
    if (found == folders_.end()) return;
    folder = std::move(found->second);
    folders_.erase(found);
    watched_.erase(folder);
  }
  // Closing alone would not take it out while a forked child still holds a copy, and the next event would
  // then close whatever has got this number since.
  epoll_ctl(epoll_, EPOLL_CTL_DEL, pidfd, nullptr);
  close(pidfd);
  std::lock_guard lock(call_mutex_);
  if (call_) call_(folder);
}

}  // namespace mk::os

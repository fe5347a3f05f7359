// Watches processes by pidfd, children and others alike, and tells when one is gone. Thread-safe; calls come
// on a thread of its own.
#pragma once
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>

namespace mk::os {

class ExitWatcher {
 public:
  ExitWatcher();
  ~ExitWatcher();
  ExitWatcher(const ExitWatcher&) = delete;
  ExitWatcher& operator=(const ExitWatcher&) = delete;

  // After on_exit({}) returns, nobody is called any more.
  void on_exit(std::function<void(const std::string& folder)> call);
  // Takes `pidfd`. A folder that is watched already is not watched twice.
  void add(int pidfd, const std::string& folder);

 private:
  void run();
  void ended(int pidfd);

  const int epoll_, stop_;
  std::mutex mutex_;       // guards folders_ and watched_
  std::mutex call_mutex_;  // guards call_, and is held while calling
  std::function<void(const std::string&)> call_;
  std::unordered_map<int, std::string> folders_;
  std::set<std::string> watched_;
  std::thread thread_;
};

}  // namespace mk::os

// What the gateway counts for each revision. Written by the I/O threads, read by the admin socket.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/time.h"

namespace mk::gateway {

class RevisionStats {
 public:
  // Upper bounds of the latency buckets in seconds; the last one is open.
  static constexpr std::array<double, 14> kBounds = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                                     0.1,    0.25,  0.5,    1,     2.5,  10,    60};

  void begin() { running_.fetch_add(1, std::memory_order_relaxed); }
  // `status` 0: no answer came.
  void end(int status, Duration took);

  uint64_t requests() const { return requests_.load(std::memory_order_relaxed); }
  uint64_t errors() const { return errors_.load(std::memory_order_relaxed); }
  int64_t running() const { return running_.load(std::memory_order_relaxed); }
  Json to_json() const;
  void append_prometheus(std::string& out, std::string_view labels) const;

 private:
  std::atomic<uint64_t> requests_ = 0;  // answered or failed
  std::atomic<uint64_t> errors_ = 0;    // of these: 5xx, or no answer
  std::atomic<int64_t> running_ = 0;
  std::atomic<uint64_t> nanoseconds_ = 0;
  std::array<std::atomic<uint64_t>, kBounds.size() + 1> buckets_{};
};

struct NamedStats {
  std::string service;  // "namespace/name"
  std::string revision;
  std::shared_ptr<const RevisionStats> stats;
};

Json stats_json(const std::vector<NamedStats>& all);
std::string stats_prometheus(const std::vector<NamedStats>& all);

}  // namespace mk::gateway

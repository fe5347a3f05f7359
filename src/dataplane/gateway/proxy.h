// Carries requests to model servers. Runs on the I/O threads of one Io, both sides of a request on the same
// one.
#pragma once
#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "dataplane/gateway/table.h"
#include "net/client.h"
#include "net/server.h"

namespace mk::gateway {

class Proxy {
 public:
  explicit Proxy(std::shared_ptr<net::Io> io);

  // From any thread; requests under way keep the table they began with.
  void set_table(std::shared_ptr<const Table> table);
  std::shared_ptr<const Table> table() const;

  net::Decision dispatch(net::Request& request);

 private:
  friend class Flight;
  std::string next_request_id();

  std::unique_ptr<net::Client> client_;
  // Not std::atomic<std::shared_ptr>: its load() of libstdc++ 12 lets go with too weak an order (ThreadSanitizer).
  mutable std::mutex table_mutex_;
  std::shared_ptr<const Table> table_;  // guarded by table_mutex_
  std::string id_prefix_;  // random, of this process
  std::atomic<uint64_t> id_turn_ = 0;
};

// {"error": "..."} as the Open Inference Protocol has it.
net::Response oip_error(const Error& error);

}  // namespace mk::gateway

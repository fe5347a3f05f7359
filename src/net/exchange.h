// What stands behind Reply, Stream and Body. Inside net/ only.
#pragma once
#include <functional>
#include <string_view>

#include "net/server.h"

namespace mk::net {

// All from any thread.
struct Reply::State {
  virtual ~State() = default;
  virtual void send(Response response) = 0;
  virtual void send_made(std::function<Response()> make) { send(make()); }
  virtual void send_file(Response head, int fd, uint64_t offset, uint64_t length) = 0;
  virtual void start_stream(Response head) = 0;
  virtual bool write(std::string_view chunk) = 0;
  virtual size_t queued_bytes() const = 0;
  virtual void on_drained(std::function<void()> call) = 0;
  virtual void on_closed(std::function<void()> call) = 0;
  virtual void finish() = 0;
  virtual void abandon() = 0;  // the handle was dropped with the answer owing
};

struct Body::State {
  virtual ~State() = default;
  virtual void read(std::function<void(Result<std::string_view>)> call) = 0;
  virtual void into_file(int fd, std::function<void(Result<uint64_t>)> call) = 0;
};

}  // namespace mk::net

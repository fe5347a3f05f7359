// A long list, written as fast as its client reads: of its text no more than kListQueuedBytesMax and a piece
// lie in memory, however long the list and slow the client. Thread-safe.
#pragma once
#include <memory>

#include "api/kubernetes/encode.h"
#include "net/server.h"
#include "os/executor.h"

namespace mk::api::kubernetes {

class ListStream : public std::enable_shared_from_this<ListStream> {
 public:
  // Writes the first part at once, on this thread, the rest on the executor.
  static void start(Encoder encoder, Encoder::Page page, net::Stream stream, os::Executor& executor);

 private:
  ListStream(Encoder encoder, Encoder::Page page, net::Stream stream, os::Executor& executor)
      : encoder_(std::move(encoder)),
        page_(std::move(page)),
        stream_(std::move(stream)),
        executor_(executor) {}
  void write_on();

  const Encoder encoder_;
  const Encoder::Page page_;
  net::Stream stream_;
  os::Executor& executor_;
  size_t next_ = 0;  // one turn at a time
};

}  // namespace mk::api::kubernetes

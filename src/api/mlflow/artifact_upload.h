// One file on its way in: body -> temporary file -> fsync and rename -> answer. The disk is waited for on the
// executor, the network on the I/O threads; the file is never in memory, and an upload that ends early leaves
// nothing.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>

#include "blob/blob.h"
#include "modules/registry/artifacts.h"
#include "net/server.h"
#include "os/executor.h"

namespace mk::api::mlflow {

class Uploads {
 public:
  Uploads(const registry::Artifacts& artifacts, os::Executor& executor)
      : artifacts_(artifacts), executor_(executor) {}

  // Returns at once; answers `{}` or MLflow's error form. `bytes_expected` is the Content-Length, 0 when
  // unknown.
  void take(const blob::Path& path, uint64_t bytes_expected, net::Body body, net::Reply reply);

 private:
  struct Upload;
  const registry::Artifacts& artifacts_;
  os::Executor& executor_;
  // Shared with the uploads under way, which may outlive this object for as long as their connections do.
  std::shared_ptr<std::atomic<size_t>> running_ = std::make_shared<std::atomic<size_t>>(0);
};

}  // namespace mk::api::mlflow

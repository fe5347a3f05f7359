#include "api/mlflow/artifact_upload.h"

#include <sys/statvfs.h>

#include <utility>

#include "api/mlflow/reply.h"
#include "base/format.h"
#include "modules/registry/limits.h"

namespace mk::api::mlflow {
namespace {

Result<void> check_space(int fd, uint64_t bytes) {
  struct statvfs disk = {};
  if (::fstatvfs(fd, &disk) != 0) return {};
  const uint64_t free_bytes = static_cast<uint64_t>(disk.f_bavail) * disk.f_frsize;
  if (free_bytes >= registry::kDiskFreeBytesMin && free_bytes - registry::kDiskFreeBytesMin >= bytes)
    return {};
  return fail(
      Error{Code::kResourceExhausted, "disk_full",
            fmt::format("{} bytes do not fit: the server's disk has {} bytes left", bytes, free_bytes)}
          .with_hint("delete artifacts, or give modelkit a larger disk"));
}

}  // namespace

// Owned by the callbacks of its steps, one after the other; so only one thread at a time touches it.
struct Uploads::Upload {
  Upload(net::Body b, net::Reply r, std::shared_ptr<std::atomic<size_t>> count)
      : body(std::move(b)), reply(std::move(r)), running(std::move(count)) {}
  ~Upload() { --*running; }

  void refuse(const Error& error) {
    file.reset();
    reply.send(error_reply(error));
  }

  net::Body body;
  net::Reply reply;
  std::shared_ptr<std::atomic<size_t>> running;
  std::unique_ptr<blob::Upload> file;
};

void Uploads::take(const blob::Path& path, uint64_t bytes_expected, net::Body body, net::Reply reply) {
  const size_t before = (*running_)++;
  auto upload = std::make_shared<Upload>(std::move(body), std::move(reply), running_);
  if (before >= registry::kUploadsAtOnceMax) {
    return upload->refuse({Code::kUnavailable, "busy", fmt::format("{} uploads are running already", before),
                           "try again soon"});
  }
  executor_.post([upload, path, bytes_expected, &artifacts = artifacts_, &executor = executor_] {
    auto file = artifacts.blobs().create(path);
    if (!file) return upload->refuse(file.error());
    upload->file = std::move(*file);
    if (auto fits = check_space(upload->file->fd(), bytes_expected); !fits)
      return upload->refuse(fits.error());
    upload->body.into_file(upload->file->fd(), [upload, path, &artifacts, &executor](Result<uint64_t> taken) {
      if (!taken) return upload->refuse(taken.error());
      executor.post([upload, path, &artifacts] {
        if (auto done = upload->file->commit(); !done) return upload->refuse(done.error());
        upload->reply.send(ok());
        artifacts.file_changed(path);
      });
    });
  });
}

}  // namespace mk::api::mlflow

#include "api/mlflow/artifact_upload.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
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

Result<void> write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && (errno == ENOSPC || errno == EDQUOT)) {
      return fail(Code::kResourceExhausted, "disk_full", "the server's disk is full");
    }
    if (count < 0) return fail(Code::kInternal, "file_write", "the file cannot be written");
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return {};
}

}  // namespace

// Owned by the callbacks of its steps, one after the other; so only one thread at a time touches it.
struct Uploads::Upload : std::enable_shared_from_this<Upload> {
  Upload(net::Body b, net::Reply r, std::shared_ptr<std::atomic<size_t>> count)
      : body(std::move(b)), reply(std::move(r)), running(std::move(count)) {}
  ~Upload() { --*running; }

  void refuse(const Error& error) {
    file.reset();
    net::Response answer = error_reply(error);
    // MLflow's client repeats a 429 for minutes; a full disk does not get better by sending the file again.
    if (error.code == Code::kResourceExhausted) answer.status = 507;
    reply.send(std::move(answer));
  }

  // Like Body::into_file, with a look at the free space now and then: a body of unknown length must not fill
  // the disk that the database is on.
  void copy(std::function<void()> done) {
    body.read([self = shared_from_this(), done = std::move(done)](Result<std::string_view> bytes) mutable {
      if (!bytes) return self->refuse(bytes.error());
      if (bytes->empty()) return done();
      if (auto wrote = write_all(self->file->fd(), *bytes); !wrote) return self->refuse(wrote.error());
      self->unchecked += bytes->size();
      if (self->unchecked >= registry::kSpaceCheckBytes) {
        self->unchecked = 0;
        if (auto fits = check_space(self->file->fd(), 0); !fits) return self->refuse(fits.error());
      }
      self->copy(std::move(done));
    });
  }

  net::Body body;
  net::Reply reply;
  std::shared_ptr<std::atomic<size_t>> running;
  std::unique_ptr<blob::Upload> file;
  uint64_t unchecked = 0;  // bytes written since the last look
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
    upload->copy([upload, path, &artifacts, &executor] {
      executor.post([upload, path, &artifacts] {
        if (auto done = upload->file->commit(); !done) return upload->refuse(done.error());
        upload->reply.send(ok());
        artifacts.file_changed(path);
      });
    });
  });
}

}  // namespace mk::api::mlflow

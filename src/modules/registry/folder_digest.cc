#include "modules/registry/folder_digest.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "base/digest.h"
#include "base/format.h"
#include "modules/registry/limits.h"
#include "modules/registry/names.h"

namespace mk::registry {
namespace {

namespace fs = std::filesystem;

Failure unreadable(const std::string& name) {
  return fail(Code::kFailedPrecondition, "model_unreadable",
              fmt::format("the model's file {} cannot be read", shown(name)));
}

struct File {
  std::string name;  // below the folder
  std::string path;
};

Result<std::vector<File>> files_below(const std::string& folder) {
  std::vector<File> out;
  std::error_code failed;
  fs::recursive_directory_iterator at(folder, failed), end;
  if (failed)
    return fail(Code::kNotFound, "model_without_files", "the model has no files; log or upload them first");
  while (at != end) {
    const fs::directory_entry& entry = *at;
    std::string name = entry.path().lexically_relative(folder).string();
    const fs::file_status status = entry.symlink_status(failed);
    if (failed) return unreadable(name);
    if (fs::is_regular_file(status)) {
      out.push_back({std::move(name), entry.path().string()});
    } else if (!fs::is_directory(status)) {
      return fail(Code::kFailedPrecondition, "model_with_link",
                  fmt::format("the model holds {}, which is a link or no plain file", shown(name)));
    }
    if (out.size() > kModelFilesMax || at.depth() > static_cast<int>(kModelDepthMax)) {
      return fail(Code::kTooLarge, "model_too_large",
                  fmt::format("the model has more than {} files or more than {} levels", kModelFilesMax,
                              kModelDepthMax));
    }
    at.increment(failed);
    if (failed) return unreadable(name);
  }
  std::sort(out.begin(), out.end(), [](const File& a, const File& b) { return a.name < b.name; });
  return out;
}

}  // namespace

Result<std::string> FolderDigests::of(const std::string& folder) {
  MK_TRY(auto files, files_below(folder));
  if (files.empty())
    return fail(Code::kNotFound, "model_without_files", "the model has no files; log or upload them first");
  Sha256 all;
  for (const File& file : files) {
    auto digest = of_file(file.path);
    if (!digest) return unreadable(file.name);
    all.add(fmt::format("{}:{}{}\n", file.name.size(), file.name, *digest));
  }
  return all.hex();
}

Result<std::string> FolderDigests::of_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return fail(Code::kFailedPrecondition, "unreadable", "cannot open");
  struct stat info = {};
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(fd);
    return fail(Code::kFailedPrecondition, "unreadable", "no plain file");
  }
  Known seen{info.st_size, info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec, info.st_ino, {}};
  {
    std::lock_guard lock(mutex_);
    if (auto known = known_.find(path); known != known_.end()) {
      seen.sha256 = known->second.sha256;
      if (seen == known->second) {
        ::close(fd);
        return seen.sha256;
      }
    }
  }
  Sha256 sum;
  std::string buffer(1u << 20, '\0');
  ssize_t got = 0;
  while ((got = ::read(fd, buffer.data(), buffer.size())) > 0)
    sum.add({buffer.data(), static_cast<size_t>(got)});
  ::close(fd);
  if (got < 0) return fail(Code::kFailedPrecondition, "unreadable", "cannot read");
  seen.sha256 = sum.hex();
  std::lock_guard lock(mutex_);
  if (known_.size() >= kDigestsKeptMax) known_.clear();  // rare; all of it can be read again
  known_[path] = seen;
  return seen.sha256;
}

}  // namespace mk::registry

#include "app/backup.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>

#include "app/backup_secrets.h"
#include "base/digest.h"
#include "base/format.h"
#include "base/json.h"
#include "blob/blob.h"
#include "blob/pinned.h"
#include "os/clock.h"
#include "os/files.h"
#include "store/snapshot.h"

namespace mk::app {
namespace {

constexpr int64_t kSchema = 1;
constexpr size_t kManifestBytesMax = 512u << 20;  // some two million artifacts
constexpr size_t kChunk = 256u << 10;
constexpr const char* kPartial = ".partial";

class File {
 public:
  File(const std::string& path, int flags, mode_t mode = 0)
      : fd_(::open(path.c_str(), flags | O_CLOEXEC, mode)) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

Failure cannot(const char* verb, const std::string& path) {
  const int error = errno;
  if (error == ENOSPC || error == EDQUOT)
    return fail(
        Error{Code::kUnavailable, "disk_full", fmt::format("the disk is full: cannot {} {}", verb, path)}
            .with_hint("free some space and start again; what was copied is used"));
  return fail(Code::kUnavailable, "file", fmt::format("cannot {} {}: {}", verb, path, std::strerror(error)));
}

Result<void> sync_folder(const std::string& path) {
  const File folder(path, O_RDONLY | O_DIRECTORY);
  if (folder.get() < 0 || ::fsync(folder.get()) != 0) return cannot("sync", path);
  return {};
}

struct Content {
  std::string sha256;
  uint64_t bytes = 0;
};

// Reads `from` to its end; with `to` not empty copies it there, synced.
Result<Content> read_content(const std::string& from, const std::string& to, mode_t mode) {
  const File in(from, O_RDONLY | O_NOFOLLOW);
  if (in.get() < 0) return cannot("read", from);
  const File out(to.empty() ? "/dev/null" : to,
                 to.empty() ? O_WRONLY : O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode);
  if (out.get() < 0) return cannot("write", to);
  Sha256 digest;
  Content content;
  std::string chunk(kChunk, '\0');
  while (true) {
    const ssize_t n = ::read(in.get(), chunk.data(), chunk.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return cannot("read", from);
    if (n == 0) break;
    std::string_view rest(chunk.data(), static_cast<size_t>(n));
    digest.add(rest);
    content.bytes += rest.size();
    while (!rest.empty() && !to.empty()) {
      const ssize_t written = ::write(out.get(), rest.data(), rest.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return cannot("write", to);
      rest.remove_prefix(static_cast<size_t>(written));
    }
  }
  if (!to.empty() && (::fchmod(out.get(), mode) != 0 || ::fsync(out.get()) != 0)) return cannot("write", to);
  content.sha256 = digest.hex();
  return content;
}

bool is_sha256(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::string object_path(const std::string& backup, const std::string& sha256) {
  return fmt::format("{}/objects/{}/{}", backup, sha256.substr(0, 2), sha256);
}

// ---- the manifest

struct Manifest {
  struct Artifact {
    Content content;
    int64_t modified_ns = 0;
  };
  uint64_t version = 0;
  std::string created;
  Content database;
  std::map<std::string, Artifact> artifacts;  // by path
};

std::string write(const Manifest& manifest) {
  Json files = Json::array();
  for (const auto& [path, file] : manifest.artifacts)
    files.items().push_back(
        Json::array({path, static_cast<int64_t>(file.content.bytes), file.modified_ns, file.content.sha256}));
  return Json::object({{"schema", kSchema},
                       {"modelkit", MODELKIT_VERSION},
                       {"created", manifest.created},
                       {"version", static_cast<int64_t>(manifest.version)},
                       {"database", Json::object({{"bytes", static_cast<int64_t>(manifest.database.bytes)},
                                                  {"sha256", manifest.database.sha256}})},
                       {"artifacts", std::move(files)}})
             .dump() +
         "\n";
}

Failure damaged(const std::string& what) {
  return fail(Error{Code::kFailedPrecondition, "backup_damaged", "the backup is damaged: " + what}.with_hint(
      "restore another snapshot with --snapshot NAME"));
}

Result<Manifest> read_manifest(const std::string& folder) {
  auto text = os::read_file(folder + "/manifest.json", kManifestBytesMax);
  if (!text) return damaged(folder + "/manifest.json cannot be read");
  auto json = Json::parse(*text);
  if (!json) return damaged(folder + "/manifest.json is no JSON");
  const Json& in = *json;
  if (in["schema"].integer() != kSchema)
    return fail(
        Error{Code::kFailedPrecondition, "backup_newer", "the backup was made by a newer modelkit"}.with_hint(
            "restore it with that version"));
  Manifest out;
  out.version = static_cast<uint64_t>(in["version"].integer());
  out.created = in["created"].text();
  out.database = {std::string(in["database"]["sha256"].text()),
                  static_cast<uint64_t>(in["database"]["bytes"].integer())};
  for (const Json& file : in["artifacts"].items()) {
    const std::string path(file[0].text()), sha256(file[3].text());
    const auto parsed = blob::Path::parse(path);  // what it names lies beneath the folder of artifacts
    if (!parsed || parsed->is_root() || !is_sha256(sha256))
      return damaged(fmt::format("it names the artifact \"{}\"", path));
    out.artifacts[path] = {{sha256, static_cast<uint64_t>(file[1].integer())}, file[2].integer()};
  }
  return out;
}

// ---- copying

Result<void> check_is_backup(const std::string& folder) {
  for (const std::string& name : os::list_folder(folder))
    if (name != "snapshots" && name != "objects" && name != "lock")
      return fail(Error{Code::kFailedPrecondition, "not_a_backup",
                        fmt::format("{} holds other things, such as {}", folder, name)}
                      .with_hint("name an empty folder, or one that holds backups"));
  return {};
}

// What the newest snapshot knows: a file with the same path, size and time is the same.
Manifest newest(const std::string& to) {
  const auto names = snapshots(to);
  if (names.empty()) return {};
  auto manifest = read_manifest(to + "/snapshots/" + names.back());
  return manifest ? *std::move(manifest) : Manifest{};
}

Result<Manifest::Artifact> copy_artifact(const std::string& path, const blob::Pinned::File& file,
                                         const Manifest& before, const std::string& to, Copied& copied) {
  const auto known = before.artifacts.find(path);
  if (known != before.artifacts.end() && known->second.content.bytes == file.bytes &&
      known->second.modified_ns == file.modified_ns &&
      os::exists(object_path(to, known->second.content.sha256)))
    return known->second;
  const std::string fresh = to + "/objects/.new";
  MK_TRY(Content content, read_content(file.held_at, fresh, 0600));
  const std::string place = object_path(to, content.sha256);
  if (!os::exists(place)) {
    const std::string folder = std::filesystem::path(place).parent_path().string();
    MK_OK(os::make_folder(folder));
    if (::rename(fresh.c_str(), place.c_str()) != 0) return cannot("write", place);
    MK_OK(sync_folder(folder));
    ++copied.files_copied;
    copied.bytes_copied += content.bytes;
  }
  return Manifest::Artifact{std::move(content), file.modified_ns};
}

// "2026-11-21T13:45:00Z" -> "20261121T134500Z": sorts by time, and is a plain name everywhere.
std::string name_of(const Manifest& manifest) {
  std::string name;
  for (const char c : manifest.created)
    if (c != '-' && c != ':') name += c;
  return fmt::format("{}-v{:012}", name, manifest.version);  // two of one second sort by what they hold
}

}  // namespace

std::vector<std::string> snapshots(const std::string& from) {
  std::vector<std::string> out = os::list_folder(from + "/snapshots");
  std::erase(out, kPartial);
  return out;
}

Result<Copied> back_up(const Layout& data, const std::string& to) {
  MK_OK(os::make_folder(to));
  MK_OK(check_is_backup(to));
  for (const char* below : {"/snapshots", "/objects"}) MK_OK(os::make_folder(to + below));
  const File lock(to + "/lock", O_RDWR | O_CREAT, 0600);
  if (lock.get() < 0) return cannot("write to", to);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0)
    return fail(Error{Code::kFailedPrecondition, "backup_running",
                      fmt::format("another backup to {} is under way", to)}
                    .with_hint("wait for it"));
  const std::string partial = to + "/snapshots/" + kPartial;
  MK_OK(os::remove_all(partial));
  MK_OK(os::make_folder(partial));
  Manifest manifest;
  Copied copied;
  // An artifact is written before the row that names it, and removed after it: so what the database names at
  // its moment is among the files from before and after.
  MK_TRY(const auto pinned, blob::Pinned::make(data.blobs));
  MK_OK(pinned->add());
  MK_TRY(manifest.version, store::copy_database(data.database, partial + "/store.db"));
  manifest.created = os::system_clock().now().rfc3339();
  MK_OK(pinned->add());
  MK_TRY(const SealedSecrets sealed, sealed_secrets(partial + "/store.db"));
  copied.secrets = sealed.count;
  for (const char* left : {"-wal", "-shm"}) (void)os::remove_all(partial + "/store.db" + left);
  MK_TRY(manifest.database, read_content(partial + "/store.db", "", 0600));
  const Manifest before = newest(to);
  for (const auto& [path, file] : pinned->files()) {
    MK_TRY(manifest.artifacts[path], copy_artifact(path, file, before, to, copied));
  }
  (void)os::remove_all(to + "/objects/.new");
  MK_OK(os::write_file(partial + "/manifest.json", write(manifest), 0600, true));
  copied.snapshot = name_of(manifest);
  for (int n = 2; os::exists(to + "/snapshots/" + copied.snapshot); ++n)
    copied.snapshot = fmt::format("{}-{}", name_of(manifest), n);
  if (::rename(partial.c_str(), (to + "/snapshots/" + copied.snapshot).c_str()) != 0)
    return cannot("write", partial);
  MK_OK(sync_folder(to + "/snapshots"));
  copied.version = manifest.version;
  copied.files = manifest.artifacts.size();
  copied.bytes_copied += manifest.database.bytes;
  return copied;
}

// ---- bringing back

namespace {

Result<void> check_empty(const std::string& data) {
  if (!os::exists(data)) return {};
  const auto names = os::list_folder(data);
  std::error_code error;
  if (!std::filesystem::is_directory(data, error))
    return fail(Error{Code::kFailedPrecondition, "not_a_folder", data + " is not a folder"}.with_hint(
        "name another with --data"));
  if (names.empty()) return {};
  return fail(
      Error{Code::kFailedPrecondition, "folder_not_empty", fmt::format("{} is not empty", data)}.with_hint(
          "restore into a new folder with --data DIR; nothing is ever overwritten"));
}

Result<void> copy_checked(const std::string& from, const std::string& to, mode_t mode, const Content& want) {
  auto have = read_content(from, to, mode);
  if (!have && errno == ENOENT) return damaged(from + " is missing");
  if (!have) return fail(std::move(have).error());
  if (have->sha256 != want.sha256 || have->bytes != want.bytes)
    return damaged(from + " has changed since it was written");
  return {};
}

Result<void> settle_secrets(const Layout& fresh, const RestoreOptions& options) {
  if (options.without_secrets) return leave_out_secrets(fresh.database);
  if (options.keys.empty()) return check_needs_no_keys(fresh.database);
  MK_OK(check_keys(fresh.database, options.keys));
  MK_OK(os::make_folder(fresh.pki, 0700));
  MK_TRY([[maybe_unused]] const Content copied, read_content(options.keys, fresh.secret_keys(), 0600));
  return {};
}

}  // namespace

Result<Copied> restore(const std::string& from, const std::string& data, const RestoreOptions& options) {
  MK_OK(check_empty(data));
  const auto names = snapshots(from);
  if (names.empty())
    return fail(
        Error{Code::kNotFound, "no_backup", fmt::format("{} holds no finished backup", from)}.with_hint(
            "name the folder that was given to modelkit backup"));
  const std::string name = options.snapshot.empty() ? names.back() : options.snapshot;
  if (std::ranges::find(names, name) == names.end())
    return fail(
        Error{Code::kNotFound, "no_snapshot", fmt::format("{} has no snapshot {}", from, name)}.with_hint(
            "the newest is " + names.back()));
  const std::string folder = from + "/snapshots/" + name;
  MK_TRY(const Manifest manifest, read_manifest(folder));
  // Beside the place, then renamed: an interrupted restore leaves the place as it was, and starts over.
  const std::string beside = data + ".restoring";
  MK_OK(os::remove_all(beside));
  MK_OK(make_layout(Layout(beside)));
  const Layout fresh(beside);
  MK_OK(copy_checked(folder + "/store.db", fresh.database, 0600, manifest.database));
  if (auto settled = settle_secrets(fresh, options); !settled) {
    (void)os::remove_all(beside);
    return fail(std::move(settled).error());
  }
  for (const auto& [path, file] : manifest.artifacts) {
    const std::string place = fresh.blobs + "/" + path;
    MK_OK(os::make_folder(std::filesystem::path(place).parent_path().string(), 0755));
    MK_OK(copy_checked(object_path(from, file.content.sha256), place, 0644, file.content));
  }
  MK_TRY(const auto report, store::look_at_database(fresh.database, {}));
  if (!report.damage.empty()) return damaged("its database: " + report.damage);
  for (const char* left : {"-wal", "-shm"}) (void)os::remove_all(fresh.database + left);
  const File all(beside, O_RDONLY | O_DIRECTORY);
  if (all.get() < 0 || ::syncfs(all.get()) != 0) return cannot("sync", beside);
  if (::rename(beside.c_str(), data.c_str()) != 0) return cannot("write", data);
  const std::string parent = std::filesystem::absolute(data).parent_path().string();
  MK_OK(sync_folder(parent));
  return Copied{name, manifest.version, manifest.artifacts.size(), manifest.artifacts.size(), 0};
}

}  // namespace mk::app

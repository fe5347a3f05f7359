#include "store/testing/fault_vfs.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace mk::store {

void FaultPlan::reset() {
  writes_left = syncs_left = steps_left = -1;
  on_crash = nullptr;
  as_disk_full = lose_unsynced = ignore_syncs = false;
  leak_one_in = 0;
  seed = 1;
}

bool FaultPlan::step() {
  if (steps_left < 0) return false;
  if (steps_left == 0) return true;
  if (--steps_left > 0) return false;
  if (on_crash) on_crash();
  return true;
}

FaultPlan& fault_plan() {
  static FaultPlan plan;
  return plan;
}

namespace {

constexpr int64_t kBlock = 512;  // smaller than a page, so that pages can be torn

// A file as the program sees it, with the blocks that the disk has not got. Shared by all handles on one
// path.
struct Image {
  std::mutex mutex;
  std::vector<char> bytes;
  std::set<int64_t> unsynced;  // block numbers
  bool size_unsynced = false;
};

struct Images {
  std::mutex mutex;
  std::map<std::string, std::weak_ptr<Image>> by_path;
};
Images& all_images() {
  static Images images;
  return images;
}

std::shared_ptr<Image> image_of(const std::string& path, sqlite3_file* real) {
  Images& all = all_images();
  std::lock_guard lock(all.mutex);
  auto image = all.by_path[path].lock();
  if (!image) {
    image = std::make_shared<Image>();
    sqlite3_int64 size = 0;
    real->pMethods->xFileSize(real, &size);
    image->bytes.resize(static_cast<size_t>(size));
    if (size > 0) real->pMethods->xRead(real, image->bytes.data(), static_cast<int>(size), 0);
    all.by_path[path] = image;
  }
  return image;
}

struct File {
  sqlite3_file base;
  sqlite3_file* real;
  bool is_log;
  std::shared_ptr<Image>* image;  // null: straight through
};
File& file_of(sqlite3_file* file) {
  return *reinterpret_cast<File*>(file);
}
const sqlite3_io_methods& real_of(sqlite3_file* file) {
  return *file_of(file).real->pMethods;
}

uint64_t draw() {  // splitmix64
  uint64_t z = fault_plan().seed += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

// True when this call is to fail.
bool strikes(std::atomic<int>& left) {
  if (left < 0) return false;
  if (left == 0) return true;
  return --left == 0;
}

bool is_down() {
  return fault_plan().step();
}

int flush_block(File& file, Image& image, int64_t block) {
  const int64_t from = block * kBlock;
  const int64_t size = std::min<int64_t>(kBlock, static_cast<int64_t>(image.bytes.size()) - from);
  if (size <= 0) return SQLITE_OK;
  return file.real->pMethods->xWrite(file.real, image.bytes.data() + from, static_cast<int>(size), from);
}

int close_file(sqlite3_file* f) {
  File& file = file_of(f);
  delete file.image;
  return file.real->pMethods->xClose(file.real);
}

int read_file(sqlite3_file* f, void* out, int amount, sqlite3_int64 at) {
  File& file = file_of(f);
  if (!file.image) return real_of(f).xRead(file.real, out, amount, at);
  Image& image = **file.image;
  std::lock_guard lock(image.mutex);
  const auto size = static_cast<int64_t>(image.bytes.size());
  const int64_t have = std::clamp<int64_t>(size - at, 0, amount);
  if (have > 0) std::memcpy(out, image.bytes.data() + at, static_cast<size_t>(have));
  if (have == amount) return SQLITE_OK;
  std::memset(static_cast<char*>(out) + have, 0, static_cast<size_t>(amount - have));
  return SQLITE_IOERR_SHORT_READ;
}

int write_file(sqlite3_file* f, const void* in, int amount, sqlite3_int64 at) {
  File& file = file_of(f);
  FaultPlan& plan = fault_plan();
  if (is_down()) return SQLITE_IOERR_WRITE;
  if (file.is_log && strikes(plan.writes_left)) return plan.as_disk_full ? SQLITE_FULL : SQLITE_IOERR_WRITE;
  if (!file.image) return real_of(f).xWrite(file.real, in, amount, at);
  Image& image = **file.image;
  std::lock_guard lock(image.mutex);
  const int64_t end = at + amount;
  if (static_cast<int64_t>(image.bytes.size()) < end) image.bytes.resize(static_cast<size_t>(end));
  std::memcpy(image.bytes.data() + at, in, static_cast<size_t>(amount));
  for (int64_t block = at / kBlock; block * kBlock < end; ++block) {
    image.unsynced.insert(block);
    if (plan.leak_one_in > 0 && draw() % plan.leak_one_in == 0) flush_block(file, image, block);
  }
  return SQLITE_OK;
}

int truncate_file(sqlite3_file* f, sqlite3_int64 size) {
  File& file = file_of(f);
  if (is_down()) return SQLITE_IOERR_TRUNCATE;
  if (!file.image) return real_of(f).xTruncate(file.real, size);
  Image& image = **file.image;
  std::lock_guard lock(image.mutex);
  image.bytes.resize(static_cast<size_t>(size));
  image.size_unsynced = true;
  return SQLITE_OK;
}

int sync_file(sqlite3_file* f, int flags) {
  File& file = file_of(f);
  FaultPlan& plan = fault_plan();
  if (is_down()) return SQLITE_IOERR_FSYNC;
  if (file.is_log && strikes(plan.syncs_left)) return SQLITE_IOERR_FSYNC;
  if (!file.image) return real_of(f).xSync(file.real, flags);
  if (plan.ignore_syncs) return SQLITE_OK;
  Image& image = **file.image;
  std::lock_guard lock(image.mutex);
  if (image.size_unsynced) real_of(f).xTruncate(file.real, static_cast<sqlite3_int64>(image.bytes.size()));
  image.size_unsynced = false;
  for (int64_t block : image.unsynced) {
    if (int code = flush_block(file, image, block); code != SQLITE_OK) return code;
  }
  image.unsynced.clear();
  return SQLITE_OK;  // a kill leaves what the kernel has, so no real sync is needed
}

int file_size(sqlite3_file* f, sqlite3_int64* size) {
  File& file = file_of(f);
  if (!file.image) return real_of(f).xFileSize(file.real, size);
  std::lock_guard lock((*file.image)->mutex);
  *size = static_cast<sqlite3_int64>((*file.image)->bytes.size());
  return SQLITE_OK;
}

constexpr sqlite3_io_methods kMethods = {
    .iVersion = 2,
    .xClose = close_file,
    .xRead = read_file,
    .xWrite = write_file,
    .xTruncate = truncate_file,
    .xSync = sync_file,
    .xFileSize = file_size,
    .xLock = [](sqlite3_file* f, int kind) { return real_of(f).xLock(file_of(f).real, kind); },
    .xUnlock = [](sqlite3_file* f, int kind) { return real_of(f).xUnlock(file_of(f).real, kind); },
    .xCheckReservedLock = [](sqlite3_file* f,
                             int* out) { return real_of(f).xCheckReservedLock(file_of(f).real, out); },
    .xFileControl = [](sqlite3_file* f, int op,
                       void* arg) { return real_of(f).xFileControl(file_of(f).real, op, arg); },
    .xSectorSize = [](sqlite3_file* f) { return real_of(f).xSectorSize(file_of(f).real); },
    .xDeviceCharacteristics =
        [](sqlite3_file* f) { return real_of(f).xDeviceCharacteristics(file_of(f).real); },
    .xShmMap =
        [](sqlite3_file* f, int page, int size, int extend, void volatile** out) {
          return real_of(f).xShmMap(file_of(f).real, page, size, extend, out);
        },
    .xShmLock = [](sqlite3_file* f, int at, int n,
                   int flags) { return real_of(f).xShmLock(file_of(f).real, at, n, flags); },
    .xShmBarrier = [](sqlite3_file* f) { real_of(f).xShmBarrier(file_of(f).real); },
    .xShmUnmap = [](sqlite3_file* f, int remove) { return real_of(f).xShmUnmap(file_of(f).real, remove); },
};

int open_file(sqlite3_vfs* vfs, sqlite3_filename path, sqlite3_file* f, int flags, int* out_flags) {
  auto* under = static_cast<sqlite3_vfs*>(vfs->pAppData);
  File& file = *new (f) File{};
  file.real = reinterpret_cast<sqlite3_file*>(reinterpret_cast<char*>(f) + sizeof(File));
  std::memset(file.real, 0, static_cast<size_t>(under->szOsFile));
  const int code = under->xOpen(under, path, file.real, flags, out_flags);
  if (!file.real->pMethods) return code;
  file.base.pMethods = &kMethods;
  file.is_log = (flags & SQLITE_OPEN_WAL) != 0;
  if (code == SQLITE_OK && fault_plan().lose_unsynced &&
      (flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_DB)) != 0) {
    file.image = new std::shared_ptr<Image>(image_of(path, file.real));
  }
  return code;
}

}  // namespace

void write_back_all() {
  Images& all = all_images();
  std::lock_guard lock(all.mutex);
  for (const auto& [path, weak] : all.by_path) {
    const auto image = weak.lock();
    if (!image) continue;
    std::lock_guard one(image->mutex);
    const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    const auto size = static_cast<int64_t>(image->bytes.size());
    bool held = fd >= 0 && (!image->size_unsynced || ::ftruncate(fd, size) == 0);
    for (const int64_t block : image->unsynced) {
      const int64_t from = block * kBlock, amount = std::min(kBlock, size - from);
      held = held && (amount <= 0 ||
                      ::pwrite(fd, image->bytes.data() + from, static_cast<size_t>(amount), from) == amount);
    }
    MK_CHECK(held);
    ::close(fd);
  }
}

void register_fault_vfs() {
  static std::once_flag once;
  std::call_once(once, [] {
    sqlite3_initialize();
    sqlite3_vfs* under = sqlite3_vfs_find(nullptr);
    static sqlite3_vfs vfs = *under;
    vfs.zName = kFaultVfs;
    vfs.pNext = nullptr;
    vfs.pAppData = under;
    vfs.szOsFile = static_cast<int>(sizeof(File)) + under->szOsFile;
    vfs.xOpen = open_file;
    vfs.xDelete = [](sqlite3_vfs* self, const char* path, int sync) {
      if (is_down()) return SQLITE_IOERR_DELETE;
      auto* system = static_cast<sqlite3_vfs*>(self->pAppData);
      return system->xDelete(system, path, sync);
    };
    // A seed replays exactly.
    vfs.xRandomness = [](sqlite3_vfs*, int bytes, char* out) {
      for (int i = 0; i < bytes; ++i) out[i] = static_cast<char>(draw());
      return bytes;
    };
    // The rest keeps the system's functions; they take the system's vfs as their argument for xDelete and the
    // like, and read nothing of it but pAppData in xOpen.
    sqlite3_vfs_register(&vfs, 0);
  });
}

}  // namespace mk::store

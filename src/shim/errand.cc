#include "shim/errand.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "shim/text.h"

namespace mk::shim {
namespace {

constexpr int kDepthMax = 64;  // deeper folders are moved up first: neither stack nor descriptors grow with the tree

int complain(const char* what) {
  Text<200> text;
  text.add(what).add(": ").add(strerrordesc_np(errno)).add('\n');
  write_all(2, text.c_str(), text.size());
  return 1;
}

struct Removal {
  int top = -1;
  int64_t moved = 0;
};

bool empty_folder(Removal& removal, int folder, int depth);

bool remove_entry(Removal& removal, int folder, const char* name, int depth) {
  if (unlinkat(folder, name, 0) == 0 || errno == ENOENT) return true;
  if (errno != EISDIR && errno != EPERM) return false;
  if (unlinkat(folder, name, AT_REMOVEDIR) == 0) return true;
  if (errno != ENOTEMPTY && errno != EEXIST) return false;
  if (depth >= kDepthMax) {
    Text<40> place;
    place.add(".deep-").number(removal.moved++);
    return renameat(folder, name, removal.top, place.c_str()) == 0;
  }
  const int inner = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (inner < 0) return false;
  const bool ok = empty_folder(removal, inner, depth + 1);
  return ok && unlinkat(folder, name, AT_REMOVEDIR) == 0;
}

// Takes `folder`.
bool empty_folder(Removal& removal, int folder, int depth) {
  DIR* list = fdopendir(folder);
  if (list == nullptr) return false;
  bool ok = true;
  while (const dirent* entry = ok ? readdir(list) : nullptr) {
    if (std::strcmp(entry->d_name, ".") == 0 || std::strcmp(entry->d_name, "..") == 0) continue;
    ok = remove_entry(removal, folder, entry->d_name, depth);
  }
  const int error = errno;
  closedir(list);
  errno = error;
  return ok;
}

bool remove_tree(const char* path) {
  Removal removal;
  // What was moved up may have come behind the place that had been read already: until nothing is left.
  for (int64_t before = -1; before != removal.moved;) {
    before = removal.moved;
    removal.top = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (removal.top < 0) return errno == ENOENT;
    if (!empty_folder(removal, removal.top, 0)) return false;
  }
  return rmdir(path) == 0;
}

}  // namespace

int run_errand(int argc, char** argv) {
  if (argc < 4) return 2;
  if (setns(std::atoi(argv[2]), CLONE_NEWUSER) != 0) return complain("join the user namespace");
  if (std::strcmp(argv[1], "--remove") == 0) return remove_tree(argv[3]) ? 0 : complain("remove");
  if (std::strcmp(argv[1], "--give") != 0) return 2;
  const auto uid = static_cast<uid_t>(std::strtoul(argv[3], nullptr, 10));
  for (int i = 4; i < argc; ++i)
    if (lchown(argv[i], uid, uid) != 0) return complain("change the owner");
  return 0;
}

}  // namespace mk::shim

#include "app/layout.h"

#include <unistd.h>

#include <cerrno>

#include "base/format.h"
#include "os/files.h"

namespace mk::app {
namespace {

// Names what cannot be written, before anything begins: a disk of its own that is mounted read-only, or what
// another user made who ran modelkit on this folder once.
Result<void> make_part(const std::string& folder, uint32_t mode) {
  const auto made = os::make_folder(folder, mode);
  if (made && access(folder.c_str(), R_OK | W_OK | X_OK) == 0) return {};
  const int error = errno;
  return fail(Error{Code::kFailedPrecondition, "data_folder",
                    fmt::format("{} cannot be used: {}", folder,
                                !made            ? made.error().message
                                : error == EROFS ? "its disk is mounted read-only"
                                                 : "you may not write there")}
                  .with_hint("make it writable for the user who runs modelkit, or name another data folder "
                             "with --data DIR"));
}

}  // namespace

Result<void> make_layout(const Layout& layout) {
  MK_OK(os::make_folder(layout.root, 0711));
  for (const std::string* folder : {&layout.pods, &layout.binaries, &layout.environments})
    MK_OK(make_part(*folder, 0711));
  for (const std::string* folder : {&layout.blobs, &layout.gateway, &layout.pki})
    MK_OK(make_part(*folder, 0700));
  return {};
}

}  // namespace mk::app

#include "app/layout.h"

#include "os/files.h"

namespace mk::app {

Result<void> make_layout(const Layout& layout) {
  MK_OK(os::make_folder(layout.root, 0711));
  for (const std::string* folder : {&layout.pods, &layout.binaries, &layout.environments})
    MK_OK(os::make_folder(*folder, 0711));
  for (const std::string* folder : {&layout.blobs, &layout.gateway}) MK_OK(os::make_folder(*folder, 0700));
  return {};
}

}  // namespace mk::app

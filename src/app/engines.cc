#include "app/engines.h"

#include <filesystem>

#include "base/format.h"
#include "dataplane/engines/onnx/library.h"
#include "os/files.h"

namespace mk::app {

namespace files = std::filesystem;

Result<void> install_engines(const std::string& folder) {
  MK_OK(os::make_folder(folder, 0755));
  std::error_code error;
  for (const std::string& found : dataplane::onnx::library_candidates("")) {
    const files::path source = files::canonical(found, error);
    if (error) continue;
    const files::path target = files::path(folder) / files::path(found).filename();
    if (files::exists(target, error) && files::file_size(target, error) == files::file_size(source, error)) return {};
    files::remove(target, error);
    files::create_hard_link(source, target, error);
    if (error) files::copy_file(source, target, error);
    if (error)
      return fail(Code::kUnavailable, "engine_install", fmt::format("{} cannot be put into {}: {}", source.string(), folder, error.message()));
    return {};
  }
  return {};
}

}  // namespace mk::app

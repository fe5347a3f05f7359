#include "dataplane/engines/onnx/library.h"

#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <mutex>

#include "base/format.h"

namespace mk::dataplane::onnx {
namespace {

// The table version that we ask for: the newest slot that we call came with 15. Newer libraries keep serving it.
constexpr uint32_t kApiVersion = 17;
constexpr int kLogFatalOnly = 4;  // errors come back as a status and are the caller's to tell
constexpr std::string_view kFileName = "libonnxruntime.so.1.31.1";

struct ApiBase {
  const void* (*GetApi)(uint32_t version);
  const char* (*GetVersionString)();
};

Result<Library> load(const std::string& path) {
  // RTLD_LOCAL: the library's own copies of protobuf and the like must not meet anybody else's.
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle)
    return fail(Code::kUnavailable, "engine_unusable", fmt::format("ONNX Runtime at {} does not load: {}", path, dlerror()));
  const auto base_call = reinterpret_cast<const ApiBase* (*)()>(dlsym(handle, "OrtGetApiBase"));
  const ApiBase* base = base_call ? base_call() : nullptr;
  const void* table = base ? base->GetApi(kApiVersion) : nullptr;
  if (!table)
    return fail(Code::kUnavailable, "engine_unusable",
                fmt::format("{} is no ONNX Runtime of version 1.17 or later", path));
  Library library;
  library.version = base->GetVersionString();
  const auto slots = static_cast<void* const*>(table);
#define MK_ORT_FILL(name, slot, result, parameters) \
  library.calls.name = reinterpret_cast<result(*) parameters>(slots[slot]);
  MK_ORT_CALLS(MK_ORT_FILL)
#undef MK_ORT_FILL
  const Calls& calls = library.calls;
  MK_OK(check(calls, calls.CreateEnv(kLogFatalOnly, "modelkit", &library.env), "ONNX Runtime does not start"));
  MK_OK(check(calls, calls.CreateCpuMemoryInfo(/*arena*/ 1, /*default*/ 0, &library.cpu), "ONNX Runtime does not start"));
  MK_OK(check(calls, calls.GetAllocatorWithDefaultOptions(&library.allocator), "ONNX Runtime does not start"));
  return library;
}

void add_folder(std::vector<std::string>& out, const std::filesystem::path& folder) {
  out.push_back(folder / kFileName);
}

}  // namespace

std::vector<std::string> library_candidates(const std::string& wanted) {
  std::vector<std::string> out;
  const char* env = std::getenv("MODELKIT_ONNXRUNTIME");
  for (const std::string& given : {wanted, std::string(env ? env : "")}) {
    if (given.empty()) continue;
    std::error_code ignored;
    if (std::filesystem::is_directory(given, ignored))
      add_folder(out, given);
    else
      out.push_back(given);
  }
  std::error_code failed;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", failed);
  if (failed) return out;
  auto folder = program.parent_path();
  for (int above = 0; above < 3 && folder.has_parent_path(); ++above, folder = folder.parent_path()) {
    add_folder(out, folder / "engines");
    add_folder(out, folder / ".venv/lib/python3.11/site-packages/onnxruntime/capi");
  }
  return out;
}

Result<const Library*> open_library(const std::string& wanted) {
  static std::mutex mutex;
  // Never destroyed: sessions on other threads may be in use while the process ends.
  static const Library* opened = nullptr;
  std::lock_guard lock(mutex);
  if (opened) return opened;
  for (const auto& path : library_candidates(wanted)) {
    std::error_code ignored;
    if (!std::filesystem::exists(path, ignored)) continue;
    MK_TRY(auto library, load(path));
    opened = std::make_unique<const Library>(std::move(library)).release();
    return opened;
  }
  return fail(Error{Code::kUnavailable, "engine_missing", "ONNX Runtime is not installed"}.with_hint(
      "run ./x setup, or set MODELKIT_ONNXRUNTIME to the folder that holds " + std::string(kFileName)));
}

Result<void> check(const Calls& calls, OrtStatus* status, std::string_view what) {
  if (!status) return {};
  constexpr int kNoSuchFile = 3;
  const int code = calls.GetErrorCode(status);
  std::string_view text = calls.GetErrorMessage(status);
  // "Non-zero status code returned while running X node. Name:'' Status Message: /src/a.cc:1 what happened"
  if (const auto at = text.rfind("Status Message: "); at != text.npos) text.remove_prefix(at + 16);
  std::string clean;
  while (!text.empty()) {
    const auto end = std::min(text.find_first_of(" \n"), text.size());
    const auto word = text.substr(0, end);
    if (!word.empty() && !word.starts_with('/')) clean += (clean.empty() ? "" : " ") + std::string(word);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  calls.ReleaseStatus(status);
  return fail(code == kNoSuchFile ? Code::kNotFound : Code::kInvalidArgument, "onnx_failed",
              fmt::format("{}: {}", what, clean));
}

}  // namespace mk::dataplane::onnx

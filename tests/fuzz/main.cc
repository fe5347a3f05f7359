// modelkit_fuzz: with libFuzzer (MK_LIBFUZZER) the target that MK_FUZZ_TARGET names; without, `modelkit_fuzz
// CORPUS` gives every file of CORPUS/TARGET/ to its target and says how many there were.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "base/log.h"
#include "targets.h"

namespace {

const mk::fuzz::Target* find(std::string_view name) {
  for (const auto& target : mk::fuzz::targets())
    if (target.name == name) return &target;
  return nullptr;
}

}  // namespace

#ifdef MK_LIBFUZZER
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, size_t size) {
  static const mk::fuzz::Target* target = [] {
    mk::log::set_level(static_cast<mk::log::Level>(99));
    const char* name = std::getenv("MK_FUZZ_TARGET");
    const auto* found = find(name ? name : "");
    if (!found) {
      std::fprintf(stderr, "MK_FUZZ_TARGET names no target\n");
      std::exit(2);
    }
    return found;
  }();
  target->run({reinterpret_cast<const char*>(data), size});
  return 0;
}
#else
int main(int count, char** words) {
  namespace fs = std::filesystem;
  if (count == 2 && std::string(words[1]) == "--list") {
    for (const auto& target : mk::fuzz::targets())
      std::printf("%.*s\n", static_cast<int>(target.name.size()), target.name.data());
    return 0;
  }
  if (count != 2 || !fs::is_directory(words[1])) {
    std::fprintf(stderr, "usage: modelkit_fuzz CORPUS | --list\n");
    return 2;
  }
  size_t inputs = 0;
  for (const auto& folder : fs::directory_iterator(words[1])) {
    const auto* target = find(folder.path().filename().string());
    if (!target) {
      std::fprintf(stderr, "there is no target %s\n", folder.path().filename().c_str());
      return 2;
    }
    for (const auto& file : fs::directory_iterator(folder)) {
      std::ifstream in(file.path(), std::ios::binary);
      std::stringstream bytes;
      bytes << in.rdbuf();
      std::fprintf(stderr, "%s\n", file.path().c_str());  // the last one is the one that broke a promise
      target->run(bytes.str());
      ++inputs;
    }
  }
  std::printf("%zu inputs\n", inputs);
  return 0;
}
#endif

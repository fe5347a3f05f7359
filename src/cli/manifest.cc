#include "cli/manifest.h"

#include <cstdio>

#include "base/format.h"
#include "base/yaml.h"

namespace mk::cli {
namespace {

constexpr size_t kFileBytesMax = 16u << 20;

Result<std::string> read_file(const std::string& name) {
  FILE* file = name == "-" ? stdin : std::fopen(name.c_str(), "re");
  if (!file)
    return fail(Error{Code::kNotFound, "no_file", fmt::format("the file {} cannot be read", name)}.with_hint(
        "check the path, or use -f - for standard input"));
  std::string text;
  char buffer[65536];
  while (const size_t n = std::fread(buffer, 1, sizeof buffer, file)) {
    text.append(buffer, n);
    if (text.size() > kFileBytesMax) break;
  }
  if (file != stdin) std::fclose(file);
  return text;
}

}  // namespace

Result<std::vector<Manifest>> read_manifests(const std::vector<std::string>& files) {
  std::vector<Manifest> manifests;
  for (const std::string& file : files) {
    const size_t before = manifests.size();
    MK_TRY(const std::string text, read_file(file));
    auto documents = parse_yaml(text);
    if (!documents) {
      Error error = documents.error();
      error.message = fmt::format("{}: {}", file, error.message);
      return fail(std::move(error));
    }
    for (Json& document : *documents) {
      if (!document.is_object())
        return fail(Error{Code::kInvalidArgument, "no_object", fmt::format("{}: an object is expected, this is of the type {}", file, document.type_name())}
                        .with_hint("an object begins with apiVersion and kind"));
      const kinds::Kind* kind = kinds::find_kind_of(document);
      if (!kind)
        return fail(Error{Code::kInvalidArgument, "unknown_kind",
                          fmt::format("{}: this modelkit has no kind {} in {}", file, document["kind"].text("(none)"),
                                      document["apiVersion"].text("(no apiVersion)"))}
                        .with_hint("kubectl api-resources lists what it has"));
      manifests.push_back({std::move(document), kind});
    }
    if (manifests.size() == before) return fail(Code::kInvalidArgument, "no_objects", fmt::format("{}: holds no object", file));
  }
  return manifests;
}

}  // namespace mk::cli

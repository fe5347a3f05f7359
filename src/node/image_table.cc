#include "node/image_table.h"

#include <sys/stat.h>

#include <algorithm>

#include "base/format.h"

namespace mk::node {
namespace {

// Verbs of this program that may be run as images.
constexpr std::string_view kInternals[] = {"model-server"};
constexpr std::string_view kOwnPrefix = "modelkit/";

bool glob(std::string_view pattern, std::string_view text) {
  size_t p = 0, t = 0, star = pattern.npos, from = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      from = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != pattern.npos) {
      p = star + 1;
      t = ++from;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

// "registry:5000/a/b:tag@sha256:x" -> "registry:5000/a/b"
std::string_view without_tag(std::string_view image) {
  image = image.substr(0, image.find('@'));
  const size_t colon = image.rfind(':'), slash = image.rfind('/');
  return colon != image.npos && (slash == image.npos || colon > slash) ? image.substr(0, colon) : image;
}

std::string_view without_defaults(std::string_view image) {
  for (std::string_view prefix : {"docker.io/library/", "docker.io/"})
    if (image.starts_with(prefix)) return image.substr(prefix.size());
  return image;
}

Result<ImageProgram> from_object(std::string_view image, const Json& spec) {
  ImageProgram program;
  for (const Json& word : spec["command"].items()) program.command.emplace_back(word.text());
  const std::string path(spec["path"].text());
  if (path.empty()) return program;  // the machine's own programs
  struct stat info{};
  if (path[0] != '/' || stat(path.c_str(), &info) != 0)
    return fail(Error{Code::kFailedPrecondition, "ErrImagePull",
                      fmt::format("image \"{}\" is mapped to {}, which does not exist", image, path)}
                    .with_hint(fmt::format("map it anew: modelkit image map {} PATH|env", image)));
  if (!S_ISDIR(info.st_mode)) {
    if (program.command.empty()) program.command = {path};
    program.folder = path.substr(0, path.rfind('/'));
    program.path.push_back(program.folder);
    return program;
  }
  program.cwd = program.folder = path;
  program.path = {path + "/bin", path};
  return program;
}

}  // namespace

bool image_matches(std::string_view pattern, std::string_view image) {
  pattern = without_defaults(pattern);
  image = without_defaults(image);
  return glob(pattern, image) || (without_tag(pattern) == pattern && glob(pattern, without_tag(image)));
}

Result<ImageProgram> resolve_image(std::string_view image, const std::vector<Json>& images,
                                   const std::string& self) {
  const std::string_view plain = without_tag(without_defaults(image));
  if (plain.starts_with(kOwnPrefix)) {
    const std::string_view verb = plain.substr(kOwnPrefix.size());
    if (std::find(std::begin(kInternals), std::end(kInternals), verb) != std::end(kInternals))
      return ImageProgram{.command = {self, std::string(verb)}, .open_exec = true};
  }
  // The longest pattern is the most particular; equal ones by name, so that the choice does not depend on
  // order.
  const Json* best = nullptr;
  std::string_view best_pattern;
  for (const Json& object : images) {
    const std::string_view pattern = object.at({"spec", "name"}).text();
    if (pattern.empty() || !image_matches(pattern, image)) continue;
    if (best != nullptr && (pattern.size() < best_pattern.size() ||
                            (pattern.size() == best_pattern.size() && pattern >= best_pattern)))
      continue;
    best = &object;
    best_pattern = pattern;
  }
  if (best != nullptr) return from_object(image, (*best)["spec"]);
  return fail(Error{Code::kFailedPrecondition, "ErrImagePull",
                    fmt::format("no image \"{}\" on this machine, and modelkit pulls none", image)}
                  .with_hint(fmt::format("say what it stands for: modelkit image map {} PATH|env", image)));
}

}  // namespace mk::node

// modelkit image map NAME PATH|env: says what an image name stands for on this machine.
#include <filesystem>

#include "base/digest.h"
#include "base/format.h"
#include "cli/connection.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "os/files.h"

namespace mk::cli {
namespace {

// An object name that reads like the image's: "my/x:v1" -> "my-x-v1". Another image may read alike ("my-x:v1"); the
// digest tells them apart then.
std::string object_name(std::string_view image, const Json& images) {
  std::string name;
  for (const char c : image) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (plain)
      name += c;
    else if (!name.empty() && name.back() != '-')
      name += '-';
  }
  while (name.ends_with('-')) name.pop_back();
  for (const Json& item : images["items"].items())
    if (name.empty() || item.at({"metadata", "name"}).text() == name)
      return fmt::format("{}{}{}", name, name.empty() ? "" : "-", sha256_hex(image).substr(0, 10));
  return name;
}

Result<Json> list_images(const Connection& connection, const kinds::Kind& kind) {
  return connection.json(net::Method::kGet, object_path(kind, "", ""));
}

// The object that maps exactly this image, whoever named it; empty: there is none.
std::string mapped_by(std::string_view image, const Json& images) {
  for (const Json& item : images["items"].items())
    if (item.at({"spec", "name"}).text() == image) return std::string(item.at({"metadata", "name"}).text());
  return {};
}

Result<Json> mapping(const std::string& image, const std::string& target) {
  Json spec = Json::object({{"name", image}});
  if (target == "env") {
    spec["environment"] = Json::object({{"name", "machine"}});
    return spec;
  }
  const std::string path = std::filesystem::absolute(target).lexically_normal().string();  // the server has another folder
  if (!os::exists(path))
    return fail(Error{Code::kFailedPrecondition, "no_such_path", fmt::format("there is no {}", path)}.with_hint(
        "name a folder or a program of this machine, or `env` for all of its programs"));
  spec["path"] = path;
  return spec;
}

Result<int> map(const Connection& connection, const kinds::Kind& kind, const std::string& image, const std::string& target) {
  MK_TRY(Json spec, mapping(image, target));
  MK_TRY(const Json images, list_images(connection, kind));
  const std::string before = mapped_by(image, images);
  Json object = Json::object({{"apiVersion", kind.api_version(kind.versions[0])},
                              {"kind", kind.kind},
                              {"metadata", Json::object({{"name", before.empty() ? object_name(image, images) : before}})},
                              {"spec", std::move(spec)}});
  if (before.empty()) {
    MK_OK(connection.json(net::Method::kPost, object_path(kind, "", ""), &object));
  } else {
    object["spec"][target == "env" ? "path" : "environment"] = nullptr;  // what it stood for goes
    MK_OK(connection.json(net::Method::kPatch, object_path(kind, "", before), &object, "application/merge-patch+json"));
  }
  fmt::print("{} now stands for {}\n", image, target == "env" ? "this machine's own programs" : target);
  return kOk;
}

Result<int> remove(const Connection& connection, const kinds::Kind& kind, const std::string& image) {
  MK_TRY(const Json images, list_images(connection, kind));
  const std::string name = mapped_by(image, images);
  if (name.empty())
    return fail(Error{Code::kNotFound, "no_such_image", fmt::format("{} is not mapped", image)}.with_hint("modelkit image ls shows what is"));
  MK_OK(connection.json(net::Method::kDelete, object_path(kind, "", name)));
  fmt::print("{} is no longer known\n", image);
  return kOk;
}

Result<int> run(const Arguments& arguments) {
  const auto& words = arguments.words();
  MK_TRY(const Connection connection, Connection::open(arguments));
  MK_TRY(const kinds::Kind* kind, find_kind("images"));
  if (words.size() == 3 && words[0] == "map") return map(connection, *kind, words[1], words[2]);
  if (words.size() == 1 && words[0] == "ls") {
    MK_TRY(const Json list, list_images(connection, *kind));
    std::vector<std::vector<std::string>> rows = {{"IMAGE", "STANDS FOR"}, {"modelkit/model-server", "this program"}};
    for (const Json& item : list["items"].items())
      rows.push_back({std::string(item.at({"spec", "name"}).text()),
                      std::string(item.at({"spec", "path"}).text(item.at({"spec", "environment", "name"}).text()))});
    fmt::print("{}", align(rows));
    return kOk;
  }
  if (words.size() == 2 && words[0] == "rm") return remove(connection, *kind, words[1]);
  return fail(Error{Code::kInvalidArgument, "usage", "image takes map NAME PATH|env, ls, or rm NAME"}.with_hint(
      "e.g. modelkit image map my/trainer:v1 /opt/trainer"));
}

}  // namespace

Verb image_verb() {
  return {.name = "image",
          .usage = "image map NAME PATH|env | image ls | image rm NAME",
          .what = "say what image names stand for on this machine",
          .options = with_connection({}),
          .run = run};
}

}  // namespace mk::cli

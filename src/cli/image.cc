// modelkit image map NAME PATH|env: says what an image name stands for on this machine.
#include <filesystem>

#include "base/encoding.h"
#include "base/format.h"
#include "cli/connection.h"
#include "cli/table.h"
#include "cli/verbs.h"

namespace mk::cli {
namespace {

// An Image object's name is made from the image's: "my/x:v1" -> "my-x-v1-<hash>" would hide it; percent signs are not
// allowed. Letters, digits and dashes stay, all else becomes a dash.
std::string object_name(std::string_view image) {
  std::string name;
  for (const char c : image) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (plain)
      name += c;
    else if (!name.empty() && name.back() != '-')
      name += '-';
  }
  while (name.ends_with('-')) name.pop_back();
  return name;
}

Result<int> map(const Connection& connection, const kinds::Kind& kind, const std::string& image, const std::string& target) {
  const std::string name = object_name(image);
  if (name.empty()) return fail(Code::kInvalidArgument, "usage", fmt::format("\"{}\" is no image name", image));
  Json spec = Json::object({{"name", image}});
  if (target == "env")
    spec["environment"] = Json::object({{"name", "machine"}});
  else
    spec["path"] = std::filesystem::absolute(target).lexically_normal().string();  // the server has another folder
  const Json object = Json::object({{"apiVersion", kind.api_version(kind.versions[0])},
                                    {"kind", kind.kind},
                                    {"metadata", Json::object({{"name", name}})},
                                    {"spec", std::move(spec)}});
  const auto before = connection.json(net::Method::kGet, object_path(kind, "", name));
  if (before) {
    Json patch = object;  // what it stood for before goes
    patch["spec"][target == "env" ? "path" : "environment"] = nullptr;
    MK_OK(connection.json(net::Method::kPatch, object_path(kind, "", name), &patch, "application/merge-patch+json"));
  } else {
    MK_OK(connection.json(net::Method::kPost, object_path(kind, "", ""), &object));
  }
  fmt::print("{} now stands for {}\n", image, target == "env" ? "this machine's own programs" : target);
  return kOk;
}

Result<int> run(const Arguments& arguments) {
  const auto& words = arguments.words();
  MK_TRY(const Connection connection, Connection::open(arguments));
  MK_TRY(const kinds::Kind* kind, find_kind("images"));
  if (words.size() == 3 && words[0] == "map") return map(connection, *kind, words[1], words[2]);
  if (words.size() == 1 && words[0] == "ls") {
    MK_TRY(const Json list, connection.json(net::Method::kGet, object_path(*kind, "", "")));
    std::vector<std::vector<std::string>> rows = {{"IMAGE", "STANDS FOR"}, {"modelkit/model-server", "this program"}};
    for (const Json& item : list["items"].items())
      rows.push_back({std::string(item.at({"spec", "name"}).text()),
                      std::string(item.at({"spec", "path"}).text(item.at({"spec", "environment", "name"}).text()))});
    fmt::print("{}", align(rows));
    return kOk;
  }
  if (words.size() == 2 && words[0] == "rm") {
    MK_OK(connection.json(net::Method::kDelete, object_path(*kind, "", object_name(words[1]))));
    fmt::print("{} is no longer known\n", words[1]);
    return kOk;
  }
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

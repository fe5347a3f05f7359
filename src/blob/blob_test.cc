#include "blob/blob.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace mk::blob {
namespace {

namespace fs = std::filesystem;

struct Folder {
  std::string path = "/tmp/mk-blob-XXXXXX";
  Folder() { REQUIRE(mkdtemp(path.data())); }
  ~Folder() { fs::remove_all(path); }
  std::string operator/(std::string_view below) const { return path + "/" + std::string(below); }
};

Path at(std::string_view text) {
  auto path = Path::parse(text);
  REQUIRE_MESSAGE(path, text);
  return *path;
}

Result<void> put(Blobs& blobs, std::string_view path, std::string_view bytes) {
  MK_TRY(auto upload, blobs.create(at(path)));
  REQUIRE(::write(upload->fd(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  return upload->commit();
}

std::string read_all(const Blobs& blobs, std::string_view path) {
  auto file = blobs.open(at(path));
  if (!file) return std::string(code_name(file.error().code));
  std::string out(file->bytes, '\0');
  CHECK(::read(file->fd, out.data(), out.size()) == static_cast<ssize_t>(out.size()));
  ::close(file->fd);
  return out;
}

std::string names(const Blobs& blobs, std::string_view folder) {
  auto entries = blobs.list(at(folder));
  if (!entries) return std::string(code_name(entries.error().code));
  std::string out;
  for (const Entry& entry : *entries)
    out += entry.name + (entry.folder ? "/ " : ":" + std::to_string(entry.bytes) + " ");
  return out;
}

size_t in_transit(const Folder& folder) {
  return static_cast<size_t>(std::distance(fs::directory_iterator(folder / "root/.modelkit-transit"), {}));
}

}  // namespace

TEST_CASE("blob path: what can escape is refused, what cannot is kept as it is") {
  using namespace std::string_view_literals;
  for (auto text :
       {"a"sv, "a/b.txt"sv, "model/data/model.pkl"sv, "..."sv, ".hidden"sv, "a..b/..c"sv, "a b/(1)+[2]"sv,
        "é/模型"sv, "ab:c"sv, "1:x"sv, "a;b"sv, "a?b#c"sv, "$(id)"sv, "~root"sv, "a'\"b"sv}) {
    CAPTURE(text);
    auto path = Path::parse(text);
    CHECK(path);
    if (path) CHECK(path->text() == text);
  }
  // Section by section: absolute and parents, what is left of encodings, other systems' separators, bytes,
  // form.
  for (auto text : {"/etc/passwd"sv,
                    "//proc/self/root"sv,
                    ".."sv,
                    "../x"sv,
                    "a/../b"sv,
                    "a/.."sv,
                    "."sv,
                    "a/./b"sv,
                    "a/#/../.."sv,
                    "/a;/../.."sv,
                    "..%2f"sv,
                    "%2e%2e/x"sv,
                    "%252e%252e%252f"sv,
                    "a%00b"sv,
                    "100%"sv,
                    "..\\..\\"sv,
                    "a\\b"sv,
                    "C:\\x"sv,
                    "C:"sv,
                    "c:/windows"sv,
                    "a:b"sv,
                    "file:///etc"sv,
                    "a\0b"sv,
                    "a\nb"sv,
                    "a\x7f"sv,
                    "\x01"sv,
                    "a//b"sv,
                    "a/"sv,
                    "/"sv,
                    "\xff\xfe"sv,
                    "\xc0\xae\xc0\xae/x"sv,
                    "\xed\xa0\x80"sv,
                    "\xe2\x82"sv}) {
    CAPTURE(text);
    auto path = Path::parse(text);
    CHECK(!path);
    if (!path) CHECK(path.error().code == Code::kInvalidArgument);
  }
  CHECK(!Path::parse(std::string(256, 'a')));
  CHECK(!Path::parse(std::string(3000, 'a')));
  std::string deep = "a";
  for (int i = 0; i < 64; ++i) deep += "/a";
  CHECK(!Path::parse(deep));
}

TEST_CASE("blob path: parts") {
  CHECK(at("").is_root());
  CHECK((at("a") / at("b/c")).text() == "a/b/c");
  CHECK((at("") / at("b")).text() == "b");
  CHECK((at("b") / at("")).text() == "b");
  CHECK(at("a/b/c").name() == "c");
  CHECK(at("a/b/c").parent().text() == "a/b");
  CHECK(at("a").parent().is_root());
}

TEST_CASE("blob: files appear whole, are listed, replaced and removed") {
  Folder folder;
  auto blobs = *open_local(folder / "root");
  CHECK(names(*blobs, "") == "");
  CHECK(names(*blobs, "no") == "not_found");
  REQUIRE(put(*blobs, "run/model/a.txt", "one"));
  REQUIRE(put(*blobs, "run/b.txt", ""));
  CHECK(names(*blobs, "") == "run/ ");
  CHECK(names(*blobs, "run") == "b.txt:0 model/ ");
  CHECK(read_all(*blobs, "run/model/a.txt") == "one");
  REQUIRE(put(*blobs, "run/model/a.txt", "second"));
  CHECK(read_all(*blobs, "run/model/a.txt") == "second");
  CHECK(*blobs->local_folder(at("run/model")) == fs::canonical(folder.path).string() + "/root/run/model");
  CHECK(blobs->local_folder(at("run/none")).error().code == Code::kNotFound);

  {
    auto dropped = *blobs->create(at("run/dropped/x"));
    CHECK(::write(dropped->fd(), "x", 1) == 1);
    CHECK(names(*blobs, "run") == "b.txt:0 model/ ");  // not there before the commit
  }
  CHECK(names(*blobs, "run") == "b.txt:0 model/ ");
  CHECK(in_transit(folder) == 0);

  REQUIRE(blobs->remove(at("run/b.txt")));
  CHECK(blobs->remove(at("run/b.txt")).error().code == Code::kNotFound);
  REQUIRE(blobs->remove(at("run")));
  CHECK(names(*blobs, "") == "");
  CHECK(in_transit(folder) == 0);
}

TEST_CASE("blob: a file is no folder and a folder no file") {
  Folder folder;
  auto blobs = *open_local(folder / "root");
  REQUIRE(put(*blobs, "a/file", "x"));
  CHECK(blobs->open(at("a")).error().reason == "artifact_is_folder");
  CHECK(blobs->open(at("")).error().reason == "artifact_is_folder");
  CHECK(blobs->list(at("a/file")).error().reason == "artifact_is_file");
  CHECK(blobs->open(at("a/file/b")).error().reason == "artifact_is_file");
  CHECK(put(*blobs, "a/file/b", "x").error().reason == "artifact_is_file");
  CHECK(put(*blobs, "a", "x").error().reason == "artifact_is_folder");
  CHECK(blobs->create(at("")).error().reason == "artifact_is_folder");
  CHECK(blobs->remove(at("")).error().code == Code::kInvalidArgument);
  CHECK(in_transit(folder) == 0);
}

TEST_CASE("blob: symbolic links are neither read, written, listed nor followed on removal") {
  Folder folder;
  fs::create_directory(folder / "outside");
  std::ofstream(folder / "outside/secret") << "secret";
  auto blobs = *open_local(folder / "root");
  REQUIRE(put(*blobs, "run/a", "x"));
  fs::create_directory_symlink(folder / "outside", folder / "root/run/folder");
  fs::create_symlink(folder / "outside/secret", folder / "root/run/leaf");
  fs::create_symlink("a", folder / "root/run/within");
  // The attack works without the defence.
  CHECK(::access((folder / "root/run/folder/secret").c_str(), R_OK) == 0);

  CHECK(blobs->open(at("run/leaf")).error().reason == "artifact_is_link");
  CHECK(blobs->open(at("run/within")).error().reason == "artifact_is_link");
  CHECK(blobs->open(at("run/folder/secret")).error().reason == "artifact_is_link");
  CHECK(blobs->list(at("run/folder")).error().reason == "artifact_is_link");
  CHECK(blobs->local_folder(at("run/folder")).error().reason == "artifact_is_link");
  CHECK(put(*blobs, "run/folder/new", "x").error().reason == "artifact_is_link");
  CHECK(blobs->remove(at("run/folder/secret")).error().reason == "artifact_is_link");
  CHECK(names(*blobs, "run") == "a:1 ");

  // Writing to the name of a link replaces the link, not what it points to.
  REQUIRE(put(*blobs, "run/leaf", "new"));
  CHECK(read_all(*blobs, "run/leaf") == "new");
  REQUIRE(blobs->remove(at("run")));
  std::string secret;
  std::ifstream(folder / "outside/secret") >> secret;
  CHECK(secret == "secret");
}

TEST_CASE("blob: pipes are not opened, our own folder is not reached") {
  Folder folder;
  auto blobs = *open_local(folder / "root");
  REQUIRE(::mkfifo((folder / "root/pipe").c_str(), 0600) == 0);
  CHECK(blobs->open(at("pipe")).error().code == Code::kNotFound);
  CHECK(names(*blobs, "") == "");
  for (auto path : {".modelkit-transit", ".modelkit-transit/x"}) {
    CHECK(blobs->open(at(path)).error().code == Code::kInvalidArgument);
    CHECK(blobs->list(at(path)).error().code == Code::kInvalidArgument);
    CHECK(blobs->create(at(path)).error().code == Code::kInvalidArgument);
    CHECK(blobs->remove(at(path)).error().code == Code::kInvalidArgument);
    CHECK(blobs->local_folder(at(path)).error().code == Code::kInvalidArgument);
  }
}

TEST_CASE("blob: the root is closed to others, and what a dead process left is cleared") {
  Folder folder;
  {
    auto blobs = *open_local(folder / "root");
    std::ofstream(folder / "root/.modelkit-transit/left") << "x";
    fs::create_directories(folder / "root/.modelkit-transit/tree/a/b");
  }
  auto blobs = *open_local(folder / "root");
  CHECK(in_transit(folder) == 0);
  auto upload = *blobs->create(at("x"));
  auto second = *open_local(folder / "root");
  CHECK(in_transit(folder) == 1);  // somebody is writing it
  CHECK(upload->commit());
  struct stat status{};
  REQUIRE(::stat((folder / "root").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0700);
  std::ofstream(folder / "file") << "x";
  CHECK(!open_local(folder / "file"));
}

}  // namespace mk::blob

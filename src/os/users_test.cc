#include "os/users.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/files.h"
#include "os/processes.h"

using namespace mk;

TEST_CASE("users: a range by name or number, the largest; bad lines give nothing") {
  const struct {
    const char *table, *what;
    std::optional<os::UserRange> range;
  } cases[] = {
      {"alice:100000:65536\nbob:165536:65536\n", "by name", os::UserRange{100'000, 65'536}},
      {"1000:300000:65536\n", "by number", os::UserRange{300'000, 65'536}},
      {"alice:100000:1000\nalice:200000:65536", "the largest", os::UserRange{200'000, 65'536}},
      {"", "no table", {}},
      {"alicex:100000:65536\nalic:1:2\n", "others", {}},
      {"alice:abc:65536\nalice:100000\nalice:::\nalice:100000x:65536\n", "garbage", {}},
      {"alice:99999999999:65536\n", "beyond 32 bits", {}},
  };
  for (const auto& each : cases) {
    CAPTURE(each.what);
    CHECK(os::find_range(each.table, "alice", 1000) == each.range);
  }
  CHECK(os::next_free_uid("") == 100'000);
  CHECK(os::next_free_uid("a:100000:65536\nb:165536:65536\nc:5:5\n") == 231'072);
}

TEST_CASE("users: as root files are given, links are not followed" * doctest::skip(getuid() != 0)) {
  char name[] = "/tmp/mk-users-XXXXXX";
  const std::string root = mkdtemp(name);
  const auto users = os::open_users("").value();
  REQUIRE(os::write_file(root + "/mine", ""));
  REQUIRE(symlink((root + "/mine").c_str(), (root + "/link").c_str()) == 0);
  REQUIRE(users->give({root + "/link"}, users->range().first));
  struct stat info{};
  REQUIRE(lstat((root + "/link").c_str(), &info) == 0);
  CHECK(info.st_uid == users->range().first);
  REQUIRE(stat((root + "/mine").c_str(), &info) == 0);
  CHECK(info.st_uid == 0);
  CHECK_FALSE(users->give({root + "/none"}, users->range().first));
  CHECK(users->remove_all(root));
  CHECK_FALSE(os::exists(root));
}

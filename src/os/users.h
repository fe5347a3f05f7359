// Users that programs run as so that they are not us: one for each Pod, nobody's, owning nothing. As root there are
// enough of them. Otherwise /etc/subuid may have given us a range: one user namespace over it, made once with the
// set-uid newuidmap, lets a process take any of them. Inside it every uid has the number that it has outside.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace mk::os {

struct UserRange {
  uint32_t first = 0, count = 0;
  bool operator==(const UserRange&) const = default;
};

// Thread-safe.
class Users {
 public:
  virtual ~Users() = default;
  virtual UserRange range() const = 0;
  // To be joined before a process becomes one of them; -1 when that takes no namespace.
  virtual int user_namespace() const = 0;
  // Makes `uid` the owner of files and folders, not of what folders hold; links are not followed.
  virtual Result<void> give(const std::vector<std::string>& paths, uint32_t uid) = 0;
  // As os::remove_all, also what one of them made.
  virtual Result<void> remove_all(const std::string& path) = 0;
};

// Fails with what this machine lacks, and the command that brings it as the hint. `shim`: path of the shim's executable.
Result<std::unique_ptr<Users>> open_users(const std::string& shim);

// The largest range that a table like /etc/subuid gives a user, by name or by number. Pure.
std::optional<UserRange> find_range(std::string_view table, std::string_view name, uint32_t uid);
// Where the next user's range would begin. Pure.
uint32_t next_free_uid(std::string_view table);

}  // namespace mk::os

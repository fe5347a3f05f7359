// Which of the 63 blocks of loopback addresses, and of uids, the Pods of one data folder have. No two modelkits of a machine
// have the same one: a block is held by a bound socket that modelkit and the shim of each of its Pods keep open, so it is free
// again when, and only when, the last of them has ended. Network namespaces, which have loopback addresses of their own, have
// blocks of their own.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace mk::node {

class AddressBlock {
 public:
  // The same as the last time for the same `root` (of PodRecords), unless another modelkit has taken it since the last Pod
  // ended. kResourceExhausted when others have all. `prefix` names the sockets.
  static Result<AddressBlock> take(const std::string& root, std::string_view prefix = "modelkit-pods");

  AddressBlock() = default;
  AddressBlock(AddressBlock&& other) noexcept : number_(other.number_), holder_(std::exchange(other.holder_, -1)) {}
  AddressBlock& operator=(AddressBlock&& other) noexcept;
  ~AddressBlock();
  uint32_t number() const { return number_; }
  int holder() const { return holder_; }  // the socket, for shims to keep open

 private:
  AddressBlock(uint32_t number, int holder) : number_(number), holder_(holder) {}
  uint32_t number_ = 0;
  int holder_ = -1;
};

}  // namespace mk::node

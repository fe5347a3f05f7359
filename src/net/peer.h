// Whose socket is at the other end of a loopback connection.
#pragma once
#include <cstdint>
#include <optional>

#include <sys/socket.h>

namespace mk::net {

// Asks the kernel (sock_diag, exact lookup, about 3 us) for the peer's socket of the connected `fd`. Nothing
// when the peer is not on loopback, or its socket is closed already: the kernel then reports uid 0 with inode
// 0, which must never be taken for root. One object a thread.
class PeerLookup {
 public:
  PeerLookup();
  ~PeerLookup();
  PeerLookup(const PeerLookup&) = delete;
  PeerLookup& operator=(const PeerLookup&) = delete;

  std::optional<uint32_t> uid_of_peer(int fd) const;

 private:
  int netlink_ = -1;
  uint32_t overflow_uid_ =
      65534;  // what the kernel reports for uids outside our user namespace: names nobody
};

bool is_loopback(const sockaddr_storage& address);

}  // namespace mk::net

#include "net/peer.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

namespace mk::net {

namespace {

struct Query {
  nlmsghdr header;
  inet_diag_req_v2 body;
};

// Fills the address halves of the id as the kernel keeps them for a socket of that family.
bool fill(const sockaddr_storage& address, uint16_t family, __be32 out[4], __be16& port) {
  if (address.ss_family == AF_INET && family == AF_INET) {
    const auto& in = reinterpret_cast<const sockaddr_in&>(address);
    std::memcpy(out, &in.sin_addr, sizeof in.sin_addr);
    port = in.sin_port;
    return true;
  }
  if (address.ss_family != AF_INET6) return false;
  const auto& in6 = reinterpret_cast<const sockaddr_in6&>(address);
  port = in6.sin6_port;
  if (family == AF_INET6) {
    std::memcpy(out, &in6.sin6_addr, sizeof in6.sin6_addr);
  } else {
    std::memcpy(out, in6.sin6_addr.s6_addr + 12, 4);
  }
  return true;
}

bool is_mapped(const sockaddr_storage& address) {
  return address.ss_family == AF_INET6 &&
         IN6_IS_ADDR_V4MAPPED(&reinterpret_cast<const sockaddr_in6&>(address).sin6_addr);
}

}  // namespace

bool is_loopback(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET) {
    return (ntohl(reinterpret_cast<const sockaddr_in&>(address).sin_addr.s_addr) >> 24) == 127;
  }
  if (address.ss_family != AF_INET6) return false;
  const in6_addr& in6 = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
  return IN6_IS_ADDR_LOOPBACK(&in6) || (IN6_IS_ADDR_V4MAPPED(&in6) && in6.s6_addr[12] == 127);
}

PeerLookup::PeerLookup() : netlink_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG)) {
  if (FILE* file = std::fopen("/proc/sys/kernel/overflowuid", "re")) {
    unsigned value = 0;
    if (std::fscanf(file, "%u", &value) == 1) overflow_uid_ = value;
    std::fclose(file);
  }
}

PeerLookup::~PeerLookup() {
  if (netlink_ >= 0) ::close(netlink_);
}

std::optional<uint32_t> PeerLookup::uid_of_peer(int fd) const {
  sockaddr_storage peer{}, local{};
  socklen_t size = sizeof peer;
  if (netlink_ < 0 || ::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) != 0) return std::nullopt;
  size = sizeof local;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&local), &size) != 0) return std::nullopt;
  if (!is_loopback(peer) || !is_loopback(local)) return std::nullopt;

  Query query{};
  query.header.nlmsg_len = sizeof query;
  query.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  query.header.nlmsg_flags = NLM_F_REQUEST;
  const uint16_t family = peer.ss_family == AF_INET6 && !is_mapped(peer) ? AF_INET6 : AF_INET;
  query.body.sdiag_family = static_cast<uint8_t>(family);
  query.body.sdiag_protocol = IPPROTO_TCP;
  query.body.idiag_states = ~0u;
  query.body.id.idiag_cookie[0] = query.body.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  // Seen from the peer's side: its own address is the source.
  if (!fill(peer, family, query.body.id.idiag_src, query.body.id.idiag_sport)) return std::nullopt;
  if (!fill(local, family, query.body.id.idiag_dst, query.body.id.idiag_dport)) return std::nullopt;
  if (::send(netlink_, &query, sizeof query, 0) != sizeof query) return std::nullopt;

  alignas(nlmsghdr) char reply[8192];
  const ssize_t count = ::recv(netlink_, reply, sizeof reply, 0);
  if (count < static_cast<ssize_t>(NLMSG_LENGTH(sizeof(inet_diag_msg)))) return std::nullopt;
  const auto* header = reinterpret_cast<const nlmsghdr*>(reply);
  if (header->nlmsg_type != SOCK_DIAG_BY_FAMILY) return std::nullopt;
  const auto* found = reinterpret_cast<const inet_diag_msg*>(NLMSG_DATA(header));
  const bool same = found->id.idiag_sport == query.body.id.idiag_sport &&
                    found->id.idiag_dport == query.body.id.idiag_dport;
  if (!same || found->idiag_state != TCP_ESTABLISHED || found->idiag_inode == 0) return std::nullopt;
  if (found->idiag_uid == overflow_uid_) return std::nullopt;
  return found->idiag_uid;
}

}  // namespace mk::net

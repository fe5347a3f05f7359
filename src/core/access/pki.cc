#include "core/access/pki.h"

#include <algorithm>

#include "base/format.h"
#include "os/files.h"

namespace mk::core {
namespace {

constexpr Duration kDay = Duration::from_seconds(24 * 3600);
constexpr Duration kAuthorityLife = kDay * 3650;
constexpr Duration kServerLife = kDay * 820;  // some systems refuse server certificates of more than 825 days
constexpr Duration kOwnerLife = kDay * 400;  // made anew at each start
constexpr std::string_view kOwnerId = "modelkit-owner";  // no User object has such a uid
constexpr Duration kRenewBefore = kDay * 60;
constexpr Duration kClocksDiffer = Duration::from_seconds(300);
constexpr size_t kPemBytesMax = 64u << 10;

Failure damaged(const std::string& path, const Error& why) {
  return fail(Error{Code::kFailedPrecondition, "pki", fmt::format("{} cannot be used: {}", path, why.message)}.with_hint(
      "put it back from a backup; without it, everything that it signed is void"));
}

Result<EcKey> key_in(const std::string& path) {
  if (!os::exists(path)) {
    EcKey key = EcKey::generate();
    MK_OK(os::write_file(path, key.pem(), 0600, true));
    return key;
  }
  auto pem = os::read_file(path, kPemBytesMax);
  if (!pem) return damaged(path, pem.error());
  auto key = EcKey::parse(*pem);
  if (!key) return damaged(path, key.error());
  return key;
}

}  // namespace

Result<Pki> Pki::open(std::string folder, const os::Clock& clock, os::Random& random) {
  MK_OK(os::make_folder(folder, 0700));
  MK_TRY(EcKey ca, key_in(folder + "/ca.key"));
  MK_TRY(EcKey accounts, key_in(folder + "/service-accounts.key"));
  Pki pki(std::move(folder), clock, random, std::move(ca), std::move(accounts));
  MK_OK(pki.load_authority());
  return pki;
}

Result<void> Pki::load_authority() {
  const std::string path = folder_ + "/ca.crt";
  if (os::exists(path)) {
    MK_TRY(ca_pem_, os::read_file(path, kPemBytesMax));
    if (const auto facts = read_certificate(ca_pem_); !facts) return damaged(path, facts.error());
    return {};
  }
  // With a name of its own, so that a client that knows several never takes one for the other.
  MK_TRY(ca_pem_, issue({.common_name = "modelkit-ca-" + random_.hex(8), .use = CertificateWish::Use::kAuthority},
                        ca_key_, kAuthorityLife));
  return os::write_file(path, ca_pem_, 0644, true);
}

Result<std::string> Pki::issue(CertificateWish wish, const EcKey& subject, Duration life) const {
  wish.not_before = clock_.now() + Duration{-kClocksDiffer.nanoseconds};
  wish.not_after = clock_.now() + life;
  wish.serial = std::string(20, '\0');
  random_.fill({reinterpret_cast<unsigned char*>(wish.serial.data()), wish.serial.size()});
  return issue_certificate(wish, subject, ca_pem_, ca_key_);
}

Result<Pki::Pair> Pki::server(const std::vector<std::string>& names) const {
  const std::string path = folder_ + "/server.crt";
  MK_TRY(const EcKey key, key_in(folder_ + "/server.key"));
  if (const auto pem = os::read_file(path, kPemBytesMax)) {
    const auto facts = read_certificate(*pem);
    if (facts && facts->names == names && facts->not_after > clock_.now() + kRenewBefore) return Pair{*pem, key.pem()};
  }
  MK_TRY(std::string pem, issue({.common_name = "modelkit", .names = names}, key, kServerLife));
  MK_OK(os::write_file(path, pem, 0644, true));
  return Pair{std::move(pem), key.pem()};
}

Result<Pki::Pair> Pki::owner() const {
  return client("owner", {"system:masters"}, std::string(kOwnerId), kOwnerLife);
}
bool Pki::is_owner(const CertificateFacts& certificate) {
  return certificate.common_name == "owner" && certificate.user_id == kOwnerId;
}

Result<Pki::Pair> Pki::client(const std::string& user, const std::vector<std::string>& groups,
                              const std::string& user_id, Duration life) const {
  const EcKey key = EcKey::generate();
  MK_TRY(std::string pem, issue({.common_name = user,
                                 .organisations = groups,
                                 .user_id = user_id,
                                 .use = CertificateWish::Use::kClient},
                                key, life));
  return Pair{std::move(pem), key.pem()};
}

}  // namespace mk::core

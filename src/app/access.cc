#include "app/access.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <unistd.h>

#include <algorithm>

#include "base/format.h"
#include "base/json.h"
#include "core/access/builtin_roles.h"

namespace mk::app {
namespace {

std::vector<std::string> interface_addresses() {
  std::vector<std::string> out;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return out;
  for (const ifaddrs* one = list; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || (one->ifa_flags & IFF_UP) == 0) continue;
    char text[INET6_ADDRSTRLEN] = "";
    if (one->ifa_addr->sa_family == AF_INET)
      inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(one->ifa_addr)->sin_addr, text, sizeof text);
    if (one->ifa_addr->sa_family == AF_INET6)
      inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(one->ifa_addr)->sin6_addr, text, sizeof text);
    if (text[0] != '\0' && !is_loopback_address(text)) out.emplace_back(text);
  }
  freeifaddrs(list);
  std::ranges::sort(out);
  return out;
}

}  // namespace

bool is_loopback_address(std::string_view address) {
  return address == "localhost" || address == "::1" || address.starts_with("127.");
}

Error unsafe_listen(std::string_view address) {
  return Error{Code::kFailedPrecondition, "unsafe_listen",
               fmt::format("--listen {} would let other machines in, and there is no user who could show a token yet", address)}
      .with_hint("listen on 127.0.0.1 and reach it through ssh -L 7070:127.0.0.1:7070; or start without --listen, run "
                 "`modelkit user add NAME` and `modelkit token create NAME`, and start again");
}

std::string url_of(std::string_view scheme, std::string_view address, uint16_t port) {
  const bool bare_v6 = address.find(':') != std::string_view::npos;
  return fmt::format("{}://{}{}{}:{}", scheme, bare_v6 ? "[" : "", address, bare_v6 ? "]" : "", port);
}

std::vector<std::string> server_names(const std::string& address, const std::vector<std::string>& more) {
  std::vector<std::string> names = {"localhost",          "127.0.0.1",
                                    "::1",                "kubernetes",
                                    "kubernetes.default", "kubernetes.default.svc",
                                    "kubernetes.default.svc.cluster.local"};
  const auto add = [&](const std::string& name) {
    if (!name.empty() && std::ranges::find(names, name) == names.end()) names.push_back(name);
  };
  for (const std::string& name : more) {  // "name" or "name:port"
    const bool bare_v6 = std::ranges::count(name, ':') > 1;
    add(bare_v6 ? name : name.substr(0, name.find(':')));
  }
  if (is_loopback_address(address)) {
    add(address);
    return names;
  }
  char host[256] = "";
  if (gethostname(host, sizeof host - 1) == 0) add(host);
  if (address == "0.0.0.0" || address == "::")
    for (const std::string& own : interface_addresses()) add(own);
  else
    add(address);
  return names;
}

Result<std::unique_ptr<Access>> Access::open(core::Objects& objects, core::Pki pki,
                                             std::shared_ptr<core::SecretKeys> secrets, const Layout& layout,
                                             os::Executor& executor) {
  auto access = std::make_unique<Access>(objects, std::move(pki), std::move(secrets));
  // Written before they were encrypted, or with a key that was replaced when we were killed.
  if (access->secrets->found_old()) MK_OK(core::reseal(objects.store()));
  MK_TRY(access->audit, core::Audit::open(layout.audit, executor));
  MK_OK(core::make_builtin_roles(objects));
  objects.protect_by(access->authoriser);
  return access;
}

std::vector<api::Route> Access::routes(store::Store& store) {
  const auto rotate = [this, &store](net::Request, const api::Caller&, net::Reply reply) {
    const auto refuse = [&](const Error& error) {
      reply.send(net::Response::json(Json::object({{"error", error.sentence()}}).dump(), 500));
    };
    const auto id = secrets->rotate();
    if (!id) return refuse(id.error());
    const auto count = core::reseal(store);
    if (!count) return refuse(count.error());
    reply.send(net::Response::json(Json::object({{"key", *id}, {"secrets", static_cast<int64_t>(*count)}}).dump()));
  };
  std::vector<api::Route> rows;
  rows.push_back({net::Method::kPost,
                  "/modelkit/v1/secrets/rotate",
                  {"rotate", "secretkeys.modelkit.dev"},
                  api::Whole(rotate)});
  return rows;
}

Result<net::TlsIdentity> Access::server_tls(const std::vector<std::string>& names) const {
  MK_TRY(const core::Pki::Pair own, pki.server(names));
  return net::TlsIdentity{own.certificate_pem, own.key_pem, pki.ca_pem()};
}

}  // namespace mk::app

// modelkit kubeconfig [--user U]: prints the file by which kubectl and other clients reach this server.
#include "api/kubernetes/kubeconfig.h"
#include "base/format.h"
#include "cli/data_folder.h"
#include "cli/tokens.h"
#include "cli/verbs.h"
#include "core/access/pki.h"
#include "os/clock.h"
#include "os/files.h"
#include "os/random.h"

namespace mk::cli {
namespace {

using api::kubernetes::KubeconfigWish;

// Signed here, with the authority's key: whoever can read that may speak for everyone anyway.
Result<void> add_certificate(const Connection& connection, const std::string& folder, std::optional<Duration> life,
                             KubeconfigWish& wish) {
  MK_TRY(const kinds::Kind* kind, find_kind("users.modelkit.dev"));
  auto user = connection.json(net::Method::kGet, object_path(*kind, "", wish.user));
  if (!user && user.error().code == Code::kNotFound)
    return fail(Error{Code::kNotFound, "no_user", fmt::format("there is no user {}", wish.user)}.with_hint(
        fmt::format("add it with modelkit user add {}", wish.user)));
  if (!user) return fail(std::move(user).error());
  if (!life)
    return fail(Code::kInvalidArgument, "usage", "a certificate expires some day; give --expires days, e.g. 365d");
  std::vector<std::string> groups;
  for (const Json& group : user->at({"spec", "groups"}).items()) groups.emplace_back(group.text());
  MK_TRY(const core::Pki pki, core::Pki::open(folder + "/pki", os::system_clock(), os::system_random()));
  MK_TRY(core::Pki::Pair pair,
         pki.client(wish.user, groups, std::string(user->at({"metadata", "uid"}).text()), *life));
  wish.certificate_pem = std::move(pair.certificate_pem);
  wish.key_pem = std::move(pair.key_pem);
  return {};
}

Result<int> run(const Arguments& arguments) {
  if (!arguments.words().empty())
    return fail(Error{Code::kInvalidArgument, "usage", "kubeconfig takes no words"}.with_hint("modelkit kubeconfig --user ada"));
  const std::string folder = data_folder_of(arguments);
  auto ca = os::read_file(folder + "/pki/ca.crt");
  if (!ca)
    return fail(Error{Code::kFailedPrecondition, "no_data", fmt::format("there is no data folder of yours at {}", folder)}.with_hint(
        "run this on the machine of modelkit, as the user that runs it; name the folder with --data"));
  KubeconfigWish wish{.ca_pem = *ca};
  MK_TRY(const std::string text, os::read_file(folder + "/endpoints.json"));
  MK_TRY(const Json endpoints, Json::parse(text));
  wish.server = arguments.has("--url") ? arguments.text("--url") : std::string(endpoints["https"].text());
  if (arguments.has("--user")) {
    wish.user = arguments.text("--user");
    MK_TRY(const Connection connection, Connection::open(arguments));
    MK_TRY(const auto life, parse_life(arguments.text("--expires")));
    if (arguments.has("--certificate")) {
      MK_OK(add_certificate(connection, folder, life, wish));
    } else {
      MK_TRY(wish.token, create_token(connection, wish.user, life, "kubeconfig"));
    }
  }
  if (!arguments.has("--user")) {
    MK_TRY(const core::Pki pki, core::Pki::open(folder + "/pki", os::system_clock(), os::system_random()));
    MK_TRY(const core::Pki::Pair pair, pki.owner());
    wish.user = "owner";
    wish.certificate_pem = pair.certificate_pem;
    wish.key_pem = pair.key_pem;
  }
  fmt::print("{}", api::kubernetes::kubeconfig(wish));
  return kOk;
}

}  // namespace

Verb kubeconfig_verb() {
  return {.name = "kubeconfig",
          .usage = "kubeconfig [--user USER] [--certificate] [--url URL]",
          .what = "print the file by which kubectl reaches this server",
          .options = with_connection({{"--user", "USER", "for this user, with a new token; else for you, the owner"},
                                      {"--certificate", "", "with a client certificate instead of a token"},
                                      {"--expires", "TIME", "30d, 12h, 90m or never", "30d"},
                                      {"--url", "URL", "how the client will reach the server (else as this machine does)"}}),
          .run = run,
          .examples = "  modelkit kubeconfig --user ada --url https://models.example.com:7070 > ada.kubeconfig"};
}

}  // namespace mk::cli

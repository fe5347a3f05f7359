// modelkit secrets rotate: a new key for the Secrets in the database, which are all encrypted anew.
#include "base/format.h"
#include "cli/connection.h"
#include "cli/verbs.h"

namespace mk::cli {
namespace {

Result<int> run(const Arguments& arguments) {
  if (arguments.words() != std::vector<std::string>{"rotate"})
    return fail(Error{Code::kInvalidArgument, "usage", "secrets takes rotate"}.with_hint("modelkit secrets rotate"));
  MK_TRY(const Connection connection, Connection::open(arguments));
  MK_TRY(const Json done, connection.json(net::Method::kPost, "/modelkit/v1/secrets/rotate"));
  fmt::print("{} secrets are encrypted with the new key {}\n", done["secrets"].integer(), done["key"].text());
  fmt::print(stderr, "old backups still need the old key: keep a copy of pki/secrets.keys apart from them\n");
  return kOk;
}

}  // namespace

Verb secrets_verb() {
  return {.name = "secrets",
          .usage = "secrets rotate",
          .what = "change the key by which Secrets are encrypted on the disk",
          .options = with_connection({}),
          .run = run};
}

}  // namespace mk::cli

// modelkit token create USER | token list | token revoke NAME...
#include "base/format.h"
#include "cli/table.h"
#include "cli/tokens.h"
#include "cli/verbs.h"
#include "core/access/directory.h"
#include "os/clock.h"
#include "os/random.h"

namespace mk::cli {
namespace {

Result<int> create(const Arguments& arguments, const Connection& connection) {
  MK_TRY(const auto life, parse_life(arguments.text("--expires")));
  MK_TRY(const std::string token,
         create_token(connection, arguments.words()[1], life, arguments.text("--description")));
  fmt::print("{}\n", token);
  std::fflush(stdout);
  fmt::print(stderr, "this is the only time that the token is shown\n");
  return kOk;
}

Result<int> list(const Connection& connection) {
  MK_TRY(const kinds::Kind* kind, find_kind("tokens.modelkit.dev"));
  MK_TRY(const Json tokens, connection.json(net::Method::kGet, object_path(*kind, "", "")));
  std::vector<std::vector<std::string>> rows = {{"NAME", "USER", "EXPIRES", "DESCRIPTION"}};
  for (const Json& token : tokens["items"].items())
    rows.push_back({std::string(token.at({"metadata", "name"}).text()), std::string(token.at({"spec", "user"}).text()),
                    std::string(token.at({"spec", "expires"}).text("never")),
                    std::string(token.at({"spec", "description"}).text())});
  fmt::print("{}", align(rows));
  return kOk;
}

Result<int> run(const Arguments& arguments) {
  const auto& words = arguments.words();
  MK_TRY(const Connection connection, Connection::open(arguments));
  if (words.size() == 2 && words[0] == "create") return create(arguments, connection);
  if (words.size() == 1 && (words[0] == "list" || words[0] == "ls")) return list(connection);
  if (words.size() >= 2 && (words[0] == "revoke" || words[0] == "rm")) {
    MK_TRY(const kinds::Kind* kind, find_kind("tokens.modelkit.dev"));
    for (size_t i = 1; i < words.size(); ++i) {
      MK_OK(connection.json(net::Method::kDelete, object_path(*kind, "", words[i])));
      fmt::print("{} is void from now on\n", words[i]);
    }
    return kOk;
  }
  return fail(Error{Code::kInvalidArgument, "usage", "token takes create USER, list, or revoke NAME"}.with_hint(
      "e.g. modelkit token create ada --expires 30d"));
}

}  // namespace

Result<std::optional<Duration>> parse_life(std::string_view text) {
  if (text == "never") return std::optional<Duration>();
  int64_t number = 0;
  size_t at = 0;
  for (; at < text.size() && at < 6 && text[at] >= '0' && text[at] <= '9'; ++at) number = number * 10 + (text[at] - '0');
  int64_t seconds = 0;
  const std::string_view unit = text.substr(at);
  if (unit == "d") seconds = 24 * 3600;
  if (unit == "h") seconds = 3600;
  if (unit == "m") seconds = 60;
  if (number == 0 || seconds == 0)
    return fail(Error{Code::kInvalidArgument, "usage", fmt::format("--expires is \"{}\"", text)}.with_hint(
        "give days, hours or minutes, as 30d, 12h or 90m, or never"));
  return std::optional(Duration::from_seconds(number * seconds));
}

Result<std::string> create_token(const Connection& connection, const std::string& user, std::optional<Duration> life,
                                 const std::string& description) {
  MK_TRY(const kinds::Kind* users, find_kind("users.modelkit.dev"));
  auto there = connection.json(net::Method::kGet, object_path(*users, "", user));
  if (!there && there.error().code == Code::kNotFound)
    return fail(Error{Code::kNotFound, "no_user", fmt::format("there is no user {}", user)}.with_hint(
        fmt::format("add it with modelkit user add {}", user)));
  if (!there) return fail(std::move(there).error());
  MK_TRY(const kinds::Kind* kind, find_kind("tokens.modelkit.dev"));
  const core::NewToken token = core::make_token(os::system_random());
  Json spec = Json::object({{"user", user}, {"sha256", token.sha256}});
  if (life) spec["expires"] = (os::system_clock().now() + *life).rfc3339();
  if (!description.empty()) spec["description"] = description;
  // Goes with its user.
  const Json owner = Json::object({{"apiVersion", users->api_version()},
                                   {"kind", users->kind},
                                   {"name", user},
                                   {"uid", there->at({"metadata", "uid"})}});
  const Json object = Json::object(
      {{"apiVersion", kind->api_version()},
       {"kind", kind->kind},
       {"metadata", Json::object({{"generateName", "token-"}, {"ownerReferences", Json::array({owner})}})},
       {"spec", std::move(spec)}});
  MK_OK(connection.json(net::Method::kPost, object_path(*kind, "", ""), &object));
  return token.text;
}

Verb token_verb() {
  return {.name = "token",
          .usage = "token create USER | token list | token revoke NAME...",
          .what = "make and revoke the tokens by which users are known",
          .options = with_connection({{"--expires", "TIME", "30d, 12h, 90m or never", "30d"},
                                      {"--description", "TEXT", "what it is for"}}),
          .run = run,
          .examples = "  export MLFLOW_TRACKING_TOKEN=$(modelkit token create ada)"};
}

}  // namespace mk::cli

// modelkit rollout status|promote|abort NAME: what happens to a canary.
#include "base/format.h"
#include "cli/connection.h"
#include "cli/verbs.h"
#include "cli/waiting.h"

namespace mk::cli {
namespace {

Result<int> status(const Json& service, const std::string& name) {
  const Json& predictor = service.at({"status", "components", "predictor"});
  const Json& ready = condition_of(service, "Ready");
  fmt::print("{}: {}\n", name, ready["status"].text() == "True" ? "ready" : ready["message"].text("not ready"));
  for (const Json& share : predictor["traffic"].items())
    fmt::print("  {:>3} %  {}{}\n", share["percent"].integer(), share["revisionName"].text(),
               share["latestRevision"].boolean() ? "  (latest)" : "");
  return ready["status"].text() == "True" ? kOk : kFailed;
}

Result<Json> change(const Connection& connection, const std::string& path, const Json& predictor) {
  const Json patch = Json::array({Json::object({{"op", "replace"}, {"path", "/spec/predictor"}, {"value", predictor}})});
  return connection.json(net::Method::kPatch, path, &patch, "application/json-patch+json");
}

// The predictor that the rolled-out revision was made from, as its Deployment remembers it.
Result<Json> rolled_out_predictor(const Connection& connection, const Json& service, const std::string& name) {
  const std::string stable(service.at({"status", "components", "predictor", "latestRolledoutRevision"}).text());
  if (stable.empty())
    return fail(Code::kFailedPrecondition, "nothing_rolled_out", fmt::format("{} has no revision to go back to", name));
  MK_TRY(const kinds::Kind* kind, find_kind("deployments"));
  MK_TRY(const Json deployment, connection.json(net::Method::kGet, object_path(*kind, connection.space(), stable)));
  MK_TRY(Json predictor, Json::parse(deployment.at({"metadata", "annotations", "modelkit.dev/predictor"}).text()));
  predictor.erase("canaryTrafficPercent");
  return predictor;
}

Result<int> run(const Arguments& arguments) {
  const auto& words = arguments.words();
  if (words.size() != 2)
    return fail(Error{Code::kInvalidArgument, "usage", "rollout takes status, promote or abort, and a service"}.with_hint(
        "e.g. modelkit rollout promote wine"));
  if (words[0] != "status" && words[0] != "promote" && words[0] != "abort")
    return fail(Code::kInvalidArgument, "usage", fmt::format("rollout takes status, promote or abort, not \"{}\"", words[0]));
  const std::string& name = words[1];
  MK_TRY(const kinds::Kind* kind, find_kind("inferenceservices"));
  MK_TRY(const Connection connection, Connection::open(arguments));
  const std::string path = object_path(*kind, connection.space(), name);
  MK_TRY(const Json service, connection.json(net::Method::kGet, path));
  if (words[0] == "status") return status(service, name);
  Json predictor = service.at({"spec", "predictor"});
  if (words[0] == "promote") {
    if (!predictor.erase("canaryTrafficPercent"))
      return fail(Code::kFailedPrecondition, "no_canary", fmt::format("{} has no canary to promote", name));
  } else {
    MK_TRY(predictor, rolled_out_predictor(connection, service, name));
  }
  MK_OK(change(connection, path, predictor));
  const auto alone = [](const Json& now) {
    return now.at({"status", "observedGeneration"}) == now.at({"metadata", "generation"}) &&
           now.at({"status", "components", "predictor", "traffic"}).size() == 1 &&
           condition_of(now, "Ready")["status"].text() == "True";
  };
  const auto explain = [](const Json& now) { return std::string(condition_of(now, "Ready")["message"].text()); };
  MK_TRY(const Json settled, wait_until(connection, path, name, alone, explain, 60_s));
  return status(settled, name);
}

}  // namespace

Verb rollout_verb() {
  return {.name = "rollout",
          .usage = "rollout status|promote|abort NAME",
          .what = "look at a canary, give it all requests, or take it back",
          .options = with_connection({}),
          .run = run};
}

}  // namespace mk::cli

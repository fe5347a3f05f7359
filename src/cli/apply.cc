// modelkit apply -f FILE: makes what is there match the file.
#include "base/format.h"
#include "cli/connection.h"
#include "cli/manifest.h"
#include "cli/verbs.h"

namespace mk::cli {
namespace {

// "created", "configured" or "unchanged".
Result<std::string> apply_one(const Connection& connection, const Manifest& manifest, bool dry_run) {
  const std::string name(manifest.object.at({"metadata", "name"}).text());
  const std::string space(manifest.object.at({"metadata", "namespace"}).text(connection.space()));
  const std::string query = std::string("?fieldValidation=Strict") + (dry_run ? "&dryRun=All" : "");
  if (name.empty())
    return fail(Code::kInvalidArgument, "no_name", fmt::format("a {} has no metadata.name", manifest.kind->kind));
  const auto before = connection.json(net::Method::kGet, object_path(*manifest.kind, space, name));
  if (!before && before.error().code == Code::kNotFound) {
    MK_OK(connection.json(net::Method::kPost, object_path(*manifest.kind, space, "") + query, &manifest.object));
    return "created";
  }
  MK_OK(before);
  MK_TRY(const Json after, connection.json(net::Method::kPatch, object_path(*manifest.kind, space, name) + query,
                                           &manifest.object, "application/merge-patch+json"));
  return after.at({"metadata", "resourceVersion"}) == before->at({"metadata", "resourceVersion"}) ? "unchanged" : "configured";
}

Result<int> run(const Arguments& arguments) {
  if (!arguments.has("--filename"))
    return fail(Error{Code::kInvalidArgument, "usage", "apply needs -f FILE"}.with_hint("-f - reads standard input"));
  MK_TRY(const std::vector<Manifest> manifests, read_manifests(arguments.all("--filename")));
  MK_TRY(const Connection connection, Connection::open(arguments));
  for (const Manifest& manifest : manifests) {
    MK_TRY(const std::string outcome, apply_one(connection, manifest, arguments.has("--dry-run")));
    fmt::print("{}/{} {}{}\n", manifest.kind->one(), manifest.object.at({"metadata", "name"}).text(), outcome,
               arguments.has("--dry-run") ? " (dry run)" : "");
  }
  return kOk;
}

}  // namespace

Verb apply_verb() {
  return {.name = "apply",
          .usage = "apply -f FILE",
          .what = "create or change objects from YAML",
          .options = with_connection({{"--filename", "FILE", "YAML or JSON; - is standard input", "", 'f', true},
                                      {"--dry-run", "", "check on the server, change nothing"}}),
          .run = run};
}

}  // namespace mk::cli

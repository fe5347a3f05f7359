#include "app/migrate.h"

#include <algorithm>

#include "app/layout.h"
#include "app/schemas.h"
#include "base/format.h"
#include "cli/data_folder.h"
#include "cli/table.h"
#include "core/access/secret_keys.h"
#include "os/files.h"
#include "store/snapshot.h"

namespace mk::app {
namespace {

constexpr const char* kCopySuffix = ".before-migrate";

using Part = store::LayoutReport::Part;

std::string outlook(const Part& part) {
  if (part.newer()) return "written by a newer modelkit";
  if (!part.due()) return "up to date";
  return fmt::format("{} step{} to run", part.known - part.found, part.known - part.found == 1 ? "" : "s");
}

void print(const store::LayoutReport& report) {
  std::vector<std::vector<std::string>> rows = {{"PART", "HAS", "KNOWN", ""}};
  for (const Part& part : report.parts)
    rows.push_back({part.name, fmt::format("{}", part.found), fmt::format("{}", part.known), outlook(part)});
  fmt::print("{}", cli::align(rows));
  fmt::print("{:.1f} MB, {:.1f} MB of it unused{}\n", static_cast<double>(report.bytes) / 1e6,
             static_cast<double>(report.spare_bytes) / 1e6,
             report.gives_back ? "" : "; the file cannot give space back yet and would be rewritten");
}

Result<void> refuse(const store::LayoutReport& report) {
  if (!report.damage.empty())
    return fail(
        Error{Code::kFailedPrecondition, "database_damaged", "the database is damaged: " + report.damage}
            .with_hint("restore a backup with modelkit restore"));
  if (std::ranges::any_of(report.parts, &Part::newer))
    return fail(
        Error{Code::kFailedPrecondition, "schema_newer", "the database was written by a newer modelkit"}
            .with_hint("install that version again, or restore a backup"));
  return {};
}

Result<int> run(const cli::Arguments& arguments) {
  const Layout data(cli::data_folder_of(arguments));
  MK_TRY(const store::LayoutReport before, store::look_at_database(data.database, schemas()));
  print(before);
  MK_OK(refuse(before));
  const bool due = std::ranges::any_of(before.parts, &Part::due);
  if (arguments.has("--check")) return cli::kOk;
  if (due) {
    const std::string copy = data.database + kCopySuffix;
    MK_OK(os::remove_all(copy));
    MK_TRY([[maybe_unused]] auto version, store::copy_database(data.database, copy));
    fmt::print(stderr, "the database as it was: {}\n", copy);
  }
  // Opening it runs what is due, in one transaction, and refuses while modelkit runs.
  MK_OK(os::make_folder(data.pki, 0700));
  MK_TRY(auto secrets, core::SecretKeys::open(data.secret_keys(), os::system_random()));
  MK_TRY(auto opened, store::open_store({.path = data.database, .schemas = schemas()}, secrets));
  opened.reset();
  MK_OK(store::compact_database(data.database));
  MK_TRY(const store::LayoutReport after, store::look_at_database(data.database, schemas()));
  MK_OK(refuse(after));
  fmt::print("{}; {:.1f} MB, was {:.1f} MB\n", due ? "brought up to date" : "was up to date",
             static_cast<double>(after.bytes) / 1e6, static_cast<double>(before.bytes) / 1e6);
  return cli::kOk;
}

}  // namespace

cli::Verb migrate_verb() {
  return {.name = "migrate",
          .usage = "migrate [--check]",
          .what = "bring the database of a stopped modelkit up to date, and make it small",
          .options = {{"--data", "DIR",
                       "the data folder (else $MODELKIT_DATA, /var/lib/modelkit for root, ~/.modelkit)"},
                      {"--check", "", "only say what would be done"}},
          .run = run,
          .examples = "  modelkit migrate --check --data ./state"};
}

}  // namespace mk::app

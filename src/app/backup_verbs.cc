// modelkit backup TO, modelkit restore FROM.
#include "app/backup_verbs.h"
#include "app/backup.h"
#include "base/format.h"
#include "cli/data_folder.h"
#include "cli/table.h"
#include "os/files.h"

namespace mk::app {
namespace {

std::string megabytes(uint64_t bytes) {
  return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
}

// Names of folders are put together with others: no slash at the end.
std::string folder_of(std::string text) {
  while (text.size() > 1 && text.ends_with('/')) text.pop_back();
  return text;
}

Result<std::string> only_word(const cli::Arguments& arguments, const char* usage) {
  if (arguments.words().size() == 1 && !arguments.words()[0].empty()) return folder_of(arguments.words()[0]);
  return fail(Error{Code::kInvalidArgument, "usage", "name one folder"}.with_hint(usage));
}

Result<int> run_backup(const cli::Arguments& arguments) {
  MK_TRY(const std::string to, only_word(arguments, "modelkit backup TO [--data DIR]"));
  const Layout data(folder_of(cli::data_folder_of(arguments)));
  if (!os::exists(data.database))
    return fail(Error{Code::kNotFound, "no_data", fmt::format("{} is no data folder of modelkit", data.root)}
                    .with_hint("name it with --data"));
  MK_TRY(const Copied copied, back_up(data, to));
  fmt::print("{}\n", copied.snapshot);
  fmt::print(stderr,
             "version {}, {} artifacts ({} of them new), {} written; bring it back with: modelkit restore {} "
             "--data NEW\n",
             copied.version, copied.files, copied.files_copied, megabytes(copied.bytes_copied), to);
  if (copied.secrets > 0)
    fmt::print(stderr,
               "its {} encrypted with keys that are not in it: keep a copy of {} elsewhere, restore asks for it with --keys\n",
               copied.secrets == 1 ? "1 Secret is" : fmt::format("{} Secrets are", copied.secrets), data.secret_keys());
  return cli::kOk;
}

Result<int> run_restore(const cli::Arguments& arguments) {
  MK_TRY(const std::string from, only_word(arguments, "modelkit restore FROM --data NEW"));
  if (arguments.has("--list")) {
    std::vector<std::vector<std::string>> rows = {{"SNAPSHOT"}};
    for (const std::string& name : snapshots(from)) rows.push_back({name});
    fmt::print("{}", cli::align(rows));
    return cli::kOk;
  }
  const std::string data = folder_of(cli::data_folder_of(arguments));
  const RestoreOptions options{.snapshot = arguments.text("--snapshot"),
                               .keys = arguments.text("--keys"),
                               .without_secrets = arguments.has("--without-secrets")};
  if (options.without_secrets && !options.keys.empty())
    return fail(Code::kInvalidArgument, "usage", "--keys and --without-secrets exclude each other");
  MK_TRY(const Copied copied, restore(from, data, options));
  fmt::print("{}\n", data);
  fmt::print(stderr, "{}: version {}, {} artifacts; start it with: modelkit up --data {}\n", copied.snapshot,
             copied.version, copied.files, data);
  return cli::kOk;
}

}  // namespace

cli::Verb backup_verb() {
  return {.name = "backup",
          .usage = "backup TO [--data DIR]",
          .what = "copy everything to a folder, while modelkit runs",
          .options = {{"--data", "DIR",
                       "the data folder (else $MODELKIT_DATA, /var/lib/modelkit for root, ~/.modelkit)"}},
          .run = run_backup,
          .examples = "  modelkit backup /mnt/backups     (again: only what is new is copied)"};
}

cli::Verb restore_verb() {
  return {.name = "restore",
          .usage = "restore FROM --data NEW",
          .what = "make a data folder from a backup",
          .options =
              {{"--data", "DIR",
                "an empty or absent folder (else $MODELKIT_DATA, /var/lib/modelkit for root, ~/.modelkit)"},
               {"--snapshot", "NAME", "which snapshot; else the newest"},
               {"--keys", "FILE", "your copy of the old data folder's pki/secrets.keys, when the backup holds Secrets"},
               {"--without-secrets", "", "leave the Secrets out, when their keys are lost"},
               {"--list", "", "only list the snapshots"}},
          .run = run_restore,
          .examples = "  modelkit restore /mnt/backups --data ./again && modelkit up --data ./again"};
}

}  // namespace mk::app

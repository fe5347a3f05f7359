// Where a model version's files come from, as its `source` says. This is the whole defence against a source
// that names files of this machine or of the network (MLflow's CVE-2023-1177 and its eight followers): only
// four forms are understood, everything else is refused by name. Pure.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "base/error.h"
#include "blob/blob.h"

namespace mk::registry {

struct RunSource {  // runs:/RUN/PATH
  std::string run_id;
  blob::Path path;
};
struct LoggedSource {  // models:/m-ID
  std::string model_id;
};
struct VersionSource {  // models:/NAME/VERSION, models:/NAME@ALIAS, models:/NAME/latest
  std::string name;
  int64_t version = 0;  // 0: by alias
  std::string alias;    // "latest" for the highest version
};
struct ArtifactSource {  // mlflow-artifacts:/PATH
  blob::Path path;
};
using Source = std::variant<RunSource, LoggedSource, VersionSource, ArtifactSource>;

Result<Source> parse_source(std::string_view uri);

// What prompts give as source; they have no files.
bool is_prompt_placeholder(std::string_view source);

bool is_run_id(std::string_view text);           // letters, digits, _ and -, 1 to 256
bool is_logged_model_id(std::string_view text);  // "m-" and letters, digits, _ and -

// The parts of an artifact path in the usual layout, or empty where it is another.
struct ArtifactOwner {
  std::string experiment_id, run_id, model_id;  // one of the last two
};
ArtifactOwner owner_of(const blob::Path& path);

// "mlflow-artifacts:/1/abc/artifacts" -> 1/abc/artifacts. kFailedPrecondition for locations elsewhere
// (s3://...).
Result<blob::Path> path_of_location(std::string_view location);

}  // namespace mk::registry

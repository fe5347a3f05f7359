// What may be logged: the rules of MLflow 3.17 for names and sizes, so that what one server takes the other
// does too.
#pragma once
#include <string>
#include <string_view>

#include "base/error.h"
#include "modules/tracking/types.h"

namespace mk::tracking {

// Names of metrics, params and tags: letters, digits, _ - . space : / and not a path that means another name
// ("a//b"). `field` is where the name stood in the request.
Result<void> check_key(std::string_view key, std::string_view field);
// Cut to `characters_max` characters (not bytes).
std::string cut(std::string text, size_t characters_max);
size_t characters(std::string_view text);

Result<void> check_experiment_name(std::string_view name);
Result<void> check_experiment_tag(const Tag& tag);
// mlflow-artifacts:/PATH, or a remote store that the client reaches itself (s3://, gs://, ...). Never a local
// path: the server would be asked to read it.
Result<void> check_artifact_location(std::string_view location);
Result<int64_t> parse_experiment_id(std::string_view id);
Result<void> check_run_id(std::string_view id, std::string_view field = "run_id");
// Checks names and limits, cuts long values, replaces infinities, refuses a param key that comes twice.
Result<void> check_batch(Batch& batch);
double storable(double value);

}  // namespace mk::tracking

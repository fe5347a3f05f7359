// The tables of registered models, versions, tags and aliases. All SQL of them is in repository.cc.
// Readers take any RowReader; writers run inside a Txn, where the one writer makes read-then-write safe.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "modules/registry/search.h"
#include "modules/registry/types.h"
#include "store/store.h"

namespace mk::registry {

store::Schema schema();

// kNotFound with one sentence when absent.
Result<int64_t> model_row(store::RowReader& db, std::string_view name);
Result<RegisteredModel> read_model(store::RowReader& db, std::string_view name);
Result<Page<RegisteredModel>> find_models(store::RowReader& db, const Search& search);

Result<void> insert_model(store::RowWriter& db,
                          const RegisteredModel& model);  // name, times, description, tags
Result<void> describe_model(store::RowWriter& db, int64_t model, std::string_view description,
                            int64_t now_ms);
Result<void> rename_model(store::RowWriter& db, int64_t model, std::string_view name, int64_t now_ms);
Result<void> remove_model(store::RowWriter& db, int64_t model);  // with all that belongs to it
Result<void> touch_model(store::RowWriter& db, int64_t model, int64_t now_ms);
Result<void> put_model_tags(store::RowWriter& db, int64_t model, const std::vector<Tag>& tags);
Result<void> remove_model_tag(store::RowWriter& db, int64_t model, std::string_view key);
Result<void> put_alias(store::RowWriter& db, int64_t model, std::string_view alias, int64_t version);
Result<void> remove_alias(store::RowWriter& db, int64_t model, std::string_view alias);

// The version number an alias names ("latest": the highest); nothing when there is none.
Result<std::optional<int64_t>> aliased_version(store::RowReader& db, int64_t model, std::string_view alias);
Result<ModelVersion> read_version(store::RowReader& db, std::string_view name, int64_t version);
Result<std::vector<ModelVersion>> latest_versions(store::RowReader& db, int64_t model);  // one of each stage
Result<Page<ModelVersion>> find_versions(store::RowReader& db, const Search& search);

// Gives it the next number, which is never used again, and returns that.
Result<int64_t> insert_version(store::RowWriter& db, int64_t model, const ModelVersion& version);
Result<void> describe_version(store::RowWriter& db, int64_t model, int64_t version,
                              const std::optional<std::string>& description, int64_t now_ms);
Result<void> put_stage(store::RowWriter& db, int64_t model, int64_t version, std::string_view stage,
                       int64_t now_ms);
// All other versions in `stage` become Archived.
Result<void> archive_stage(store::RowWriter& db, int64_t model, int64_t but_version, std::string_view stage,
                           int64_t now_ms);
Result<void> remove_version(store::RowWriter& db, int64_t model,
                            int64_t version);  // with its tags and aliases
Result<void> put_version_tags(store::RowWriter& db, int64_t model, int64_t version,
                              const std::vector<Tag>& tags);
Result<void> remove_version_tag(store::RowWriter& db, int64_t model, int64_t version, std::string_view key);

// kFailedPrecondition when the counting SELECT gives more than `most`.
Result<void> count_within(store::RowReader& db, std::string_view sql, const std::vector<store::Value>& values,
                          size_t most, std::string_view what);
// Whether any version came from the run.
Result<bool> run_has_versions(store::RowReader& db, std::string_view run_id);

// [["key","value"],...] as json_group_array makes it.
Result<std::vector<Tag>> parse_pairs(std::string_view json);

}  // namespace mk::registry

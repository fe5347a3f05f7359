// The half of repository.h that is about versions.
#include "base/format.h"
#include "modules/registry/limits.h"
#include "modules/registry/names.h"
#include "modules/registry/query.h"
#include "modules/registry/repository.h"

namespace mk::registry {
namespace {

using store::Row;
using store::RowReader;
using store::RowWriter;

#define VERSION_COLUMNS                                                                                  \
  "m.name, v.version, v.created_ms, v.updated_ms, v.description, v.stage, v.source, v.storage_location," \
  " v.run_id, v.run_link, v.model_id, v.user_id,"                                                        \
  " (SELECT json_group_array(json_array(key, value)) FROM model_version_tags t"                          \
  "  WHERE t.model = v.model AND t.version = v.version),"                                                \
  " (SELECT json_group_array(json_array(alias, version)) FROM registered_model_aliases a"                \
  "  WHERE a.model = v.model AND a.version = v.version)"
constexpr int kVersionColumns = 14;

Result<ModelVersion> version_of(const Row& row) {
  ModelVersion v;
  v.name = row.text(0);
  v.version = row.integer(1);
  v.created_ms = row.integer(2);
  v.updated_ms = row.integer(3);
  if (!row.is_null(4)) v.description = std::string(row.text(4));
  v.stage = row.text(5);
  v.source = row.text(6);
  v.storage_location = row.text(7);
  v.run_id = row.text(8);
  v.run_link = row.text(9);
  v.model_id = row.text(10);
  v.user_id = row.text(11);
  MK_TRY(v.tags, parse_pairs(row.text(12)));
  MK_TRY(Json aliases, Json::parse(row.text(13)));
  for (const Json& pair : aliases.items()) v.aliases.emplace_back(pair[0].text());
  return v;
}

Failure no_version(std::string_view name, int64_t version) {
  return fail(Error{Code::kNotFound, "no_such_version",
                    fmt::format("Model Version (name={}, version={}) not found", shown(name), version)});
}

constexpr NamedColumn kVersionNames[] = {
    {"name", "m.name", OrderColumn::Type::kText},
    {"version_number", "v.version", OrderColumn::Type::kInteger},
    {"run_id", "v.run_id", OrderColumn::Type::kText},
    {"source_path", "v.source", OrderColumn::Type::kText},
    {"creation_timestamp", "v.created_ms", OrderColumn::Type::kInteger},
    {"last_updated_timestamp", "v.updated_ms", OrderColumn::Type::kInteger}};

}  // namespace

Result<std::optional<int64_t>> aliased_version(RowReader& db, int64_t model, std::string_view alias) {
  std::optional<int64_t> version;
  auto take = [&](const Row& row) {
    if (!row.is_null(0)) version = row.integer(0);
    return false;
  };
  if (alias == "latest") {
    MK_OK(db.query("SELECT max(version) FROM model_versions WHERE model = ?", {model}, take));
  } else {
    MK_OK(db.query("SELECT version FROM registered_model_aliases WHERE model = ? AND alias = ?",
                   {model, alias}, take));
  }
  return version;
}

Result<bool> run_has_versions(RowReader& db, std::string_view run_id) {
  bool found = false;
  MK_OK(db.query("SELECT 1 FROM model_versions WHERE run_id = ? LIMIT 1", {run_id}, [&](const Row&) {
    found = true;
    return false;
  }));
  return found;
}

Result<ModelVersion> read_version(RowReader& db, std::string_view name, int64_t version) {
  Result<ModelVersion> found = no_version(name, version);
  MK_OK(db.query("SELECT " VERSION_COLUMNS " FROM registered_models m JOIN model_versions v ON v.model = m.id"
                 " WHERE m.name = ? AND v.version = ?",
                 {name, version}, [&](const Row& row) {
                   found = version_of(row);
                   return false;
                 }));
  return found;
}

Result<std::vector<ModelVersion>> latest_versions(RowReader& db, int64_t model) {
  std::vector<ModelVersion> out;
  Result<void> problem;
  MK_OK(db.query("SELECT " VERSION_COLUMNS " FROM model_versions v JOIN registered_models m ON m.id = v.model"
                 " WHERE v.model = ?1 AND v.version IN"
                 // One look at the index a stage, however many versions there are.
                 " ((SELECT max(version) FROM model_versions WHERE model = ?1 AND stage = 'None'),"
                 "  (SELECT max(version) FROM model_versions WHERE model = ?1 AND stage = 'Staging'),"
                 "  (SELECT max(version) FROM model_versions WHERE model = ?1 AND stage = 'Production'),"
                 "  (SELECT max(version) FROM model_versions WHERE model = ?1 AND stage = 'Archived')) ORDER "
                 "BY v.version",
                 {model}, [&](const Row& row) {
                   auto version = version_of(row);
                   if (version)
                     out.push_back(std::move(*version));
                   else
                     problem = Failure(std::move(version).error());
                   return problem.has_value();
                 }));
  MK_OK(problem);
  return out;
}

Result<Page<ModelVersion>> find_versions(RowReader& db, const Search& asked) {
  using enum OrderColumn::Type;
  Search search = asked;
  if (search.order.empty()) {
    search.order.push_back({.order = {.column = {.key = "last_updated_timestamp"}, .ascending = false}});
  }
  MK_TRY(auto order,
         order_columns(search, kVersionNames, {{"m.name", kText, true}, {"v.version", kInteger, false}}));
  Query query("SELECT " VERSION_COLUMNS);
  query.add(selected(order)).add(" FROM model_versions v JOIN registered_models m ON m.id = v.model WHERE 1");
  const bool prompts = asks_for_prompts(search);
  if (!prompts) {
    query
        .add(
            " AND NOT EXISTS (SELECT 1 FROM registered_model_tags t WHERE t.model = m.id AND t.key = ? AND "
            "t.value = 'true')")
        .bind(kPromptTag);
    query
        .add(
            " AND NOT EXISTS (SELECT 1 FROM model_version_tags t WHERE t.model = v.model AND t.version = "
            "v.version"
            " AND t.key = ? AND t.value = 'true')")
        .bind(kPromptTag);
  }
  for (const filter::Clause& c : search.clauses) {
    if (c.column.entity == kAttribute) {
      query.add(" AND ").compare(named(kVersionNames, c.column.key).sql, c);
    } else if (prompts || c.column.key != kPromptTag) {
      query.has_tag("model_version_tags t WHERE t.model = v.model AND t.version = v.version", c);
    }
  }
  MK_OK(query.page(order, search));
  Page<ModelVersion> page;
  MK_TRY(page.next, query.run(db, order, kVersionColumns, search, [&](const Row& row) -> Result<size_t> {
    MK_TRY(ModelVersion version, version_of(row));
    page.items.push_back(std::move(version));
    return bytes_of(page.items.back());
  }));
  return page;
}

Result<int64_t> insert_version(RowWriter& db, int64_t model, const ModelVersion& v) {
  MK_OK(db.exec("UPDATE registered_models SET last_version = last_version + 1, updated_ms = ? WHERE id = ?",
                {v.created_ms, model}));
  MK_OK(db.exec(
      "INSERT INTO model_versions(model, version, created_ms, updated_ms, description, stage, source,"
      " storage_location, run_id, run_link, model_id, user_id)"
      " SELECT id, last_version, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11 FROM registered_models WHERE id = "
      "?1",
      {model, v.created_ms, v.updated_ms, v.description ? store::Value(*v.description) : store::Value(),
       v.stage, v.source, v.storage_location, v.run_id, v.run_link, v.model_id, v.user_id}));
  int64_t number = 0;
  MK_OK(db.query("SELECT last_version FROM registered_models WHERE id = ?", {model}, [&](const Row& row) {
    number = row.integer(0);
    return false;
  }));
  MK_OK(put_version_tags(db, model, number, v.tags));
  return number;
}

Result<void> describe_version(RowWriter& db, int64_t model, int64_t version,
                              const std::optional<std::string>& description, int64_t now_ms) {
  MK_OK(db.exec("UPDATE model_versions SET description = ?, updated_ms = ? WHERE model = ? AND version = ?",
                {description ? store::Value(*description) : store::Value(), now_ms, model, version}));
  return {};
}

Result<void> put_stage(RowWriter& db, int64_t model, int64_t version, std::string_view stage,
                       int64_t now_ms) {
  MK_OK(db.exec("UPDATE model_versions SET stage = ?, updated_ms = ? WHERE model = ? AND version = ?",
                {stage, now_ms, model, version}));
  return touch_model(db, model, now_ms);
}

Result<void> archive_stage(RowWriter& db, int64_t model, int64_t but_version, std::string_view stage,
                           int64_t now_ms) {
  MK_OK(
      db.exec("UPDATE model_versions SET stage = 'Archived', updated_ms = ? WHERE model = ? AND stage = ? "
              "AND version != ?",
              {now_ms, model, stage, but_version}));
  return {};
}

Result<void> remove_version(RowWriter& db, int64_t model, int64_t version) {
  MK_OK(db.exec("DELETE FROM registered_model_aliases WHERE model = ? AND version = ?", {model, version}));
  MK_OK(db.exec("DELETE FROM model_version_tags WHERE model = ? AND version = ?", {model, version}));
  MK_OK(db.exec("DELETE FROM model_versions WHERE model = ? AND version = ?", {model, version}));
  return {};
}

Result<void> put_version_tags(RowWriter& db, int64_t model, int64_t version, const std::vector<Tag>& tags) {
  for (const Tag& tag : tags) {
    MK_OK(
        db.exec("INSERT INTO model_version_tags(model, version, key, value) VALUES(?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET value = excluded.value",
                {model, version, tag.key, tag.value}));
  }
  MK_OK(count_within(db, "SELECT count(*) FROM model_version_tags WHERE model = ? AND version = ?",
                     {model, version}, kTagsPerThingMax, "tags on one version"));
  return count_within(db,
                      "SELECT coalesce(sum(length(CAST(value AS BLOB))), 0) FROM model_version_tags WHERE "
                      "model = ? AND version = ?",
                      {model, version}, kTextBytesPerThingMax, "bytes in the tags of one version");
}

Result<void> remove_version_tag(RowWriter& db, int64_t model, int64_t version, std::string_view key) {
  MK_OK(db.exec("DELETE FROM model_version_tags WHERE model = ? AND version = ? AND key = ?",
                {model, version, key}));
  return {};
}

}  // namespace mk::registry

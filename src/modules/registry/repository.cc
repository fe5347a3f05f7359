#include "modules/registry/repository.h"

#include "base/format.h"
#include "modules/registry/limits.h"
#include "modules/registry/logged_repository.h"
#include "modules/registry/names.h"
#include "modules/registry/query.h"

namespace mk::registry {
namespace {

using store::Row;
using store::RowReader;
using store::RowWriter;

// Versions hang on the model's number, so a rename is one row.
constexpr const char* kSchema1 = R"sql(
CREATE TABLE registered_models(
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, description TEXT NOT NULL,
  created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL, last_version INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE INDEX registered_models_updated ON registered_models(updated_ms, name);
CREATE TABLE registered_model_tags(
  model INTEGER NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY(model, key)) STRICT, WITHOUT ROWID;
CREATE TABLE registered_model_aliases(
  model INTEGER NOT NULL, alias TEXT NOT NULL, version INTEGER NOT NULL, PRIMARY KEY(model, alias)) STRICT, WITHOUT ROWID;
CREATE TABLE model_versions(
  model INTEGER NOT NULL, version INTEGER NOT NULL, created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL,
  description TEXT, stage TEXT NOT NULL, source TEXT NOT NULL, storage_location TEXT NOT NULL,
  run_id TEXT NOT NULL, run_link TEXT NOT NULL, model_id TEXT NOT NULL, user_id TEXT NOT NULL,
  PRIMARY KEY(model, version)) STRICT;
CREATE INDEX model_versions_updated ON model_versions(updated_ms);
CREATE INDEX model_versions_run ON model_versions(run_id);
CREATE INDEX model_versions_stage ON model_versions(model, stage, version);
CREATE TABLE model_version_tags(
  model INTEGER NOT NULL, version INTEGER NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY(model, version, key)) STRICT, WITHOUT ROWID;
)sql";

#define MODEL_COLUMNS                                                                                      \
  "m.id, m.name, m.description, m.created_ms, m.updated_ms,"                                               \
  " (SELECT json_group_array(json_array(key, value)) FROM registered_model_tags t WHERE t.model = m.id),"  \
  " (SELECT json_group_array(json_array(alias, version)) FROM registered_model_aliases a WHERE a.model = " \
  "m.id)"
constexpr int kModelColumns = 7;

Result<RegisteredModel> model_of(const Row& row) {
  RegisteredModel m;
  m.row = row.integer(0);
  m.name = row.text(1);
  m.description = row.text(2);
  m.created_ms = row.integer(3);
  m.updated_ms = row.integer(4);
  MK_TRY(m.tags, parse_pairs(row.text(5)));
  MK_TRY(Json aliases, Json::parse(row.text(6)));
  for (const Json& pair : aliases.items())
    m.aliases.push_back({std::string(pair[0].text()), pair[1].integer()});
  return m;
}

Failure no_model(std::string_view name) {
  return fail(Error{Code::kNotFound, "no_such_model",
                    fmt::format("Registered Model with name={} not found", shown(name))});
}

constexpr NamedColumn kModelNames[] = {
    {"name", "m.name", OrderColumn::Type::kText},
    {"creation_timestamp", "m.created_ms", OrderColumn::Type::kInteger},
    {"last_updated_timestamp", "m.updated_ms", OrderColumn::Type::kInteger}};
}  // namespace

store::Schema schema() {
  return {"registry", {kSchema1 + logged_model_schema()}};
}

Result<std::vector<Tag>> parse_pairs(std::string_view json) {
  MK_TRY(Json pairs, Json::parse(json, {.bytes_max = json.size()}));
  std::vector<Tag> out;
  out.reserve(pairs.size());
  for (const Json& pair : pairs.items())
    out.push_back({std::string(pair[0].text()), std::string(pair[1].text())});
  return out;
}

namespace {

Result<int64_t> one_number(RowReader& db, std::string_view sql, const std::vector<store::Value>& values) {
  int64_t number = 0;
  MK_OK(db.query(sql, values, [&](const Row& row) {
    number = row.integer(0);
    return false;
  }));
  return number;
}

}  // namespace

Result<void> count_within(RowReader& db, std::string_view sql, const std::vector<store::Value>& values,
                          size_t most, std::string_view what) {
  MK_TRY(const int64_t count, one_number(db, sql, values));
  if (static_cast<size_t>(count) <= most) return {};
  return fail(Code::kFailedPrecondition, "too_many",
              fmt::format("that would be more than {} {}", most, what));
}

Result<int64_t> model_row(RowReader& db, std::string_view name) {
  std::optional<int64_t> id;
  MK_OK(db.query("SELECT id FROM registered_models WHERE name = ?", {name}, [&](const Row& row) {
    id = row.integer(0);
    return false;
  }));
  if (!id) return no_model(name);
  return *id;
}

Result<RegisteredModel> read_model(RowReader& db, std::string_view name) {
  Result<RegisteredModel> found = no_model(name);
  MK_OK(db.query("SELECT " MODEL_COLUMNS " FROM registered_models m WHERE m.name = ?", {name},
                 [&](const Row& row) {
                   found = model_of(row);
                   return false;
                 }));
  if (!found) return found;
  MK_TRY(found->latest, latest_versions(db, found->row));
  return found;
}

Result<Page<RegisteredModel>> find_models(RowReader& db, const Search& search) {
  MK_TRY(auto order, order_columns(search, kModelNames, {{"m.name", OrderColumn::Type::kText, true}}));
  Query query("SELECT " MODEL_COLUMNS);
  query.add(selected(order)).add(" FROM registered_models m WHERE 1");
  const bool prompts = asks_for_prompts(search);
  if (!prompts) {
    query
        .add(
            " AND NOT EXISTS (SELECT 1 FROM registered_model_tags t WHERE t.model = m.id AND t.key = ? AND "
            "t.value = 'true')")
        .bind(kPromptTag);
  }
  for (const filter::Clause& c : search.clauses) {
    if (c.column.entity == kAttribute) {
      query.add(" AND ").compare(named(kModelNames, c.column.key).sql, c);
    } else if (prompts || c.column.key != kPromptTag) {  // else answered by the exclusion above
      query.has_tag("registered_model_tags t WHERE t.model = m.id", c);
    }
  }
  MK_OK(query.page(order, search));
  Page<RegisteredModel> page;
  MK_TRY(page.next, query.run(db, order, kModelColumns, search, [&](const Row& row) -> Result<size_t> {
    MK_TRY(RegisteredModel model, model_of(row));
    MK_TRY(model.latest, latest_versions(db, model.row));
    page.items.push_back(std::move(model));
    return bytes_of(page.items.back());
  }));
  return page;
}

Result<void> insert_model(RowWriter& db, const RegisteredModel& model) {
  MK_OK(db.exec("INSERT INTO registered_models(name, description, created_ms, updated_ms) VALUES(?, ?, ?, ?)",
                {model.name, model.description, model.created_ms, model.updated_ms}));
  return put_model_tags(db, db.last_insert_id(), model.tags);
}

Result<void> describe_model(RowWriter& db, int64_t model, std::string_view description, int64_t now_ms) {
  MK_OK(db.exec("UPDATE registered_models SET description = ?, updated_ms = ? WHERE id = ?",
                {description, now_ms, model}));
  return {};
}

Result<void> rename_model(RowWriter& db, int64_t model, std::string_view name, int64_t now_ms) {
  MK_OK(db.exec("UPDATE registered_models SET name = ?, updated_ms = ? WHERE id = ?", {name, now_ms, model}));
  MK_OK(db.exec("UPDATE model_versions SET updated_ms = ? WHERE model = ?", {now_ms, model}));
  return {};
}

Result<void> remove_model(RowWriter& db, int64_t model) {
  MK_OK(db.exec("DELETE FROM model_version_tags WHERE model = ?", {model}));
  MK_OK(db.exec("DELETE FROM model_versions WHERE model = ?", {model}));
  MK_OK(db.exec("DELETE FROM registered_model_aliases WHERE model = ?", {model}));
  MK_OK(db.exec("DELETE FROM registered_model_tags WHERE model = ?", {model}));
  MK_OK(db.exec("DELETE FROM registered_models WHERE id = ?", {model}));
  return {};
}

Result<void> touch_model(RowWriter& db, int64_t model, int64_t now_ms) {
  MK_OK(db.exec("UPDATE registered_models SET updated_ms = ? WHERE id = ?", {now_ms, model}));
  return {};
}

Result<void> put_model_tags(RowWriter& db, int64_t model, const std::vector<Tag>& tags) {
  for (const Tag& tag : tags) {
    MK_OK(
        db.exec("INSERT INTO registered_model_tags(model, key, value) VALUES(?, ?, ?)"
                " ON CONFLICT DO UPDATE SET value = excluded.value",
                {model, tag.key, tag.value}));
  }
  MK_OK(count_within(db, "SELECT count(*) FROM registered_model_tags WHERE model = ?", {model},
                     kTagsPerThingMax, "tags on one model"));
  return count_within(
      db, "SELECT coalesce(sum(length(CAST(value AS BLOB))), 0) FROM registered_model_tags WHERE model = ?",
      {model}, kTextBytesPerThingMax, "bytes in the tags of one model");
}

Result<void> remove_model_tag(RowWriter& db, int64_t model, std::string_view key) {
  MK_OK(db.exec("DELETE FROM registered_model_tags WHERE model = ? AND key = ?", {model, key}));
  return {};
}

Result<void> put_alias(RowWriter& db, int64_t model, std::string_view alias, int64_t version) {
  MK_OK(
      db.exec("INSERT INTO registered_model_aliases(model, alias, version) VALUES(?, ?, ?)"
              " ON CONFLICT DO UPDATE SET version = excluded.version",
              {model, alias, version}));
  return count_within(db, "SELECT count(*) FROM registered_model_aliases WHERE model = ?", {model},
                      kAliasesPerModelMax, "aliases on one model");
}

Result<void> remove_alias(RowWriter& db, int64_t model, std::string_view alias) {
  MK_OK(db.exec("DELETE FROM registered_model_aliases WHERE model = ? AND alias = ?", {model, alias}));
  return {};
}

}  // namespace mk::registry

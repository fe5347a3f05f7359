#include "modules/registry/repository.h"

#include <algorithm>
#include <span>

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

#define VERSION_COLUMNS                                                                                  \
  "m.name, v.version, v.created_ms, v.updated_ms, v.description, v.stage, v.source, v.storage_location," \
  " v.run_id, v.run_link, v.model_id, v.user_id,"                                                        \
  " (SELECT json_group_array(json_array(key, value)) FROM model_version_tags t"                          \
  "  WHERE t.model = v.model AND t.version = v.version),"                                                \
  " (SELECT json_group_array(json_array(alias, version)) FROM registered_model_aliases a"                \
  "  WHERE a.model = v.model AND a.version = v.version)"
constexpr int kVersionColumns = 14;

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

Failure no_model(std::string_view name) {
  return fail(Error{Code::kNotFound, "no_such_model",
                    fmt::format("Registered Model with name={} not found", shown(name))});
}
Failure no_version(std::string_view name, int64_t version) {
  return fail(Error{Code::kNotFound, "no_such_version",
                    fmt::format("Model Version (name={}, version={}) not found", shown(name), version)});
}

// Prompts are models too; a search finds them only when it asks for them by their tag.
bool asks_for_prompts(const Search& search) {
  for (const filter::Clause& c : search.clauses) {
    if (c.column.entity != kTag || c.column.key != kPromptTag) continue;
    const bool is_true = has_prompt_tag({{std::string(kPromptTag), c.text}});
    return (c.op == filter::Op::kEqual && is_true) || (c.op == filter::Op::kNotEqual && !is_true);
  }
  return false;
}

void add_tag(Query& query, std::string_view tags_of, const filter::Clause& clause) {
  query.add(" AND EXISTS (SELECT 1 FROM ").add(tags_of).add(" AND t.key = ? AND ").bind(clause.column.key);
  query.compare("t.value", clause).add(")");
}

struct Named {
  std::string_view key;
  const char* sql;
  OrderColumn::Type type;
};
constexpr Named kModelNames[] = {{"name", "m.name", OrderColumn::Type::kText},
                                 {"creation_timestamp", "m.created_ms", OrderColumn::Type::kInteger},
                                 {"last_updated_timestamp", "m.updated_ms", OrderColumn::Type::kInteger}};
constexpr Named kVersionNames[] = {{"name", "m.name", OrderColumn::Type::kText},
                                   {"version_number", "v.version", OrderColumn::Type::kInteger},
                                   {"run_id", "v.run_id", OrderColumn::Type::kText},
                                   {"source_path", "v.source", OrderColumn::Type::kText},
                                   {"creation_timestamp", "v.created_ms", OrderColumn::Type::kInteger},
                                   {"last_updated_timestamp", "v.updated_ms", OrderColumn::Type::kInteger}};

// The grammar lets only known names through.
const Named& named(std::span<const Named> names, std::string_view key) {
  auto found = std::find_if(names.begin(), names.end(), [&](const Named& n) { return n.key == key; });
  MK_CHECK(found != names.end());
  return *found;
}

// The asked order, then `ties` as far as they are not in it: an order without ties is what keyset pages need.
Result<std::vector<OrderColumn>> order_columns(const Search& search, std::span<const Named> names,
                                               std::vector<OrderColumn> ties) {
  std::vector<OrderColumn> out;
  auto has = [&](std::string_view sql) {
    return std::any_of(out.begin(), out.end(), [&](const OrderColumn& c) { return c.sql == sql; });
  };
  if (search.order.size() > kOrderKeysMax) {
    return invalid(
        fmt::format("order_by has {} keys; at most {} are allowed", search.order.size(), kOrderKeysMax));
  }
  for (const OrderKey& key : search.order) {
    const Named& column = named(names, key.order.column.key);
    if (has(column.sql)) return invalid(fmt::format("order_by names {} twice", shown(key.order.column.key)));
    out.push_back({column.sql, column.type, key.order.ascending});
  }
  for (OrderColumn& tie : ties) {
    if (!has(tie.sql)) out.push_back(std::move(tie));
  }
  return out;
}

std::string selected(const std::vector<OrderColumn>& order) {
  std::string out;
  for (const OrderColumn& column : order) out += ", " + column.sql;
  return out;
}

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

Result<void> count_within(RowReader& db, std::string_view sql, const std::vector<store::Value>& values,
                          size_t most, std::string_view what) {
  int64_t count = 0;
  MK_OK(db.query(sql, values, [&](const Row& row) {
    count = row.integer(0);
    return false;
  }));
  if (static_cast<size_t>(count) <= most) return {};
  return fail(Code::kResourceExhausted, "too_many", fmt::format("that would be more than {} {}", most, what));
}

// ---- models
// --------------------------------------------------------------------------------------------------

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
      add_tag(query, "registered_model_tags t WHERE t.model = m.id", c);
    }
  }
  MK_OK(query.page(order, search));
  Page<RegisteredModel> page;
  MK_TRY(page.next, query.run(db, order, kModelColumns, search, [&](const Row& row) -> Result<void> {
    MK_TRY(RegisteredModel model, model_of(row));
    page.items.push_back(std::move(model));
    return {};
  }));
  for (RegisteredModel& model : page.items) {
    MK_TRY(model.latest, latest_versions(db, model.row));
  }
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
  return count_within(db, "SELECT count(*) FROM registered_model_tags WHERE model = ?", {model},
                      kTagsPerThingMax, "tags on one model");
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

// ---- versions
// ------------------------------------------------------------------------------------------------

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
      add_tag(query, "model_version_tags t WHERE t.model = v.model AND t.version = v.version", c);
    }
  }
  MK_OK(query.page(order, search));
  Page<ModelVersion> page;
  MK_TRY(page.next, query.run(db, order, kVersionColumns, search, [&](const Row& row) -> Result<void> {
    MK_TRY(ModelVersion version, version_of(row));
    page.items.push_back(std::move(version));
    return {};
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
  return count_within(db, "SELECT count(*) FROM model_version_tags WHERE model = ? AND version = ?",
                      {model, version}, kTagsPerThingMax, "tags on one version");
}

Result<void> remove_version_tag(RowWriter& db, int64_t model, int64_t version, std::string_view key) {
  MK_OK(db.exec("DELETE FROM model_version_tags WHERE model = ? AND version = ? AND key = ?",
                {model, version, key}));
  return {};
}

}  // namespace mk::registry

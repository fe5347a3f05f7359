#include "modules/registry/logged_repository.h"

#include <algorithm>
#include <cmath>
#include <limits>

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

constexpr const char* kSchema = R"sql(
CREATE TABLE logged_models(
  model_id TEXT PRIMARY KEY, experiment_id TEXT NOT NULL, name TEXT NOT NULL, artifact_uri TEXT NOT NULL,
  model_type TEXT NOT NULL, source_run_id TEXT NOT NULL, status INTEGER NOT NULL,
  created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL, deleted INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;
CREATE INDEX logged_models_experiment ON logged_models(experiment_id, created_ms);
CREATE INDEX logged_models_run ON logged_models(source_run_id);
CREATE TABLE logged_model_tags(
  model_id TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY(model_id, key)) STRICT, WITHOUT ROWID;
CREATE TABLE logged_model_params(
  model_id TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY(model_id, key)) STRICT, WITHOUT ROWID;
CREATE TABLE logged_model_metrics(
  model_id TEXT NOT NULL, key TEXT NOT NULL, dataset_name TEXT NOT NULL, dataset_digest TEXT NOT NULL,
  run_id TEXT NOT NULL, timestamp_ms INTEGER NOT NULL, step INTEGER NOT NULL, value REAL,
  PRIMARY KEY(model_id, key, dataset_name, dataset_digest, run_id)) STRICT, WITHOUT ROWID;
)sql";

#define LOGGED_COLUMNS                                                                               \
  "m.model_id, m.experiment_id, m.name, m.artifact_uri, m.model_type, m.source_run_id, m.status, "   \
  "m.created_ms,"                                                                                    \
  " m.updated_ms,"                                                                                   \
  " (SELECT json_group_array(json_array(key, value)) FROM logged_model_tags t WHERE t.model_id = "   \
  "m.model_id),"                                                                                     \
  " (SELECT json_group_array(json_array(key, value)) FROM logged_model_params p WHERE p.model_id = " \
  "m.model_id)"
constexpr int kLoggedColumns = 11;

// The status is a number on disk and a word in a filter.
constexpr const char* kStatusWord =
    "CASE m.status WHEN 1 THEN 'PENDING' WHEN 2 THEN 'READY' WHEN 3 THEN 'UPLOAD_FAILED' ELSE 'UNSPECIFIED' "
    "END";

constexpr NamedColumn kNames[] = {{"name", "m.name", OrderColumn::Type::kText},
                                  {"model_id", "m.model_id", OrderColumn::Type::kText},
                                  {"model_type", "m.model_type", OrderColumn::Type::kText},
                                  {"status", kStatusWord, OrderColumn::Type::kText},
                                  {"source_run_id", "m.source_run_id", OrderColumn::Type::kText},
                                  {"creation_timestamp", "m.created_ms", OrderColumn::Type::kInteger},
                                  {"last_updated_timestamp", "m.updated_ms", OrderColumn::Type::kInteger}};

Result<LoggedModel> model_of(const Row& row) {
  LoggedModel m;
  m.model_id = row.text(0);
  m.experiment_id = row.text(1);
  m.name = row.text(2);
  m.artifact_uri = row.text(3);
  m.model_type = row.text(4);
  m.source_run_id = row.text(5);
  m.status = static_cast<LoggedModelStatus>(row.integer(6));
  m.created_ms = row.integer(7);
  m.updated_ms = row.integer(8);
  MK_TRY(m.tags, parse_pairs(row.text(9)));
  MK_TRY(m.params, parse_pairs(row.text(10)));
  return m;
}

Result<void> read_metrics(RowReader& db, LoggedModel& model) {
  return db.query(
      "SELECT key, run_id, value, timestamp_ms, step, dataset_name, dataset_digest FROM logged_model_metrics"
      " WHERE model_id = ? LIMIT ?",
      {model.model_id, static_cast<int64_t>(kMetricsPerModelShown)}, [&](const Row& row) {
        model.metrics.push_back(
            {.key = std::string(row.text(0)),
             .run_id = std::string(row.text(1)),
             .value = row.is_null(2) ? std::numeric_limits<double>::quiet_NaN() : row.number(2),
             .timestamp_ms = row.integer(3),
             .step = row.integer(4),
             .dataset_name = std::string(row.text(5)),
             .dataset_digest = std::string(row.text(6))});
        return true;
      });
}

void add_dataset(Query& query, const DatasetFilter& dataset) {
  query.add("(x.dataset_name = ?").bind(dataset.name);
  if (!dataset.digest.empty()) query.add(" AND x.dataset_digest = ?").bind(dataset.digest);
  query.add(")");
}

// ` AND (dataset is one of the asked)`, for a metric x.
void add_datasets(Query& query, const std::vector<DatasetFilter>& datasets) {
  if (datasets.empty()) return;
  query.add(" AND (");
  for (size_t i = 0; i < datasets.size(); ++i) {
    if (i) query.add(" OR ");
    add_dataset(query, datasets[i]);
  }
  query.add(")");
}

void add_clauses(Query& query, const Search& search) {
  bool by_metric = false;
  for (const filter::Clause& c : search.clauses) {
    query.add(" AND ");
    if (c.column.entity == kAttribute) {
      query.compare(named(kNames, c.column.key).sql, c);
      continue;
    }
    const char* table = c.column.entity == kTag     ? "logged_model_tags"
                        : c.column.entity == kParam ? "logged_model_params"
                                                    : "logged_model_metrics";
    query.add("EXISTS (SELECT 1 FROM ")
        .add(table)
        .add(" x WHERE x.model_id = m.model_id AND x.key = ? AND ")
        .bind(c.column.key);
    query.compare("x.value", c);
    if (c.column.entity == kMetric) {
      by_metric = true;
      add_datasets(query, search.datasets);
    }
    query.add(")");
  }
  if (!search.datasets.empty() && !by_metric) {
    query.add(" AND EXISTS (SELECT 1 FROM logged_model_metrics x WHERE x.model_id = m.model_id");
    add_datasets(query, search.datasets);
    query.add(")");
  }
}

// Metrics to order by are joined as o0, o1, ...: the last value of the key, over the asked data set.
Result<std::vector<OrderColumn>> order_of(const Search& search, Query& joins) {
  using enum OrderColumn::Type;
  if (search.order.size() > kOrderKeysMax) {
    return invalid(
        fmt::format("order_by has {} keys; at most {} are allowed", search.order.size(), kOrderKeysMax));
  }
  std::vector<OrderColumn> out;
  bool by_time = false, by_id = false;
  for (const OrderKey& key : search.order) {
    const filter::Column& column = key.order.column;
    if (column.entity == kAttribute) {
      by_time |= column.key == "creation_timestamp";
      by_id |= column.key == "model_id";
      out.push_back({named(kNames, column.key).sql, named(kNames, column.key).type, key.order.ascending});
      continue;
    }
    std::string name = fmt::format("o{}.value", out.size());
    joins.add(fmt::format(
        " LEFT JOIN (SELECT x.model_id AS id, x.value AS value, row_number() OVER (PARTITION BY x.model_id"
        " ORDER BY x.timestamp_ms DESC, x.step DESC, x.run_id) AS nth FROM logged_model_metrics x"
        " WHERE x.key = ?",
        out.size()));
    joins.bind(column.key);
    if (!key.dataset.name.empty()) {
      joins.add(" AND ");
      add_dataset(joins, key.dataset);
    }
    joins.add(fmt::format(") o{0} ON o{0}.id = m.model_id AND o{0}.nth = 1", out.size()));
    out.push_back({fmt::format("({} IS NULL)", name), kInteger, true});  // those without a value come last
    out.push_back({fmt::format("coalesce({}, 0.0)", name), kReal, key.order.ascending});
  }
  if (!by_time) out.push_back({"m.created_ms", kInteger, false});
  if (!by_id) out.push_back({"m.model_id", kText, true});
  return out;
}

}  // namespace

std::string logged_model_schema() {
  return kSchema;
}

Result<void> need_logged_model(RowReader& db, std::string_view model_id, bool deleted_too) {
  bool known = false;
  MK_OK(db.query("SELECT 1 FROM logged_models WHERE model_id = ? AND deleted <= ?",
                 {model_id, int64_t{deleted_too}}, [&](const Row&) {
                   known = true;
                   return false;
                 }));
  if (known) return {};
  return fail(Code::kNotFound, "no_such_logged_model",
              fmt::format("Logged model with ID {} not found", shown(model_id)));
}

Result<LoggedModel> read_logged_model(RowReader& db, std::string_view model_id, bool deleted_too) {
  Result<LoggedModel> found = fail(Code::kNotFound, "no_such_logged_model",
                                   fmt::format("Logged model with ID {} not found", shown(model_id)));
  MK_OK(db.query("SELECT " LOGGED_COLUMNS " FROM logged_models m WHERE m.model_id = ? AND m.deleted <= ?",
                 {model_id, int64_t{deleted_too}}, [&](const Row& row) {
                   found = model_of(row);
                   return false;
                 }));
  if (!found) return found;
  MK_OK(read_metrics(db, *found));
  return found;
}

Result<Page<LoggedModel>> find_logged_models(RowReader& db, const Search& search) {
  Query joins("");
  MK_TRY(auto order, order_of(search, joins));
  Query query("SELECT " LOGGED_COLUMNS);
  query.add(selected(order));
  query.add(" FROM logged_models m").add(joins.sql());
  for (const store::Value& value : joins.values()) query.bind(value);
  Json experiments = Json(Json::Array{});
  for (const std::string& id : search.experiment_ids) experiments.push_back(id);
  query.add(" WHERE m.deleted = 0 AND m.experiment_id IN (SELECT value FROM json_each(?))")
      .bind(experiments.dump());
  add_clauses(query, search);
  MK_OK(query.page(order, search));
  Page<LoggedModel> page;
  MK_TRY(page.next, query.run(db, order, kLoggedColumns, search, [&](const Row& row) -> Result<size_t> {
    MK_TRY(LoggedModel model, model_of(row));
    MK_OK(read_metrics(db, model));
    page.items.push_back(std::move(model));
    return bytes_of(page.items.back());
  }));
  return page;
}

Result<std::string> model_of_run(RowReader& db, std::string_view run_id, std::string_view name) {
  std::string id;
  MK_OK(
      db.query("SELECT model_id FROM logged_models WHERE source_run_id = ? AND name = ? AND deleted = 0"
               " ORDER BY created_ms DESC, model_id LIMIT 1",
               {run_id, name}, [&](const Row& row) {
                 id = row.text(0);
                 return false;
               }));
  return id;
}

Result<void> insert_logged_model(RowWriter& db, const LoggedModel& m) {
  MK_OK(
      db.exec("INSERT INTO logged_models(model_id, experiment_id, name, artifact_uri, model_type, "
              "source_run_id, status,"
              " created_ms, updated_ms) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)",
              {m.model_id, m.experiment_id, m.name, m.artifact_uri, m.model_type, m.source_run_id,
               static_cast<int64_t>(m.status), m.created_ms, m.updated_ms}));
  MK_OK(put_logged_tags(db, m.model_id, m.tags));
  return put_logged_params(db, m.model_id, m.params);
}

Result<void> put_logged_status(RowWriter& db, std::string_view model_id, LoggedModelStatus status,
                               int64_t now_ms) {
  MK_OK(db.exec("UPDATE logged_models SET status = ?, updated_ms = ? WHERE model_id = ?",
                {static_cast<int64_t>(status), now_ms, model_id}));
  return {};
}

Result<void> mark_logged_deleted(RowWriter& db, std::string_view model_id, int64_t now_ms) {
  MK_OK(
      db.exec("UPDATE logged_models SET deleted = 1, updated_ms = ? WHERE model_id = ?", {now_ms, model_id}));
  return {};
}

Result<void> put_logged_tags(RowWriter& db, std::string_view model_id, const std::vector<Tag>& tags) {
  for (const Tag& tag : tags) {
    MK_OK(
        db.exec("INSERT INTO logged_model_tags(model_id, key, value) VALUES(?, ?, ?)"
                " ON CONFLICT DO UPDATE SET value = excluded.value",
                {model_id, tag.key, tag.value}));
  }
  MK_OK(count_within(db, "SELECT count(*) FROM logged_model_tags WHERE model_id = ?", {model_id},
                     kTagsPerThingMax, "tags on one logged model"));
  return count_within(
      db, "SELECT coalesce(sum(length(CAST(value AS BLOB))), 0) FROM logged_model_tags WHERE model_id = ?",
      {model_id}, kTextBytesPerThingMax, "bytes in the tags of one logged model");
}

Result<bool> remove_logged_tag(RowWriter& db, std::string_view model_id, std::string_view key) {
  MK_TRY(int64_t gone,
         db.exec("DELETE FROM logged_model_tags WHERE model_id = ? AND key = ?", {model_id, key}));
  return gone > 0;
}

Result<void> put_logged_params(RowWriter& db, std::string_view model_id, const std::vector<Tag>& params) {
  for (const Tag& param : params) {
    MK_TRY(int64_t written,
           db.exec("INSERT INTO logged_model_params(model_id, key, value) VALUES(?1, ?2, ?3)"
                   " ON CONFLICT DO UPDATE SET value = excluded.value WHERE value = excluded.value",
                   {model_id, param.key, param.value}));
    if (written == 0) {
      return invalid(fmt::format(
          "the logged model has another value for the parameter {} already; parameters are written once",
          shown(param.key)));
    }
  }
  MK_OK(count_within(db, "SELECT count(*) FROM logged_model_params WHERE model_id = ?", {model_id},
                     kParamsPerModelMax, "parameters on one logged model"));
  return count_within(
      db, "SELECT coalesce(sum(length(CAST(value AS BLOB))), 0) FROM logged_model_params WHERE model_id = ?",
      {model_id}, kTextBytesPerThingMax, "bytes in the parameters of one logged model");
}

Result<void> note_version(RowWriter& db, std::string_view model_id, std::string_view name, int64_t version) {
  Json list = Json(Json::Array{});
  MK_OK(db.query("SELECT value FROM logged_model_tags WHERE model_id = ? AND key = ?",
                 {model_id, kVersionsTag}, [&](const Row& row) {
                   // The tag is the user's to change: what is no list any more is replaced.
                   if (auto known = Json::parse(row.text(0)); known && known->is_array())
                     list = std::move(*known);
                   return false;
                 }));
  Json entry = Json::object({{"name", name}, {"version", version}});
  for (const Json& known : list.items()) {
    if (known == entry) return {};
  }
  list.push_back(std::move(entry));
  return put_logged_tags(db, model_id, {{std::string(kVersionsTag), list.dump()}});
}

Result<void> add_model_metrics(RowWriter& db, const std::vector<core::ModelMetric>& points) {
  for (const core::ModelMetric& p : points) {
    if (p.model_id.empty()) continue;
    MK_OK(need_logged_model(db, p.model_id, true));
    // Only the last point of a (key, data set, run) is kept: the whole series is with the run.
    const double bounded =
        std::clamp(p.value, std::numeric_limits<double>::lowest(), std::numeric_limits<double>::max());
    MK_OK(
        db.exec("INSERT INTO logged_model_metrics(model_id, key, dataset_name, dataset_digest, run_id, "
                "timestamp_ms, step, value)"
                " VALUES(?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET timestamp_ms = excluded.timestamp_ms, step = excluded.step, "
                "value = excluded.value"
                " WHERE (excluded.timestamp_ms, excluded.step) >= (timestamp_ms, step)",
                {p.model_id, p.key, p.dataset_name, p.dataset_digest, p.run_id, p.timestamp_ms, p.step,
                 std::isnan(p.value) ? store::Value() : store::Value(bounded)}));
  }
  return {};
}

}  // namespace mk::registry

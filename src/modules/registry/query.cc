#include "modules/registry/query.h"

#include <algorithm>

#include "base/encoding.h"
#include "base/format.h"
#include "modules/registry/limits.h"
#include "modules/registry/names.h"

namespace mk::registry {
namespace {

// A token belongs to one search: with another filter or order its position means nothing.
uint64_t fingerprint(const Search& search) {
  uint64_t hash = 14695981039346656037ull;
  auto mix = [&](std::string_view text) {
    for (char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ull;
    hash = (hash ^ 0xff) * 1099511628211ull;
  };
  for (const filter::Clause& c : search.clauses) {
    mix(fmt::format("{}/{}/{}", c.column.entity, static_cast<int>(c.op), c.number));
    mix(c.column.key);
    mix(c.text);
    for (const std::string& text : c.list) mix(text);
  }
  for (const OrderKey& o : search.order) {
    mix(fmt::format("{}/{}", o.order.column.entity, o.order.ascending));
    mix(o.order.column.key);
    mix(o.dataset.name);
    mix(o.dataset.digest);
  }
  for (const std::string& id : search.experiment_ids) mix(id);
  for (const DatasetFilter& d : search.datasets) {
    mix(d.name);
    mix(d.digest);
  }
  return hash;
}

Failure bad_token() {
  return fail(Error{Code::kInvalidArgument, "bad_page_token", "the page_token does not belong to this search"}
                  .with_hint("start again without it"));
}

Result<std::vector<store::Value>> read_token(const Search& search, const std::vector<OrderColumn>& order) {
  auto text = base64url_decode(search.page_token);
  if (!text) return bad_token();
  auto token = Json::parse(*text, {.bytes_max = 64u << 10, .depth_max = 3, .nodes_max = 64});
  if (!token || (*token)["of"].text() != fmt::format("{:x}", fingerprint(search))) return bad_token();
  const Json& after = (*token)["after"];
  if (after.size() != order.size()) return bad_token();
  std::vector<store::Value> out;
  for (size_t i = 0; i < order.size(); ++i) {
    using enum OrderColumn::Type;
    if (order[i].type == kText && after[i].is_string()) {
      out.emplace_back(std::string(after[i].text()));
    } else if (order[i].type == kInteger && after[i].is_int()) {
      out.emplace_back(after[i].integer());
    } else if (order[i].type == kReal && after[i].is_number()) {
      out.emplace_back(after[i].number());
    } else {
      return bad_token();
    }
  }
  return out;
}

Json key_of(const store::Row& row, int column, OrderColumn::Type type) {
  switch (type) {
    case OrderColumn::Type::kText:
      return Json(row.text(column));
    case OrderColumn::Type::kInteger:
      return Json(row.integer(column));
    case OrderColumn::Type::kReal:
      return Json(row.number(column));
  }
  return {};
}

}  // namespace

std::string like_to_glob(std::string_view pattern) {
  std::string out;
  for (char c : pattern) {
    if (c == '%') {
      if (!out.ends_with('*')) out += '*';
    } else if (c == '_') {
      out += '?';
    } else if (c == '*' || c == '?' || c == '[') {
      out += fmt::format("[{}]", c);
    } else {
      out += c;
    }
  }
  return out;
}

Query& Query::compare(std::string_view lhs, const filter::Clause& clause) {
  sql_ += lhs;
  switch (clause.op) {
    case filter::Op::kLike:
      sql_ += " GLOB ?";
      return bind(like_to_glob(clause.text));
    case filter::Op::kIlike:
      sql_ += " LIKE ?";
      return bind(clause.text);
    case filter::Op::kIn:
    case filter::Op::kNotIn: {
      // One parameter for the whole list keeps the statement's text the same for every length.
      Json list;
      for (const std::string& item : clause.list) list.push_back(item);
      sql_ += clause.op == filter::Op::kIn ? " IN" : " NOT IN";
      sql_ += " (SELECT value FROM json_each(?))";
      return bind(list.is_null() ? "[]" : list.dump());
    }
    case filter::Op::kIsNull:
      sql_ += " IS NULL";
      return *this;
    case filter::Op::kIsNotNull:
      sql_ += " IS NOT NULL";
      return *this;
    default:
      break;
  }
  sql_ += fmt::format(" {} ?", filter::op_name(clause.op));
  return clause.column.kind == filter::Kind::kNumber ? bind(clause.number) : bind(clause.text);
}

const NamedColumn& named(std::span<const NamedColumn> names, std::string_view key) {
  auto found = std::find_if(names.begin(), names.end(), [&](const NamedColumn& n) { return n.key == key; });
  MK_CHECK(found != names.end());
  return *found;
}

Result<std::vector<OrderColumn>> order_columns(const Search& search, std::span<const NamedColumn> names,
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
    const NamedColumn& column = named(names, key.order.column.key);
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

Query& Query::has_tag(std::string_view tags_of, const filter::Clause& clause) {
  add(" AND EXISTS (SELECT 1 FROM ").add(tags_of).add(" AND t.key = ? AND ").bind(clause.column.key);
  return compare("t.value", clause).add(")");
}

Result<void> Query::page(const std::vector<OrderColumn>& order, const Search& search) {
  if (!search.page_token.empty()) {
    MK_TRY(auto after, read_token(search, order));
    // (a > ?) OR (a = ? AND ((b < ?) OR (b = ? AND ...)))
    std::string close;
    sql_ += " AND (";
    for (size_t i = 0; i < order.size(); ++i) {
      std::string_view cmp = order[i].ascending ? " > ?" : " < ?";
      sql_ += fmt::format("{}{}", order[i].sql, cmp);
      bind(after[i]);
      if (i + 1 == order.size()) break;
      sql_ += fmt::format(" OR ({} = ? AND (", order[i].sql);
      bind(after[i]);
      close += "))";
    }
    sql_ += close + ")";
  }
  sql_ += " ORDER BY ";
  for (size_t i = 0; i < order.size(); ++i) {
    sql_ += fmt::format("{}{} {}", i ? ", " : "", order[i].sql, order[i].ascending ? "ASC" : "DESC");
  }
  sql_ += " LIMIT ?";
  bind(search.page_size + 1);
  return {};
}

Result<std::string> Query::run(store::RowReader& db, const std::vector<OrderColumn>& order,
                               int first_order_column, const Search& search,
                               const std::function<Result<size_t>(const store::Row&)>& each) {
  int64_t seen = 0;
  size_t bytes = 0;
  bool more = false;
  Result<void> problem;
  Json after;
  MK_OK(db.query(sql_, values_, [&](const store::Row& row) {
    if (seen == search.page_size || bytes > kPageBytesMax) {
      more = true;
      return false;
    }
    auto took = each(row);
    if (!took) {
      problem = Failure(std::move(took).error());
      return false;
    }
    bytes += *took;
    if (++seen == search.page_size || bytes > kPageBytesMax) {
      for (size_t i = 0; i < order.size(); ++i) {
        after.push_back(key_of(row, first_order_column + static_cast<int>(i), order[i].type));
      }
    }
    return true;
  }));
  MK_OK(problem);
  if (!more) return std::string();
  return base64url_encode(
      Json::object({{"of", fmt::format("{:x}", fingerprint(search))}, {"after", after}}).dump());
}

}  // namespace mk::registry

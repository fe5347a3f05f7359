// One SELECT being put together: text and bound values. Only this file's pieces and literals of the
// repositories reach the text; what a user wrote is always bound.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "modules/registry/search.h"
#include "store/store.h"

namespace mk::registry {

struct OrderColumn {
  enum class Type : uint8_t { kText, kInteger, kReal };
  std::string sql;  // never NULL, so that every page has one next row
  Type type = Type::kText;
  bool ascending = true;
};

// What a key of a grammar is called in SQL. The grammar lets only known keys through.
struct NamedColumn {
  std::string_view key;
  const char* sql;
  OrderColumn::Type type;
};
const NamedColumn& named(std::span<const NamedColumn> names, std::string_view key);

// The asked order, then `ties` as far as they are not in it: keyset pages need an order without ties.
Result<std::vector<OrderColumn>> order_columns(const Search& search, std::span<const NamedColumn> names,
                                               std::vector<OrderColumn> ties);
std::string selected(const std::vector<OrderColumn>& order);  // ", a, b"

class Query {
 public:
  explicit Query(std::string_view sql) : sql_(sql) {}
  Query& add(std::string_view sql) {
    sql_ += sql;
    return *this;
  }
  Query& bind(store::Value value) {
    values_.push_back(std::move(value));
    return *this;
  }

  // `lhs OP ?`: a text or a number column, as the clause's column says.
  Query& compare(std::string_view lhs, const filter::Clause& clause);

  // ` AND EXISTS (...)`: a tag of the clause's key whose value passes. `tags_of` is "TABLE t WHERE t.x =
  // ...".
  Query& has_tag(std::string_view tags_of, const filter::Clause& clause);

  // AND (rows after the token), ORDER BY, LIMIT page_size + 1.
  Result<void> page(const std::vector<OrderColumn>& order, const Search& search);
  // Runs it. `each` gets the rows of the page and answers how many bytes it took; a page ends early when they
  // are many. The result is the token of the next page, or empty. The columns of `order` must have been
  // selected, from column `first_order_column` on.
  Result<std::string> run(store::RowReader& db, const std::vector<OrderColumn>& order, int first_order_column,
                          const Search& search, const std::function<Result<size_t>(const store::Row&)>& each);

  const std::string& sql() const { return sql_; }
  const std::vector<store::Value>& values() const { return values_; }

 private:
  std::string sql_;
  std::vector<store::Value> values_;
};

// LIKE of MLflow's grammar tells cases apart; SQLite's does not, its GLOB does.
std::string like_to_glob(std::string_view pattern);

}  // namespace mk::registry

#include "base/filter.h"

#include <doctest/doctest.h>

#include <limits>

using namespace mk;
using filter::Op;

namespace {

const filter::Grammar& grammar() {
  static const filter::Grammar kGrammar{
      {{"attributes",
        {"attribute", "attributes", "attr", "run"},
        {{"run_id", {"run_id", "run id"}, filter::Kind::kText, filter::kTextOps | filter::kListOps},
         {"run_name", {"run_name", "run name"}},
         {"start_time", {"start_time", "created"}, filter::Kind::kNumber, filter::kNumberOps}}},
       {"metrics", {"metric", "metrics"}, {}, filter::Kind::kNumber, filter::kNumberOps},
       {"params",
        {"param", "params", "parameter"},
        {},
        filter::Kind::kText,
        filter::kTextOps | filter::kPresenceOps},
       {"tags", {"tag", "tags"}, {}, filter::Kind::kText, filter::kTextOps | filter::kPresenceOps}},
      0};
  return kGrammar;
}

std::string text_of(const filter::Clause& c) {
  std::string out = std::string(grammar().entities[c.column.entity].name) + "." + c.column.key + " " +
                    std::string(filter::op_name(c.op));
  if (c.op == Op::kIn || c.op == Op::kNotIn) {
    for (const std::string& item : c.list) out += " [" + item + "]";
  } else if (c.op != Op::kIsNull && c.op != Op::kIsNotNull) {
    out += c.column.kind == filter::Kind::kNumber ? " " + std::to_string(c.number) : " [" + c.text + "]";
  }
  return out;
}

}  // namespace

TEST_CASE("filter: what is accepted") {
  const std::pair<const char*, std::vector<std::string>> kCases[] = {
      {"", {}},
      {"  \n ", {}},
      {"metrics.loss < 0.5", {"metrics.loss < 0.500000"}},
      {"metrics.loss<-1e-3", {"metrics.loss < -0.001000"}},
      {"metric.`val loss` >= 1 and params.lr = '0.1'",
       {"metrics.val loss >= 1.000000", "params.lr = [0.1]"}},
      {"params.\"a.b\" != \"x\" AND tags.mlflow.source.name LIKE '%.py'",
       {"params.a.b != [x]", "tags.mlflow.source.name LIKE [%.py]"}},
      {"run_name ilike 'A%'", {"attributes.run_name ILIKE [A%]"}},
      {"\"run name\" = 'it''s'", {"attributes.run_name = [it's]"}},
      {"`run name` = ''", {"attributes.run_name = []"}},
      {"attributes.run_id IN ('b', 'a')", {"attributes.run_id IN [a] [b]"}},
      {"run.run_id not in ('b')", {"attributes.run_id NOT IN [b]"}},
      {"tags.x IS NULL AND tags.y is not null", {"tags.x IS NULL", "tags.y IS NOT NULL"}},
      {"created > 1700000000000", {"attributes.start_time > 1700000000000.000000"}},
      {"metrics.val-loss/a:b = .5", {"metrics.val-loss/a:b = 0.500000"}},
      {"params.and = 'and'", {"params.and = [and]"}},
  };
  for (const auto& [text, wanted] : kCases) {
    CAPTURE(text);
    auto clauses = filter::parse(text, grammar());
    REQUIRE_MESSAGE(clauses, (clauses ? "" : clauses.error().message));
    std::vector<std::string> got;
    for (const auto& clause : *clauses) got.push_back(text_of(clause));
    CHECK(got == wanted);
  }
}

TEST_CASE("filter: what is refused, and the sentence") {
  const std::pair<const char*, const char*> kCases[] = {
      {"metrics.loss < '0.5'",
       "'metrics.loss' is compared with a number such as 0.5, found ''0.5'' at position 16"},
      {"metrics.loss LIKE 'a'",
       "'metrics.loss' cannot be compared with LIKE; use one of =, !=, >, >=, <, <="},
      {"params.lr = 0.1",
       "'params.lr' is compared with a quoted text such as 'a', found '0.1' at position 13"},
      {"params.lr > '1'",
       "'params.lr' cannot be compared with >; use one of =, !=, LIKE, ILIKE, IS NULL, IS NOT NULL"},
      {"params.lr = 'a' OR params.lr = 'b'", "OR at position 17 is not supported; search twice, or use IN"},
      {"params.lr = 'a' params.lr = 'b'", "expected AND between clauses, found 'params.lr' at position 17"},
      {"params.lr = 'a' AND", "expected something like metrics.loss or params.\"my key\", found the end"},
      {"params.lr = 'a", "the filter has a ' at position 13 that is never closed"},
      {"params.lr", "expected a comparison such as = or LIKE, found the end"},
      {"params.lr == 'a'", "expected a comparison such as = or LIKE, found '==' at position 11"},
      {"nope.x = 'a'",
       "'nope' is nothing that can be searched; use one of attributes, metrics, params, tags"},
      {"attributes.nope = 'a'", "there is no 'attributes.nope'; use one of run_id, run_name, start_time"},
      {"loss < 0.5",
       "there is no 'loss'; use one of run_id, run_name, start_time, or write metrics.loss, params.loss, tags.loss"},
      {"run_name IN ('a')", "'run_name' cannot be compared with IN; use one of =, !=, LIKE, ILIKE"},
      {"run_id IN ()", "a list holds quoted texts, found ')' at position 12"},
      {"run_id IN ('a'", "expected ) after the list, found the end"},
      {"run_id IN 'a'", "expected a list such as ('a', 'b') after IN, found ''a'' at position 11"},
      {"tags.x IS 'a'", "expected NULL after IS, found ''a'' at position 11"},
      {"tags.x NOT LIKE 'a'", "NOT LIKE is not supported"},
      {"metrics. > 1", "the key after 'metrics.' must have 1 to 1000 bytes"},
      {"metric. > 1", "the key after 'metric.' must have 1 to 1000 bytes"},
      {"metrics.a > 1; DROP TABLE runs", "expected AND between clauses, found ';' at position 14"},
      {"metrics.a > 1e", "'metrics.a' is compared with a number such as 0.5, found '1e' at position 13"},
      {"AND metrics.a > 1",
       "expected something like metrics.loss or params.\"my key\", found 'AND' at position 1"},
      {"(metrics.a > 1)",
       "expected something like metrics.loss or params.\"my key\", found '(' at position 1"},
  };
  for (const auto& [text, wanted] : kCases) {
    CAPTURE(text);
    auto clauses = filter::parse(text, grammar());
    REQUIRE_FALSE(clauses);
    CHECK(clauses.error().code == Code::kInvalidArgument);
    CHECK(clauses.error().message == wanted);
  }
  CHECK_FALSE(filter::parse(std::string(filter::kTextBytesMax + 1, 'a'), grammar()));
  CHECK_FALSE(filter::parse("params.a LIKE '" + std::string(1001, 'a') + "'", grammar()));
  CHECK_FALSE(filter::parse("params.a LIKE '" + std::string(201, '_') + "'", grammar()));
  std::string many = "params.a = 'a'";
  for (size_t i = 0; i < filter::kClausesMax; ++i) many += " AND params.a = 'a'";
  CHECK_FALSE(filter::parse(many, grammar()));
}

TEST_CASE("filter: any cut of a filter is answered, never a crash") {
  const std::string whole =
      "metrics.\"a b\" >= -1.5e3 AND attributes.run_id NOT IN ('x', \"y\") AND tags.`k` IS NOT NULL";
  for (size_t i = 0; i <= whole.size(); ++i) {
    (void)filter::parse(whole.substr(0, i), grammar());
    (void)filter::parse(whole.substr(i), grammar());
    (void)filter::parse_order(whole.substr(i), grammar());
  }
}

TEST_CASE("filter: order_by") {
  auto order = filter::parse_order("metrics.`val loss` DESC", grammar());
  REQUIRE(order);
  CHECK(order->column.key == "val loss");
  CHECK_FALSE(order->ascending);
  CHECK(filter::parse_order("start_time", grammar())->ascending);
  CHECK(filter::parse_order("attributes.created asc", grammar())->column.key == "start_time");
  CHECK_FALSE(filter::parse_order("", grammar()));
  CHECK_FALSE(filter::parse_order("start_time sideways", grammar()));
  CHECK_FALSE(filter::parse_order("start_time DESC, run_id", grammar()));
  CHECK_FALSE(filter::parse_order("metrics.\"a' OR 1=1", grammar()));
}

TEST_CASE("filter: LIKE") {
  struct Case {
    const char* pattern;
    const char* text;
    bool matches;
  };
  const Case kCases[] = {
      {"a", "a", true},
      {"a", "A", false},
      {"", "", true},
      {"", "a", false},
      {"%", "", true},
      {"%%%%", "abc", true},
      {"a%", "abc", true},
      {"a%", "bac", false},
      {"%c", "abc", true},
      {"%c", "abcd", false},
      {"%b%", "abc", true},
      {"a%c", "abc", true},
      {"a%c", "ac", true},
      {"a%a", "a", false},
      {"a_c", "abc", true},
      {"a_c",
       "a\xC3\xA4"
       "c",
       true},
      {"_", "", false},
      {"_%", "x", true},
      {"%_c", "abc", true},
      {"%a_", "aab", true},
      {"%_a", "aba", true},
      {"a%b%c", "axxbyyc", true},
      {"a%b%c", "axxcyyb", false},
      {"%ab%ab", "ab", false},
      {"%.py", "a.py.py", true},
      {"%a_a", "aaxa", true},
  };
  for (const auto& [pattern, text, matches] : kCases) {
    CAPTURE(pattern);
    CAPTURE(text);
    CHECK(filter::LikePattern(pattern, false).matches(text) == matches);
  }
  CHECK(filter::LikePattern("Ab%", true).matches("aBc"));
  // Would take ages in a backtracking matcher.
  std::string hostile;
  for (int i = 0; i < 300; ++i) hostile += "%a";
  CHECK_FALSE(filter::LikePattern(hostile + "%b%", false).matches(std::string(8000, 'a')));
}

TEST_CASE("filter: absent values and NaN") {
  const auto clause = [](const char* text) { return filter::parse(text, grammar())->front(); };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK_FALSE(clause("metrics.a != 1").matches(std::optional<double>()));
  CHECK_FALSE(clause("metrics.a > 0").matches(std::optional<double>(nan)));
  CHECK(clause("metrics.a >= 1").matches(std::optional<double>(1)));
  CHECK(clause("tags.a IS NULL").matches(std::optional<std::string_view>()));
  CHECK_FALSE(clause("tags.a != 'x'").matches(std::optional<std::string_view>()));
  CHECK(clause("run_id NOT IN ('a','b')").matches(std::optional<std::string_view>("c")));
}

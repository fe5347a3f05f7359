#include "modules/tracking/run_search.h"

#include <bit>
#include <cmath>
#include <limits>

#include "base/format.h"
#include "modules/tracking/limits.h"

namespace mk::tracking {
namespace {

enum Entity : size_t { kAttribute, kMetric, kParam, kTag, kDataset };
constexpr filter::Ops kTextAndLists = filter::kTextOps | filter::kListOps;

std::optional<std::string_view> text_attribute(const RunInfo& info, std::string_view key) {
  if (key == "run_id") return info.id;
  if (key == "run_name") return info.name;
  if (key == "status") return status_name(info.status);
  if (key == "user_id") return info.user;
  if (key == "artifact_uri") return info.artifact_uri;
  return std::nullopt;
}

std::optional<double> number_attribute(const RunInfo& info, std::string_view key) {
  if (key == "start_time") return static_cast<double>(info.start_ms);
  if (key == "end_time" && info.end_ms) return static_cast<double>(*info.end_ms);
  return std::nullopt;
}

bool matches_dataset(const RunState& run, const filter::Clause& clause) {
  if (!run.links) return false;
  return std::ranges::any_of(run.links->datasets, [&](const DatasetInput& input) {
    if (clause.column.key == "name") return clause.matches(std::string_view(input.dataset->name));
    if (clause.column.key == "digest") return clause.matches(std::string_view(input.dataset->digest));
    return std::ranges::any_of(input.tags, [&](const Tag& tag) {
      return tag.key == kDatasetContextTag && clause.matches(std::string_view(tag.value));
    });
  });
}

}  // namespace

const filter::Grammar& run_grammar() {
  using filter::Kind;
  static const filter::Grammar kGrammar{
      {{"attributes",
        {"attribute", "attributes", "attr", "run"},
        {{"run_id", {"run_id", "run id"}, Kind::kText, kTextAndLists},
         {"run_name", {"run_name", "run name", "Run name", "Run Name"}},
         {"status", {"status"}},
         {"user_id", {"user_id"}},
         {"artifact_uri", {"artifact_uri"}},
         {"start_time", {"start_time", "created", "Created"}, Kind::kNumber, filter::kNumberOps},
         {"end_time", {"end_time"}, Kind::kNumber, filter::kNumberOps}}},
       {"metrics", {"metric", "metrics"}, {}, Kind::kNumber, filter::kNumberOps},
       {"params",
        {"parameter", "parameters", "param", "params"},
        {},
        Kind::kText,
        filter::kTextOps | filter::kPresenceOps},
       {"tags", {"tag", "tags"}, {}, Kind::kText, filter::kTextOps | filter::kPresenceOps},
       {"datasets",
        {"dataset", "datasets"},
        {{"name", {"name"}, Kind::kText, kTextAndLists, false},
         {"digest", {"digest"}, Kind::kText, kTextAndLists, false},
         {"context", {"context"}, Kind::kText, kTextAndLists, false}}}},
      kAttribute};
  return kGrammar;
}

Result<RunSearch> RunSearch::make(const RunQuery& query) {
  RunSearch out;
  MK_TRY(out.clauses_, filter::parse(query.filter, run_grammar()));
  if (query.order_by.size() > kOrderByMax)
    return invalid(
        fmt::format("order_by has {} items; at most {} are allowed", query.order_by.size(), kOrderByMax));
  out.fingerprint_.add(query.filter);
  for (const std::string& text : query.order_by) {
    MK_TRY(filter::Order order, filter::parse_order(text, run_grammar()));
    for (const filter::Order& other : out.orders_) {
      if (other.column.entity == order.column.entity && other.column.key == order.column.key)
        return invalid(fmt::format("order_by names '{}' twice", text));
    }
    out.orders_.push_back(std::move(order));
    out.fingerprint_.add(text);
  }
  for (const int64_t id : query.experiments) out.fingerprint_.add(std::to_string(id));
  out.fingerprint_.add(std::to_string(static_cast<int>(query.view)));
  out.view_ = query.view;
  out.results_max_ = query.results_max;
  if (!query.page_token.empty()) MK_OK(out.read_token(query.page_token));
  return out;
}

// ---- which runs pass -----------------------------------------------------------------------------

RunSearch::Matcher::Matcher(const RunSearch& search, const KeyTable& keys) : search_(search) {
  for (const filter::Clause& clause : search.clauses_) clause_keys_.push_back(keys.find(clause.column.key));
  for (const filter::Order& order : search.orders_) order_keys_.push_back(keys.find(order.column.key));
}

bool RunSearch::Matcher::matches(const RunState& run) const {
  if (!shows(search_.view_, run.info.stage)) return false;
  for (size_t i = 0; i < clause_keys_.size(); ++i) {
    const filter::Clause& clause = search_.clauses_[i];
    const Key* key = clause_keys_[i];
    bool pass = false;
    if (clause.column.entity == kMetric) {
      const MetricCell* cell = key ? find_cell(run.metrics, key) : nullptr;
      pass = clause.matches(cell ? std::optional<double>(cell->latest.value) : std::nullopt);
    } else if (clause.column.entity == kParam || clause.column.entity == kTag) {
      const auto& cells = clause.column.entity == kParam ? run.params : run.tags;
      const TextCell* cell = key ? find_cell(cells, key) : nullptr;
      pass = clause.matches(cell ? std::optional<std::string_view>(cell->value) : std::nullopt);
    } else if (clause.column.entity == kDataset) {
      pass = matches_dataset(run, clause);
    } else if (clause.column.kind == filter::Kind::kNumber) {
      pass = clause.matches(number_attribute(run.info, clause.column.key));
    } else {
      pass = clause.matches(text_attribute(run.info, clause.column.key));
    }
    if (!pass) return false;
  }
  return true;
}

// ---- order ---------------------------------------------------------------------------------------

namespace {

RunSearch::SortValue sort_value(const RunState& run, const filter::Column& column, const Key* key) {
  const auto number = [](std::optional<double> value) -> RunSearch::SortValue {
    if (!value) return {2, 0, {}};
    if (std::isnan(*value)) return {1, 0, {}};
    return {0, *value, {}};
  };
  const auto text = [](std::optional<std::string_view> value) -> RunSearch::SortValue {
    return value ? RunSearch::SortValue{0, 0, *value} : RunSearch::SortValue{2, 0, {}};
  };
  if (column.entity == kMetric) {
    const MetricCell* cell = key ? find_cell(run.metrics, key) : nullptr;
    return number(cell ? std::optional<double>(cell->latest.value) : std::nullopt);
  }
  if (column.entity == kAttribute)
    return column.kind == filter::Kind::kNumber ? number(number_attribute(run.info, column.key))
                                                : text(text_attribute(run.info, column.key));
  const TextCell* cell = key ? find_cell(column.entity == kParam ? run.params : run.tags, key) : nullptr;
  return text(cell ? std::optional<std::string_view>(cell->value) : std::nullopt);
}

}  // namespace

void RunSearch::Matcher::add(Hits& hits, RunRef run) const {
  const size_t at = hits.values.size();
  for (size_t i = 0; i < order_keys_.size(); ++i)
    hits.values.push_back(sort_value(*run, search_.orders_[i].column, order_keys_[i]));
  hits.hits.push_back({std::move(run), at});
}

int RunSearch::compare(size_t order, const SortValue& a, const SortValue& b) const {
  if (a.rank != b.rank) return a.rank < b.rank ? -1 : 1;
  if (a.rank != 0) return 0;
  int result = a.number < b.number ? -1 : a.number > b.number ? 1 : a.text.compare(b.text);
  return orders_[order].ascending ? result : -result;
}

bool RunSearch::before(const Hits& hits, const Hit& a, const Hit& b) const {
  for (size_t i = 0; i < orders_.size(); ++i) {
    const int result = compare(i, hits.values[a.sort_values + i], hits.values[b.sort_values + i]);
    if (result != 0) return result < 0;
  }
  if (a.run->info.start_ms != b.run->info.start_ms) return a.run->info.start_ms > b.run->info.start_ms;
  return a.run->info.id < b.run->info.id;
}

bool RunSearch::after_mark(const Hits& hits, const Hit& hit) const {
  for (size_t i = 0; i < orders_.size(); ++i) {
    const Mark::Value& value = mark_->values[i];
    const int result = compare(i, {value.rank, value.number, value.text}, hits.values[hit.sort_values + i]);
    if (result != 0) return result < 0;
  }
  if (mark_->start_ms != hit.run->info.start_ms) return mark_->start_ms > hit.run->info.start_ms;
  return mark_->run_id < hit.run->info.id;
}

RunSearch::Page RunSearch::page(Hits hits, size_t bytes_max) const {
  if (mark_) std::erase_if(hits.hits, [&](const Hit& hit) { return !after_mark(hits, hit); });
  const auto order = [&](const Hit& a, const Hit& b) { return before(hits, a, b); };
  const size_t shown = std::min(results_max_, hits.hits.size());
  const auto end = hits.hits.begin() + static_cast<std::ptrdiff_t>(shown);
  if (shown < hits.hits.size()) std::ranges::nth_element(hits.hits, end, order);
  std::sort(hits.hits.begin(), end, order);
  Page page;
  size_t bytes = 0, taken = 0;
  for (; taken < shown; ++taken) {
    bytes += hits.hits[taken].run->bytes();
    if (taken > 0 && bytes > bytes_max) break;
    page.runs.push_back(hits.hits[taken].run);
  }
  if (taken > 0 && taken < hits.hits.size()) page.next_page_token = token(hits, hits.hits[taken - 1]);
  return page;
}

// ---- page token ------------------------------------------------------------------------------------
// Where the last page ended, by value, so that runs which come and go between pages shift nothing.

std::string RunSearch::token(const Hits& hits, const Hit& last) const {
  Json values = Json::array();
  for (size_t i = 0; i < orders_.size(); ++i) {
    const SortValue& value = hits.values[last.sort_values + i];
    // Doubles travel as their bits: a page must go on exactly where the last one ended.
    values.push_back(Json::array({int64_t{value.rank}, std::bit_cast<int64_t>(value.number), value.text}));
  }
  return make_page_token(fingerprint_,
                         Json::array({std::move(values), last.run->info.start_ms, last.run->info.id}));
}

Result<void> RunSearch::read_token(std::string_view text) {
  MK_TRY(const Json json, read_page_token(text, fingerprint_));
  if (json.size() != 3 || json[0].size() != orders_.size() || !json[1].is_int() || !json[2].is_string())
    return bad_page_token();
  Mark mark{{}, json[1].integer(), std::string(json[2].text())};
  for (const Json& value : json[0].items()) {
    if (!value[0].is_int() || !value[1].is_int() || !value[2].is_string() || value[0].integer() < 0 ||
        value[0].integer() > 2)
      return bad_page_token();
    mark.values.push_back({static_cast<uint8_t>(value[0].integer()),
                           std::bit_cast<double>(value[1].integer()), std::string(value[2].text())});
  }
  mark_ = std::move(mark);
  return {};
}

}  // namespace mk::tracking

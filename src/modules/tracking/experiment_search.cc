#include "modules/tracking/experiment_search.h"

#include <algorithm>
#include <charconv>

#include "base/filter.h"
#include "base/format.h"
#include "modules/tracking/limits.h"
#include "modules/tracking/page_token.h"

namespace mk::tracking {
namespace {

const filter::Grammar& experiment_grammar() {
  using filter::Kind;
  static const filter::Grammar kGrammar{
      {{"attributes",
        {"attribute", "attributes", "attr"},
        {{"name", {"name"}},
         {"experiment_id",
          {"experiment_id"},
          Kind::kText,
          filter::ops({filter::Op::kEqual, filter::Op::kNotEqual}) | filter::kListOps},
         {"creation_time", {"creation_time"}, Kind::kNumber, filter::kNumberOps},
         {"last_update_time", {"last_update_time"}, Kind::kNumber, filter::kNumberOps}}},
       {"tags", {"tag", "tags"}, {}, Kind::kText, filter::kTextOps | filter::kPresenceOps, false}},
      0};
  return kGrammar;
}

int64_t number_of(const Experiment& experiment, std::string_view key) {
  if (key == "creation_time") return experiment.created_ms;
  if (key == "last_update_time") return experiment.updated_ms;
  return experiment.id;
}

bool passes(const Experiment& experiment, const filter::Clause& clause) {
  if (clause.column.entity == 1) {
    const auto it = std::ranges::find(experiment.tags, clause.column.key, &Tag::key);
    return clause.matches(it == experiment.tags.end() ? std::nullopt
                                                      : std::optional<std::string_view>(it->value));
  }
  if (clause.column.key == "name") return clause.matches(std::string_view(experiment.name));
  if (clause.column.key == "experiment_id")
    return clause.matches(std::string_view(std::to_string(experiment.id)));
  return clause.matches(static_cast<double>(number_of(experiment, clause.column.key)));
}

bool before(const std::vector<filter::Order>& orders, const Experiment& a, const Experiment& b) {
  for (const filter::Order& order : orders) {
    const int64_t x = number_of(a, order.column.key), y = number_of(b, order.column.key);
    const int result = order.column.key == "name" ? a.name.compare(b.name) : x < y ? -1 : x > y ? 1 : 0;
    if (result != 0) return order.ascending == (result < 0);
  }
  return a.id > b.id;
}

// An experiment as far as the order goes: a page goes on behind it even if it was deleted or changed
// meanwhile.
Json mark_of(const Experiment& e) {
  return Json::array({e.id, e.name, e.created_ms, e.updated_ms});
}
Result<Experiment> marked(const Json& mark) {
  if (mark.size() != 4 || !mark[0].is_int() || !mark[1].is_string() || !mark[2].is_int() || !mark[3].is_int())
    return bad_page_token();
  return Experiment{mark[0].integer(), std::string(mark[1].text()), {}, {},
                    mark[2].integer(), mark[3].integer(),           {}};
}

}  // namespace

Result<ExperimentPage> search_experiments(std::vector<Experiment> all, const ExperimentQuery& query) {
  MK_TRY(const auto clauses, filter::parse(query.filter, experiment_grammar()));
  if (query.order_by.size() > kOrderByMax)
    return invalid(
        fmt::format("order_by has {} items; at most {} are allowed", query.order_by.size(), kOrderByMax));
  std::vector<filter::Order> orders;
  Fingerprint fingerprint;
  fingerprint.add(query.filter);
  fingerprint.add(std::to_string(static_cast<int>(query.view)));
  for (const std::string& text : query.order_by) {
    MK_TRY(filter::Order order, filter::parse_order(text, experiment_grammar()));
    orders.push_back(std::move(order));
    fingerprint.add(text);
  }
  if (orders.empty()) orders.push_back({{0, "creation_time", filter::Kind::kNumber}, false});
  std::erase_if(all, [&](const Experiment& e) {
    return !shows(query.view, e.stage) ||
           !std::ranges::all_of(clauses, [&](const auto& c) { return passes(e, c); });
  });
  const auto order = [&](const Experiment& a, const Experiment& b) { return before(orders, a, b); };
  std::ranges::sort(all, order);
  if (!query.page_token.empty()) {
    MK_TRY(const Json mark, read_page_token(query.page_token, fingerprint));
    MK_TRY(const Experiment last, marked(mark));
    all.erase(all.begin(), std::ranges::upper_bound(all, last, order));
  }
  ExperimentPage page;
  if (all.size() > query.results_max) {
    all.erase(all.begin() + static_cast<std::ptrdiff_t>(query.results_max), all.end());
    page.next_page_token = make_page_token(fingerprint, mark_of(all.back()));
  }
  page.experiments = std::move(all);
  return page;
}

}  // namespace mk::tracking

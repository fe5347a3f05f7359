// Searching runs: the grammar, which runs pass, their order, and the page token. Pure: works on values, knows
// no store.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/filter.h"
#include "modules/tracking/page_token.h"
#include "modules/tracking/run_state.h"

namespace mk::tracking {

const filter::Grammar& run_grammar();

// As the caller wrote it.
struct RunQuery {
  std::vector<int64_t> experiments;
  std::string filter;
  std::vector<std::string> order_by;
  View view = View::kActiveOnly;
  size_t results_max = 0;
  std::string page_token;
};

// Checked and ready to run.
class RunSearch {
 public:
  static Result<RunSearch> make(const RunQuery& query);

  // A run that passed, with what it is ordered by.
  struct Hit {
    RunRef run;
    size_t sort_values = 0;  // where its values start in Hits::values
  };
  struct SortValue {
    uint8_t rank = 0;  // 0 a value, 1 NaN, 2 absent: these stay last in both directions
    double number = 0;
    std::string_view text;  // lives in the run
  };
  struct Hits {
    std::vector<Hit> hits;
    std::vector<SortValue> values;  // order_by.size() for each hit
  };

  // The query bound to the keys of one experiment's table; used under its lock.
  class Matcher {
   public:
    Matcher(const RunSearch& search, const KeyTable& keys);
    bool matches(const RunState& run) const;
    void add(Hits& hits, RunRef run) const;

   private:
    const RunSearch& search_;
    std::vector<const Key*> clause_keys_, order_keys_;  // null = no run of the experiment has it
  };

  // The page's runs in order, and the token of the next page (empty: this was the last).
  struct Page {
    std::vector<RunRef> runs;
    std::string next_page_token;
  };
  // `bytes_max` bounds the runs' size in memory, which is about that of the answer.
  Page page(Hits hits, size_t bytes_max) const;

 private:
  // Where the page before ended.
  struct Mark {
    struct Value {
      uint8_t rank = 0;
      double number = 0;
      std::string text;
    };
    std::vector<Value> values;
    int64_t start_ms = 0;
    std::string run_id;
  };
  bool before(const Hits& hits, const Hit& a, const Hit& b) const;
  bool after_mark(const Hits& hits, const Hit& hit) const;
  int compare(size_t order, const SortValue& a, const SortValue& b) const;
  std::string token(const Hits& hits, const Hit& last) const;
  Result<void> read_token(std::string_view text);

  std::vector<filter::Clause> clauses_;
  std::vector<filter::Order> orders_;
  View view_ = View::kActiveOnly;
  size_t results_max_ = 0;
  Fingerprint fingerprint_;  // of the query without its page: a token is for one query only
  std::optional<Mark> mark_;
};

}  // namespace mk::tracking

// What a search asks for, and what may be asked of each kind of thing.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/filter.h"

namespace mk::registry {

// Entities of all three grammars; models and versions have the first two only.
enum Entity : size_t { kAttribute = 0, kTag = 1, kMetric = 2, kParam = 3 };

const filter::Grammar& model_grammar();
const filter::Grammar& version_grammar();
const filter::Grammar& logged_model_grammar();

struct DatasetFilter {
  std::string name, digest;  // an empty digest is any
};

struct OrderKey {
  filter::Order order;
  DatasetFilter dataset;  // logged models, by metric: only values about this data set
};

struct Search {
  std::vector<filter::Clause> clauses;
  std::vector<OrderKey> order;
  int64_t page_size = 0;  // from 1
  std::string page_token;
  // Logged models only.
  std::vector<std::string> experiment_ids;
  std::vector<DatasetFilter> datasets;
};

// Prompts are models too; a search finds them only when it asks for them by their tag.
bool asks_for_prompts(const Search& search);

}  // namespace mk::registry

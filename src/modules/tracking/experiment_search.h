// Searching experiments: they are few, so all are read and sorted. Pure.
#pragma once
#include <string>
#include <vector>

#include "base/error.h"
#include "modules/tracking/types.h"

namespace mk::tracking {

struct ExperimentQuery {
  std::string filter;
  std::vector<std::string> order_by;  // the newest first when empty
  View view = View::kActiveOnly;
  size_t results_max = 0;
  std::string page_token;
};

struct ExperimentPage {
  std::vector<Experiment> experiments;
  std::string next_page_token;  // empty: this was the last
};

Result<ExperimentPage> search_experiments(std::vector<Experiment> all, const ExperimentQuery& query);

}  // namespace mk::tracking

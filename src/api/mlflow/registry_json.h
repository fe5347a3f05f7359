// How MLflow prints what the registry holds, and the arguments that several of its calls share.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "api/mlflow/reply.h"
#include "base/filter.h"
#include "base/json.h"
#include "modules/registry/search.h"
#include "modules/registry/types.h"

namespace mk::api::mlflow {

Json json_of(const registry::RegisteredModel& model);
Json json_of(const registry::ModelVersion& version);
Json json_of(const registry::LoggedModel& model);

// [{"key": ..., "value": ...}]; an absent value is empty.
Result<std::vector<registry::Tag>> tags_of(const Arguments& arguments, std::string_view field = "tags");
// filter, order_by (texts), max_results, page_token.
Result<registry::Search> search_of(const Arguments& arguments, const filter::Grammar& grammar,
                                   int64_t page_default, int64_t page_max);
// {"NAME": [...], "next_page_token": ...}
template <typename T>
std::string page_text(std::string_view name, const registry::Page<T>& page) {
  Json out = Json::object();
  for (const T& item : page.items) out[name].push_back(json_of(item));
  if (!page.next.empty()) out["next_page_token"] = page.next;
  return out.dump();
}

}  // namespace mk::api::mlflow

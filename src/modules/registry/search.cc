#include "modules/registry/search.h"

#include "modules/registry/types.h"

namespace mk::registry {
namespace {

using filter::Field;
using filter::Kind;

filter::Entity tags() {
  return {"tags", {"tag", "tags"}, {}, Kind::kText, filter::kTextOps, false};
}
filter::Entity attributes(std::vector<Field> fields) {
  return {"attributes", {"attribute", "attributes", "attr"}, std::move(fields)};
}

}  // namespace

const filter::Grammar& model_grammar() {
  static const filter::Grammar kGrammar{
      {attributes({{"name", {"name"}, Kind::kText, filter::kTextOps | filter::kListOps},
                   {"creation_timestamp", {"creation_timestamp"}, Kind::kNumber, 0},
                   {"last_updated_timestamp", {"last_updated_timestamp", "timestamp"}, Kind::kNumber, 0}}),
       tags()},
      kAttribute};
  return kGrammar;
}

const filter::Grammar& version_grammar() {
  static const filter::Grammar kGrammar{
      {attributes({{"name", {"name"}, Kind::kText, filter::kTextOps | filter::kListOps},
                   {"version_number", {"version_number"}, Kind::kNumber, filter::kNumberOps},
                   {"run_id", {"run_id"}, Kind::kText, filter::kTextOps | filter::kListOps, false},
                   {"source_path", {"source_path"}, Kind::kText, filter::kTextOps, false},
                   {"creation_timestamp", {"creation_timestamp"}, Kind::kNumber, 0},
                   {"last_updated_timestamp", {"last_updated_timestamp"}, Kind::kNumber, 0}}),
       tags()},
      kAttribute};
  return kGrammar;
}

const filter::Grammar& logged_model_grammar() {
  constexpr filter::Ops kText = filter::kTextOps | filter::kListOps;
  static const filter::Grammar kGrammar{
      {attributes({{"name", {"name"}, Kind::kText, kText},
                   {"model_id", {"model_id"}, Kind::kText, kText},
                   {"model_type", {"model_type"}, Kind::kText, kText},
                   {"status", {"status"}, Kind::kText, kText},
                   {"source_run_id", {"source_run_id"}, Kind::kText, kText},
                   {"creation_timestamp",
                    {"creation_timestamp", "creation_time", "creation_timestamp_ms"},
                    Kind::kNumber,
                    filter::kNumberOps},
                   {"last_updated_timestamp",
                    {"last_updated_timestamp", "last_updated_time", "last_updated_timestamp_ms"},
                    Kind::kNumber,
                    filter::kNumberOps}}),
       {"tags", {"tag", "tags"}, {}, Kind::kText, kText, false},
       {"metrics", {"metric", "metrics"}, {}, Kind::kNumber, filter::kNumberOps},
       {"params", {"param", "params"}, {}, Kind::kText, kText, false}},
      kAttribute};
  return kGrammar;
}

bool asks_for_prompts(const Search& search) {
  for (const filter::Clause& c : search.clauses) {
    if (c.column.entity != kTag || c.column.key != kPromptTag) continue;
    const bool is_true = has_prompt_tag({{std::string(kPromptTag), c.text}});
    return (c.op == filter::Op::kEqual && is_true) || (c.op == filter::Op::kNotEqual && !is_true);
  }
  return false;
}

}  // namespace mk::registry

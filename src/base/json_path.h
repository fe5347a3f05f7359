// The part of JSONPath that kubectl users write in columns and -o jsonpath: .a.b, ['a'], [0], [-1:], [*],
// [?(@.x=='y')], [?(@.x==true)]. A leading "$" is allowed.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace mk {

class JsonPath {
 public:
  static Result<JsonPath> parse(std::string_view text);
  // Every value the path leads to, in document order; they live as long as `root`.
  std::vector<const Json*> select(const Json& root) const;

 private:
  struct Step {
    enum class Kind : uint8_t { kField, kIndex, kFrom, kEach, kFilter } kind = Kind::kField;
    std::string field;  // kField: the name; kFilter: the field compared
    int64_t index = 0;  // kIndex and kFrom; negative counts from the end
    bool equal = true;  // kFilter: == or !=
    Json value;         // kFilter
  };
  static Result<Step> parse_bracket(std::string_view inside);
  static void walk(const Step& step, const Json& from, std::vector<const Json*>& out);
  std::vector<Step> steps_;
};

}  // namespace mk

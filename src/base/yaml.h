// YAML 1.2 core-schema text to and from Json, bounded: aliases are counted after expansion, duplicate keys and
// unknown tags are refused. Facade over libyaml.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace mk {

// All documents of a stream; empty documents are left out. Errors name line and column.
Result<std::vector<Json>> parse_yaml(std::string_view text, const ParseLimits& limits = {});

// What is wrong with the form of a text, in the words of Go's library: "yaml: line 1: did not find expected
// ',' or '}'". Empty where nothing is.
std::string yaml_problem(std::string_view text);

// Block style, keys in Json's order, strings quoted only where they would read back as something else.
std::string dump_yaml(const Json& value);

}  // namespace mk

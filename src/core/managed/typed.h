// Objects compared, merged and cut by their schema: which lists are merged by key, which are sets, and which
// values are taken or left as a whole. Where a schema says nothing, objects are merged and lists are whole.
// Pure.
#pragma once
#include "core/managed/fields.h"

namespace mk::core::managed {

// Every field that a person who sends `value` speaks of. Errors: a list that is a map or a set has an item
// twice, or one without its key.
Result<Fields> fields_of(const Json& schema, const Json& value);

struct Changes {
  Fields added, modified, removed;
};
// What is different, with the order of merged lists aside. A null `old` has nothing.
Changes compare(const Json& schema, const Json& old, const Json& now);

// `config` laid over `live`. Items of merged lists stand in the config's order; items that only `live` has
// keep their place among them. The config must have passed fields_of.
Json merge(const Json& schema, Json live, const Json& config);

// Takes out of `value` what was in `given_up` and is in `kept` by nobody.
void remove_fields(const Json& schema, Json& value, const Fields& given_up, const Fields& kept);

}  // namespace mk::core::managed

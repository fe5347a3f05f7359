// What a schema's "format" asks of a string, a number or an int-or-string, in the words of Kubernetes and of
// the Go library that it is read with. Pure.
#pragma once
#include <string>
#include <string_view>

#include "base/json.h"

namespace mk::core::formats {

struct Problem {
  std::string why;          // empty: nothing is wrong
  bool unreadable = false;  // a typed client of the kind cannot even read the value
};
// A format that is not known asks nothing.
Problem check(std::string_view format, const Json& value);

}  // namespace mk::core::formats

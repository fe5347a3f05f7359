// Objects that clients know in two shapes: stored in one, read and written in the other as well. Events of
// events.k8s.io are those of v1 under other names; autoscaling/v1 says with one number what v2 says with a
// list. Pure.
#pragma once
#include <string>
#include <string_view>

#include "base/json.h"

namespace mk::api::kubernetes {

struct Conversion {
  std::string_view group, plural, version;  // of the other shape
  void (*to_wire)(Json& object);            // from the stored shape; apiVersion is the caller's
  void (*to_stored)(
      Json& object);  // what is of another type than it should be stays for validation to refuse
  std::string (*field_selector)(std::string_view text);  // null: fields have the same names
};

const Conversion* find_conversion(std::string_view group, std::string_view plural, std::string_view version);

}  // namespace mk::api::kubernetes

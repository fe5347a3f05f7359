// A set of fields of one object, as FieldsV1 writes it: {"f:spec":{"f:replicas":{}}}. A tree, because paths
// share their heads. Pure.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace mk::core::managed {

struct Fields {
  bool member = false;  // is this field itself in the set, or only some below it?
  // By path element: "f:name" a member of an object, "k:{...}" the item of a list with these keys, "v:..."
  // the scalar in a set, "i:0" the item at a position (never made here, but others may send it).
  std::map<std::string, Fields, std::less<>> below;

  bool empty() const { return !member && below.empty(); }
  const Fields* find(std::string_view element) const;
  bool operator==(const Fields&) const = default;

  // Errors: what is no FieldsV1.
  static Result<Fields> parse(const Json& fields_v1);
  Json json() const;

  void unite(const Fields& other);
  void subtract(const Fields& other);       // takes out members, keeps what lies below them
  void take_out(std::string_view element);  // with everything below it
  Fields intersect(const Fields& other) const;
  // Every member as people read it: .spec.template.spec.containers[name="web"].image
  std::vector<std::string> paths() const;
};

std::string field_element(std::string_view name);  // "f:name"

}  // namespace mk::core::managed

// What the built-in Kubernetes messages look like: each field's JSON name, protobuf number, type and patch
// strategy. One table for the protobuf decoder, strategic merge patches and the patch hints in OpenAPI.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

namespace mk::api::kubernetes {

// "message:number name type;..." a line. Types: s string, b boolean, i integer, d double, y bytes, else a
// message. [x repeated, {x map from string, *x where absent and empty differ. Suffixes: ~key merged by that
// key (~ alone: a set of scalars), = $retainKeys. The name ^ means that the message's fields stand directly
// in its parent.
extern const char* const kFieldTable;

struct Message;

struct Field {
  enum class Shape : uint8_t { kSingle, kRepeated, kMap };
  uint32_t number = 0;
  std::string_view name;
  Shape shape = Shape::kSingle;
  std::string_view type;             // "s", "b", ... or a message's name
  const Message* message = nullptr;  // of `type`; null for scalars and for Time, Quantity and their like
  bool pointer = false;              // an empty value is not the same as an absent one
  bool inlined = false;
  bool merged = false;         // lists: merged item by item instead of replaced
  std::string_view merge_key;  // empty for sets of scalars
  bool retain_keys = false;
};

struct Message {
  std::string_view name;
  std::vector<Field> fields;
  const Field* by_number(uint32_t number) const;
  const Field* by_name(std::string_view name) const;  // looks into inlined messages too
};

const Message* find_message(std::string_view name);  // "core.PodSpec"
// The message of an object of this kind, or null when the table does not hold it (all custom kinds).
// Versions other than v2 have the messages of v1.
const Message* message_of_kind(std::string_view group, std::string_view kind,
                               std::string_view version = "v1");

}  // namespace mk::api::kubernetes

#include "core/managed/typed.h"

#include <algorithm>
#include <unordered_map>

#include "base/format.h"
#include "kinds/kind.h"

namespace mk::core::managed {
namespace {

const Json kAnything = Json::object();  // a schema that says nothing

enum class Shape : uint8_t { kLeaf, kObject, kKeyedList, kSet };

// One place of a schema: what stands beside a $ref, and what the $ref names.
struct Place {
  const Json& given;
  const Json& schema;
  explicit Place(const Json& s) : given(s), schema(kinds::resolve(s)) {}

  std::string_view text(std::string_view key) const {
    const std::string_view beside = given[key].text();
    return beside.empty() ? schema[key].text() : beside;
  }
  const Json& keys() const {
    const Json& beside = given["x-kubernetes-list-map-keys"];
    return beside.empty() ? schema["x-kubernetes-list-map-keys"] : beside;
  }
  bool declares(std::string_view field) const { return schema["properties"].contains(field); }
  const Json& member(std::string_view field) const {
    if (const Json* known = schema["properties"].find(field)) return *known;
    const Json& rest = schema["additionalProperties"];
    return rest.is_object() ? rest : kAnything;
  }
  const Json& item() const {
    const Json* items = schema.find("items");
    return items ? *items : kAnything;
  }
  Shape shape(const Json& value) const {
    if (value.is_object()) return text("x-kubernetes-map-type") == "atomic" ? Shape::kLeaf : Shape::kObject;
    if (!value.is_array()) return Shape::kLeaf;
    const std::string_view type = text("x-kubernetes-list-type");
    if (type == "set") return Shape::kSet;
    if (type == "map" || (type.empty() && !keys().empty())) return Shape::kKeyedList;
    return Shape::kLeaf;
  }
};

// The path element of a list's item. An absent key has its default.
std::string element_of(const Place& list, Shape shape, const Json& item) {
  if (shape == Shape::kSet) return "v:" + item.dump();
  const Json& properties = kinds::resolve(list.item())["properties"];
  Json keys = Json::object();
  for (const Json& key : list.keys().items()) {
    const Json* value = item.find(key.text());
    if (!value) value = properties[key.text()].find("default");
    if (value) keys[key.text()] = *value;
  }
  return "k:" + keys.dump();
}

std::vector<std::string> elements_of(const Place& list, Shape shape, const Json& items) {
  std::vector<std::string> out;
  out.reserve(items.size());
  for (const Json& item : items.items()) out.push_back(element_of(list, shape, item));
  return out;
}

using Positions = std::unordered_map<std::string_view, size_t>;
Positions positions_of(const std::vector<std::string>& elements) {
  Positions out;
  for (size_t i = 0; i < elements.size(); ++i) out.try_emplace(elements[i], i);
  return out;
}

// ---- what a config speaks of

Result<void> speak(const Json& schema, const Json& value, const std::string& path, Fields& out);

Result<void> speak_of_items(const Place& place, Shape shape, const Json& value, const std::string& path,
                            Fields& out) {
  for (const Json& item : value.items()) {
    if (shape == Shape::kKeyedList) {
      if (!item.is_object()) return invalid(fmt::format("{}: its items must be objects", path));
      const Json& properties = kinds::resolve(place.item())["properties"];
      for (const Json& key : place.keys().items())
        if (!item.contains(key.text()) && !properties[key.text()].contains("default"))
          return invalid(
              fmt::format("{}: an item has no {}, by which this list is merged", path, key.text()));
    }
    const std::string element = element_of(place, shape, item);
    if (out.find(element))
      return invalid(fmt::format("{}: duplicate entries for key {}", path, element.substr(2)));
    Fields& fields = out.below[element];
    MK_OK(speak(place.item(), item, path, fields));
    fields.member = true;
  }
  return {};
}

Result<void> speak(const Json& schema, const Json& value, const std::string& path, Fields& out) {
  const Place place(schema);
  const Shape shape = place.shape(value);
  if (shape == Shape::kLeaf) {
    out.member = true;
    return {};
  }
  if (shape != Shape::kObject) return speak_of_items(place, shape, value, path, out);
  for (const auto& [name, part] : value.members()) {
    Fields fields;
    MK_OK(speak(place.member(name), part, path + "." + name, fields));
    // Entries of a free map count themselves; declared fields only by what is in them.
    if (!place.declares(name) || (part.is_object() && part.empty())) fields.member = true;
    if (!fields.empty()) out.below[field_element(name)] = std::move(fields);
  }
  return {};
}

// ---- what is different

// The value and everything below it.
Fields all_of(const Json& schema, const Json& value) {
  Fields out;
  out.member = true;
  const Place place(schema);
  const Shape shape = place.shape(value);
  if (shape == Shape::kObject) {
    for (const auto& [name, part] : value.members())
      out.below[field_element(name)] = all_of(place.member(name), part);
  } else if (shape != Shape::kLeaf) {
    for (const Json& item : value.items())
      out.below[element_of(place, shape, item)] = all_of(place.item(), item);
  }
  return out;
}

struct Difference {
  Fields added, modified, removed;

  void hang(std::string element, Difference part) {
    if (!part.added.empty()) added.below[element] = std::move(part.added);
    if (!part.modified.empty()) modified.below[element] = std::move(part.modified);
    if (!part.removed.empty()) removed.below[std::move(element)] = std::move(part.removed);
  }
};

Difference differ(const Json& schema, const Json& old, const Json& now);

Difference differ_in_items(const Place& place, Shape shape, const Json& old, const Json& now) {
  Difference out;
  const auto before = elements_of(place, shape, old), after = elements_of(place, shape, now);
  const Positions was = positions_of(before), is = positions_of(after);
  for (const auto& [element, at] : is) {
    const auto there = was.find(element);
    if (there == was.end())
      out.added.below[std::string(element)] = all_of(place.item(), now[at]);
    else
      out.hang(std::string(element), differ(place.item(), old[there->second], now[at]));
  }
  for (const auto& [element, at] : was)
    if (!is.contains(element)) out.removed.below[std::string(element)] = all_of(place.item(), old[at]);
  return out;
}

Difference differ(const Json& schema, const Json& old, const Json& now) {
  Difference out;
  const Place place(schema);
  const Shape shape = place.shape(now);
  if (shape == Shape::kLeaf || shape != place.shape(old)) {
    out.modified.member = old != now;
    return out;
  }
  if (shape != Shape::kObject) return differ_in_items(place, shape, old, now);
  for (const auto& [name, part] : now.members()) {
    const Json& known = place.member(name);
    if (const Json* before = old.find(name))
      out.hang(field_element(name), differ(known, *before, part));
    else
      out.added.below[field_element(name)] = all_of(known, part);
  }
  for (const auto& [name, part] : old.members())
    if (!now.contains(name)) out.removed.below[field_element(name)] = all_of(place.member(name), part);
  return out;
}

// ---- merging

// Both lists walked side by side: what both have in the config's order, what only one has where it stood, the
// live list's own items before the config's new ones.
Json merge_items(const Place& place, Shape shape, Json live, const Json& config) {
  const auto ours = elements_of(place, shape, live), theirs = elements_of(place, shape, config);
  const Positions in_live = positions_of(ours), in_config = positions_of(theirs);
  Json::Array out;
  size_t next = 0;    // in the live list
  size_t shared = 0;  // the config's first item from here on that the live list has, too
  for (size_t i = 0; i < theirs.size(); ++i) {
    shared = std::max(shared, i);
    while (shared < theirs.size() && !in_live.contains(theirs[shared])) ++shared;
    for (; next < ours.size(); ++next) {
      if (!in_config.contains(ours[next]))
        out.push_back(std::move(live[next]));
      else if (shared == theirs.size() || ours[next] == theirs[shared])
        break;
    }
    const auto there = in_live.find(theirs[i]);
    out.push_back(there == in_live.end() ? config[i]
                                         : merge(place.item(), std::move(live[there->second]), config[i]));
    if (next < ours.size() && ours[next] == theirs[i]) ++next;
  }
  for (; next < ours.size(); ++next)
    if (!in_config.contains(ours[next])) out.push_back(std::move(live[next]));
  return Json(std::move(out));
}

}  // namespace

Result<Fields> fields_of(const Json& schema, const Json& value) {
  Fields out;
  MK_OK(speak(schema, value, "", out));
  out.member = false;
  return out;
}

Changes compare(const Json& schema, const Json& old, const Json& now) {
  if (old.is_null() && now.is_null()) return {};
  Changes out;
  if (old.is_null()) {
    out.added = all_of(schema, now);
  } else if (now.is_null()) {
    out.removed = all_of(schema, old);
  } else {
    Difference found = differ(schema, old, now);
    out = {std::move(found.added), std::move(found.modified), std::move(found.removed)};
  }
  return out;
}

Json merge(const Json& schema, Json live, const Json& config) {
  const Place place(schema);
  const Shape shape = place.shape(config);
  if (shape == Shape::kLeaf || shape != place.shape(live)) return config;
  if (shape != Shape::kObject) return merge_items(place, shape, std::move(live), config);
  for (const auto& [name, part] : config.members()) {
    Json* there = live.find(name);
    if (there)
      *there = merge(place.member(name), std::move(*there), part);
    else
      live[name] = part;
  }
  return live;
}

namespace {

// Fields that a schema declares count as set when anything below them is.
bool holds(const Fields* fields, bool declared) {
  return fields && (fields->member || (declared && !fields->below.empty()));
}
const Fields kNoFields;

}  // namespace

void remove_fields(const Json& schema, Json& value, const Fields& given_up, const Fields& kept) {
  const Place place(schema);
  const Shape shape = place.shape(value);
  if (shape == Shape::kLeaf) return;
  if (shape == Shape::kObject) {
    for (const auto& [element, fields] : given_up.below) {
      if (!element.starts_with("f:")) continue;
      const std::string_view name = std::string_view(element).substr(2);
      Json* part = value.find(name);
      if (!part) continue;
      const bool declared = place.declares(name);
      const Fields* others = kept.find(element);
      if (holds(&fields, declared) && !holds(others, declared))
        value.erase(name);
      else
        remove_fields(place.member(name), *part, fields, others ? *others : kNoFields);
    }
    return;
  }
  Json::Array& items = value.items();
  size_t end = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    const std::string element = element_of(place, shape, items[i]);
    const Fields* fields = given_up.find(element);
    const Fields* others = kept.find(element);
    if (holds(fields, false) && !holds(others, false)) continue;
    if (fields) remove_fields(place.item(), items[i], *fields, others ? *others : kNoFields);
    if (end != i) items[end] = std::move(items[i]);
    ++end;
  }
  items.resize(end);
}

}  // namespace mk::core::managed

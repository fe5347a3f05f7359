#include <algorithm>
#include <string>
#include <vector>

#include "api/kubernetes/limits.h"
#include "api/kubernetes/patch.h"
#include "base/format.h"

namespace mk::api::kubernetes {
namespace {

constexpr std::string_view kPatchKey = "$patch";
constexpr std::string_view kRetainKeys = "$retainKeys";
constexpr std::string_view kOrderPrefix = "$setElementOrder/";
constexpr std::string_view kDeletePrefix = "$deleteFromPrimitiveList/";

Failure bad_patch(std::string message) {
  return fail(Code::kInvalidArgument, "invalid_patch", std::move(message));
}

Failure too_long(std::string_view field) {
  return fail(Code::kTooLarge, "too_large",
              fmt::format("{} has more than {} items, which is the most that a strategic merge patch merges",
                          field, kMergedItemsMax));
}

// What makes two items of a merged list the same one: the whole scalar, or the value of the merge key.
const Json& identity(const Json& item, std::string_view merge_key) {
  return merge_key.empty() ? item : item[merge_key];
}

size_t position(const Json::Array& list, const Json& wanted, std::string_view merge_key) {
  for (size_t i = 0; i < list.size(); ++i)
    if (identity(list[i], merge_key) == wanted) return i;
  return list.size();
}

// Items that the patch's author listed come in the author's order; items that only the server knows keep
// their place relative to them as far as the live order tells.
Json::Array order_items(Json::Array items, const Json& order, const Json::Array& live,
                        std::string_view merge_key) {
  Json::Array listed, others;
  for (const Json& wanted : order.items()) {
    const size_t at = position(items, identity(wanted, merge_key), merge_key);
    if (at == items.size()) continue;
    listed.push_back(std::move(items[at]));
    items.erase(items.begin() + static_cast<ptrdiff_t>(at));
  }
  others = std::move(items);
  Json::Array out;
  size_t next = 0;
  for (Json& item : listed) {
    const size_t here = position(live, identity(item, merge_key), merge_key);
    while (here < live.size() && next < others.size() &&
           position(live, identity(others[next], merge_key), merge_key) < here)
      out.push_back(std::move(others[next++]));
    out.push_back(std::move(item));
  }
  while (next < others.size()) out.push_back(std::move(others[next++]));
  return out;
}

class Merger {
 public:
  Result<Json> object(Json target, const Json& patch, const Message* message) {
    const std::string_view directive = patch[kPatchKey].text("merge");
    if (directive == "delete") return Json::object();
    if (directive == "replace") return object(Json::object(), without_directive(patch), message);
    if (directive != "merge") return bad_patch(fmt::format("\"{}\" is no value of $patch", directive));
    if (!target.is_object()) target = Json::object();
    if (const Json* retained = patch.find(kRetainKeys)) MK_OK(retain(target, patch, *retained));
    for (const auto& [key, value] : patch.members()) {
      if (key == kPatchKey || key == kRetainKeys || key.starts_with(kOrderPrefix)) continue;
      if (key.starts_with(kDeletePrefix)) {
        MK_OK(delete_scalars(target, key.substr(kDeletePrefix.size()), value));
        continue;
      }
      MK_OK(member(target, key, value, patch, message));
    }
    return reorder(std::move(target), patch, message);
  }

 private:
  static Json without_directive(Json patch) {
    patch.erase(kPatchKey);
    return patch;
  }

  static Result<void> retain(Json& target, const Json& patch, const Json& retained) {
    if (!retained.is_array()) return bad_patch("$retainKeys is a list of keys");
    const auto is_listed = [&](const std::string& key) {
      return std::ranges::any_of(retained.items(), [&](const Json& item) { return item.text() == key; });
    };
    for (const auto& [key, value] : patch.members()) {
      if (!key.starts_with('$') && !value.is_null() && !is_listed(key))
        return bad_patch(fmt::format("$retainKeys does not list \"{}\", which the patch sets", key));
    }
    std::erase_if(target.members(), [&](const auto& entry) { return !is_listed(entry.first); });
    return {};
  }

  static Result<void> delete_scalars(Json& target, std::string_view field, const Json& values) {
    if (!values.is_array()) return bad_patch(fmt::format("$deleteFromPrimitiveList/{} is a list", field));
    Json* list = target.find(field);
    if (!list || !list->is_array()) return {};
    std::erase_if(list->items(),
                  [&](const Json& item) { return position(values.items(), item, {}) < values.size(); });
    return {};
  }

  Result<void> member(Json& target, const std::string& key, const Json& value, const Json& patch,
                      const Message* message) {
    if (value.is_null()) {
      target.erase(key);
      return {};
    }
    const Field* field = message ? message->by_name(key) : nullptr;
    const Message* below = field && field->shape == Field::Shape::kSingle ? field->message : nullptr;
    if (value.is_object()) {
      if (value[kPatchKey].text() == "delete" && !target.contains(key)) return {};
      Json& there = target[key];
      MK_TRY(there, object(std::move(there), value, below));
      return {};
    }
    if (!value.is_array() || !field || !field->merged) {
      target[key] = value;
      return {};
    }
    Json& there = target[key];
    if (std::max(there.size(), value.size()) > kMergedItemsMax ||
        patch[std::string(kOrderPrefix) + key].size() > kMergedItemsMax)
      return too_long(key);
    Json::Array live = there.is_array() ? std::move(there.items()) : Json::Array();
    const std::string order_key = std::string(kOrderPrefix) + key;
    MK_TRY(Json::Array merged,
           field->merge_key.empty() ? merge_set(live, value) : merge_list(live, value, *field));
    if (const Json* order = patch.find(order_key))
      merged = order_items(std::move(merged), *order, live, field->merge_key);
    there = Json(std::move(merged));
    return {};
  }

  static Result<Json::Array> merge_set(Json::Array items, const Json& patch) {
    for (const Json& item : patch.items())
      if (position(items, item, {}) == items.size()) items.push_back(item);
    return items;
  }

  Result<Json::Array> merge_list(Json::Array items, const Json& patch, const Field& field) {
    for (const Json& item : patch.items()) {
      if (!item.is_object())
        return bad_patch(fmt::format("the items of {} are objects, not {}", field.name, item.type_name()));
      if (item[kPatchKey].text() == "replace" && !item.contains(field.merge_key)) items.clear();
    }
    for (const Json& item : patch.items()) {
      const std::string_view directive = item[kPatchKey].text();
      const Json* wanted = item.find(field.merge_key);
      if (!wanted && directive == "replace") continue;  // {"$patch":"replace"} emptied the list above
      if (!wanted)
        return bad_patch(fmt::format("an item of {} has no \"{}\", by which its items are merged", field.name,
                                     field.merge_key));
      const size_t at = position(items, *wanted, field.merge_key);
      if (directive == "delete") {
        if (at < items.size()) items.erase(items.begin() + static_cast<ptrdiff_t>(at));
      } else if (at < items.size()) {
        MK_TRY(items[at], object(std::move(items[at]), item, field.message));
      } else {
        MK_TRY(Json fresh, object(Json::object(), item, field.message));
        items.push_back(std::move(fresh));
      }
    }
    return items;
  }

  // $setElementOrder for lists that the patch does not change otherwise.
  static Result<Json> reorder(Json target, const Json& patch, const Message* message) {
    for (const auto& [key, order] : patch.members()) {
      if (!key.starts_with(kOrderPrefix)) continue;
      const std::string name = key.substr(kOrderPrefix.size());
      if (!order.is_array()) return bad_patch(fmt::format("{} is a list", key));
      if (patch.contains(name)) continue;
      const Field* field = message ? message->by_name(name) : nullptr;
      Json* list = target.find(name);
      if (std::max(order.size(), list ? list->size() : 0) > kMergedItemsMax) return too_long(name);
      if (!field || !field->merged || !list || !list->is_array()) continue;
      const Json::Array live = list->items();
      *list = Json(order_items(live, order, live, field->merge_key));
    }
    return target;
  }
};

}  // namespace

Result<Json> strategic_patch(Json target, const Json& patch, const Message& message) {
  if (!patch.is_object()) return bad_patch("a strategic merge patch is an object");
  return Merger().object(std::move(target), patch, &message);
}

}  // namespace mk::api::kubernetes

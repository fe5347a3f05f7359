#include <charconv>
#include <optional>
#include <string>
#include <vector>

#include "api/kubernetes/go_words.h"
#include "api/kubernetes/limits.h"
#include "api/kubernetes/patch.h"
#include "base/format.h"

namespace mk::api::kubernetes {
namespace {

Failure bad_patch(std::string message) {
  return fail(Code::kInvalidArgument, "invalid_patch", std::move(message));
}
Failure unfit(std::string message) {
  return fail(Code::kInvalidArgument, "unprocessable", std::move(message));
}

using Pointer = std::vector<std::string>;

// RFC 6901: "/a/b~1c" names the members "a" and "b/c".
Result<Pointer> parse_pointer(std::string_view text) {
  Pointer out;
  if (text.empty()) return out;
  if (text.front() != '/') return bad_patch(fmt::format("the path \"{}\" does not start with /", text));
  std::string step;
  for (size_t i = 1; i <= text.size(); ++i) {
    if (i == text.size() || text[i] == '/') {
      out.push_back(std::move(step));
      step.clear();
    } else if (text[i] != '~') {
      step += text[i];
    } else if (i + 1 < text.size() && (text[i + 1] == '0' || text[i + 1] == '1')) {
      step += text[++i] == '0' ? '~' : '/';
    } else {
      return bad_patch(fmt::format("the path \"{}\" has a ~ without 0 or 1", text));
    }
  }
  if (out.size() > kBodyLimits.depth_max) return bad_patch("a path has too many steps");
  return out;
}

std::optional<size_t> parse_index(std::string_view text) {
  size_t index = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), index);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return {};
  if (text.size() > 1 && text.front() == '0') return {};
  return index;
}

std::string show(const Pointer& pointer) {
  std::string out;
  for (const std::string& step : pointer) out += "/" + step;
  return out;
}

Json* child(Json& parent, std::string_view step) {
  if (parent.is_object()) return parent.find(step);
  if (!parent.is_array()) return nullptr;
  const auto index = parse_index(step);
  return index && *index < parent.size() ? &parent[*index] : nullptr;
}

Result<Json*> resolve(Json& root, const Pointer& pointer, size_t steps) {
  Json* here = &root;
  for (size_t i = 0; i < steps; ++i) {
    here = child(*here, pointer[i]);
    if (!here) return unfit(fmt::format("the path \"{}\" does not exist in the object", show(pointer)));
  }
  return here;
}

Result<void> add(Json& root, const Pointer& pointer, Json value) {
  if (pointer.empty()) {
    root = std::move(value);
    return {};
  }
  MK_TRY(Json * parent, resolve(root, pointer, pointer.size() - 1));
  const std::string& last = pointer.back();
  if (parent->is_object()) {
    (*parent)[last] = std::move(value);
    return {};
  }
  if (!parent->is_array()) return unfit(fmt::format("nothing can be added at \"{}\"", show(pointer)));
  Json::Array& items = parent->items();
  const auto index = last == "-" ? std::optional(items.size()) : parse_index(last);
  if (!index || *index > items.size())
    return unfit(fmt::format("\"{}\" is no position in a list of {}", show(pointer), items.size()));
  items.insert(items.begin() + static_cast<ptrdiff_t>(*index), std::move(value));
  return {};
}

Result<Json> take(Json& root, const Pointer& pointer) {
  if (pointer.empty()) return unfit("the whole object cannot be removed");
  MK_TRY(Json * there, resolve(root, pointer, pointer.size()));
  Json taken = std::move(*there);
  MK_TRY(Json * parent, resolve(root, pointer, pointer.size() - 1));
  if (parent->is_object()) {
    parent->erase(pointer.back());
  } else {
    parent->items().erase(parent->items().begin() + static_cast<ptrdiff_t>(*parse_index(pointer.back())));
  }
  return taken;
}

bool starts_with(const Pointer& whole, const Pointer& head) {
  return whole.size() > head.size() && std::equal(head.begin(), head.end(), whole.begin());
}

class Patcher {
 public:
  explicit Patcher(Json& root) : root_(root) {}

  Result<void> apply(const Json& operation) {
    if (!operation.is_object() || !operation["op"].is_string() || !operation["path"].is_string())
      return bad_patch("each operation of a JSON patch is an object with \"op\" and \"path\"");
    const std::string_view op = operation["op"].text();
    MK_TRY(const Pointer path, parse_pointer(operation["path"].text()));
    if (op == "remove") {
      MK_OK(take(root_, path));
      return {};
    }
    if (op == "move" || op == "copy") return relocate(operation, path, op == "move");
    const Json* value = operation.find("value");
    if (op != "add" && op != "replace" && op != "test")
      return unfit(fmt::format("\"{}\" is no JSON patch operation", op));
    if (!value) return bad_patch(fmt::format("the operation \"{}\" at \"{}\" has no value", op, show(path)));
    if (op == "add") return add(root_, path, *value);
    MK_TRY(Json * there, resolve(root_, path, path.size()));
    if (op == "replace") {
      *there = *value;
    } else if (!(*there == *value)) {
      return unfit(fmt::format("the test of \"{}\" failed: it has another value", show(path)));
    }
    return {};
  }

 private:
  Result<void> relocate(const Json& operation, const Pointer& path, bool move) {
    if (!operation["from"].is_string()) return bad_patch("move and copy need \"from\"");
    MK_TRY(const Pointer from, parse_pointer(operation["from"].text()));
    if (move && starts_with(path, from)) return bad_patch("a value cannot be moved into itself");
    if (move) {
      MK_TRY(Json value, take(root_, from));
      return add(root_, path, std::move(value));
    }
    MK_TRY(const Json* source, resolve(root_, from, from.size()));
    // Copies can double an object each time; the sum of what they add is bounded.
    copied_bytes_ += source->dump().size();
    if (copied_bytes_ > kPatchCopiedBytesMax)
      return fail(Code::kTooLarge, "too_large", "the patch copies too much");
    return add(root_, path, Json(*source));
  }

  Json& root_;
  size_t copied_bytes_ = 0;
};

}  // namespace

Result<Json> json_patch(Json target, const Json& operations) {
  if (!operations.is_array())
    return bad_patch(fmt::format(
        "error decoding patch: json: cannot unmarshal {} into Go value of type []handlers.jsonPatchOp",
        go_type_name(operations)));
  if (operations.size() > kPatchOperationsMax)
    return fail(Code::kTooLarge, "too_large",
                fmt::format("the patch has {} operations; at most {} are read", operations.size(),
                            kPatchOperationsMax));
  Patcher patcher(target);
  for (const Json& operation : operations.items()) MK_OK(patcher.apply(operation));
  return target;
}

Json merge_patch(Json target, const Json& patch) {
  if (!patch.is_object()) return patch;
  if (!target.is_object()) target = Json::object();
  for (const auto& [key, value] : patch.members()) {
    if (value.is_null()) {
      target.erase(key);
    } else {
      Json& member = target[key];
      member = merge_patch(std::move(member), value);
    }
  }
  return target;
}

}  // namespace mk::api::kubernetes

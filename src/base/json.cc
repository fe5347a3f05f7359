#include "base/json.h"

#include <simdjson.h>

#include <charconv>
#include <cmath>

#include "base/format.h"
#include "base/json_duplicates.h"

namespace mk {
namespace {

const Json kNull;
const Json::Array kNoItems;
const Json::Object kNoMembers;

// Walks simdjson's tape; counts nodes and depth so that a hostile text costs bounded memory.
class Builder {
 public:
  Builder(const ParseLimits& limits, std::vector<std::string>* duplicates)
      : limits_(limits), duplicates_(duplicates) {}

  Result<Json> build(const simdjson::dom::element& element, size_t depth) {
    if (depth > limits_.depth_max)
      return invalid(fmt::format("the JSON is nested deeper than {} levels", limits_.depth_max));
    if (++nodes_ > limits_.nodes_max)
      return invalid(fmt::format("the JSON has more than {} values", limits_.nodes_max));
    switch (element.type()) {
      case simdjson::dom::element_type::ARRAY: return build_array(element, depth);
      case simdjson::dom::element_type::OBJECT: return build_object(element, depth);
      case simdjson::dom::element_type::INT64: return Json(int64_t{element.get_int64().value_unsafe()});
      case simdjson::dom::element_type::UINT64:
        return Json(static_cast<double>(element.get_uint64().value_unsafe()));
      case simdjson::dom::element_type::DOUBLE: return Json(double{element.get_double().value_unsafe()});
      case simdjson::dom::element_type::STRING:
        return Json(std::string_view(element.get_string().value_unsafe()));
      case simdjson::dom::element_type::BOOL: return Json(bool{element.get_bool().value_unsafe()});
      case simdjson::dom::element_type::NULL_VALUE: return Json();
    }
    return Json();
  }

 private:
  Result<Json> build_array(const simdjson::dom::element& element, size_t depth) {
    simdjson::dom::array array = element.get_array().value_unsafe();
    Json::Array items;
    items.reserve(array.size());
    for (auto child : array) {
      if (duplicates_) path_.push_back({{}, items.size()});
      MK_TRY(Json item, build(child, depth + 1));
      if (duplicates_) path_.pop_back();
      items.push_back(std::move(item));
    }
    return Json(std::move(items));
  }

  Result<Json> build_object(const simdjson::dom::element& element, size_t depth) {
    simdjson::dom::object object = element.get_object().value_unsafe();
    Json::Object members;
    for (auto field : object) {
      if (duplicates_) path_.push_back({field.key, 0});
      MK_TRY(Json item, build(field.value, depth + 1));
      auto [where, fresh] = members.try_emplace(std::string(field.key));
      if (!fresh && !duplicates_) return invalid(fmt::format("the JSON has the key \"{}\" twice", where->first));
      if (!fresh && duplicates_->size() < kDuplicatesMax) duplicates_->push_back(here());
      where->second = std::move(item);
      if (duplicates_) path_.pop_back();
    }
    return Json(std::move(members));
  }

  std::string here() const {
    std::string out;
    for (const Step& step : path_) {
      if (step.key.data())
        out += fmt::format("{}{}", out.empty() ? "" : ".", step.key);
      else
        out += fmt::format("[{}]", step.index);
    }
    return out;
  }

  struct Step {
    std::string_view key;  // without data: an index
    size_t index;
  };
  static constexpr size_t kDuplicatesMax = 100;
  const ParseLimits& limits_;
  std::vector<std::string>* duplicates_;
  std::vector<Step> path_;  // kept only when duplicates are asked for
  size_t nodes_ = 0;
};

void dump_pretty_to(const Json& value, std::string& out, size_t indent) {
  if (value.is_array() && !value.empty()) {
    out += "[\n";
    bool first = true;
    for (const Json& item : value.items()) {
      if (!first) out += ",\n";
      first = false;
      out.append(indent + 2, ' ');
      dump_pretty_to(item, out, indent + 2);
    }
    out += '\n';
    out.append(indent, ' ');
    out += ']';
  } else if (value.is_object() && !value.empty()) {
    out += "{\n";
    bool first = true;
    for (const auto& [key, item] : value.members()) {
      if (!first) out += ",\n";
      first = false;
      out.append(indent + 2, ' ');
      append_json_string(out, key);
      out += ": ";
      dump_pretty_to(item, out, indent + 2);
    }
    out += '\n';
    out.append(indent, ' ');
    out += '}';
  } else {
    value.dump_to(out);
  }
}

}  // namespace

Json Json::object(std::initializer_list<std::pair<const std::string, Json>> members) {
  return Json(Object(members));
}
Json Json::array(std::initializer_list<Json> items) { return Json(Array(items)); }

namespace {

Result<Json> parse_text(std::string_view text, const ParseLimits& limits, std::vector<std::string>* duplicates) {
  if (text.size() > limits.bytes_max)
    return fail(Code::kTooLarge, "too_large",
                fmt::format("the JSON is {} bytes; at most {} are read", text.size(), limits.bytes_max));
  thread_local simdjson::dom::parser parser;
  simdjson::dom::element root;
  // simdjson's own depth bound guards its tape builder; ours gives the clear sentence.
  const auto error = parser.parse(text.data(), text.size()).get(root);
  if (error == simdjson::EMPTY) return invalid("the JSON is empty");
  if (error) return invalid(fmt::format("the JSON does not parse: {}", simdjson::error_message(error)));
  return Builder(limits, duplicates).build(root, 1);
}

}  // namespace

Result<Json> Json::parse(std::string_view text, const ParseLimits& limits) {
  return parse_text(text, limits, nullptr);
}

Result<Json> parse_with_duplicates(std::string_view text, const ParseLimits& limits,
                                   std::vector<std::string>& duplicates) {
  return parse_text(text, limits, &duplicates);
}

std::string Json::dump() const {
  std::string out;
  dump_to(out);
  return out;
}

std::string Json::dump_pretty() const {
  std::string out;
  dump_pretty_to(*this, out, 0);
  out += '\n';
  return out;
}

void Json::dump_to(std::string& out) const {
  switch (value_.index()) {
    case 0: out += "null"; break;
    case 1: out += std::get<1>(value_) ? "true" : "false"; break;
    case 2: {
      char buffer[24];
      auto end = std::to_chars(buffer, buffer + sizeof buffer, std::get<2>(value_)).ptr;
      out.append(buffer, end);
      break;
    }
    case 3: append_json_number(out, std::get<3>(value_)); break;
    case 4: append_json_string(out, std::get<4>(value_)); break;
    case 5: {
      out += '[';
      bool first = true;
      for (const Json& item : std::get<5>(value_)) {
        if (!first) out += ',';
        first = false;
        item.dump_to(out);
      }
      out += ']';
      break;
    }
    case 6: {
      out += '{';
      bool first = true;
      for (const auto& [key, item] : std::get<6>(value_)) {
        if (!first) out += ',';
        first = false;
        append_json_string(out, key);
        out += ':';
        item.dump_to(out);
      }
      out += '}';
      break;
    }
    default: break;
  }
}

std::string_view Json::type_name() const {
  static constexpr std::string_view kNames[] = {"null",   "boolean", "integer", "number",
                                                "string", "array",   "object"};
  return kNames[value_.index()];
}

bool Json::boolean(bool fallback) const {
  const bool* value = std::get_if<bool>(&value_);
  return value ? *value : fallback;
}

int64_t Json::integer(int64_t fallback) const {
  if (const int64_t* value = std::get_if<int64_t>(&value_)) return *value;
  if (const double* value = std::get_if<double>(&value_)) {
    if (std::abs(*value) < 9.0e18 && *value == std::trunc(*value)) return static_cast<int64_t>(*value);
  }
  return fallback;
}

double Json::number(double fallback) const {
  if (const double* value = std::get_if<double>(&value_)) return *value;
  if (const int64_t* value = std::get_if<int64_t>(&value_)) return static_cast<double>(*value);
  return fallback;
}

std::string_view Json::text(std::string_view fallback) const {
  const std::string* value = std::get_if<std::string>(&value_);
  return value ? std::string_view(*value) : fallback;
}

const Json* Json::find(std::string_view key) const {
  const Object* object = std::get_if<Object>(&value_);
  if (!object) return nullptr;
  auto it = object->find(key);
  return it == object->end() ? nullptr : &it->second;
}

Json* Json::find(std::string_view key) {
  return const_cast<Json*>(static_cast<const Json*>(this)->find(key));
}

const Json& Json::operator[](std::string_view key) const {
  const Json* found = find(key);
  return found ? *found : kNull;
}

Json& Json::operator[](std::string_view key) {
  Object& object = members();
  auto it = object.find(key);
  if (it == object.end()) it = object.emplace(std::string(key), Json()).first;
  return it->second;
}

bool Json::erase(std::string_view key) {
  Object* object = std::get_if<Object>(&value_);
  if (!object) return false;
  auto it = object->find(key);
  if (it == object->end()) return false;
  object->erase(it);
  return true;
}

const Json& Json::at(std::initializer_list<std::string_view> path) const {
  const Json* here = this;
  for (std::string_view key : path) {
    here = here->find(key);
    if (!here) return kNull;
  }
  return *here;
}

const Json& Json::operator[](size_t index) const {
  const Array* array = std::get_if<Array>(&value_);
  return array && index < array->size() ? (*array)[index] : kNull;
}

Json& Json::operator[](size_t index) {
  Array* array = std::get_if<Array>(&value_);
  MK_CHECK(array && index < array->size());
  return (*array)[index];
}

void Json::push_back(Json item) { items().push_back(std::move(item)); }

size_t Json::size() const {
  if (const Array* array = std::get_if<Array>(&value_)) return array->size();
  if (const Object* object = std::get_if<Object>(&value_)) return object->size();
  return 0;
}

const Json::Array& Json::items() const {
  const Array* array = std::get_if<Array>(&value_);
  return array ? *array : kNoItems;
}

const Json::Object& Json::members() const {
  const Object* object = std::get_if<Object>(&value_);
  return object ? *object : kNoMembers;
}

Json::Array& Json::items() {
  if (is_null()) value_ = Array();
  MK_CHECK(is_array());
  return std::get<Array>(value_);
}

Json::Object& Json::members() {
  if (is_null()) value_ = Object();
  MK_CHECK(is_object());
  return std::get<Object>(value_);
}

bool Json::operator==(const Json& other) const {
  if (is_number() && other.is_number() && value_.index() != other.value_.index())
    return number() == other.number();
  return value_ == other.value_;
}

void append_json_string(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  size_t start = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    out.append(text, start, i - start);
    start = i + 1;
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        out += "\\u00";
        out += kHex[c >> 4];
        out += kHex[c & 15];
    }
  }
  out.append(text, start, text.size() - start);
  out += '"';
}

void append_json_number(std::string& out, double value) {
  if (!std::isfinite(value)) {
    out += "null";
    return;
  }
  char buffer[32];
  auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  const std::string_view text(buffer, static_cast<size_t>(end - buffer));
  out += text;
  // Keeps a float a float for clients that tell 1 from 1.0.
  if (text.find_first_of(".e") == std::string_view::npos) out += ".0";
}

}  // namespace mk

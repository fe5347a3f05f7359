// A JSON value: what objects, requests and replies are made of.
//
// Our own small value type over simdjson's parser, because a file that sees nlohmann-json costs 4 s to compile and
// almost every file sees this one. Object keys are sorted, so equal values print equal bytes.
// Not thread-safe; copying is deep.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"

namespace mk {

// Bounds on what is parsed from outside. Duplicate keys and invalid UTF-8 are always refused.
struct ParseLimits {
  size_t bytes_max = 3u << 20;
  size_t depth_max = 64;
  size_t nodes_max = 1'000'000;
};

class Json {
 public:
  using Array = std::vector<Json>;
  using Object = std::map<std::string, Json, std::less<>>;

  Json() = default;
  Json(std::nullptr_t) {}
  Json(bool value) : value_(value) {}
  Json(int value) : value_(int64_t{value}) {}
  Json(int64_t value) : value_(value) {}
  Json(uint32_t value) : value_(int64_t{value}) {}
  Json(uint64_t value) : value_(static_cast<int64_t>(value)) {}
  Json(double value) : value_(value) {}
  Json(std::string value) : value_(std::move(value)) {}
  Json(std::string_view value) : value_(std::string(value)) {}
  Json(const char* value) : value_(std::string(value)) {}
  Json(Array value) : value_(std::move(value)) {}
  Json(Object value) : value_(std::move(value)) {}

  // {{"key", value}, ...}; array({...}) for arrays.
  static Json object(std::initializer_list<std::pair<const std::string, Json>> members = {});
  static Json array(std::initializer_list<Json> items = {});

  static Result<Json> parse(std::string_view text, const ParseLimits& limits = {});
  std::string dump() const;
  std::string dump_pretty() const;  // two spaces an indent, newline at the end
  void dump_to(std::string& out) const;

  bool is_null() const { return value_.index() == 0; }
  bool is_bool() const { return value_.index() == 1; }
  bool is_int() const { return value_.index() == 2; }
  bool is_number() const { return value_.index() == 2 || value_.index() == 3; }
  bool is_string() const { return value_.index() == 4; }
  bool is_array() const { return value_.index() == 5; }
  bool is_object() const { return value_.index() == 6; }
  std::string_view type_name() const;  // "null", "boolean", "integer", "number", "string", "array", "object"

  // The value, or `fallback` when it is of another type. A number with a whole value reads as an integer.
  bool boolean(bool fallback = false) const;
  int64_t integer(int64_t fallback = 0) const;
  double number(double fallback = 0) const;
  std::string_view text(std::string_view fallback = {}) const;  // lives as long as this value

  // Members. Reading a missing key, or a key of a value that is no object, gives a shared null.
  const Json& operator[](std::string_view key) const;
  const Json& operator[](const char* key) const { return (*this)[std::string_view(key)]; }
  const Json* find(std::string_view key) const;  // nullptr when absent
  Json* find(std::string_view key);
  bool contains(std::string_view key) const { return find(key) != nullptr; }
  // Writing makes an object of null, and the key when absent.
  Json& operator[](std::string_view key);
  Json& operator[](const char* key) { return (*this)[std::string_view(key)]; }
  bool erase(std::string_view key);
  // Reads along a path of keys: at({"metadata", "labels", "app"}).
  const Json& at(std::initializer_list<std::string_view> path) const;

  // Items. Out of range reads a shared null.
  const Json& operator[](size_t index) const;
  Json& operator[](size_t index);
  const Json& operator[](int index) const { return (*this)[static_cast<size_t>(index)]; }
  Json& operator[](int index) { return (*this)[static_cast<size_t>(index)]; }
  void push_back(Json item);  // makes an array of null
  size_t size() const;        // items or members; 0 for scalars
  bool empty() const { return size() == 0; }

  // Iteration; empty for other types.
  const Array& items() const;
  const Object& members() const;
  Array& items();    // makes an array of null
  Object& members();  // makes an object of null

  bool operator==(const Json& other) const;

 private:
  std::variant<std::monostate, bool, int64_t, double, std::string, Array, Object> value_;
};

// Appends `text` as a JSON string with quotes. For code that prints JSON without building a value.
void append_json_string(std::string& out, std::string_view text);
// Appends the shortest text that reads back as `value`; NaN and infinities as null.
void append_json_number(std::string& out, double value);

}  // namespace mk

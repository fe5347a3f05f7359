// What all MLflow routes share: how an Error looks on this protocol, how arguments are read from a query or a
// JSON body, and how one row becomes the two doors (/api for clients, /ajax-api for browsers) that MLflow
// has.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/route.h"
#include "base/error.h"
#include "base/json.h"
#include "net/http.h"

namespace mk::api::mlflow {

// {"error_code": ..., "message": ...} with MLflow's status. Never 500 for what a user did: the client retries
// those for minutes.
net::Response error_reply(const Error& error);
net::Response ok(std::string json_text = "{}");

// The arguments of one call, or one object inside them. Getters check types and name the field in their
// error; absent and null are the same. Unknown fields are ignored, as protobuf readers do.
class Arguments {
 public:
  // The query for GET and DELETE without a body, else the JSON body (an empty one is {}).
  static Result<Arguments> read(const net::Request& request);
  explicit Arguments(Json object, std::string prefix = {});

  bool has(std::string_view field) const;
  // Required ones fail when absent; `text` also when empty.
  Result<std::string> text(std::string_view field) const;
  Result<int64_t> integer(std::string_view field) const;
  // Doubles may be written as "NaN", "Infinity" and "-Infinity", as protobuf's JSON does.
  Result<double> number(std::string_view field) const;
  Result<std::optional<std::string>> text_if_any(std::string_view field) const;
  Result<std::optional<int64_t>> integer_if_any(std::string_view field) const;
  Result<bool> boolean(std::string_view field, bool fallback) const;
  Result<std::vector<std::string>> texts(std::string_view field) const;  // absent = empty
  Result<std::vector<Arguments>> objects(std::string_view field) const;  // absent = empty
  Result<std::optional<Arguments>> object_if_any(std::string_view field) const;
  // max_results: `fallback` when absent; must be 1..most.
  Result<size_t> count(std::string_view field, size_t fallback, size_t most) const;
  // The index of the value in `names`: enums are sent by name (or by protobuf number `first` + index).
  Result<std::optional<size_t>> choice_if_any(std::string_view field,
                                              const std::vector<std::string_view>& names,
                                              int64_t first) const;
  const Json& json() const { return object_; }

 private:
  std::string path(std::string_view field) const { return prefix_ + std::string(field); }
  Failure wrong(std::string_view field, std::string_view wanted, const Json& got) const;
  const Json* value(std::string_view field) const;

  Json object_;
  std::string prefix_;       // "metrics[3]." in front of field names
  bool from_query_ = false;  // every value is a list of texts
};

// One call: arguments (path {segments} are in request.params) to the JSON text of the answer.
using Call = std::function<Result<std::string>(const Arguments&, const net::Request&, const Caller&)>;
Whole whole(Call call);  // runs on a worker thread, may block on the store
Quick quick(Call call);  // runs on the I/O thread, must not block

// Every row with a pattern "/api/..." also at "/ajax-api/...", with this protocol's error form.
std::vector<Route> with_ajax_twins(std::vector<Route> rows);

}  // namespace mk::api::mlflow

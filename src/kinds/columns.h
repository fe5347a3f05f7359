// What the columns of a kind print for one object, as a Kubernetes server computes them.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/json_text.h"
#include "base/time.h"
#include "kinds/kind.h"

namespace mk::kinds {

// A string, integer, boolean, or null for an empty cell. `now` turns times into ages.
Json cell(const Column& column, const Json& object, Time now);

// An object as the store printed it. Most columns are read from the text; it is parsed for those that need
// more.
class PrintedObject {
 public:
  explicit PrintedObject(std::string_view text) : text_(text) {}
  std::string_view text() const { return text_; }
  const Members& metadata() const;
  const Json& json() const;

 private:
  const std::string_view text_;
  mutable std::optional<Members> metadata_;
  mutable std::optional<Json> json_;
};
// Appends what `cell` gives, printed.
void append_cell(std::string& out, const Column& column, const PrintedObject& object, Time now);

}  // namespace mk::kinds

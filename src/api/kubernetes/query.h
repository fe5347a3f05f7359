// The query parameters of the Kubernetes API, checked.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "api/kubernetes/conversions.h"
#include "base/error.h"
#include "core/objects.h"
#include "kinds/kind.h"
#include "net/http.h"

namespace mk::api::kubernetes {

struct ListQuery {
  core::Selector selector;
  int64_t limit = 0;  // 0 = all
  // From `continue`: where the last page ended and the version that all pages of this list carry.
  struct Continue {
    std::string space, name;
    store::Version version = 0;
  };
  std::optional<Continue> after;
  std::optional<store::Version> version;  // resourceVersion; unset and 0 mean "whatever you have"
  bool exact = false;                     // resourceVersionMatch=Exact
  bool watch = false;
  bool only_visible = false;  // visible=true, ours: what the caller may see, instead of a refusal (docs/access.md)
  bool bookmarks = false;
  bool initial_events = false;  // sendInitialEvents=true
  std::optional<int64_t> timeout_s;

  static Result<ListQuery> parse(const net::Query& query, const kinds::Kind& kind,
                                 const Conversion* conversion = nullptr);
};

std::string continue_token(const ListQuery::Continue& after);

// dryRun, fieldManager, fieldValidation.
Result<core::WriteOptions> parse_write_query(const net::Query& query, std::string_view options);

// Whole numbers and booleans as Go's strconv reads them; `name` is for the error.
Result<std::optional<int64_t>> query_integer(const net::Query& query, std::string_view name);
Result<bool> query_boolean(const net::Query& query, std::string_view name);

Result<net::Query> query_of(const net::Request& request);

// A list may be a watch, and one that selects a single name asks for that name only: as Kubernetes has it.
void ask_as_list(const net::Request& request, core::Ask& ask, std::string& held);
// The same as Route::refine.
void refine_list(const net::Request& request, const std::vector<std::string>& segments, core::Ask& ask, std::string& held);

// The name when the field selector is nothing but "metadata.name=NAME", else empty.
std::string name_selected(const net::Request& request);

}  // namespace mk::api::kubernetes

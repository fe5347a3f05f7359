// What makes a page token safe: it says for which query it was made.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"

namespace mk::tracking {

// A number that two different queries share by chance only. Add every part in order.
class Fingerprint {
 public:
  void add(std::string_view part);
  int64_t value() const { return static_cast<int64_t>(hash_); }

 private:
  uint64_t hash_ = 0xcbf29ce484222325ull;
};

// `mark` is where the page ended. Opaque text; safe in a query string.
std::string make_page_token(const Fingerprint& query, Json mark);
// The mark. kInvalidArgument when the token is damaged or was made for another query.
Result<Json> read_page_token(std::string_view token, const Fingerprint& query);
Failure bad_page_token(std::string_view why = "is not one that this server gave");

}  // namespace mk::tracking

#include "modules/tracking/page_token.h"

#include "base/encoding.h"
#include "base/format.h"

namespace mk::tracking {
namespace {
constexpr size_t kTokenBytesMax = 400u << 10;  // the largest sort values, twice encoded
}

void Fingerprint::add(std::string_view part) {
  const auto byte = [this](unsigned char c) { hash_ = (hash_ ^ c) * 0x100000001b3ull; };  // FNV-1a
  for (unsigned shift = 0; shift < 64; shift += 8) byte(static_cast<unsigned char>(part.size() >> shift));
  for (const char c : part) byte(static_cast<unsigned char>(c));
}

std::string make_page_token(const Fingerprint& query, Json mark) {
  return base64url_encode(Json::array({query.value(), std::move(mark)}).dump());
}

Result<Json> read_page_token(std::string_view token, const Fingerprint& query) {
  if (token.size() > kTokenBytesMax) return bad_page_token();
  const auto bytes = base64url_decode(token);
  if (!bytes) return bad_page_token();
  const auto json = Json::parse(*bytes);
  if (!json || json->size() != 2 || !(*json)[0].is_int()) return bad_page_token();
  if ((*json)[0].integer() != query.value())
    return bad_page_token(
        "belongs to another query: everything but the token must stay the same between pages");
  return (*json)[1];
}

Failure bad_page_token(std::string_view why) {
  return fail(Error{Code::kInvalidArgument, "page_token_invalid", fmt::format("the page_token {}", why),
                    "start again without one"}
                  .at_field("page_token"));
}

}  // namespace mk::tracking

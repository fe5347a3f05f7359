// Text encodings that cross the wire: base64 (RFC 4648), hex, percent (RFC 3986).
#pragma once
#include <string>
#include <string_view>

#include "base/error.h"

namespace mk {

std::string base64_encode(std::string_view bytes);
Result<std::string> base64_decode(std::string_view text);  // padding required; nothing else between
std::string base64url_encode(std::string_view bytes);      // no padding
Result<std::string> base64url_decode(std::string_view text);
std::string hex_encode(std::string_view bytes);
Result<std::string> hex_decode(std::string_view text);

// Decodes once. A stray % or NUL is an error. `plus_is_space` for query strings.
Result<std::string> percent_decode(std::string_view text, bool plus_is_space = false);
std::string percent_encode(std::string_view text);  // all but unreserved characters

}  // namespace mk

// What may be a name, a key, a version number. MLflow's rules, and no control characters anywhere.
// Pure. Errors name the field and the offending text (cut to a sane length).
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "modules/registry/types.h"

namespace mk::registry {

std::string shown(std::string_view text);  // 'text', cut and made printable, for messages

Result<void> check_model_name(std::string_view name, std::string_view field = "name");
Result<void> check_logged_model_name(std::string_view name);
Result<void> check_alias(std::string_view alias);      // letters, digits, _ and -
Result<void> check_new_alias(std::string_view alias);  // and not "latest" or "v7", which mean something else
Result<void> check_tag(const Tag& tag);
Result<void> check_tags(const std::vector<Tag>& tags);
Result<void> check_param(const Tag& param);
Result<void> check_length(std::string_view field, std::string_view text, size_t bytes_max);
Result<int64_t> parse_version(std::string_view text);  // a whole number from 1
Result<std::string> canonical_stage(
    std::string_view stage);  // None, Staging, Production, Archived in any case

// Last value of a repeated key wins, order of first appearance kept.
std::vector<Tag> last_of_each_key(std::vector<Tag> tags);

}  // namespace mk::registry
